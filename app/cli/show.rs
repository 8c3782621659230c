//! `bowsprit show`: one thing.

use super::get::{ago, numbered, short, text, versions};
use super::place::{Named, Numbered, part};
use super::table::table;
use super::{Remote, out};
use bowsprit_core::text::{clean_line, number, signed};
use clap::{Args, Subcommand};
use serde_json::Value;

#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// A run: stages, gates, metrics, failure
    Run {
        /// Its id
        id: String,
    },
    /// A model: every version
    Model {
        /// OWNER/REPO/MODEL of the service repository
        model: Named,
    },
    /// An environment: what is live, history
    Environment {
        /// OWNER/REPO/NAME
        environment: Named,
    },
    /// A pull request: every rule, met or not
    Pull {
        /// OWNER/REPO#NUMBER
        pull: Numbered,
    },
}

pub(super) async fn run(args: Show, remote: &Remote) -> anyhow::Result<()> {
    let (path, show): (String, fn(&Value)) = match args.what {
        What::Run { id } => (format!("/api/v1/runs/{}", part(&id)), of_run),
        What::Model { model } => (model.path("models"), of_model),
        What::Environment { environment } => (environment.path("environments"), of_environment),
        What::Pull { pull } => (pull.path(), of_pull),
    };
    let found = remote.client.get(&path).await?;
    if remote.is_json {
        out::json(&found);
    } else {
        show(&found);
    }
    Ok(())
}

/// A line of a name and what stands under it.
fn fact(name: &str, value: &str) {
    out::line(&format!("{name:<12} {}", clean_line(value)));
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn figure(value: &Value) -> String {
    value.as_f64().map_or_else(|| text(value), number)
}

fn of_run(run: &Value) {
    let now_ms = crate::worker::now_ms();
    fact(
        "run",
        &format!("{} ({})", text(&run["id"]), text(&run["what"])),
    );
    fact("phase", &text(&run["phase"]));
    fact("result", &text(&run["headline"]));
    fact("repository", &text(&run["repo"]["name"]));
    fact("commit", &text(&run["sha"]));
    fact("started", &ago(&run["created_ms"], now_ms));
    fact("page", &text(&run["links"]["page"]));
    if let Some(why) = run["cancelled"].as_str() {
        fact("ended", why);
    }
    if run["failure"].is_object() {
        fact("failed in", &text(&run["failure"]["step"]));
        fact("because", &text(&run["failure"]["message"]));
        items(&run["tail"])
            .iter()
            .for_each(|line| out::line(&format!("  | {}", clean_line(&text(line)))));
    }
    if !items(&run["stages"]).is_empty() {
        let rows = items(&run["stages"]).iter().map(|stage| {
            vec![
                text(&stage["name"]),
                text(&stage["state"]),
                text(&stage["id"]),
            ]
        });
        out::line(&format!("\n{}", table(&["stage", "state", "id"], rows)));
    }
    verdicts("", &run["verdicts"]);
    let old = &run["old_judge"];
    if old["is_retired"] == true {
        fact(
            "old judge",
            &format!("of v{}: retired", text(&old["version"])),
        );
    } else {
        let whose = format!("the old judge, which judged v{}:\n", text(&old["version"]));
        verdicts(&whose, &old["verdicts"]);
    }
    if let Some(metrics) = run["metrics"]
        .as_object()
        .filter(|metrics| !metrics.is_empty())
    {
        let rows = metrics.iter().map(|(name, metric)| {
            vec![
                name.clone(),
                figure(&metric["value"]),
                text(&metric["origin"]),
            ]
        });
        out::line(&format!(
            "\n{}",
            table(&["metric", "value#", "read from"], rows)
        ));
    }
}

/// What each gate says, under a heading; nothing where none has spoken.
pub(super) fn verdicts(heading: &str, verdicts: &Value) {
    if items(verdicts).is_empty() {
        return;
    }
    let rows = items(verdicts).iter().map(|verdict| {
        let delta = verdict["delta"]
            .as_f64()
            .map_or_else(|| "–".to_owned(), signed);
        vec![
            text(&verdict["gate"]),
            text(&verdict["outcome"]),
            figure(&verdict["observed"]),
            text(&verdict["wanted"]),
            figure(&verdict["live"]),
            delta,
            text(&verdict["reason"]),
        ]
    });
    let columns = [
        "gate",
        "says",
        "observed#",
        "wanted",
        "live#",
        "delta#",
        "why",
    ];
    out::line(&format!("\n{heading}{}", table(&columns, rows)));
}

fn of_model(model: &Value) {
    let now_ms = crate::worker::now_ms();
    fact("model", &text(&model["model"]));
    fact("served by", &text(&model["repo"]));
    fact("trained in", &text(&model["training"]));
    let rows = items(&model["versions"]).iter().map(|version| {
        let people: Vec<String> = items(&version["approved_by"]).iter().map(text).collect();
        let live: Vec<String> = items(&version["environments"])
            .iter()
            .filter(|place| place["is_live"] == true)
            .map(|place| text(&place["name"]))
            .collect();
        vec![
            numbered(version),
            short(&version["digest"], 19),
            text(&version["run"]),
            short(&version["training_commit"], 7),
            people.join(", "),
            live.join(", "),
            deletion(&version["deleted"], now_ms),
            ago(&version["created_ms"], now_ms),
        ]
    });
    out::line(&format!(
        "\n{}",
        table(
            &[
                "version",
                "digest",
                "run",
                "commit",
                "approved by",
                "live in",
                "deleted",
                "made"
            ],
            rows
        )
    ));
    for kept in items(&model["kept"]) {
        fact("not deleted", &text(&kept["why"]));
    }
}

/// Who deleted a version, and when.
fn deletion(deleted: &Value, now_ms: i64) -> String {
    match deleted.is_object() {
        true => format!(
            "by {} {}",
            text(&deleted["by"]),
            ago(&deleted["at_ms"], now_ms)
        ),
        false => String::new(),
    }
}

fn of_environment(environment: &Value) {
    let now_ms = crate::worker::now_ms();
    fact(
        "environment",
        &format!(
            "{}/{}",
            text(&environment["repo"]["name"]),
            text(&environment["name"])
        ),
    );
    fact("live", &versions(&environment["live"]));
    fact("since", &ago(&environment["live_since_ms"], now_ms));
    fact("phase", &text(&environment["phase"]));
    if let Some(reason) = environment["reason"].as_str() {
        fact("because", reason);
    }
    fact("address", &text(&environment["url"]));
    fact("page", &text(&environment["links"]["page"]));
    let rows = items(&environment["verified"]).iter().rev().map(|one| {
        vec![
            versions(&one["release"]),
            short(&one["release"]["commit"], 7),
            ago(&one["at_ms"], now_ms),
        ]
    });
    out::line(&format!(
        "\n{}",
        table(&["verified", "commit", "when"], rows)
    ));
}

fn of_pull(pull: &Value) {
    fact(
        "pull request",
        &format!(
            "{}#{} {}",
            text(&pull["repo"]["name"]),
            text(&pull["number"]),
            text(&pull["title"])
        ),
    );
    fact("open", if pull["is_open"] == true { "yes" } else { "no" });
    let rows = items(&pull["rules"]).iter().map(|rule| {
        let people: Vec<String> = items(&rule["who"]).iter().map(text).collect();
        vec![
            text(&rule["state"]),
            text(&rule["name"]),
            text(&rule["detail"]),
            people.join(", "),
        ]
    });
    out::line(&format!(
        "\n{}",
        table(&["state", "rule", "detail", "who"], rows)
    ));
}
