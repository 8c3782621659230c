//! What a serving target is asked to run, and what it says of itself.

pub mod score;
pub mod spec;
