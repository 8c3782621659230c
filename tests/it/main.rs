//! Stories through the real door: a GitHub-compatible server, the bot, its agents and gateways, and people who talk.

mod approval;
mod comments;
mod forks;
mod harness;
mod people;
mod promotion;
mod training;
