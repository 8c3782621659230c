//! The rooms' behaviour against a small server of git.

mod chain;
mod code_owners;
mod fetch;
mod manifests;
mod read;
mod snapshot;
