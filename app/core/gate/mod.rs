//! Gates: policies, and the verdicts that they give.

use crate::name::Slug;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One gate of a contract: a policy by name, its parameters, and whether a no blocks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateRef {
    /// The policy's name.
    pub name: Slug,
    /// Parameters that replace the policy's defaults.
    pub with: BTreeMap<String, serde_json::Value>,
    /// Whether a failed verdict stops the model.
    pub mode: Mode,
}

/// What a failed gate does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The model is not proposed.
    Block,
    /// The proposal says so.
    Warn,
}

/// Stand-in.
#[derive(Debug, Clone)]
pub struct Policies;

/// Stand-in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {}
