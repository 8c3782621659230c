//! The model against its own samples: what the contract's `test` runs before a version is served.

use crate::input;
use crate::model::{Model, name};
use serde_json::Value;

/// Asks the model each line of `models/<name>/samples.jsonl`. Errors: the first line that is answered otherwise.
pub fn check(model: Option<&Model>) -> Result<(), String> {
    let path = format!("models/{}/samples.jsonl", name());
    let (Some(model), Ok(text)) = (model, std::fs::read_to_string(&path)) else {
        println!("no model with samples yet: nothing to check");
        return Ok(());
    };
    for (number, line) in text.lines().enumerate() {
        let at = format!("{path}:{}", number + 1);
        let sample: Value = serde_json::from_str(line).map_err(|error| format!("{at}: {error}"))?;
        let rows =
            input::parse(sample["input"].to_string().as_bytes()).map_err(|why| format!("{at}: {why}"))?;
        let said = model.answer(&rows)?;
        if said != sample["output"] {
            return Err(format!("{at}: expected {}, the service says {said}", sample["output"]));
        }
    }
    println!("{} samples are answered as the judge saw", text.lines().count());
    Ok(())
}
