//! Bare mirrors of repositories: the system git fetches and merges, git2 reads objects.
//!
//! Nothing is ever checked out, no hook, filter, submodule or configuration of a repository is obeyed,
//! and no token stands in an argument, an address or a repository's configuration.
//! Everything read is bounded; what is beyond a bound is an error or is marked as cut, never silently a part.

mod chain;
pub mod fetch;
mod ignore;
mod manifests;
pub mod mirror;
mod pick;
pub mod read;
pub mod snapshot;
pub mod tree;
mod working;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;
