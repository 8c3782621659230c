//! YAML as a tree in which every key and value knows its place.
//!
//! The text is read as events, never into typed values, so that one mistake does not hide the next.
//! Depth, nodes and aliases are bounded: a text of some kilobytes never becomes a tree of gigabytes.

use super::Problem;
use crate::text::without_mark;
use serde_saphyr::granit_parser::{Event, Marker, Parser, ScalarStyle, Span};
use std::collections::BTreeMap;

/// How much of a file is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Units: bytes.
    pub(crate) bytes: usize,
    /// Values, those that aliases repeat included.
    pub(crate) nodes: usize,
    /// Aliases (`*name`).
    pub(crate) aliases: usize,
    /// Deepest nesting.
    pub(crate) depth: usize,
}

/// Limits of files of our own grammar, whatever their size.
const OWN: Limits = Limits {
    bytes: 0,
    nodes: 10_000,
    aliases: 50,
    depth: 16,
};

/// A place in the text. Units: lines and columns from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// A value and where it starts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) at: Mark,
    pub(crate) value: Value,
}

/// What a value is, before anybody asked for a type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// A scalar as it was written; `plain` when without quotes.
    Scalar { text: String, plain: bool },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in the order of the file; keys are unique.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) at: Mark,
}

/// Reads one YAML document of at most `bytes_max` bytes.
///
/// Errors: every problem of structure: syntax, duplicate keys, too large or too deep, tags, several documents.
pub(crate) fn read(text: &str, bytes_max: usize) -> Result<Node, Vec<Problem>> {
    let bytes = bytes_max;
    read_within(text, Limits { bytes, ..OWN })
}

/// Reads one YAML document within other limits. Errors: as [`read`].
pub(crate) fn read_within(text: &str, limits: Limits) -> Result<Node, Vec<Problem>> {
    if text.len() > limits.bytes {
        let message = format!(
            "the file has {} bytes, at most {} are read",
            text.len(),
            limits.bytes
        );
        return Err(vec![problem(START, message)]);
    }
    let mut builder = Builder::new(limits);
    for event in Parser::new_from_str(without_mark(text)) {
        let step = match event {
            Ok((event, span)) => builder.take(event, span),
            Err(error) => {
                let (at, message) = (mark(error.marker()), error.info());
                builder
                    .problems
                    .push(problem(at, format!("this is not YAML: {message}")));
                break;
            }
        };
        if let Err(fatal) = step {
            builder.problems.push(fatal);
            break;
        }
    }
    match builder.root {
        Some(root) if builder.problems.is_empty() => Ok(root),
        None if builder.problems.is_empty() => Err(vec![problem(START, "the file is empty")]),
        Some(_) | None => Err(builder.problems),
    }
}

/// Where a text starts.
pub(crate) const START: Mark = Mark { line: 1, column: 1 };

/// A problem at a place.
pub(crate) fn problem(at: Mark, message: impl Into<String>) -> Problem {
    Problem {
        line: at.line,
        column: at.column,
        message: message.into(),
    }
}

impl Node {
    /// What the value is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Scalar { .. } => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    fn count(&self) -> usize {
        match &self.value {
            Value::Null | Value::Scalar { .. } => 1,
            Value::List(items) => 1 + items.iter().map(Node::count).sum::<usize>(),
            Value::Map(entries) => {
                1 + entries
                    .iter()
                    .map(|(_, node)| 1 + node.count())
                    .sum::<usize>()
            }
        }
    }
}

/// A collection that is still open.
struct Frame {
    at: Mark,
    anchor: usize,
    inside: Inside,
}

enum Inside {
    List(Vec<Node>),
    Map(Vec<(Key, Node)>, Option<Key>),
}

struct Builder {
    limits: Limits,
    open: Vec<Frame>,
    anchors: BTreeMap<usize, Node>,
    root: Option<Node>,
    problems: Vec<Problem>,
    nodes: usize,
    aliases: usize,
}

impl Builder {
    fn new(limits: Limits) -> Builder {
        Builder {
            limits,
            open: Vec::new(),
            anchors: BTreeMap::new(),
            root: None,
            problems: Vec::new(),
            nodes: 0,
            aliases: 0,
        }
    }

    /// Takes one event. Errors: a problem after which reading on makes no sense.
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        let at = mark(&span.start);
        if event.tag().is_some() {
            self.problems
                .push(problem(at, "tags (`!…`) are not supported"));
        }
        match event {
            Event::DocumentStart(..) if self.root.is_some() => Err(problem(
                at,
                "only one document is read, remove the second `---`",
            )),
            Event::Scalar(text, style, anchor, _) => {
                let plain = matches!(style, ScalarStyle::Plain);
                let value = match text.as_ref() {
                    "" | "~" | "null" | "Null" | "NULL" if plain => Value::Null,
                    _ => Value::Scalar {
                        text: text.into_owned(),
                        plain,
                    },
                };
                self.attach(Node { at, value }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => self.push(at, anchor, Inside::List(Vec::new())),
            Event::MappingStart(_, anchor, _) => {
                self.push(at, anchor, Inside::Map(Vec::new(), None))
            }
            Event::SequenceEnd | Event::MappingEnd => self.pop(),
            Event::Alias(id) => self.repeat(at, id),
            Event::UnresolvedAlias(_) => Err(problem(at, "this alias repeats nothing")),
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(..)
            | Event::DocumentEnd
            | Event::Anchor(..) => Ok(()),
            // Comments, where another crate turns them on.
            _ => Ok(()),
        }
    }

    fn push(&mut self, at: Mark, anchor: usize, inside: Inside) -> Result<(), Problem> {
        let most = self.limits.depth;
        if self.open.len() >= most {
            return Err(problem(at, format!("nested deeper than {most} levels")));
        }
        self.open.push(Frame { at, anchor, inside });
        Ok(())
    }

    fn pop(&mut self) -> Result<(), Problem> {
        let Some(Frame { at, anchor, inside }) = self.open.pop() else {
            return Ok(());
        };
        let value = match inside {
            Inside::List(items) => Value::List(items),
            Inside::Map(entries, _) => Value::Map(entries),
        };
        self.attach(Node { at, value }, anchor)
    }

    fn repeat(&mut self, at: Mark, id: usize) -> Result<(), Problem> {
        self.aliases += 1;
        let most = self.limits.aliases;
        if self.aliases > most {
            return Err(problem(at, format!("more than {most} aliases")));
        }
        let Some(target) = self.anchors.get(&id) else {
            return Err(problem(
                at,
                "an alias may not stand inside the value that it repeats",
            ));
        };
        self.nodes += target.count();
        let value = target.value.clone();
        self.attach(Node { at, value }, 0)
    }

    fn attach(&mut self, node: Node, anchor: usize) -> Result<(), Problem> {
        self.nodes += 1;
        let most = self.limits.nodes;
        if self.nodes > most {
            return Err(problem(node.at, format!("more than {most} values")));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|frame| &mut frame.inside) {
            None => self.root = Some(node),
            Some(Inside::List(items)) => items.push(node),
            Some(Inside::Map(entries, waiting)) => match waiting.take() {
                None => *waiting = Some(key(node, &mut self.problems)),
                Some(key) => insert(entries, key, node, &mut self.problems),
            },
        }
        Ok(())
    }
}

fn key(node: Node, problems: &mut Vec<Problem>) -> Key {
    let at = node.at;
    let text = match node.value {
        Value::Scalar { text, .. } => text,
        Value::Null | Value::List(_) | Value::Map(_) => {
            problems.push(problem(at, "a key must be a word"));
            String::new()
        }
    };
    if text == "<<" {
        problems.push(problem(
            at,
            "merge keys (`<<`) are not supported, write the keys out",
        ));
    }
    Key { text, at }
}

fn insert(entries: &mut Vec<(Key, Node)>, key: Key, node: Node, problems: &mut Vec<Problem>) {
    if let Some((first, _)) = entries.iter().find(|(known, _)| known.text == key.text) {
        let message = format!(
            "`{}` stands here twice, first on line {}",
            shown(&key.text),
            first.at.line
        );
        problems.push(problem(key.at, message));
    } else {
        entries.push((key, node));
    }
}

/// A text of the file, cut for a message.
pub(crate) fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    let clean: String = text
        .chars()
        .take(CHARS_MAX)
        .map(|c| if c.is_control() || c == '`' { ' ' } else { c })
        .collect();
    if text.chars().count() > CHARS_MAX {
        format!("{clean}…")
    } else {
        clean
    }
}

fn mark(marker: &Marker) -> Mark {
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    Mark {
        line: number(marker.line()).max(1),
        column: number(marker.col().saturating_add(1)),
    }
}
