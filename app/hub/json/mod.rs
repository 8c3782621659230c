//! Builds the JSON of every kind of object, with the fields that the REST description requires.
//!
//! One builder per kind.  Builders only read: they must never change the state, and they give
//! the same text for the same state, since entity tags are made of it.

mod account;
pub(crate) mod check;
mod deploy;
pub(crate) mod git;
pub(crate) mod issue;
pub(crate) mod pull;
mod repo;

use crate::state::State;

/// The two base addresses that appear in answers.
#[derive(Clone, Debug)]
pub(crate) struct Urls {
    /// Base of the REST API.
    pub(crate) api: String,
    /// Base of pages and of git over HTTP.
    pub(crate) html: String,
}

/// A state to be shown, and the addresses to show it under.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) state: &'a State,
    pub(crate) urls: &'a Urls,
}
