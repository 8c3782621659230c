//! Stories of the agent: real child processes in temporary directories.

#![expect(
    clippy::unwrap_used,
    reason = "what the stories share may fail the story"
)]

mod confinement;
mod endings;
mod order;
mod parts;
mod probing;
mod runs;
mod rust;
mod scoring;
mod secrets;
