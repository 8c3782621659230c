//! Text for people: Markdown that cannot be injected into, figures, and small pictures made of characters.
//!
//! Everything that comes from a repository, a log or a person goes through `escape`, `code_span` or `fence`
//! before it stands in a comment or a page's Markdown; nothing here trusts its input.

mod figure;
mod markdown;

// One public path to each: `text::x`; the files are for the reader.
pub use figure::{bytes, duration, number, signed, sparkline};
pub use markdown::{clean_line, code_span, escape, fence, link_path, paragraphs, prose};

/// The text of a file without the mark that some editors put before it (U+FEFF), which belongs to no line of it.
pub fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// The text cut to `chars_max` characters, with a word on how much is missing.
pub fn truncate(text: &str, chars_max: usize) -> String {
    let total = text.chars().count();
    if total <= chars_max {
        return text.to_owned();
    }
    // The note's own length depends on the count only by a digit; reserve for the longest.
    let note_chars = format!("… ({total} more characters)").chars().count();
    if chars_max < 2 * note_chars {
        let kept: String = text.chars().take(chars_max.saturating_sub(1)).collect();
        return format!("{kept}…").chars().take(chars_max).collect();
    }
    let kept = chars_max - note_chars;
    let head: String = text.chars().take(kept).collect();
    format!("{head}… ({} more characters)", total - kept)
}

/// Longest name that is compared. Units: characters.
const NEAREST_CHARS_MAX: usize = 64;
/// Most candidates that are compared.
const NEAREST_CANDIDATES_MAX: usize = 1_000;

/// The candidate that a person most likely meant: at most a third of its characters differ; ties go to the first.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted: Vec<char> = name
        .to_lowercase()
        .chars()
        .take(NEAREST_CHARS_MAX)
        .collect();
    candidates
        .into_iter()
        .take(NEAREST_CANDIDATES_MAX)
        .map(|candidate| {
            let letters: Vec<char> = candidate
                .to_lowercase()
                .chars()
                .take(NEAREST_CHARS_MAX)
                .collect();
            (
                distance(&wanted, &letters),
                candidate,
                letters.len().max(wanted.len()),
            )
        })
        .filter(|(edits, _, longer)| *edits <= (longer / 3).max(1) && *edits < *longer)
        .min_by_key(|(edits, _, _)| *edits)
        .map(|(_, candidate, _)| candidate)
}

/// The number of letters to insert, delete or replace to come from one to the other.
fn distance(from: &[char], to: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(to) {
            let above = *cell;
            left = (diagonal + usize::from(a != b))
                .min(above + 1)
                .min(left + 1);
            diagonal = above;
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_text_says_what_is_missing_and_keeps_its_limit() {
        assert_eq!(truncate("short", 5), "short");
        assert_eq!(truncate("abcdef", 3), "ab…");
        assert_eq!(truncate("abc", 0), "");
        let cut = truncate(&"é".repeat(1_000), 100);
        assert!(cut.chars().count() <= 100, "{}", cut.chars().count());
        let kept = cut.chars().filter(|c| *c == 'é').count();
        assert!(
            cut.ends_with(&format!("… ({} more characters)", 1_000 - kept)),
            "{cut}"
        );
    }

    #[test]
    fn the_nearest_name_is_a_likely_one_or_none() {
        let names = ["accuracy", "f1", "loss", "val_loss"];
        let check = |name, near| assert_eq!(nearest(name, names), near, "{name}");
        check("acuracy", Some("accuracy"));
        check("Accuracy", Some("accuracy"));
        check("los", Some("loss"));
        check("f2", Some("f1"));
        check("zebra", None);
        check("", None);
    }
}
