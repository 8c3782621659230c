//! What a request may look like, and the rows of numbers in it.
//!
//! Every form ends as rows of 64 raw pixels: 0 is paper, 16 is ink.

use serde_json::Value;

/// Pixels of an image: 8 lines of 8.
const PIXELS: usize = 64;
/// A pixel full of ink.
const INK_MAX: f32 = 16.0;
/// Most rows of one request.
const ROWS_MAX: usize = 10_000;

/// The rows of a JSON body. Errors: why it cannot be answered, in words for its sender.
pub fn parse(body: &[u8]) -> Result<Vec<Vec<f32>>, String> {
    let request: Value =
        serde_json::from_slice(body).map_err(|error| format!("the body is no JSON: {error}"))?;
    let request =
        request.as_object().ok_or("the body must be a JSON object, such as {\"rows\": [[64 numbers]]}")?;
    if let Some(unknown) = request.keys().find(|key| *key != "rows") {
        return Err(format!("unknown key `{unknown}`; known is rows"));
    }
    let rows = request.get("rows").and_then(Value::as_array).ok_or("rows must be a list of rows")?;
    counted(rows.len())?;
    rows.iter().map(row).collect()
}

/// The rows of a binary body: one image after the other, 64 bytes each, 0 for paper to 255 for ink. Errors: as [`parse`].
pub fn parse_bytes(body: &[u8]) -> Result<Vec<Vec<f32>>, String> {
    if body.len() % PIXELS != 0 {
        return Err(format!(
            "a binary body is a multiple of {PIXELS} bytes, one a pixel; got {}",
            body.len()
        ));
    }
    counted(body.len() / PIXELS)?;
    let grey = |image: &[u8]| image.iter().map(|byte| f32::from(*byte) * INK_MAX / 255.0).collect();
    Ok(body.chunks(PIXELS).map(grey).collect())
}

fn counted(rows: usize) -> Result<(), String> {
    match rows {
        0 => Err("there must be at least one row".to_owned()),
        1..=ROWS_MAX => Ok(()),
        _ => Err(format!("{rows} rows in one request; at most {ROWS_MAX} are answered")),
    }
}

fn row(value: &Value) -> Result<Vec<f32>, String> {
    let values = value.as_array().ok_or("a row is a list of 64 numbers")?;
    if values.len() != PIXELS {
        return Err(format!("a row is {PIXELS} numbers; got {} values", values.len()));
    }
    values.iter().map(pixel).collect()
}

fn pixel(value: &Value) -> Result<f32, String> {
    let pixel = value.as_f64().ok_or("every value of a row must be a number")? as f32;
    match (0.0..=INK_MAX).contains(&pixel) {
        true => Ok(pixel),
        false => {
            Err("pixels go from 0 (paper) to 16 (ink); scale other ranges, 255 for example, to that"
                .to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rows_are_read_and_everything_else_is_told() {
        let asked = |body: Value| parse(body.to_string().as_bytes());
        assert_eq!(asked(json!({"rows": [vec![0.5; PIXELS]]})), Ok(vec![vec![0.5; PIXELS]]));
        for (body, words) in [
            (json!([]), "must be a JSON object"),
            (json!({}), "rows must be a list"),
            (json!({"rows": []}), "at least one row"),
            (json!({"rows": vec![0; ROWS_MAX + 1]}), "at most 10000"),
            (json!({"rows": [7]}), "a list of 64 numbers"),
            (json!({"rows": [[1, 2, 3]]}), "got 3 values"),
            (json!({"rows": [vec!["x"; PIXELS]]}), "must be a number"),
            (json!({"rows": [vec![17; PIXELS]]}), "pixels go from 0"),
            (json!({"rows": [vec![-1; PIXELS]]}), "pixels go from 0"),
            (json!({"row": []}), "unknown key `row`"),
        ] {
            let told = asked(body).expect_err(words);
            assert!(told.contains(words), "{told}");
        }
        assert!(parse(b"{").expect_err("no JSON").contains("no JSON"));
    }

    #[test]
    fn bytes_are_images_on_another_scale() {
        assert_eq!(parse_bytes(&[255; PIXELS]), Ok(vec![vec![INK_MAX; PIXELS]]));
        assert!(parse_bytes(&[0; 65]).is_err() && parse_bytes(&[]).is_err());
    }
}
