//! What an agent in a pod and the bot say to each other over HTTP: where, how much at once, and the few documents.
//!
//! The agent asks; the bot answers what the agent's one-run token opens. Everything that an agent sends is foreign.

use super::spec::RunSpec;
use serde::{Deserialize, Serialize};

/// Where the agent's calls begin, below the bot's address; the stage's id follows.
pub const BASE: &str = "/agent/v1/stages";
/// Most bytes of a log or an output in one call. Units: bytes.
pub const PART_BYTES_MAX: usize = 4 << 20;
/// Largest live or last word of an agent. Units: bytes.
pub const WORD_BYTES_MAX: usize = 1 << 20;
/// Largest order with what is said around it. Units: bytes.
pub const ORDER_BYTES_MAX: usize = 33 << 20;
/// Longest name of an attempt: that of a pod. Units: bytes.
pub const ATTEMPT_BYTES_MAX: usize = 253;

/// The files of the Secret that leads to the order.
pub mod order_files {
    /// The address of the stage at the bot, in one line.
    pub const ADDRESS: &str = "address";
    /// The one-run token, in one line.
    pub const TOKEN: &str = "token";
    /// A certificate to trust, PEM; may be missing.
    pub const CA: &str = "ca.crt";
    /// A directory with a file for each named secret; may be missing.
    pub const SECRETS: &str = "secrets";
}

/// An agent begins, or begins again after it got no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    /// Tells this agent from one before it that was lost: the pod's name.
    pub attempt: String,
}

/// The bot's answer: the order, and where what is sent continues.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Begun {
    /// The order; its sources are addresses below the stage's own.
    pub spec: RunSpec,
    /// The log's length before this attempt: what the agent writes comes after it. Units: bytes.
    pub log_offset: u64,
}

/// How much of a log or an output the bot has; the next part begins there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Have {
    /// Units: bytes.
    pub bytes: u64,
}

/// Whether this can be the name of an attempt.
pub fn is_attempt(text: &str) -> bool {
    (1..=ATTEMPT_BYTES_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'))
}
