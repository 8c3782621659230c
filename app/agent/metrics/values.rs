//! Trees of JSON, YAML and TOML, flattened to leaves joined by dots.
//!
//! A text is none of the figures, though a number may stand in it: who wrote it in quotes did not measure it.

use bowsprit_core::training::spec::MetricValue;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Deepest tree that is walked.
const DEPTH_MAX: usize = 32;

/// What stands at the end of a path.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Leaf {
    /// A number, or the name of what is none.
    Value(MetricValue),
    /// A text.
    Text(String),
}

/// The leaves of a JSON text, where Python's bare `NaN` and `Infinity` are taken too.
pub(super) fn from_json(text: &str) -> Result<Vec<(String, Leaf)>, String> {
    serde_json::from_str::<Tree>(&quote_bare_words(text))
        .map(leaves)
        .map_err(|error| error.to_string())
}

/// The leaves of a YAML text.
pub(super) fn from_yaml(text: &str) -> Result<Vec<(String, Leaf)>, String> {
    let options = serde_saphyr::options! {
        non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::PassThrough,
    };
    serde_saphyr::from_str_with_options::<Tree>(text, options)
        .map(leaves)
        .map_err(|error| {
            error
                .to_string()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned()
        })
}

/// The leaves of a TOML text.
pub(super) fn from_toml(text: &str) -> Result<Vec<(String, Leaf)>, String> {
    toml::from_str::<Tree>(text)
        .map(leaves)
        .map_err(|error| error.message().to_owned())
}

/// A number, or the name of what is none; `None` for a text that is neither.
pub(super) fn parse_value(text: &str) -> Option<MetricValue> {
    let unsigned = text.trim_start_matches(['+', '-']);
    let is_number = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && text.len() - unsigned.len() <= 1;
    if is_number {
        return text.parse().ok().map(of_number);
    }
    let named = match unsigned.to_ascii_lowercase().as_str() {
        "nan" => "NaN",
        "inf" | "infinity" if text.starts_with('-') => "-Infinity",
        "inf" | "infinity" => "Infinity",
        _ => return None,
    };
    Some(MetricValue::Other(named.to_owned()))
}

fn of_number(number: f64) -> MetricValue {
    if number.is_finite() {
        MetricValue::Number(number)
    } else if number.is_nan() {
        MetricValue::Other("NaN".to_owned())
    } else {
        MetricValue::Other(
            if number > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            }
            .to_owned(),
        )
    }
}

enum Tree {
    Leaf(Leaf),
    Branch(Vec<(String, Tree)>),
    /// A list, a truth value: no metric.
    Nothing,
}

fn leaves(tree: Tree) -> Vec<(String, Leaf)> {
    let mut found = Vec::new();
    flatten(tree, String::new(), 0, &mut found);
    found
}

fn flatten(tree: Tree, name: String, depth: usize, found: &mut Vec<(String, Leaf)>) {
    match tree {
        Tree::Leaf(value) => found.push((name, value)),
        Tree::Branch(children) if depth < DEPTH_MAX && found.len() < super::METRICS_MAX => {
            for (key, child) in children {
                let name = if name.is_empty() {
                    key
                } else {
                    format!("{name}.{key}")
                };
                flatten(child, name, depth + 1, found);
            }
        }
        Tree::Branch(_) | Tree::Nothing => {}
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Tree, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("metrics")
    }

    fn visit_f64<E>(self, number: f64) -> Result<Tree, E> {
        Ok(Tree::Leaf(Leaf::Value(of_number(number))))
    }

    #[expect(clippy::cast_precision_loss, reason = "a metric is a float")]
    fn visit_i64<E>(self, number: i64) -> Result<Tree, E> {
        Ok(Tree::Leaf(Leaf::Value(of_number(number as f64))))
    }

    #[expect(clippy::cast_precision_loss, reason = "a metric is a float")]
    fn visit_u64<E>(self, number: u64) -> Result<Tree, E> {
        Ok(Tree::Leaf(Leaf::Value(of_number(number as f64))))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Tree, E> {
        Ok(Tree::Nothing)
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        let text = text.trim();
        // NaN and its like have no other form in JSON; they never pass a gate.
        let named = parse_value(text).filter(|value| matches!(value, MetricValue::Other(_)));
        let is_named = named.filter(|_| !text.contains(|c: char| c.is_ascii_digit()));
        Ok(Tree::Leaf(
            is_named.map_or_else(|| Leaf::Text(text.to_owned()), Leaf::Value),
        ))
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        // Some writers say so for NaN: it must fail a gate, not be missing from it.
        Ok(Tree::Leaf(Leaf::Value(MetricValue::Other(
            "null".to_owned(),
        ))))
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Tree, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        Tree::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Tree::Nothing)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut children = Vec::new();
        while let Some(child) = map.next_entry::<String, Tree>()? {
            children.push(child);
        }
        Ok(Tree::Branch(children))
    }
}

/// Puts Python's `NaN`, `Infinity` and `-Infinity` into quotes where they stand for a value.
fn quote_bare_words(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['"', 'N', 'I', '-']) {
        quoted.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = if rest.starts_with('"') {
            end_of_string(rest)
        } else if let Some(word) = ["NaN", "-Infinity", "Infinity"]
            .iter()
            .find(|word| rest.starts_with(**word))
        {
            quoted.push('"');
            quoted.push_str(word);
            quoted.push('"');
            rest = &rest[word.len()..];
            continue;
        } else {
            1
        };
        quoted.push_str(&rest[..end]);
        rest = &rest[end..];
    }
    quoted.push_str(rest);
    quoted
}

fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_words_are_quoted_outside_of_strings_only() {
        let text = r#"{"NaN \" Infinity": NaN, "a": -Infinity, "b": [-1, Infinity]}"#;
        let wanted = r#"{"NaN \" Infinity": "NaN", "a": "-Infinity", "b": [-1, "Infinity"]}"#;
        assert_eq!(quote_bare_words(text), wanted);
    }

    #[test]
    fn values_are_numbers_or_the_names_of_none() {
        for (text, value) in [("1", 1.0), ("-.5", -0.5), ("+2e-3", 0.002)] {
            assert_eq!(
                parse_value(text),
                Some(MetricValue::Number(value)),
                "{text}"
            );
        }
        assert_eq!(
            parse_value("nan"),
            Some(MetricValue::Other("NaN".to_owned()))
        );
        assert_eq!(
            parse_value("-inf"),
            Some(MetricValue::Other("-Infinity".to_owned()))
        );
        assert_eq!(
            parse_value("1e999"),
            Some(MetricValue::Other("Infinity".to_owned()))
        );
        for text in ["", "x", "1x", "--1", "."] {
            assert_eq!(parse_value(text), None, "{text}");
        }
    }

    #[test]
    fn toml_is_flattened() {
        let found = from_toml("[a]\nb = 1\nc = nan\nd = 2024-01-01\n").unwrap();
        let nan = Leaf::Value(MetricValue::Other("NaN".to_owned()));
        assert!(found.contains(&("a.b".to_owned(), Leaf::Value(MetricValue::Number(1.0)))));
        assert!(found.contains(&("a.c".to_owned(), nan)));
    }

    #[test]
    fn a_number_in_quotes_is_a_text() {
        let number = |number: f64| Leaf::Value(MetricValue::Number(number));
        let text = |text: &str| Leaf::Text(text.to_owned());
        let nan = || Leaf::Value(MetricValue::Other("NaN".to_owned()));
        type Read = fn(&str) -> Result<Vec<(String, Leaf)>, String>;
        let all: [(Read, &str, Leaf); 18] = [
            (from_json, r#"{"a": 0.99}"#, number(0.99)),
            (from_json, r#"{"a": "0.99"}"#, text("0.99")),
            (from_json, r#"{"a": "1e999"}"#, text("1e999")),
            (from_json, r#"{"a": "high"}"#, text("high")),
            (from_json, r#"{"a": NaN}"#, nan()),
            (from_json, r#"{"a": "NaN"}"#, nan()),
            (from_yaml, "a: 0.99", number(0.99)),
            (from_yaml, "a: 1e-3", number(0.001)),
            (from_yaml, "a: .5", number(0.5)),
            (from_yaml, "a: +1", number(1.0)),
            (from_yaml, "a: -1.5E+2", number(-150.0)),
            (from_yaml, "a: '0.99'", text("0.99")),
            (from_yaml, "a: \"0.99\"", text("0.99")),
            (from_yaml, "a: .nan", nan()),
            (from_yaml, "a: high", text("high")),
            (from_toml, "a = 0.99", number(0.99)),
            (from_toml, "a = '0.99'", text("0.99")),
            (from_toml, "a = nan", nan()),
        ];
        for (read, written, wanted) in all {
            let found = read(written);
            assert_eq!(found, Ok(vec![("a".to_owned(), wanted)]), "{written}");
        }
    }
}
