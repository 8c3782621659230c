//! `bowsprit wait`: ends once something has come about, for scripts and for whoever follows the tutorial.

use super::get::{text, versions};
use super::place::{Named, Numbered, query, repo};
use super::{Remote, out};
use anyhow::bail;
use bowsprit_core::name::{CommitSha, RepoName};
use bowsprit_core::text::clean_line;
use clap::{Args, Subcommand};
use http::{Method, StatusCode};
use serde_json::Value;
use std::io::IsTerminal as _;
use std::time::Duration;

/// How often the server is asked.
const LOOK: Duration = Duration::from_millis(500);
/// Runs of a repository among which that of a commit is looked for.
const RUNS: &str = "100";

/// What is waited for.
#[derive(Debug, Args)]
pub(super) struct Wait {
    #[command(subcommand)]
    what: What,
    /// How long at most
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 900)]
    timeout: u64,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Until the newest training of a repository has ended; ends with 1 where no model came of it
    Run {
        /// OWNER/REPO of the training repository
        #[arg(value_parser = repo)]
        repo: RepoName,
        /// Of this commit, 40 digits
        #[arg(long, value_name = "SHA", value_parser = CommitSha::parse)]
        commit: Option<CommitSha>,
    },
    /// Until a pull request is there, or is merged
    Pull {
        /// OWNER/REPO#NUMBER
        pull: Numbered,
        /// Until it is merged; ends with 1 where it is closed without
        #[arg(long)]
        merged: bool,
    },
    /// Until an environment serves a model; ends with 1 where a deployment fails
    Environment {
        /// OWNER/REPO/NAME
        environment: Named,
        /// This version of one of its models
        #[arg(long, value_name = "NUMBER")]
        version: Option<u64>,
    },
}

/// What one look has shown.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// It has come about, as this says.
    Done(String),
    /// Not yet; this is how it stands.
    NotYet(String),
    /// It will not come about, for this reason.
    Never(String),
}

/// Waits, and tells what came. Errors: it did not come in time, or cannot come any more.
pub(super) async fn run(args: Wait, remote: &Remote) -> anyhow::Result<()> {
    let mut how = "the server does not answer".to_owned();
    let limit = Duration::from_secs(args.timeout);
    let looked = tokio::time::timeout(limit, look(&args.what, remote, &mut how)).await;
    looked.unwrap_or_else(|_| {
        bail!(
            "waited {} s in vain: {how}; --timeout SECONDS waits longer",
            args.timeout
        )
    })
}

/// Looks until it has come about; `how` is how it stands meanwhile, told a person each time that it changes.
async fn look(what: &What, remote: &Remote, how: &mut String) -> anyhow::Result<()> {
    let path = what.path();
    let (mut has_answered, is_watched) = (false, std::io::stderr().is_terminal());
    loop {
        let answer = match remote.client.call(Method::GET, &path, None).await {
            // A server that is started anew is back soon.
            Err(_) if has_answered => {
                tokio::time::sleep(LOOK).await;
                continue;
            }
            answer => answer?,
        };
        has_answered = true;
        let found = match answer.status {
            // The server hears of a new repository or pull request a moment later than GitHub.
            StatusCode::NOT_FOUND => Value::Null,
            _ => remote.client.taken(&answer)?,
        };
        match what.seen(&found) {
            Seen::Done(word) if !remote.is_json => {
                out::line(&clean_line(&word));
                return Ok(());
            }
            Seen::Done(_) => {
                out::json(&found);
                return Ok(());
            }
            Seen::Never(why) => bail!("{}", clean_line(&why)),
            Seen::NotYet(word) => {
                let word = clean_line(&word);
                // A script has no use for what passes.
                if *how != word && is_watched {
                    out::note(&word);
                }
                *how = word;
                tokio::time::sleep(LOOK).await;
            }
        }
    }
}

impl What {
    /// Where the API has it.
    fn path(&self) -> String {
        match self {
            What::Run { repo, .. } => {
                let of = [
                    ("repo", Some(repo.to_string())),
                    ("limit", Some(RUNS.to_owned())),
                ];
                format!("/api/v1/runs{}", query(&of))
            }
            What::Pull { pull, .. } => pull.path(),
            What::Environment { environment, .. } => environment.path("environments"),
        }
    }

    /// What the server's answer says; null where it knows nothing yet.
    fn seen(&self, found: &Value) -> Seen {
        match self {
            What::Run { repo, commit } => run_seen(found, repo, commit.as_ref()),
            What::Pull { pull, merged } => pull_seen(found, pull, *merged),
            What::Environment {
                environment,
                version,
            } => environment_seen(found, environment, *version),
        }
    }
}

fn run_seen(found: &Value, repo: &RepoName, commit: Option<&CommitSha>) -> Seen {
    let is_meant = |run: &&Value| {
        run["what"] == "train" && commit.is_none_or(|commit| run["sha"] == commit.as_str())
    };
    let runs = found["items"].as_array().into_iter().flatten();
    let Some(run) = { runs }.find(is_meant) else {
        return Seen::NotYet(format!("{repo} has no such training yet"));
    };
    let word = format!(
        "run {} of {}: {}",
        text(&run["id"]),
        text(&run["repo"]),
        text(&run["headline"])
    );
    match run["phase"].as_str() {
        Some("succeeded") => Seen::Done(word),
        Some("failed" | "cancelled" | "skipped") => Seen::Never(word),
        _ => Seen::NotYet(word),
    }
}

fn pull_seen(found: &Value, pull: &Numbered, is_merge: bool) -> Seen {
    if found.is_null() {
        return Seen::NotYet(format!("{pull} is not there yet"));
    }
    let word = format!("{pull} {}", text(&found["title"]));
    match (found["is_open"] == true, !found["landed"].is_null()) {
        (_, true) if is_merge => Seen::Done(format!("{word}: merged")),
        (false, _) if is_merge => Seen::Never(format!("{word}: closed and not merged")),
        (true, _) if is_merge => Seen::NotYet(format!(
            "{word}: not merged; `bowsprit show pull` tells what is missing"
        )),
        _ => Seen::Done(word),
    }
}

fn environment_seen(found: &Value, environment: &Named, version: Option<u64>) -> Seen {
    let place = format!("{}/{}", environment.repo, environment.name);
    let models = found["live"]["models"].as_object();
    let is_live = models.is_some_and(|models| match version {
        Some(version) => models.values().any(|model| model["version"] == version),
        None => !models.is_empty(),
    });
    if is_live {
        let (live, url) = (versions(&found["live"]), text(&found["url"]));
        return Seen::Done(format!("{place} serves {live} at {url}"));
    }
    if found["phase"] == "failed" {
        return Seen::Never(format!("{place} failed: {}", text(&found["reason"])));
    }
    match models {
        Some(_) => Seen::NotYet(format!("{place} serves {}", versions(&found["live"]))),
        None => Seen::NotYet(format!("{place} serves nothing yet")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn kind(seen: &Seen) -> &'static str {
        match seen {
            Seen::Done(_) => "done",
            Seen::NotYet(_) => "not yet",
            Seen::Never(_) => "never",
        }
    }

    #[test]
    fn a_run_is_waited_for_until_it_has_ended() {
        let repo = RepoName::parse("ada/demo-training").expect("a name");
        let commit = CommitSha::parse(&"a".repeat(40)).expect("a commit");
        let run = |sha: &str, what: &str, phase: &str| {
            json!({"id": "r1", "repo": "ada/demo-training", "what": what, "phase": phase,
                "sha": sha.repeat(40), "headline": "x"})
        };
        for (runs, of, says) in [
            (json!([]), None, "not yet"),
            (json!([run("a", "unit", "succeeded")]), None, "not yet"),
            (json!([run("a", "train", "running")]), None, "not yet"),
            (json!([run("a", "train", "succeeded")]), None, "done"),
            (json!([run("a", "train", "failed")]), None, "never"),
            // The newest is first; that of the commit is the one that counts.
            (
                json!([run("b", "train", "failed"), run("a", "train", "succeeded")]),
                Some(&commit),
                "done",
            ),
            (
                json!([run("b", "train", "succeeded")]),
                Some(&commit),
                "not yet",
            ),
        ] {
            let seen = run_seen(&json!({"items": runs}), &repo, of);
            assert_eq!(kind(&seen), says, "{runs} {seen:?}");
        }
        assert_eq!(kind(&run_seen(&Value::Null, &repo, None)), "not yet");
    }

    #[test]
    fn a_pull_request_is_waited_for_until_it_is_there_or_merged() {
        let pull: Numbered = "ada/demo-service#1".parse().expect("a place");
        let shown = |is_open: bool, landed: Value| json!({"is_open": is_open, "landed": landed, "title": "t"});
        for (found, until_there, until_merged) in [
            (Value::Null, "not yet", "not yet"),
            (shown(true, Value::Null), "done", "not yet"),
            (shown(false, Value::Null), "done", "never"),
            (shown(false, json!("aaaa")), "done", "done"),
        ] {
            assert_eq!(kind(&pull_seen(&found, &pull, false)), until_there);
            assert_eq!(kind(&pull_seen(&found, &pull, true)), until_merged);
        }
    }

    #[test]
    fn an_environment_is_waited_for_until_it_serves_the_version() {
        let place: Named = "ada/demo-service/staging".parse().expect("a place");
        let serves = |version: u64| json!({"models": {"digits": {"version": version}}});
        for (found, version, says) in [
            (Value::Null, None, "not yet"),
            (json!({"live": null, "phase": "starting"}), None, "not yet"),
            (json!({"live": {"models": {}}}), None, "not yet"),
            (json!({"live": serves(1), "phase": "live"}), None, "done"),
            (json!({"live": serves(1), "phase": "live"}), Some(1), "done"),
            (
                json!({"live": serves(1), "phase": "starting"}),
                Some(2),
                "not yet",
            ),
            (
                json!({"live": serves(1), "phase": "failed"}),
                Some(2),
                "never",
            ),
            // The one before goes on, which is what was asked for.
            (json!({"live": serves(1), "phase": "failed"}), None, "done"),
        ] {
            let seen = environment_seen(&found, &place, version);
            assert_eq!(kind(&seen), says, "{found} {seen:?}");
        }
    }
}
