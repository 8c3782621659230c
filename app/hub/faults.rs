//! Faults on demand: lost, doubled, late or shuffled deliveries, and calls that go wrong.
//!
//! Rules are tried in the order they were added; the first that matches and still has a count
//! left is used, one per kind of effect.  Chance comes from the rule's own seed.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// One rule as the admin API takes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    #[serde(default)]
    pub(crate) id: u64,
    pub(crate) kind: Kind,
    #[serde(default, rename = "match")]
    pub(crate) matcher: Matcher,
    /// How often it fires; without end when absent.
    #[serde(default)]
    pub(crate) count: Option<u32>,
    /// How many matches are let through before it fires.
    #[serde(default)]
    pub(crate) skip: u32,
    #[serde(default)]
    pub(crate) probability: Option<f64>,
    #[serde(default)]
    pub(crate) seed: u64,
    /// For delays, slow answers and stale reads.
    #[serde(default)]
    pub(crate) ms: u64,
    /// For shuffled deliveries.
    #[serde(default)]
    pub(crate) window_ms: u64,
    /// For `status`.
    #[serde(default)]
    pub(crate) code: Option<u16>,
    #[serde(default)]
    pub(crate) body: Option<Value>,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// For `secondary_rate_limit`, in seconds.
    #[serde(default)]
    pub(crate) retry_after: Option<u32>,
    /// For `drop_delivery`: leave no record either.
    #[serde(default)]
    pub(crate) silent: bool,
    /// How often it has fired.
    #[serde(default)]
    pub(crate) fired: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    DropDelivery,
    DoubleDelivery,
    DelayDelivery,
    ShuffleDeliveries,
    Status,
    CutAnswer,
    Slow,
    StaleReads,
    SecondaryRateLimit,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Matcher {
    #[serde(default)]
    pub(crate) method: Option<String>,
    #[serde(default)]
    pub(crate) path_contains: Option<String>,
    #[serde(default)]
    pub(crate) event: Option<String>,
}

/// What happens to one delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeliveryFault {
    Drop { is_silent: bool },
    Double,
    Delay(Duration),
}

/// What happens to one call.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallFault {
    pub(crate) slow: Option<Duration>,
    pub(crate) stale: Option<Duration>,
    pub(crate) is_cut: bool,
    /// The answer given instead of doing the call.
    pub(crate) instead: Option<Rule>,
}

/// The rules in force.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Vec<Rule>,
    last_id: u64,
}

impl Faults {
    pub(crate) fn add(&mut self, mut rule: Rule) -> u64 {
        self.last_id += 1;
        rule.headers = std::mem::take(&mut rule.headers)
            .into_iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .collect();
        rule.id = self.last_id;
        self.rules.push(rule);
        self.last_id
    }

    /// Removes one rule, or all of them.
    pub(crate) fn remove(&mut self, id: Option<u64>) {
        match id {
            Some(id) => self.rules.retain(|rule| rule.id != id),
            None => self.rules.clear(),
        }
    }

    pub(crate) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    pub(crate) fn reads_stale(&self) -> bool {
        self.rules.iter().any(|rule| rule.kind == Kind::StaleReads)
    }

    pub(crate) fn for_delivery(&mut self, event: &str) -> Option<DeliveryFault> {
        let kinds = [
            Kind::DropDelivery,
            Kind::DoubleDelivery,
            Kind::DelayDelivery,
        ];
        let rule = self.fire(&kinds, |matcher| matcher.takes_event(event))?;
        match rule.kind {
            Kind::DropDelivery => Some(DeliveryFault::Drop {
                is_silent: rule.silent,
            }),
            Kind::DoubleDelivery => Some(DeliveryFault::Double),
            Kind::DelayDelivery => Some(DeliveryFault::Delay(Duration::from_millis(rule.ms))),
            Kind::ShuffleDeliveries
            | Kind::Status
            | Kind::CutAnswer
            | Kind::Slow
            | Kind::StaleReads
            | Kind::SecondaryRateLimit => None,
        }
    }

    /// How long to collect deliveries before shuffling them, and the seed for it.
    pub(crate) fn shuffle_window(&mut self, event: &str) -> Option<(Duration, u64)> {
        let rule = self.fire(&[Kind::ShuffleDeliveries], |one| one.takes_event(event))?;
        let seed = rule.seed.wrapping_add(u64::from(rule.fired));
        Some((Duration::from_millis(rule.window_ms.max(rule.ms)), seed))
    }

    pub(crate) fn for_call(&mut self, method: &str, path: &str) -> CallFault {
        let takes = |matcher: &Matcher| matcher.takes_call(method, path);
        let time = |rule: Rule| Duration::from_millis(rule.ms);
        CallFault {
            slow: self.fire(&[Kind::Slow], takes).map(time),
            stale: (method == "GET")
                .then(|| self.fire(&[Kind::StaleReads], takes).map(time))
                .flatten(),
            instead: self.fire(&[Kind::Status, Kind::SecondaryRateLimit], takes),
            is_cut: self.fire(&[Kind::CutAnswer], takes).is_some(),
        }
    }

    fn fire(&mut self, kinds: &[Kind], takes: impl Fn(&Matcher) -> bool) -> Option<Rule> {
        let candidates = self
            .rules
            .iter_mut()
            .filter(|rule| kinds.contains(&rule.kind) && takes(&rule.matcher));
        for rule in candidates {
            if rule.count.is_some_and(|count| rule.fired >= count) {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            if let Some(probability) = rule.probability
                && chance(&mut rule.seed) >= probability
            {
                continue;
            }
            rule.fired += 1;
            return Some(rule.clone());
        }
        None
    }
}

impl Matcher {
    fn takes_event(&self, event: &str) -> bool {
        self.event.as_deref().is_none_or(|wanted| wanted == event)
    }

    fn takes_call(&self, method: &str, path: &str) -> bool {
        self.event.is_none()
            && self
                .method
                .as_deref()
                .is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self
                .path_contains
                .as_deref()
                .is_none_or(|part| path.contains(part))
    }
}

/// Puts items into an order that depends on the seed only.
pub(crate) fn shuffle<T>(items: &mut [T], mut seed: u64) {
    for last in (1..items.len()).rev() {
        let bound = u64::try_from(last + 1).unwrap_or(1);
        let other = usize::try_from(next(&mut seed) % bound).unwrap_or(0);
        items.swap(last, other);
    }
}

/// SplitMix64, a small generator that is good enough for choosing faults.
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *seed;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A number from 0 up to 1.
fn chance(seed: &mut u64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "53 bits fit into the fraction of a double"
    )]
    let top = (next(seed) >> 11) as f64;
    top / 9_007_199_254_740_992.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Rule {
        serde_json::from_str(text).expect("the rule is valid")
    }

    #[test]
    fn a_rule_fires_as_often_as_its_count() {
        let mut faults = Faults::default();
        faults.add(rule(
            r#"{"kind":"drop_delivery","match":{"event":"push"},"count":1}"#,
        ));
        assert_eq!(faults.for_delivery("status"), None);
        assert!(faults.for_delivery("push").is_some());
        assert_eq!(faults.for_delivery("push"), None);
    }

    #[test]
    fn chance_follows_the_seed() {
        let fired = |seed: u64| {
            let mut faults = Faults::default();
            faults.add(rule(&format!(
                r#"{{"kind":"cut_answer","probability":0.5,"seed":{seed}}}"#
            )));
            (0..64)
                .filter(|_| faults.for_call("GET", "/").is_cut)
                .count()
        };
        assert_eq!(fired(3), fired(3));
        assert!((10..54).contains(&fired(3)));
    }

    #[test]
    fn shuffling_keeps_every_item() {
        let mut items: Vec<u32> = (0..20).collect();
        shuffle(&mut items, 5);
        assert_ne!(items, (0..20).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..20).collect::<Vec<_>>());
    }
}
