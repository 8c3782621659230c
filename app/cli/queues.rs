//! `bowsprit deliveries` and `bowsprit effects`: what was given up, and the levers for it.

use super::Remote;
use super::get::{What, list};
use super::place::{part, query};
use super::run::ask;
use clap::Subcommand;
use http::Method;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// List, newest first
    List {
        /// Only in this state; `dead` is what was given up
        #[arg(long)]
        state: Option<String>,
        /// Rows at most
        #[arg(long, default_value_t = 30)]
        limit: u16,
    },
    /// Try one that was given up again
    Redrive {
        /// Its id
        id: String,
    },
    /// Put one that was given up away
    Discard {
        /// Its id
        id: String,
    },
}

/// Which queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Queue {
    Deliveries,
    Effects,
}

pub(super) async fn run(queue: Queue, verb: Verb, remote: &Remote) -> anyhow::Result<()> {
    let (what, path) = match queue {
        Queue::Deliveries => (What::Deliveries, "/api/v1/deliveries"),
        Queue::Effects => (What::Effects, "/api/v1/effects"),
    };
    match verb {
        Verb::List { state, limit } => {
            let query = query(&[("state", state), ("limit", Some(limit.to_string()))]);
            list(what, &query, remote).await
        }
        Verb::Redrive { id } => {
            ask(
                remote,
                Method::POST,
                &format!("{path}/{}/redrive", part(&id)),
            )
            .await
        }
        Verb::Discard { id } => {
            ask(
                remote,
                Method::POST,
                &format!("{path}/{}/discard", part(&id)),
            )
            .await
        }
    }
}
