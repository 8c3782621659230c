//! Keeping the values of secrets out of what a run says.
//!
//! What is looked for is each line of each value, as it stands. A step that writes a value in another form (encoded, letter
//! by letter) is not found out: steps with secrets are trusted, and this saves them from a slip.

use crate::files;

/// A shorter piece is common text: hiding it would spoil logs and hide nothing. Units: bytes.
const PIECE_BYTES_MIN: usize = 8;
/// What stands in place of a value.
const HIDDEN: &str = "***";

/// What must not be said.
#[derive(Clone, Default)]
pub(super) struct Mask {
    // The longest first, so that a value within another does not leave the rest of it.
    pieces: Vec<String>,
}

/// Whether a text is a part of a line that was too long to be read at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cut {
    /// It goes on from a text before.
    pub(super) before: bool,
    /// It goes on in a text after.
    pub(super) after: bool,
}

impl Mask {
    /// A mask of these values.
    pub(super) fn of<'a>(values: impl Iterator<Item = &'a [u8]>) -> Mask {
        let mut pieces: Vec<String> = values
            .flat_map(|value| value.split(|byte| matches!(byte, b'\n' | b'\r')))
            .flat_map(|line| line.chunks(files::LINE_BYTES_MAX))
            .map(|piece| files::plain_line(piece).trim().to_owned())
            .filter(|piece| piece.len() >= PIECE_BYTES_MIN)
            .collect();
        pieces.sort_by_key(|piece| std::cmp::Reverse(piece.len()));
        pieces.dedup();
        Mask { pieces }
    }

    /// The text without what must not be said.
    pub(super) fn hide(&self, text: &str, cut: Cut) -> String {
        let mut text = text.to_owned();
        for piece in &self.pieces {
            if text.contains(piece.as_str()) {
                text = text.replace(piece.as_str(), HIDDEN);
            }
        }
        if cut.after {
            let begun = self.pieces.iter().filter_map(|piece| {
                let parts = piece.char_indices().rev().map(|(at, _)| at);
                parts
                    .into_iter()
                    .find(|at| *at > 0 && text.ends_with(&piece[..*at]))
            });
            if let Some(length) = begun.max() {
                text.replace_range(text.len() - length.., HIDDEN);
            }
        }
        if cut.before {
            let ended = self.pieces.iter().filter_map(|piece| {
                let parts = piece.char_indices().map(|(at, _)| at);
                let found = parts
                    .into_iter()
                    .find(|at| *at > 0 && text.starts_with(&piece[*at..]));
                found.map(|at| piece.len() - at)
            });
            if let Some(length) = ended.max() {
                text.replace_range(..length, HIDDEN);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Cut = Cut {
        before: false,
        after: false,
    };

    fn mask() -> Mask {
        let values = [
            "s3cret-value\n",
            "{\n  \"id\": \"inner-part\",\r\n  \"x\": 1\n}",
            "inner-part",
        ];
        Mask::of(values.iter().map(|value| value.as_bytes()))
    }

    #[test]
    fn each_long_line_of_a_value_is_hidden_wherever_it_stands() {
        for (said, shown) in [
            ("s3cret-value", "***"),
            ("key=s3cret-value;s3cret-value", "key=***;***"),
            ("\"id\": \"inner-part\",", "***"),
            ("  got inner-part", "  got ***"),
            ("{ \"x\": 1 }", "{ \"x\": 1 }"),
            ("s3cret-valu", "s3cret-valu"),
        ] {
            assert_eq!(mask().hide(said, WHOLE), shown, "{said}");
        }
        assert_eq!(Mask::default().hide("s3cret-value", WHOLE), "s3cret-value");
    }

    #[test]
    fn a_value_at_the_edge_of_a_long_line_is_hidden_in_both_parts() {
        let (after, before) = (
            Cut {
                after: true,
                ..WHOLE
            },
            Cut {
                before: true,
                ..WHOLE
            },
        );
        assert_eq!(mask().hide("padding s3c", after), "padding ***");
        assert_eq!(mask().hide("ret-value end", before), "*** end");
        assert_eq!(mask().hide("padding s3c", WHOLE), "padding s3c");
        assert_eq!(mask().hide("ret-value end", after), "ret-value end");
    }
}
