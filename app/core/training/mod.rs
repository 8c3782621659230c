//! What a training backend is asked to do, and what comes back.

pub mod crates;
pub mod job;
pub mod parts;
pub mod remote;
pub mod requirements;
pub mod spec;
