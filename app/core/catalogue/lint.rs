//! Naming rules of quickstarts: who reads a name should know what comes.

use super::Part;

/// Longest name; GitHub takes 100 and a half's suffix is added. Units: bytes.
const NAME_BYTES_MAX: usize = 80;
/// Least words between `ML-` and the suffix: language, framework, hardware.
const WORDS_MIN: usize = 3;

/// What is wrong with the name of a quickstart or of one of its halves, each as a sentence; empty where nothing is.
///
/// Checks: `ML-` at the beginning, then language, framework and hardware at least, letters, digits, `.` and `-` only.
pub fn lint(name: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let root = name.strip_suffix(Part::of(name).tail()).unwrap_or(name);
    if !root.starts_with("ML-") {
        problems.push(format!(
            "`{name}` does not start with `ML-`; write `ML-{}`",
            name.trim_start_matches("ml-")
        ));
    }
    if root.len() > NAME_BYTES_MAX {
        problems.push(format!(
            "`{name}` is longer than {NAME_BYTES_MAX} characters before its suffix"
        ));
    }
    if let Some(wrong) = root
        .chars()
        .find(|c| !(c.is_ascii_alphanumeric() || "-.".contains(*c)))
    {
        problems.push(format!(
            "`{wrong}` in `{name}`: use letters, digits, `.` and `-`"
        ));
    }
    let words: Vec<&str> = root.trim_start_matches("ML-").split('-').collect();
    if words.iter().any(|word| word.is_empty()) {
        problems.push(format!("`{name}` has an empty word between two `-`"));
    } else if words.len() < WORDS_MIN {
        problems.push(format!(
            "`{name}` should tell language, framework and hardware, such as `ML-python-sklearn-digits-cpu`"
        ));
    } else if !words
        .last()
        .is_some_and(|word| ["cpu", "gpu"].contains(word))
    {
        problems.push(format!(
            "`{name}` should end with its hardware, `-cpu` or `-gpu`, before `-service` or `-training`"
        ));
    }
    problems
}
