//! The values that a rule sees, all numbers as doubles and all finite.

use cel::objects::Key;
use cel::{Context, Env, Value};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

/// A parameter's value: a finite number, a text or a flag; never a list, so that no rule can blow up memory.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Param {
    /// A finite number; whole ones too, so that a rule can subtract them from metrics.
    Number(f64),
    /// A text, such as a metric's name.
    Text(String),
    /// A yes or no.
    Flag(bool),
}

/// Longest text parameter. Units: characters.
pub(super) const PARAM_CHARS_MAX: usize = 200;

impl Param {
    /// The parameter that a contract's value stands for. Errors: a phrase that says what it may be.
    pub(super) fn of(value: &serde_json::Value) -> Result<Param, &'static str> {
        use serde_json::Value::{Array, Bool, Null, Number, Object, String};
        match value {
            Number(number) => number
                .as_f64()
                .filter(|n| n.is_finite())
                .map(Param::Number)
                .ok_or("must be a finite number"),
            String(text) if text.chars().count() > PARAM_CHARS_MAX => {
                Err("may have 200 characters")
            }
            String(text) => Ok(Param::Text(text.clone())),
            Bool(flag) => Ok(Param::Flag(*flag)),
            Null => Err("has no finite value"),
            Array(_) | Object(_) => Err("must be a number, a text, true or false"),
        }
    }

    /// Its kind, in a sentence.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Param::Number(_) => "a number",
            Param::Text(_) => "a text",
            Param::Flag(_) => "true or false",
        }
    }
}

/// The variables of one evaluation. What is `None` is not bound, so that a rule that names it ends in an error.
#[derive(Debug, Clone, Default)]
pub(super) struct Values {
    pub(super) metrics: BTreeMap<String, f64>,
    pub(super) live: Option<BTreeMap<String, f64>>,
    pub(super) baseline: BTreeMap<String, f64>,
    pub(super) params: BTreeMap<String, Param>,
    pub(super) n_test: Option<f64>,
    pub(super) sign: Option<f64>,
    /// Samples compared, samples that differed.
    pub(super) probe: Option<(f64, f64)>,
}

impl Values {
    /// The same values for the CEL interpreter.
    pub(super) fn context(&self) -> Context<'static, 'static> {
        static STDLIB: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));
        let mut context = Context::with_env(Arc::clone(&STDLIB));
        context.add_variable_from_value("metrics", numbers(&self.metrics));
        context.add_variable_from_value("baseline", numbers(&self.baseline));
        let live = self
            .live
            .iter()
            .map(|metrics| (Key::from("metrics"), numbers(metrics)));
        context.add_variable_from_value("live", live.collect::<HashMap<Key, Value>>());
        let params = self.params.iter().map(|(name, param)| {
            let value = match param {
                Param::Number(number) => Value::from(*number),
                Param::Text(text) => Value::from(text.as_str()),
                Param::Flag(flag) => Value::from(*flag),
            };
            (Key::from(name.as_str()), value)
        });
        context.add_variable_from_value("params", params.collect::<HashMap<Key, Value>>());
        for (name, value) in [("n_test", self.n_test), ("sign", self.sign)] {
            if let Some(value) = value {
                context.add_variable_from_value(name, value);
            }
        }
        if let Some((compared, mismatched)) = self.probe {
            let probe = HashMap::from([("compared", compared), ("mismatched", mismatched)]);
            context.add_variable_from_value("probe", probe);
        }
        context
    }
}

fn numbers(map: &BTreeMap<String, f64>) -> Value {
    let pairs = map
        .iter()
        .map(|(name, value)| (Key::from(name.as_str()), Value::from(*value)));
    Value::from(pairs.collect::<HashMap<Key, Value>>())
}
