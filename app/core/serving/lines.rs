//! A gateway's log as lines of JSON, which log services take and search.
//!
//! Source: the log's own form, `<unix_ms> <server|gateway> <text>`; NDJSON, <https://github.com/ndjson/ndjson-spec> (1.0.0).

use jiff::Timestamp;
use serde_json::json;

/// The lines of this text as lines of JSON, each with its service and environment; of a line in another form all is text.
pub fn json_lines(text: &str, (service, environment): (&str, &str)) -> String {
    let lines = text.lines().map(|line| {
        let (time, source, line) = match parts(line) {
            Some((at, source, line)) => (Some(at.to_string()), Some(source), line),
            None => (None, None, line),
        };
        let told = json!({"time": time, "service": service, "environment": environment,
            "source": source, "line": line});
        format!("{told}\n")
    });
    lines.collect()
}

fn parts(line: &str) -> Option<(Timestamp, &str, &str)> {
    let (at, rest) = line.split_once(' ')?;
    let at = Timestamp::from_millisecond(at.parse().ok()?).ok()?;
    let (source, text) = rest.split_once(' ').unwrap_or((rest, ""));
    matches!(source, "server" | "gateway").then_some((at, source, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn a_line_has_its_time_its_source_and_whose_it_is() {
        let text = "1700000000123 server {\"a\": \"b\"}\n1700000001000 gateway r1 is live\n1700000001000 server \nfree words\n99999999999999999999 server x\n1 other y\n";
        expect![[r#"
            {"environment":"staging","line":"{\"a\": \"b\"}","service":"octo/digits","source":"server","time":"2023-11-14T22:13:20.123Z"}
            {"environment":"staging","line":"r1 is live","service":"octo/digits","source":"gateway","time":"2023-11-14T22:13:21Z"}
            {"environment":"staging","line":"","service":"octo/digits","source":"server","time":"2023-11-14T22:13:21Z"}
            {"environment":"staging","line":"free words","service":"octo/digits","source":null,"time":null}
            {"environment":"staging","line":"99999999999999999999 server x","service":"octo/digits","source":null,"time":null}
            {"environment":"staging","line":"1 other y","service":"octo/digits","source":null,"time":null}
        "#]]
        .assert_eq(&json_lines(text, ("octo/digits", "staging")));
        assert_eq!(json_lines("", ("a", "b")), "");
    }
}
