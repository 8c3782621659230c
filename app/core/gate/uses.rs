//! What a rule reads: the metrics it needs, those it only asks for, and its parameters.
//!
//! Found by walking the parsed rule once, which also refuses what a gate has no use for:
//! unknown variables and functions, nested loops, maps, and trees too deep or too wide.

use cel::common::ast::{ComprehensionExpr, Expr, LiteralValue, operators};
use cel::parser::Expression;
use std::collections::BTreeSet;

/// The variables that a rule may name.
pub(super) const VARIABLES: &[&str] = &[
    "metrics", "live", "baseline", "params", "n_test", "sign", "probe",
];

/// Deepest tree that is evaluated; with it, evaluation is proven to fit a small stack by a test in `rule`.
pub(super) const DEPTH_MAX: usize = 20;
/// Most nodes inside one loop, so that a rule's cost is at most nodes × metrics.
const LOOP_NODES_MAX: usize = 200;
/// Most elements of a list.
const LIST_MAX: usize = 1_000;

/// Functions that cost no more than their arguments are long; none that compiles a pattern.
const FUNCTIONS: &[&str] = &[
    operators::CONDITIONAL,
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::SUBSTRACT,
    operators::ADD,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::GREATER_EQUALS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::LESS,
    operators::NEGATE,
    operators::INDEX,
    operators::IN,
    operators::NOT_STRICTLY_FALSE,
    "size",
    "double",
    "int",
    "string",
    "contains",
    "startsWith",
    "endsWith",
];

/// The map that a metric is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// `metrics`
    Candidate,
    /// `live.metrics`
    Live,
    /// `baseline`
    Baseline,
}

/// How a rule names a metric.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    /// Outright.
    Fixed(String),
    /// By the parameter of this name.
    Param(String),
}

/// Everything that a rule reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Uses {
    /// Metrics whose value it takes.
    pub(super) reads: BTreeSet<(Place, Name)>,
    /// Metrics that it asks about with `has` or `in`: they may be missing.
    pub(super) guards: BTreeSet<(Place, Name)>,
    /// Maps that it takes as a whole.
    pub(super) whole: BTreeSet<Place>,
    /// Whether it asks if there is a live model.
    pub(super) asks_live: bool,
    /// Parameters by name.
    pub(super) params: BTreeSet<String>,
    /// Variables by name.
    pub(super) variables: BTreeSet<String>,
}

impl Uses {
    /// What the expression reads. Errors: everything in it that a rule may not hold, as a word to look for and a sentence.
    pub(super) fn of(expression: &Expression) -> Result<Uses, Vec<(String, String)>> {
        let mut walk = Walk::default();
        walk.node(expression, 0);
        if walk.problems.is_empty() {
            Ok(walk.uses)
        } else {
            Err(walk.problems)
        }
    }

    /// Whether the rule needs anything of the live model.
    pub(super) fn needs_live(&self) -> bool {
        self.whole.contains(&Place::Live)
            || self.reads.iter().any(|(place, _)| *place == Place::Live)
    }

    /// The union of both.
    pub(super) fn and(mut self, other: &Uses) -> Uses {
        self.reads.extend(other.reads.iter().cloned());
        self.guards.extend(other.guards.iter().cloned());
        self.whole.extend(other.whole.iter().copied());
        self.asks_live |= other.asks_live;
        self.params.extend(other.params.iter().cloned());
        self.variables.extend(other.variables.iter().cloned());
        self
    }
}

#[derive(Default)]
struct Walk {
    uses: Uses,
    problems: Vec<(String, String)>,
    bound: Vec<String>,
    loops: usize,
    loop_nodes: usize,
}

impl Walk {
    fn refuse(&mut self, word: &str, why: String) {
        let problem = (word.to_owned(), why);
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn node(&mut self, node: &Expression, depth: usize) {
        if depth > DEPTH_MAX {
            self.refuse(
                "",
                format!(
                    "the rule is nested deeper than {DEPTH_MAX} levels; split it into two policies"
                ),
            );
            return;
        }
        if self.loops > 0 {
            self.loop_nodes += 1;
        }
        if let Some((place, name, is_test)) = reading(node) {
            self.read(place, name, is_test);
            return;
        }
        match &node.expr {
            Expr::Unspecified => self.refuse("", "the rule is empty".to_owned()),
            Expr::Literal(_) => {}
            Expr::Ident(name) => self.ident(name),
            Expr::Select(select) => {
                if let Expr::Ident(root) = &select.operand.expr
                    && !self.bound.contains(root)
                {
                    self.field(root, &select.field, select.test);
                } else {
                    self.node(&select.operand, depth + 1);
                }
            }
            Expr::Call(call) => {
                if !FUNCTIONS.contains(&call.func_name.as_str()) {
                    self.refuse(
                        &call.func_name,
                        format!("function `{}` is not available in a rule", call.func_name),
                    );
                }
                if self.is_guard(&call.func_name, &call.args) {
                    return;
                }
                let parts = call.target.iter().map(|target| &**target).chain(&call.args);
                for (i, part) in parts.enumerate() {
                    let may_be_map = match call.func_name.as_str() {
                        operators::INDEX | "size" => i == 0,
                        operators::IN => i == 1,
                        _ => false,
                    };
                    if !(may_be_map && self.whole_map(part)) {
                        self.node(part, depth + 1);
                    }
                }
            }
            Expr::Comprehension(each) => self.comprehension(each, depth),
            Expr::List(list) => {
                if list.elements.len() > LIST_MAX {
                    self.refuse(
                        "[",
                        format!(
                            "a list may have {LIST_MAX} elements, not {}",
                            list.elements.len()
                        ),
                    );
                }
                for element in &list.elements {
                    self.node(element, depth + 1);
                }
            }
            Expr::Map(_) | Expr::Struct(_) => {
                self.refuse("{", "a rule may not build maps or messages".to_owned())
            }
        }
    }

    fn read(&mut self, place: Place, name: Name, is_test: bool) {
        if let Name::Param(param) = &name {
            self.uses.params.insert(param.clone());
            self.uses.variables.insert("params".to_owned());
        }
        let set = if is_test {
            &mut self.uses.guards
        } else {
            &mut self.uses.reads
        };
        set.insert((place, name));
    }

    fn ident(&mut self, name: &str) {
        if self.bound.iter().any(|bound| bound == name) {
            return;
        }
        if ["metrics", "live", "baseline", "params", "probe"].contains(&name) {
            self.refuse(name, whole_map_refusal(name));
        }
        self.variable(name);
    }

    /// A map of metrics where its size does not multiply a rule's cost: indexed, asked, measured or looped over.
    fn whole_map(&mut self, node: &Expression) -> bool {
        let Some(place) = place_of(node) else {
            return false;
        };
        self.uses.whole.insert(place);
        let variable = match place {
            Place::Candidate => "metrics",
            Place::Live => "live",
            Place::Baseline => "baseline",
        };
        self.uses.variables.insert(variable.to_owned());
        true
    }

    fn variable(&mut self, name: &str) {
        if VARIABLES.contains(&name) {
            self.uses.variables.insert(name.to_owned());
        } else {
            let allowed = VARIABLES.join("`, `");
            self.refuse(
                name,
                format!("unknown variable `{name}`; a rule may use `{allowed}`"),
            );
        }
    }

    fn field(&mut self, root: &str, field: &str, is_test: bool) {
        self.variable(root);
        match (root, field) {
            ("live", "metrics") if is_test => self.uses.asks_live = true,
            ("live", "metrics") => self.refuse(field, whole_map_refusal("live.metrics")),
            ("live", _) => self.refuse(field, format!("`live` has `metrics` only, no `{field}`")),
            ("params", _) => {
                self.uses.params.insert(field.to_owned());
            }
            ("probe", "compared" | "mismatched") => {}
            ("probe", _) => self.refuse(
                field,
                format!("`probe` has `compared` and `mismatched`, no `{field}`"),
            ),
            _ => {}
        }
    }

    /// `"f1" in metrics` asks for a metric as `has(metrics.f1)` does.
    fn is_guard(&mut self, function: &str, args: &[Expression]) -> bool {
        let [key, map] = args else { return false };
        let (Some(place), Some(name)) = (place_of(map), name_of(key)) else {
            return false;
        };
        if function == operators::IN {
            self.read(place, name, true);
        }
        function == operators::IN
    }

    fn comprehension(&mut self, each: &ComprehensionExpr, depth: usize) {
        if self.loops > 0 {
            self.refuse(
                &each.iter_var,
                "`all`, `exists`, `map` and `filter` may not be nested".to_owned(),
            );
            return;
        }
        let bound = [
            Some(&each.iter_var),
            each.iter_var2.as_ref(),
            Some(&each.accu_var),
        ];
        for name in bound.into_iter().flatten() {
            if VARIABLES.contains(&name.as_str()) {
                self.refuse(
                    name,
                    format!(
                        "`{name}` is a variable of the rule; call the loop's own something else"
                    ),
                );
            }
        }
        if !self.whole_map(&each.iter_range) {
            self.node(&each.iter_range, depth + 1);
        }
        self.bound.extend(bound.into_iter().flatten().cloned());
        (self.loops, self.loop_nodes) = (1, 0);
        for part in [
            &each.accu_init,
            &each.loop_cond,
            &each.loop_step,
            &each.result,
        ] {
            self.node(part, depth + 1);
        }
        self.loops = 0;
        self.bound.clear();
        if self.loop_nodes > LOOP_NODES_MAX {
            self.refuse(
                &each.iter_var,
                format!(
                    "a loop may hold {LOOP_NODES_MAX} nodes, not {}",
                    self.loop_nodes
                ),
            );
        }
    }
}

fn whole_map_refusal(name: &str) -> String {
    format!(
        "`{name}` as a whole can only be indexed, looped over, asked with `in` or measured with `size`"
    )
}

/// A metric read by name, and whether it is only asked for.
fn reading(node: &Expression) -> Option<(Place, Name, bool)> {
    if let Expr::Select(select) = &node.expr {
        return Some((
            place_of(&select.operand)?,
            Name::Fixed(select.field.clone()),
            select.test,
        ));
    }
    let Expr::Call(call) = &node.expr else {
        return None;
    };
    match &call.args[..] {
        [map, key] if call.func_name == operators::INDEX => {
            Some((place_of(map)?, name_of(key)?, false))
        }
        _ => None,
    }
}

fn place_of(node: &Expression) -> Option<Place> {
    if is_ident(node, "metrics") {
        return Some(Place::Candidate);
    }
    if is_ident(node, "baseline") {
        return Some(Place::Baseline);
    }
    let Expr::Select(select) = &node.expr else {
        return None;
    };
    let is_live = select.field == "metrics" && !select.test && is_ident(&select.operand, "live");
    is_live.then_some(Place::Live)
}

fn name_of(key: &Expression) -> Option<Name> {
    if let Expr::Literal(LiteralValue::String(text)) = &key.expr {
        return Some(Name::Fixed(text.inner().to_owned()));
    }
    let Expr::Select(select) = &key.expr else {
        return None;
    };
    let is_param = !select.test && is_ident(&select.operand, "params");
    is_param.then(|| Name::Param(select.field.clone()))
}

fn is_ident(node: &Expression, name: &str) -> bool {
    matches!(&node.expr, Expr::Ident(ident) if ident == name)
}
