//! The word that somebody probably meant.

/// The nearest of `words`, if it is near: one slip in a short word, two in one of six letters or more.
pub(crate) fn nearest<'a>(word: &str, words: &[&'a str]) -> Option<&'a str> {
    const WORD_CHARS_MAX: usize = 40;
    if word.chars().count() > WORD_CHARS_MAX {
        return None;
    }
    let word = word.to_ascii_lowercase();
    words
        .iter()
        .map(|known| (slips(&word, known), *known))
        .filter(|(slips, known)| *slips <= if known.len() < 6 { 1 } else { 2 })
        .min()
        .map(|(_, known)| known)
}

/// How many letters were added, dropped, changed or swapped with their neighbour.
fn slips(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let changed = above[j] + usize::from(a[i] != b[j]);
            let mut best = changed.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_not() {
        let words = ["lgtm", "approve", "hold", "retest"];
        for (word, found) in [
            ("ltgm", Some("lgtm")),
            ("LGTM", Some("lgtm")),
            ("aprove", Some("approve")),
            ("aproev", Some("approve")),
            ("holds", Some("hold")),
            ("kind", None),
            ("", None),
            ("improve", Some("approve")),
            ("proven", None),
        ] {
            assert_eq!(nearest(word, &words), found, "{word}");
        }
    }
}
