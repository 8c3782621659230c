//! From gates and evidence to verdicts.
//!
//! Each gate goes the same way: find its policy, settle its parameters, check that every figure it reads is there and finite,
//! and only then compute. A step that cannot be taken ends in an error verdict; nothing is assumed.

use super::context::{Param, Values};
use super::direction::{Direction, direction_of};
use super::explain::{self, shown};
use super::figures::{N_TEST, Reader, values};
use super::policy::{GATE_WORDS, Policy, list};
use super::rule::{Rule, Trouble};
use super::uses::{Name, Place, Uses};
use super::{Evidence, GateRef, Policies, Verdict, VerdictOutcome};
use crate::name::Slug;
use std::collections::BTreeMap;

/// Most log lines that a verdict carries, and how long each may be. Units: characters.
const LOG_LINES_MAX: usize = 20;
const LOG_CHARS_MAX: usize = 200;
/// What each gate says about the candidate, in the contract's order.
pub fn judge(gates: &[GateRef], policies: &Policies, evidence: &Evidence) -> Vec<Verdict> {
    gates
        .iter()
        .map(|gate| judge_one(gate, policies, evidence))
        .collect()
}

fn judge_one(gate: &GateRef, policies: &Policies, evidence: &Evidence) -> Verdict {
    let mut verdict = Verdict {
        gate: gate.name.clone(),
        outcome: VerdictOutcome::Error,
        mode: gate.mode,
        metric: None,
        observed: None,
        wanted: String::new(),
        live: None,
        delta: None,
        n_test: None,
        reason: String::new(),
        log: Vec::new(),
    };
    let (outcome, reason) =
        weigh(gate, policies, evidence, &mut verdict).unwrap_or_else(|reason| {
            let from = evidence.tail.len().saturating_sub(LOG_LINES_MAX);
            verdict.log = evidence.tail[from..]
                .iter()
                .map(|line| log_line(line))
                .collect();
            (VerdictOutcome::Error, reason)
        });
    verdict.outcome = outcome;
    verdict.reason = if evidence.self_reported {
        format!("{reason} (self-reported)")
    } else {
        reason
    };
    verdict
}

fn log_line(line: &str) -> String {
    crate::text::truncate(&crate::text::clean_line(line), LOG_CHARS_MAX)
}

/// The outcome and why. Errors: why it cannot be told.
fn weigh(
    gate: &GateRef,
    policies: &Policies,
    evidence: &Evidence,
    verdict: &mut Verdict,
) -> Result<(VerdictOutcome, String), String> {
    let policy = find_policy(gate, policies)?;
    let params = settle_params(gate, policy)?;
    let rules = Rules::compile(policy)?;
    let metric = metric_of(&params, &rules.all);
    verdict.metric.clone_from(&metric);
    let direction = direction(gate, policy, metric.as_deref())?;
    let mut values = values(evidence, params, metric.as_deref());
    values.sign = direction.map(Direction::sign);
    show_figures(verdict, &values, &rules.all);
    let words = explain::words(&values, metric.as_deref(), direction);
    verdict.wanted = explain::wanted(policy, &words);

    let reader = Reader {
        evidence,
        values: &values,
        uses: &rules.all,
    };
    reader.check_candidate()?;
    let context = values.context();
    let holds = |rule: &Rule| rule.holds(&context).map_err(|trouble| cannot(&trouble));
    if let Some(when) = &rules.when
        && !holds(when)?
    {
        let source = policy.when.as_deref().unwrap_or_default();
        let reason = policy.skipped.clone();
        return Ok((
            VerdictOutcome::Passed,
            reason.unwrap_or_else(|| format!("does not apply: `{source}` is false")),
        ));
    }
    reader.check_others(direction)?;
    check_delta(verdict)?;
    let figures = figures(verdict);
    if !holds(&rules.rule)? {
        let probe = evidence
            .probe
            .as_ref()
            .filter(|_| rules.all.variables.contains("probe"));
        let first = probe.and_then(|probe| probe.first_mismatch.as_deref());
        verdict.log = first.map(log_line).into_iter().collect();
        return Ok((
            VerdictOutcome::Failed,
            format!("{}: {figures}", explain::fill(&policy.message, &words)),
        ));
    }
    if let Some(enough) = &rules.enough
        && !holds(enough)?
    {
        return Ok((
            VerdictOutcome::Inconclusive,
            format!("too little evidence for a pass: {figures}"),
        ));
    }
    Ok((VerdictOutcome::Passed, figures))
}

fn cannot(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Types(why) | Trouble::Value(why) => {
            format!("the rule cannot be computed: {}", shown(why))
        }
    }
}

fn check_delta(verdict: &Verdict) -> Result<(), String> {
    if verdict.observed.is_some() && verdict.live.is_some() && verdict.delta.is_none() {
        return Err("the difference to the live model is not finite".to_owned());
    }
    Ok(())
}

struct Rules {
    when: Option<Rule>,
    enough: Option<Rule>,
    rule: Rule,
    all: Uses,
}

impl Rules {
    /// Parses again what was checked at reading: a policy is plain data, and this is where it is trusted.
    fn compile(policy: &Policy) -> Result<Rules, String> {
        let compile = |source: &String| {
            Rule::compile(source).map_err(|found| {
                let first = found
                    .first()
                    .map(|problem| problem.message.clone())
                    .unwrap_or_default();
                format!(
                    "policy `{}` has a rule that cannot be read: {first}",
                    policy.name
                )
            })
        };
        let when = policy.when.as_ref().map(compile).transpose()?;
        let enough = policy.enough.as_ref().map(compile).transpose()?;
        let rule = compile(&policy.rule)?;
        let all = [&when, &enough]
            .into_iter()
            .flatten()
            .fold(rule.uses.clone(), |all, rule| all.and(&rule.uses));
        Ok(Rules {
            when,
            enough,
            rule,
            all,
        })
    }
}

fn find_policy<'a>(gate: &GateRef, policies: &'a Policies) -> Result<&'a Policy, String> {
    let named = match gate.with.get("policy") {
        Some(serde_json::Value::String(name)) => Some(name.as_str()),
        Some(_) => return Err("`policy` must be the name of a policy".to_owned()),
        None => None,
    };
    let own = policies.get(&gate.name);
    if let Some(name) = named {
        if own.is_some_and(|policy| policy.name.as_str() != name) {
            return Err(format!(
                "gate `{}` has a policy's name but asks for policy `{}`",
                gate.name,
                shown(name)
            ));
        }
        let found = Slug::parse(name).ok().and_then(|name| policies.get(&name));
        return found.ok_or_else(|| unknown_policy(name, policies));
    }
    let has_bounds = gate.with.contains_key("metric")
        && ["min", "max"]
            .iter()
            .any(|word| gate.with.contains_key(*word));
    let threshold = Slug::parse("threshold")
        .ok()
        .and_then(|name| policies.get(&name));
    own.or(threshold.filter(|_| has_bounds)).ok_or_else(|| {
        format!(
            "{}; or give `metric` and `min` or `max`",
            unknown_policy(gate.name.as_str(), policies)
        )
    })
}

fn unknown_policy(name: &str, policies: &Policies) -> String {
    let names: Vec<String> = policies
        .names()
        .map(|name| name.as_str().to_owned())
        .collect();
    let nearest = crate::text::nearest(name, names.iter().map(String::as_str));
    let hint = nearest
        .map(|near| format!("; did you mean `{near}`?"))
        .unwrap_or_default();
    format!(
        "no policy `{}`{hint}; there are {}",
        shown(name),
        list(&names)
    )
}

fn settle_params(gate: &GateRef, policy: &Policy) -> Result<BTreeMap<String, Param>, String> {
    let mut params = BTreeMap::new();
    for (name, default) in &policy.params {
        if !default.is_null() {
            let param =
                Param::of(default).map_err(|why| format!("the default of `{name}` {why}"))?;
            params.insert(name.clone(), param);
        }
    }
    for (name, value) in gate
        .with
        .iter()
        .filter(|(name, _)| !GATE_WORDS.contains(&name.as_str()))
    {
        if !policy.params.contains_key(name) {
            let allowed = list(policy.params.keys());
            return Err(format!(
                "unknown parameter `{}`; policy `{}` has {allowed}",
                shown(name),
                policy.name
            ));
        }
        let param = Param::of(value).map_err(|why| format!("parameter `{name}` {why}"))?;
        if name == "metric" && !matches!(param, Param::Text(_)) {
            return Err("parameter `metric` must be the name of a metric".to_owned());
        }
        if let Some(default) = params.insert(name.clone(), param.clone())
            && default.kind() != param.kind()
        {
            return Err(format!(
                "parameter `{name}` must be {}, not {}",
                default.kind(),
                param.kind()
            ));
        }
    }
    Ok(params)
}

/// The metric that the gate is about: its parameter `metric`, else the only one its rule names.
fn metric_of(params: &BTreeMap<String, Param>, uses: &Uses) -> Option<String> {
    if let Some(Param::Text(name)) = params.get("metric") {
        return Some(name.clone());
    }
    let mut named = uses
        .reads
        .iter()
        .filter_map(|(place, name)| match (place, name) {
            (Place::Candidate, Name::Fixed(name)) => Some(name.clone()),
            (Place::Candidate, Name::Param(_)) | (Place::Live | Place::Baseline, _) => None,
        });
    let only = named.next();
    if named.next().is_some() { None } else { only }
}

/// Which way is better: the gate's word, else the policy's, else the known names. Errors: the latter two contradict each other.
fn direction(
    gate: &GateRef,
    policy: &Policy,
    metric: Option<&str>,
) -> Result<Option<Direction>, String> {
    if let Some(word) = gate.with.get("direction") {
        let direction = word.as_str().and_then(Direction::parse);
        return direction
            .map(Some)
            .ok_or_else(|| "`direction` is `up` or `down`".to_owned());
    }
    let known = metric.and_then(direction_of);
    match (policy.direction, known) {
        (Some(said), Some(known)) if said != known => Err(format!(
            "policy `{}` says {}, but `{}` gets better {}; write `direction` in the gate",
            policy.name,
            said.as_str(),
            shown(metric.unwrap_or_default()),
            known.as_str()
        )),
        (Some(said), _) => Ok(Some(said)),
        (None, known) => Ok(known),
    }
}

fn show_figures(verdict: &mut Verdict, values: &Values, uses: &Uses) {
    verdict.n_test = values.n_test;
    match &verdict.metric {
        Some(name) => {
            verdict.observed = values.metrics.get(name).copied();
            verdict.live = values
                .live
                .as_ref()
                .and_then(|live| live.get(name).copied());
            verdict.delta = verdict
                .observed
                .zip(verdict.live)
                .map(|(candidate, live)| candidate - live)
                .filter(|delta| delta.is_finite());
        }
        None if uses.variables.contains(N_TEST) => {
            verdict.metric = Some(N_TEST.to_owned());
            verdict.observed = values.n_test;
        }
        None => {}
    }
}

/// `accuracy is 0.94, live 0.981, wanted ≥ 0.95`
fn figures(verdict: &Verdict) -> String {
    let wanted = &verdict.wanted;
    let (Some(metric), Some(observed)) = (&verdict.metric, verdict.observed) else {
        return format!("wanted {wanted}");
    };
    let live = verdict
        .live
        .map(|live| format!(", live {}", explain::figure(live)))
        .unwrap_or_default();
    format!(
        "{} is {}{live}, wanted {wanted}",
        shown(metric),
        explain::figure(observed)
    )
}
