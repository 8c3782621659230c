//! Stories through the real door: a GitHub-compatible server, the bot, its agents and gateways, and people who talk.

mod approval;
mod comments;
mod door;
mod forks;
mod harness;
mod hostile;
mod injection;
mod judge;
mod people;
mod promotion;
mod training;
