//! Stories against a running server: real HTTP, real git, a real receiver of webhooks.

mod admission;
mod deliveries;
// Its tables are read by lines.
#[rustfmt::skip]
mod everything;
mod git_data;
mod harness;
mod pages;
mod pulls;
mod pushes;
mod receiver;
