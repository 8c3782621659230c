//! What the command line prints: lines on standard output, words about failures on standard error.
//!
//! A reader that goes away (`| head`) ends the program quietly.

use std::io::Write;

/// Prints a line.
pub(crate) fn line(text: &str) {
    print(text, "\n");
}

/// Prints a text as it is.
pub(crate) fn text(text: &str) {
    print(text, "");
}

/// Prints a value as JSON for machines.
pub(crate) fn json(value: &serde_json::Value) {
    line(&serde_json::to_string_pretty(value).unwrap_or_default());
}

/// Says what failed, on standard error.
pub(crate) fn error(text: &str) {
    // Where standard error is gone nobody is left to be told.
    let _ = writeln!(std::io::stderr().lock(), "error: {text}");
}

/// Says something beside the output, on standard error.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

fn print(text: &str, end: &str) {
    let mut out = std::io::stdout().lock();
    if write!(out, "{text}{end}")
        .and_then(|()| out.flush())
        .is_err()
    {
        std::process::exit(1);
    }
}
