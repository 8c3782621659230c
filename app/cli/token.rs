//! `bowsprit token`: makes, lists and revokes tokens of the API.
//!
//! With `--config` it works on the store itself, which makes the first token while the server is stopped;
//! without, it asks the server as an admin. A token is shown once and kept only by its digest.

use super::get::{ago, text};
use super::place::part;
use super::table::table;
use super::{RemoteArgs, out, server};
use crate::http::new_token;
use crate::store::{Scope, Store};
use anyhow::{Context as _, bail};
use bowsprit_core::name::{Digest, Login};
use clap::{Subcommand, ValueEnum};
use http::Method;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Make a token and print it, once
    Create {
        /// What it is called: letters, digits, - and _
        name: String,
        /// What it may do
        #[arg(long, value_enum)]
        scope: ScopeWord,
        /// The server's configuration, to make a token while the server is stopped
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// List tokens, without their secrets
    List {
        /// The server's configuration, to read while the server is stopped
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Take a token away
    Revoke {
        /// What it is called
        name: String,
        /// The server's configuration, while the server is stopped
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ScopeWord {
    /// Look
    Read,
    /// Start and cancel runs
    Run,
    /// Everything
    Admin,
}

impl ScopeWord {
    fn scope(self) -> Scope {
        match self {
            ScopeWord::Read => Scope::Read,
            ScopeWord::Run => Scope::Run,
            ScopeWord::Admin => Scope::Admin,
        }
    }
}

pub(super) async fn run(verb: Verb, remote: RemoteArgs, is_json: bool) -> anyhow::Result<ExitCode> {
    let answer = match verb {
        Verb::Create {
            name,
            scope,
            config: Some(config),
        } => {
            with_store(&config, async |store| {
                create(store, &name, scope.scope()).await
            })
            .await?
        }
        Verb::List {
            config: Some(config),
        } => {
            with_store(&config, async |store| {
                Ok(json!({"items": store.tokens().await?}))
            })
            .await?
        }
        Verb::Revoke {
            name,
            config: Some(config),
        } => with_store(&config, async |store| revoke(store, &name).await).await?,
        Verb::Create {
            name,
            scope,
            config: None,
        } => {
            let body = json!({"name": name, "scope": scope.scope()});
            remote
                .open(is_json)?
                .client
                .send(Method::POST, "/api/v1/tokens", Some(&body))
                .await?
        }
        Verb::List { config: None } => remote.open(is_json)?.client.get("/api/v1/tokens").await?,
        Verb::Revoke { name, config: None } => {
            remote
                .open(is_json)?
                .client
                .send(
                    Method::DELETE,
                    &format!("/api/v1/tokens/{}", part(&name)),
                    None,
                )
                .await?
        }
    };
    show(&answer, is_json);
    Ok(ExitCode::SUCCESS)
}

fn show(answer: &Value, is_json: bool) {
    if is_json {
        return out::json(answer.get("items").unwrap_or(answer));
    }
    if let Some(token) = answer["token"].as_str() {
        out::line(token);
        return out::note(
            "keep it now: it is shown only once; give it as BOWSPRIT_TOKEN or --token-file",
        );
    }
    let Some(items) = answer["items"].as_array() else {
        return out::line(&text(&answer["accepted"]));
    };
    let now_ms = crate::worker::now_ms();
    let rows = items.iter().map(|row| {
        vec![
            text(&row["name"]),
            text(&row["scope"]),
            ago(&row["created_ms"], now_ms),
        ]
    });
    out::line(&table(&["name", "scope", "made"], rows));
}

/// Opens the store that a configuration names. Errors: the configuration is wrong; a server holds the store.
async fn with_store(
    config: &std::path::Path,
    work: impl AsyncFnOnce(&Store) -> anyhow::Result<Value>,
) -> anyhow::Result<Value> {
    let Some(config) = server::load(Some(config)) else {
        bail!("the configuration cannot be used");
    };
    let store = Store::open(&config.store_url).await;
    let store = store.context(
        "cannot open the store; while the server runs, leave --config away and give an admin token",
    )?;
    let done = work(&store).await;
    store.close().await?;
    done
}

async fn create(store: &Store, name: &str, scope: Scope) -> anyhow::Result<Value> {
    let name = Login::parse(name).context("cannot use the name")?;
    if store
        .tokens()
        .await?
        .iter()
        .any(|row| row.name == name.as_str())
    {
        bail!("a token is called `{name}` already; revoke it first, or take another name");
    }
    let token = new_token()?;
    store
        .put_token(name.as_str(), &Digest::of(token.as_bytes()), scope)
        .await?;
    Ok(json!({"name": name, "scope": scope, "token": token}))
}

async fn revoke(store: &Store, name: &str) -> anyhow::Result<Value> {
    if store.revoke_token(name).await? {
        return Ok(json!({"name": name, "accepted": "the token was taken away"}));
    }
    bail!("no token is called `{name}`; `bowsprit token list` lists them")
}
