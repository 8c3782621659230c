//! Stories against a running server: real HTTP, real git, a real receiver of webhooks.

#![expect(
    clippy::too_many_lines,
    reason = "a story is told from its beginning to its end"
)]

mod admission;
mod deliveries;
mod git_data;
mod harness;
mod pages;
mod pulls;
mod pushes;
mod receiver;
