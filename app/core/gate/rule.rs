//! One CEL expression: capped before it is parsed, checked after, and evaluated to yes or no.
//!
//! The expression may come from a repository, and the CEL crate has neither a time limit nor a stack of its own.
//! So the text is scanned first: its size, its bracket depth and its operators are capped, which bounds how deep the parser recurses;
//! what the parsed tree may hold (see `uses`) bounds how deep and how long evaluation goes.
//! With these caps the worst rule fits a 2 MiB stack in an unoptimised build (a test holds it), so no thread and no deadline are needed
//! and evaluation stays a pure function.

use super::uses::Uses;
use cel::parser::Expression;
use cel::parser::PrattParser;
use cel::{Context, Value};

/// Longest rule. Units: bytes.
const SOURCE_BYTES_MAX: usize = 4_096;
/// Deepest bracket.
const BRACKETS_MAX: usize = 12;
/// Most operators: each sign, dot, opening bracket and `in` counts.
const OPERATORS_MAX: usize = 200;
/// Deepest recursion of the parser, and most nodes that it makes.
const PARSER_DEPTH_MAX: u16 = 64;
const NODES_MAX: usize = 4_000;

/// Something wrong in an expression; line and column count from 1 inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RuleProblem {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) message: String,
}

/// A checked expression.
#[derive(Debug)]
pub(super) struct Rule {
    expression: Expression,
    pub(super) uses: Uses,
}

/// Why an expression gave neither yes nor no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Operands do not fit each other: `double - int`.
    Types(String),
    /// Anything else: a missing key, a division by zero.
    Value(String),
}

impl Rule {
    /// Checks and parses an expression. Errors: everything found wrong in it.
    pub(super) fn compile(source: &str) -> Result<Rule, Vec<RuleProblem>> {
        scan(source).map_err(|problem| vec![problem])?;
        let expression = PrattParser::new()
            .max_recursion_depth(PARSER_DEPTH_MAX)
            .max_expression_node_count(NODES_MAX)
            .parse(source)
            .map_err(|errors| errors.errors.iter().map(parse_problem).collect::<Vec<_>>())?;
        match Uses::of(&expression) {
            Ok(uses) => Ok(Rule { expression, uses }),
            Err(found) => Err(found
                .into_iter()
                .map(|(word, why)| at(source, word_offset(source, &word), why))
                .collect()),
        }
    }

    /// Whether the expression holds. Errors: it gave no yes or no.
    pub(super) fn holds(&self, context: &Context) -> Result<bool, Trouble> {
        match Value::resolve(&self.expression, context) {
            Ok(Value::Bool(answer)) => Ok(answer),
            Ok(other) => Err(Trouble::Types(format!(
                "it gives a {}, not true or false",
                other.type_of()
            ))),
            Err(cel::ExecutionError::NoSuchKey(key)) => {
                Err(Trouble::Value(format!("there is no `{key}`")))
            }
            Err(cel::ExecutionError::NoSuchOverload(error)) => Err(Trouble::Types(format!(
                "`{}` cannot be applied to {} (a whole number literal needs a decimal point beside a metric: `1.0`)",
                error.function(),
                error.argument_types().join(" and ")
            ))),
            Err(other) => Err(Trouble::Value(
                other.to_string().chars().take(200).collect(),
            )),
        }
    }
}

fn parse_problem(error: &cel::ParseError) -> RuleProblem {
    let position = |n: isize| usize::try_from(n).unwrap_or(1).max(1);
    RuleProblem {
        line: position(error.pos.0),
        column: position(error.pos.1),
        message: error.msg.chars().take(200).collect(),
    }
}

/// Refuses what could recurse or run too long, and every notation that would make this scan and the lexer disagree.
fn scan(source: &str) -> Result<(), RuleProblem> {
    if source.trim().is_empty() {
        return Err(at(source, 0, "the rule is empty".to_owned()));
    }
    if source.len() > SOURCE_BYTES_MAX {
        return Err(at(
            source,
            0,
            format!(
                "a rule may have {SOURCE_BYTES_MAX} bytes, not {}",
                source.len()
            ),
        ));
    }
    if let Some(offset) =
        source.find(|c: char| c == '\\' || c == '`' || (c.is_control() && c != '\n'))
    {
        return Err(at(
            source,
            offset,
            "a rule may not hold backslashes, backticks or control characters".to_owned(),
        ));
    }
    for notation in ["'''", "\"\"\"", "//"] {
        if let Some(offset) = source.find(notation) {
            return Err(at(
                source,
                offset,
                format!("`{notation}` is not allowed in a rule"),
            ));
        }
    }
    scan_tokens(source)
}

fn scan_tokens(source: &str) -> Result<(), RuleProblem> {
    let (mut quote, mut depth, mut operators) = (None, 0_usize, 0_usize);
    let mut previous = ' ';
    for (offset, c) in source.char_indices() {
        if let Some(open) = quote {
            if c == '\n' {
                return Err(at(
                    source,
                    offset,
                    "a text in a rule ends on its line".to_owned(),
                ));
            }
            if c == open {
                quote = None;
            }
            continue;
        }
        match c {
            '\'' | '"' => quote = Some(c),
            '(' | '[' | '{' => (depth, operators) = (depth + 1, operators + 1),
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '.' | '+' | '-' | '*' | '/' | '%' | '!' | '<' | '>' | '=' | '&' | '|' | '?' | ':' => {
                operators += 1
            }
            'n' if previous == 'i' => operators += 1,
            c if c.is_ascii() => {}
            _ => return Err(at(source, offset, format!("`{c}` is not part of a rule"))),
        }
        if depth > BRACKETS_MAX {
            return Err(at(
                source,
                offset,
                format!("brackets may be {BRACKETS_MAX} deep"),
            ));
        }
        if operators > OPERATORS_MAX {
            return Err(at(
                source,
                offset,
                format!("a rule may have {OPERATORS_MAX} operators"),
            ));
        }
        previous = c;
    }
    match quote {
        Some(_) => Err(at(
            source,
            source.len(),
            "a text in the rule is not closed".to_owned(),
        )),
        None => Ok(()),
    }
}

/// The first place where `word` stands alone, or the start.
fn word_offset(source: &str, word: &str) -> usize {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    source
        .match_indices(word)
        .find(|(offset, _)| {
            !source[..*offset].ends_with(is_part)
                && !source[offset + word.len()..].starts_with(is_part)
        })
        .map_or(0, |(offset, _)| offset)
}

fn at(source: &str, offset: usize, message: String) -> RuleProblem {
    let before = source.get(..offset).unwrap_or(source);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    RuleProblem {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        message,
    }
}
