//! Stories through the real door: a GitHub-compatible server, the bot, its agents and gateways, and people who talk.

mod comments;
mod harness;
mod promotion;
mod training;
mod webhooks;
