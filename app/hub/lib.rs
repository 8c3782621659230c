//! A GitHub-compatible server for laptops and tests, over real bare git repositories.
//!
//! It answers the part of the REST API that an App needs, takes pushes over smart HTTP,
//! sends signed webhooks and shows a small web page.  It is a stand-in for GitHub: it must
//! never know anything about the program that talks to it.

#![recursion_limit = "256"]

mod admin;
mod answer;
mod api;
mod auth;
mod cli;
mod config;
mod deliver;
mod door;
mod events;
mod faults;
mod follow;
mod gitstore;
mod hub;
mod journal;
mod json;
mod jwt;
pub mod key;
mod markdown;
mod page;
mod record;
mod refs;
mod routes;
mod seed;
mod serve;
mod server;
mod smart_http;
mod state;
mod store;
mod text;

pub use cli::run_cli;
pub use config::{AppConfig, Config, InstallationConfig, OrgConfig, PersonConfig, WebhookConfig};
pub use server::{Running, start};
