//! A policy file: one small rule with defaults and a message, in strict YAML.
//!
//! Whoever may write to a base branch may write a policy, so everything is checked when it is read:
//! keys, types, sizes, placeholders, and the rules themselves, which are parsed and tried on sample values.

mod reader;

use super::direction::Direction;
use crate::name::Slug;
use reader::shown;
use serde_json::Value;
use std::collections::BTreeMap;

/// One rule that judges a candidate, with the defaults of its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Its name; a gate of this name uses it.
    pub name: Slug,
    /// Parameters with their defaults; `null` for one that has none and may be left out.
    pub params: BTreeMap<String, Value>,
    /// Which way its metric gets better, where the metric's name does not tell.
    pub direction: Option<Direction>,
    /// CEL: the policy applies; when false, the gate passes and says why.
    pub when: Option<String>,
    /// Why the gate passes when `when` is false.
    pub skipped: Option<String>,
    /// CEL: there is enough evidence for a pass; when false, a pass becomes inconclusive.
    pub enough: Option<String>,
    /// CEL: the candidate is good.
    pub rule: String,
    /// The bound in words, in parts; a part shows when all its placeholders have a value.
    pub wanted: Vec<String>,
    /// What a person reads when the rule does not hold.
    pub message: String,
}

/// Something wrong in a policy file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {message}")]
pub struct PolicyProblem {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1. Units: characters.
    pub column: usize,
    /// One sentence.
    pub message: String,
}

/// Words of a gate's `with` that are no parameters of a policy.
pub(super) const GATE_WORDS: &[&str] = &["direction", "policy"];

/// Reads a policy. Errors: everything found wrong in it, each with its place.
pub fn parse_policy(text: &str) -> Result<Policy, Vec<PolicyProblem>> {
    reader::read(text)
}

/// Names in a sentence: `` `a`, `b` ``, or `nothing`.
pub(super) fn list<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    let names: Vec<String> = names
        .into_iter()
        .map(|name| format!("`{}`", shown(name)))
        .collect();
    if names.is_empty() {
        "nothing".to_owned()
    } else {
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn problems(text: &str) -> Vec<String> {
        parse_policy(text).map_or_else(
            |found| found.iter().map(ToString::to_string).collect(),
            |_| Vec::new(),
        )
    }

    #[test]
    fn a_whole_policy_is_read() {
        let policy = parse_policy(
            "name: no-drop\nparams: {metric: accuracy, margin: 0.005}\ndirection: up\nwhen: has(live.metrics)\n\
             rule: sign * (metrics[params.metric] - live.metrics[params.metric]) >= -params.margin\n\
             message: \"{{metric}} fell\"\n",
        )
        .unwrap();
        assert_eq!(policy.name.as_str(), "no-drop");
        assert_eq!(policy.direction, Some(Direction::Up));
        assert_eq!(policy.when.as_deref(), Some("has(live.metrics)"));
        assert_eq!(policy.params["margin"], serde_json::json!(0.005));
        assert_eq!(policy.message, "{{metric}} fell");
    }

    #[test]
    fn every_problem_is_listed_with_its_place() {
        let check = |text: &str, wanted: &[&str]| {
            let found = problems(text);
            assert_eq!(found.len(), wanted.len(), "{found:#?}");
            for (found, wanted) in found.iter().zip(wanted) {
                assert!(found.contains(wanted), "{found} / {wanted}");
            }
        };
        let rest = "\nrule: n_test > 1\nmessage: m\n";
        check(&format!("name: a{rest}"), &[]);
        check("", &["missing", "missing", "missing"]);
        check(
            &format!("name: A b\nextra: 1{rest}"),
            &["1:7: `A b` is not a name", "2:8: unknown key `extra`"],
        );
        check(&format!("name: a\nname: b{rest}"), &["2:1: "]);
        check(
            &format!("name: [a]\ndirection: left{rest}"),
            &["1:7: `name` must be a text", "2:12: `direction` is"],
        );
        check(&format!("name: a\nparams: 3{rest}"), &["`params` is a map"]);
        check(
            &format!("name: a\nparams: {{A: 1, b: [1], metric: 2}}{rest}"),
            &["`A`", "`b` must", "`metric` must"],
        );
        check(
            "name: a\nrule: n_test > 1\nmessage: '{{foo}}'\n",
            &["3:10: unknown placeholder `foo`"],
        );
        check(
            "name: a\nrule: foo > 1 && bar\nmessage: m\n",
            &["2:7: `rule`: unknown variable `foo`", "2:18: `rule`"],
        );
        check(
            "name: a\nrule: |\n  n_test > 1\n  && foo\nmessage: m\n",
            &["4:6: `rule`: unknown variable"],
        );
        check(
            "name: a\nrule: >\n  n_test > 1\n  && foo\nmessage: m\n",
            &["3:3: `rule`: unknown variable"],
        );
        check(
            "name: a\nrule: params.x > 1\nmessage: m\n",
            &["`rule` uses `params.x`; `params` has nothing"],
        );
        check(
            "name: a\nrule: metrics.a - 1 > 0.0\nmessage: m\n",
            &["decimal point"],
        );
        check(
            "name: a\nrule: metrics.a\nmessage: m\n",
            &["not true or false"],
        );
        check(
            "name: a\nwhen: size(metrics)\nrule: n_test => 1\nmessage: m\n",
            &["`when` cannot", "3:"],
        );
        check("name: &x a\nrule: *x\nmessage: m\n", &["2:7: "]);
        check(&"x".repeat(20_000), &["16384 bytes"]);
        check("- a\n- b\n", &["1:1: "]);
        check("name: a\n\tb: c", &["1:7: while scanning"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,60}|((name|rule|when|params|message|wanted): ?(a|\\[|\\{|\\}|x: 1|\\||>|&a|\\*a|'|\"|metrics\\.a > 1\\.0){0,3}\n){0,6}") {
            let _ = parse_policy(&text);
        }
    }
}
