//! One CEL expression: capped before it is parsed, checked after, and evaluated to yes or no.
//!
//! The expression may come from a repository, and the CEL crate has neither a time limit nor a stack of its own.
//! So the text is scanned first: its size, its bracket depth and its operators are capped, which bounds how deep the parser recurses;
//! what the parsed tree may hold (see `uses`) bounds how deep and how long evaluation goes.
//! No loop is nested and no map is compared or copied whole, so a rule over 1 000 metrics ends within a fraction of a second.
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
            Err(cel::ExecutionError::NoSuchOverload(error)) => {
                let types = error.argument_types();
                let hint = if is_mixed(types) {
                    "; write whole numbers with a decimal point: `1.0`"
                } else {
                    ""
                };
                Err(Trouble::Types(format!(
                    "`{}` cannot be applied to {}{hint}",
                    error.function(),
                    types.join(" and ")
                )))
            }
            Err(cel::ExecutionError::UnsupportedBinaryOperator(operator, left, right)) => {
                let types = [left.type_of().to_string(), right.type_of().to_string()];
                let hint = if is_mixed(&types) {
                    "; write whole numbers with a decimal point: `1.0`"
                } else {
                    ""
                };
                Err(Trouble::Types(format!(
                    "`{operator}` cannot be applied to {}{hint}",
                    types.join(" and ")
                )))
            }
            Err(other) => Err(Trouble::Value(
                other.to_string().chars().take(200).collect(),
            )),
        }
    }
}

fn is_mixed(types: &[String]) -> bool {
    let has = |name: &str| types.iter().any(|found| found == name);
    has("int") && (has("double") || has("float"))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::context::Values;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn values() -> Values {
        Values {
            metrics: BTreeMap::from([("a".to_owned(), 0.9), ("b".to_owned(), 0.1)]),
            live: Some(BTreeMap::from([("a".to_owned(), 0.8)])),
            sign: Some(1.0),
            n_test: Some(100.0),
            ..Values::default()
        }
    }

    fn verdict(source: &str) -> Result<bool, String> {
        let rule = Rule::compile(source).map_err(|found| found[0].message.clone())?;
        rule.holds(&values().context())
            .map_err(|trouble| match trouble {
                Trouble::Types(why) | Trouble::Value(why) => why,
            })
    }

    /// The widest and deepest texts that the scan lets through: a unit repeated, a middle, a unit repeated as often.
    const WORST: &[(usize, &str, &str, &str)] = &[
        (190, "!", "true", ""),
        (190, "- ", "1.0 > 0.0", ""),
        (95, "", "true", " && true"),
        (190, "", "1 > 0", "+1"),
        (95, "", "1 > 0", " == true"),
        (100, "true ? 1 : ", "1", ""),
        (66, "true ? ", "true", " : false"),
        (190, "", "metrics", ".a"),
        (12, "metrics[", "'a'", "]"),
        (190, "", "[1]", "[0]"),
        (12, "[", "1", "]"),
        (12, "[!", "true", "]"),
        (12, "size(", "1", ")"),
        (95, "", "'a'", ".size()"),
        (60, "", "1", " in [1]"),
        (12, "metrics.all(k, true || ", "true", ")"),
        (12, "(", "", ""),
        (12, "[1,", "", ""),
        (200, "?", "", ""),
        (12, "!(", "", ""),
        (12, "a(", "", ""),
        (200, "a.", "", ""),
        (12, "-[", "-----", ""),
        (12, "(true || true && true == 1 + 1 * -", "1", ")"),
        (12, "[true ? 1 : 1 + 1 * ", "1", "]"),
        (12, "(true && ", "true", ")"),
        (12, "[false || ", "true", "]"),
        (12, "(true ? true && ", "true", " : false)"),
        (12, "(1 + 1 * ", "1", ")"),
        (11, "[1].all(x, x in ", "[1]", ")"),
        (18, "", "1", " + 1"),
        (18, "", "1 > 0", " == true"),
        (17, "", "'a'", ".size()"),
        (18, "false ? true : ", "1 > 0", ""),
        (9, "[true ? ", "1", " : 1]"),
        (9, "(1 + ", "1", ")"),
        (9, "(true ? ", "true", " : false)"),
        (6, "size([[1]]) + size([", "1", "])"),
    ];

    #[test]
    fn the_worst_rule_fits_a_small_stack() {
        // Half of the 2 MiB that this promises, so that a newer compiler or CEL crate has room.
        let small = std::thread::Builder::new().stack_size(1 << 20);
        let probe = small.spawn(|| {
            let texts = WORST.iter().flat_map(|(n, before, middle, after)| {
                let text = format!("{}{middle}{}", before.repeat(*n), after.repeat(*n));
                let in_loop = format!("metrics.all(k, [{text}] == [])");
                [text.clone(), format!("{text} > 0"), in_loop]
            });
            let found: Vec<Result<bool, String>> = texts.map(|text| verdict(&text)).collect();
            let answers = found.iter().filter(|found| found.is_ok()).count();
            assert!(answers > 10, "{found:#?}");
        });
        probe.unwrap().join().unwrap();
    }

    #[test]
    fn rules_answer_yes_no_or_an_error() {
        let check =
            |source: &str, answer: bool| assert_eq!(verdict(source), Ok(answer), "{source}");
        check("metrics.a >= 0.9", true);
        check("metrics['a'] > live.metrics['a']", true);
        check("metrics.b > 1", false);
        check("has(live.metrics)", true);
        check("has(metrics.c) && metrics.c > 0.5", false);
        check("'c' in metrics || n_test >= 100", true);
        check("metrics.all(name, metrics[name] > 0.0)", true);
        check(
            "metrics.exists(name, name.startsWith('b') && metrics[name] < 0.2)",
            true,
        );
        let check = |source: &str, why: &str| {
            let found = verdict(source).expect_err(source);
            assert!(found.contains(why), "{source}: {found}");
        };
        check("metrics.c > 0.5", "there is no `c`");
        check("metrics.a", "not true or false");
        check("metrics.a - 1 > 0.0", "decimal point");
        check("metrics.a => 0.9", "");
        check("", "the rule is empty");
        check("accuracy > 0.9", "unknown variable `accuracy`");
        check("params.margin > 1", "there is no `margin`");
        check(
            "'a'.matches('(a*)*b')",
            "function `matches` is not available",
        );
        check("optional.none().hasValue()", "not available");
        check("[1].all(x, [2].all(y, x < y))", "may not be nested");
        check("[1].all(metrics, metrics > 0)", "is a variable of the rule");
        check("{'a': 1} == {}", "may not build maps");
        check("metrics == metrics", "as a whole can only be indexed");
        check("[live.metrics] == []", "as a whole can only be indexed");
        check("'a' in params", "`params` as a whole");
        check("live.version > 1", "`live` has `metrics` only");
        check("metrics.a > 0.5 // why", "`//` is not allowed");
        check("metrics['\\x61'] > 0.5", "backslashes");
        check("'''a''' == 'a'", "is not allowed");
        check("'open", "not closed");
        check("metrics.a > 0.5 & true", "");
        check("mètrics.a > 1", "is not part of a rule");
        check(
            &format!("{}true{}", "(".repeat(13), ")".repeat(13)),
            "brackets may be 12 deep",
        );
        check(&format!("true{}", " || true".repeat(101)), "200 operators");
        check(&format!("{}1 > 0", "1 + ".repeat(30)), "nested deeper");
        check(&" ".repeat(5_000), "empty");
        check(&format!("true{}", " ".repeat(4_093)), "4096 bytes");
        check(
            &format!("metrics.all(k, k in [{}k])", "k,".repeat(200)),
            "a loop may hold",
        );
    }

    #[test]
    fn problems_have_their_place() {
        let at = |source: &str| {
            let found = Rule::compile(source).unwrap_err();
            (found[0].line, found[0].column)
        };
        assert_eq!(at("metrics.a > 0.5\n&& foo > 1.0"), (2, 4));
        assert_eq!(at("true && 'open"), (1, 14));
        assert_eq!(at("metrics.a =>\n0.9").0, 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_text_makes_it_panic(source in r#"[ -~]{0,60}|[()\[\]{}!?:.,'"a1+<&|=-]{0,40}|(metrics|params|\.|\[|\]| - |a|'a'| > |0\.5| && |\.all\(x, |\)){0,12}"#) {
            let _ = verdict(&source);
        }
    }
}
