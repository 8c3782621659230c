//! What a serving target is asked to run, and what it says of itself.

pub mod gitops;
pub mod lines;
pub mod manifests;
pub mod objects;
pub mod rollout;
pub mod score;
pub mod spec;
