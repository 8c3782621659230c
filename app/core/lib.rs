//! The study: every decision of Bowsprit, as pure functions over values.
//!
//! Nothing here waits, reads, writes, knows the time or rolls a die: the same input gives the same output.
//! What must be known comes in as facts, what must happen goes out as effects.

pub mod artifact;
pub mod catalogue;
pub mod chart;
pub mod cluster;
pub mod command;
pub mod contexts;
pub mod contract;
pub mod doctor;
pub mod effect;
pub mod gate;
pub mod habits;
pub mod image;
pub mod migrate;
pub mod name;
pub mod owners;
mod pod;
pub mod queue;
pub mod rbac;
pub mod retention;
pub mod seen;
pub mod serving;
pub mod subject;
pub mod text;
pub mod training;
