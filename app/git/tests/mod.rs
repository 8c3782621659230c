//! The rooms' behaviour against a small server of git.

mod fetch;
mod read;
