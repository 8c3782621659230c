//! The rooms' behaviour against a small server of git.

mod chain;
mod fetch;
mod manifests;
mod read;
