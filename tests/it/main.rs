//! Stories through the real door: a GitHub-compatible server, the bot, its agents and gateways, and people who talk.

#![expect(
    clippy::too_many_lines,
    reason = "a story is told from its beginning to its end"
)]
mod agents;
mod alike;
mod approval;
mod both;
mod bots;
mod calls;
mod comments;
mod contexts;
mod crash;
mod create;
mod deletion;
mod deliveries;
mod doctor;
mod door;
mod foreign;
mod forks;
mod gitops;
mod harness;
mod hostile;
mod https;
mod import;
mod injection;
mod judge;
mod logs;
mod members;
mod migrate;
mod models;
mod owners;
mod packs;
mod people;
mod picker;
mod picks;
mod pools;
mod promotion;
mod queue;
mod quickstarts;
mod rebuild;
mod retention;
mod secrets;
mod several;
mod threads;
mod training;
mod trial;
mod trust;
mod tutorial;
mod unrest;
mod webhooks;
