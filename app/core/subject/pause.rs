//! A pause of the whole server: nothing merges and nothing is deployed until somebody ends it.
//!
//! Break-glass changes go on: they are the way past it, and git records them.

use crate::name::Login;
use serde::{Deserialize, Serialize};

/// Longest reason. Units: bytes.
pub const WHY_BYTES_MAX: usize = 200;

/// Who paused everything, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Who.
    pub by: Login,
    /// In words; may be empty.
    pub why: String,
    /// Units: milliseconds since 1970, UTC.
    pub at_ms: i64,
}

impl Pause {
    /// `paused by ada: the cluster moves`.
    pub fn shown(&self) -> String {
        let colon = if self.why.is_empty() { "" } else { ": " };
        format!("paused by {}{colon}{}", self.by, self.why)
    }
}
