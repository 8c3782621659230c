//! What a person sees meanwhile and at the end.

use super::super::git_host::GitHost;
use super::super::out;
use super::half::{Half, Reached, Standing};
use bowsprit_core::catalogue::{Entry, Part, Root};
use bowsprit_core::name::{CommitSha, RepoName};
use bowsprit_core::text::clean_line;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How often the server is asked meanwhile.
const CHECK_POLL: Duration = Duration::from_millis(500);

/// Progress: a bar at a terminal, a line a step elsewhere.
pub(super) struct Bar {
    bar: ProgressBar,
    is_quiet: bool,
}

impl Bar {
    /// A bar for all steps of `halves`.
    pub(super) fn start(halves: &[Half], is_local: bool, is_quiet: bool) -> Bar {
        let each = if is_local { 1 } else { 4 };
        let target = match is_quiet {
            true => ProgressDrawTarget::hidden(),
            false => ProgressDrawTarget::stderr(),
        };
        let bar = ProgressBar::with_draw_target(Some(halves.len() as u64 * each), target);
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len} {msg}") {
            bar.set_style(style);
        }
        Bar { bar, is_quiet }
    }

    /// One more step begins.
    pub(super) fn step(&mut self, what: &str) {
        self.bar.set_message(what.to_owned());
        self.bar.inc(1);
        if self.bar.is_hidden() && !self.is_quiet {
            out::note(what);
        }
    }

    /// Takes the bar away.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// The first check that the App puts on a commit; none where nothing comes in time, though it is asked once.
pub(super) async fn first_check(
    host: &GitHost,
    (repo, commit): (&RepoName, &CommitSha),
    until: Instant,
) -> Option<Value> {
    loop {
        // A server that does not show checks to this person says nothing about the App.
        let checks = host.checks(repo, commit).await.ok()?;
        if let Some(check) = checks.into_iter().next() {
            return Some(json!({
                "name": check["name"], "status": check["status"], "url": check["details_url"],
            }));
        }
        if Instant::now() >= until {
            return None;
        }
        tokio::time::sleep(CHECK_POLL).await;
    }
}

/// How it ended.
pub(super) struct Report<'r> {
    pub(super) entry: &'r Entry,
    pub(super) root: &'r Root,
    pub(super) halves: &'r [Half],
    pub(super) made: Vec<Standing>,
    pub(super) is_pushed: bool,
}

impl Report<'_> {
    /// Prints it.
    pub(super) fn tell(&self, host: &GitHost, is_json: bool) {
        let parts: Vec<Value> = self
            .halves
            .iter()
            .zip(&self.made)
            .map(|(half, stands)| {
                let url = self.is_pushed.then(|| {
                    host.git_url(half.repo())
                        .trim_end_matches(".git")
                        .to_owned()
                });
                json!({
                    "name": half.name(), "dir": half.dir().display().to_string(),
                    "repository": half.repo(), "url": url,
                    "commit": stands.commit, "check": stands.check,
                })
            })
            .collect();
        let next = self.next();
        if is_json {
            out::json(&json!({
                "quickstart": self.entry.name, "root": self.root, "download": self.entry.download,
                "parts": parts, "next": next,
            }));
            return;
        }
        out::line(&format!(
            "{} is made from {}.",
            self.root.as_str(),
            self.entry.name
        ));
        for part in &parts {
            let text = |key: &str| clean_line(part[key].as_str().unwrap_or_default());
            out::line(&format!("\n  {}", text("name")));
            out::line(&format!("    folder  {}", text("dir")));
            if self.is_pushed {
                out::line(&format!("    address {}", text("url")));
                out::line(&format!("    check   {}", told(&part["check"])));
            }
        }
        out::line("\nNext:");
        for step in next {
            out::line(&format!("  - {step}"));
        }
    }

    /// Prints how far each half came before `error`, and how to give up; the same command goes on with all of it.
    pub(super) fn tell_broken(&self, host: &GitHost, error: &anyhow::Error, is_json: bool) {
        let reached = |at: usize| self.made.get(at).map(|stands| stands.reached);
        let halves = || self.halves.iter().enumerate();
        if is_json {
            let parts = halves().map(|(at, half)| {
                json!({
                    "name": half.name(), "dir": half.dir().display().to_string(),
                    "repository": half.repo(), "reached": reached(at),
                })
            });
            out::json(&json!({
                "quickstart": self.entry.name, "root": self.root, "is_whole": false,
                "parts": parts.collect::<Value>(), "error": clean_line(&format!("{error:#}")),
            }));
            return;
        }
        for (at, half) in halves() {
            let (dir, repo, server) = (half.dir().display(), half.repo(), host.host());
            let word = match reached(at) {
                None => "not made".to_owned(),
                Some(Reached::Folder) if self.is_pushed => format!("{dir}; not on {server}"),
                Some(Reached::Folder) => dir.to_string(),
                Some(Reached::Asked) => format!("{dir}; asked for on {server}, and not seen there"),
                Some(Reached::Repository) => format!("{dir}; {repo} on {server}, empty"),
                Some(Reached::Pushed) => format!("{dir}; {repo} on {server}, pushed"),
            };
            out::note(&format!("  {}: {word}", half.name()));
        }
        if !self.made.is_empty() {
            out::note("To give up instead, remove what is listed here.");
        }
    }

    /// What a person does next, a sentence each.
    fn next(&self) -> Vec<String> {
        let mut steps = Vec::new();
        let is_seen = self.made.iter().any(|stands| stands.check.is_some());
        if !self.is_pushed {
            steps.push(
                "set who approves in OWNERS_ALIASES, make the repositories on your git server, and push".to_owned(),
            );
        } else if !is_seen {
            steps.push(
                "install the Bowsprit App on the new repositories (its page says Install; choose all repositories, or these); the push is then found by itself".to_owned(),
            );
        } else if self.entry.part != Part::Service {
            steps.push(format!(
                "wait for the check `train`; when the gates pass, the model comes as a pull request on {}-service",
                self.root.as_str()
            ));
            steps.push("say /lgtm and /approve there; it then goes to staging".to_owned());
        }
        if self.entry.part == Part::Training {
            steps.push(format!(
                "make the other half with the same root: --filter {}-service --root {}",
                self.entry.name.trim_end_matches("-training"),
                self.root.as_str()
            ));
        }
        if self.entry.part == Part::Service {
            steps.push(format!(
                "make the other half with the same root: --filter {}-training --root {}; until its first model comes this one waits for it",
                self.entry.name.trim_end_matches("-service"),
                self.root.as_str()
            ));
        }
        steps
    }
}

fn told(check: &Value) -> String {
    match check["name"].as_str() {
        Some(name) => format!(
            "{} is {} {}",
            clean_line(name),
            clean_line(check["status"].as_str().unwrap_or("there")).replace('_', " "),
            clean_line(check["url"].as_str().unwrap_or_default())
        ),
        None => "none yet".to_owned(),
    }
}
