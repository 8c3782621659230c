//! `bowsprit get`: lists.

use super::catalogue::packs::PackArgs;
use super::place::{query, repo};
use super::quickstarts::Quickstarts;
use super::table::table;
use super::{Remote, import, locations, out, pack_sources, quickstarts};
use bowsprit_core::name::RepoName;
use bowsprit_core::text::duration;
use clap::{Args, Subcommand};
use serde_json::Value;
use std::process::ExitCode;

/// What the names of previews begin with.
const PREVIEW: &str = "pr-";

#[derive(Debug, Subcommand)]
pub(super) enum Get {
    /// Runs, newest first
    Runs {
        /// Only of this repository
        #[arg(long, value_parser = repo)]
        repo: Option<RepoName>,
        /// Only in this phase
        #[arg(long)]
        phase: Option<String>,
        /// Only of this model
        #[arg(long)]
        model: Option<String>,
        #[command(flatten)]
        page: Page,
    },
    /// Models, with their newest versions
    Models(Page),
    /// Environments, previews too
    Environments(Page),
    /// Previews of open pull requests
    Previews(Page),
    /// Services, with what each of their environments serves
    Applications(Page),
    /// Deliveries of GitHub
    Deliveries(InState),
    /// Effects at the far ends
    Effects(InState),
    /// What happened, newest first
    #[command(visible_alias = "activity")]
    Events {
        /// Only of this subject, such as run/r0123456789ab
        #[arg(long)]
        subject: Option<String>,
        #[command(flatten)]
        page: Page,
    },
    /// What new repositories can start from; asks no server of ours
    Quickstarts(Box<Quickstarts>),
    /// What `import` can give to a repository
    Packs(PackArgs),
    /// Whose packs are offered
    Packsources,
    /// Whose quickstarts are offered
    #[command(visible_alias = "qsloc")]
    Quickstartlocations,
}

/// How much of a list.
#[derive(Debug, Args)]
pub(super) struct Page {
    /// Rows at most
    #[arg(long, default_value_t = 30)]
    limit: u16,
}

/// Part of a queue.
#[derive(Debug, Args)]
pub(super) struct InState {
    /// Only in this state
    #[arg(long)]
    state: Option<String>,
    #[command(flatten)]
    page: Page,
}

/// What the server lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Runs,
    Models,
    Environments,
    Previews,
    Applications,
    Deliveries,
    Effects,
    Events,
}

impl What {
    fn path(self) -> &'static str {
        match self {
            What::Runs => "/api/v1/runs",
            What::Models => "/api/v1/models",
            What::Environments | What::Previews | What::Applications => "/api/v1/environments",
            What::Deliveries => "/api/v1/deliveries",
            What::Effects => "/api/v1/effects",
            What::Events => "/api/v1/events",
        }
    }

    /// Whether a row of the answer belongs to it.
    fn takes(self, item: &Value) -> bool {
        let is_preview = item["name"]
            .as_str()
            .is_some_and(|name| name.starts_with(PREVIEW));
        match self {
            What::Previews => is_preview,
            What::Applications => !is_preview,
            _ => true,
        }
    }
}

pub(super) async fn run(get: Get, remote: &Remote) -> anyhow::Result<ExitCode> {
    let limit = |page: &Page| ("limit", Some(page.limit.to_string()));
    let (what, query) = match get {
        Get::Quickstarts(args) => return quickstarts::list(*args, remote).await,
        Get::Packs(args) => return import::list_packs(&args, remote).await,
        Get::Packsources => return pack_sources::list(remote).await,
        Get::Quickstartlocations => return locations::list(remote).await,
        Get::Runs {
            repo,
            phase,
            model,
            page,
        } => {
            let repo = repo.map(|repo| repo.to_string());
            let of = [
                ("repo", repo),
                ("phase", phase),
                ("model", model),
                limit(&page),
            ];
            (What::Runs, query(&of))
        }
        Get::Models(page) => (What::Models, query(&[limit(&page)])),
        Get::Environments(page) => (What::Environments, query(&[limit(&page)])),
        Get::Previews(page) => (What::Previews, query(&[limit(&page)])),
        Get::Applications(page) => (What::Applications, query(&[limit(&page)])),
        Get::Deliveries(InState { state, page }) => {
            (What::Deliveries, query(&[("state", state), limit(&page)]))
        }
        Get::Effects(InState { state, page }) => {
            (What::Effects, query(&[("state", state), limit(&page)]))
        }
        Get::Events { subject, page } => {
            (What::Events, query(&[("subject", subject), limit(&page)]))
        }
    };
    list(what, &query, remote).await?;
    Ok(ExitCode::SUCCESS)
}

/// Lists one kind of thing.
pub(super) async fn list(what: What, query: &str, remote: &Remote) -> anyhow::Result<()> {
    let answer = remote
        .client
        .get(&format!("{}{query}", what.path()))
        .await?;
    let items = answer["items"].as_array().into_iter().flatten();
    let items: Vec<Value> = items.filter(|item| what.takes(item)).cloned().collect();
    if remote.is_json {
        out::json(&items.into());
        return Ok(());
    }
    out::line(&shown(what, &items));
    if let Some(next) = answer["next"].as_str() {
        out::note(&format!("more: --limit, or the API with before={next}"));
    }
    Ok(())
}

fn shown(what: What, items: &[Value]) -> String {
    let now_ms = crate::worker::now_ms();
    let rows =
        |row: fn(&Value, i64) -> Vec<String>| items.iter().map(move |item| row(item, now_ms));
    match what {
        What::Runs => table(
            &[
                "run",
                "phase",
                "what",
                "repository",
                "commit",
                "started",
                "took#",
                "result",
            ],
            rows(of_run),
        ),
        What::Models => table(
            &["model", "version#", "digest", "made", "run"],
            rows(of_model),
        ),
        What::Applications => table(
            &["application", "environment", "version", "phase", "address"],
            rows(of_application),
        ),
        What::Environments | What::Previews => table(
            &["environment", "live", "phase", "since", "address"],
            rows(of_environment),
        ),
        What::Deliveries => table(
            &["received", "event", "state", "tries#", "guid", "note"],
            rows(of_delivery),
        ),
        What::Effects => table(
            &["id#", "changed", "kind", "state", "tries#", "key", "error"],
            rows(of_effect),
        ),
        What::Events => table(&["when", "subject", "what", "who", "why"], rows(of_event)),
    }
}

fn of_run(run: &Value, now_ms: i64) -> Vec<String> {
    let created = run["created_ms"].as_i64().unwrap_or(now_ms);
    let took = run["finished_ms"].as_i64().unwrap_or(now_ms) - created;
    vec![
        text(&run["id"]),
        text(&run["phase"]),
        text(&run["what"]),
        text(&run["repo"]),
        short(&run["sha"], 7),
        ago(&run["created_ms"], now_ms),
        duration(took),
        text(&run["headline"]),
    ]
}

fn of_model(model: &Value, now_ms: i64) -> Vec<String> {
    let newest = &model["newest"];
    vec![
        format!("{}/{}", text(&model["repo"]), text(&model["model"])),
        numbered(newest),
        short(&newest["digest"], 19),
        ago(&newest["created_ms"], now_ms),
        text(&newest["run"]),
    ]
}

fn of_environment(environment: &Value, now_ms: i64) -> Vec<String> {
    vec![
        format!(
            "{}/{}",
            text(&environment["repo"]["name"]),
            text(&environment["name"])
        ),
        versions(&environment["live"]),
        text(&environment["phase"]),
        ago(&environment["live_since_ms"], now_ms),
        text(&environment["url"]),
    ]
}

fn of_application(environment: &Value, _: i64) -> Vec<String> {
    vec![
        text(&environment["repo"]["name"]),
        text(&environment["name"]),
        versions(&environment["live"]),
        text(&environment["phase"]),
        text(&environment["url"]),
    ]
}

fn of_delivery(delivery: &Value, now_ms: i64) -> Vec<String> {
    let note = if delivery["error"].is_null() {
        &delivery["note"]
    } else {
        &delivery["error"]
    };
    let event = match delivery["action"].as_str() {
        Some(action) => format!("{} {action}", text(&delivery["event"])),
        None => text(&delivery["event"]),
    };
    vec![
        ago(&delivery["received_ms"], now_ms),
        event,
        text(&delivery["state"]),
        text(&delivery["attempts"]),
        text(&delivery["guid"]),
        text(note),
    ]
}

fn of_effect(effect: &Value, now_ms: i64) -> Vec<String> {
    vec![
        text(&effect["id"]),
        ago(&effect["updated_ms"], now_ms),
        text(&effect["kind"]),
        text(&effect["state"]),
        text(&effect["attempts"]),
        text(&effect["key"]),
        text(&effect["error"]),
    ]
}

fn of_event(event: &Value, now_ms: i64) -> Vec<String> {
    vec![
        ago(&event["at_ms"], now_ms),
        text(&event["subject"]),
        text(&event["what"]),
        text(&event["who"]),
        text(&event["why"]),
    ]
}

/// `v8`, with whether it was deleted.
pub(super) fn numbered(version: &Value) -> String {
    let deleted = match version["deleted"].is_object() {
        true => " (deleted)",
        false => "",
    };
    format!("v{}{deleted}", text(&version["version"]))
}

/// `v8`, or each model with its version.
pub(super) fn versions(release: &Value) -> String {
    let Some(models) = release["models"].as_object() else {
        return "–".to_owned();
    };
    let shown: Vec<String> = models
        .iter()
        .map(|(name, model)| format!("{name} v{}", text(&model["version"])))
        .collect();
    if shown.is_empty() {
        "no model".to_owned()
    } else {
        shown.join(", ")
    }
}

/// A value as a person reads it.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// The first characters of a text.
pub(super) fn short(value: &Value, chars: usize) -> String {
    text(value).chars().take(chars).collect()
}

/// How long ago.
pub(super) fn ago(then_ms: &Value, now_ms: i64) -> String {
    match then_ms.as_i64().map(|then| now_ms - then) {
        None => "–".to_owned(),
        Some(..1_000) => "just now".to_owned(),
        Some(ms) => format!("{} ago", duration(ms / 1_000 * 1_000)),
    }
}
