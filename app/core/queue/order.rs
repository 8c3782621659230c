//! Who comes first.

use crate::name::PrNumber;
use std::cmp::Reverse;

/// A place in the queue: the least goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank(u32, Reverse<u32>, i64, PrNumber);

impl Rank {
    /// Those that GitHub has refused come after all others; then priority, readiness and number count.
    pub fn new(attempts: u32, priority: u32, ready_ms: i64, number: PrNumber) -> Rank {
        Rank(attempts, Reverse(priority), ready_ms, number)
    }
}
