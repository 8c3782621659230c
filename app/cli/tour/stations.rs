//! The stations, in order.

use super::traffic::Traffic;
use super::wire::{Caller, git, sign_in};
use super::{Station, Tour};
use anyhow::{Context as _, bail, ensure};
use bowsprit_core::subject::ask::Manifest;
use http::Method;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Longest wait for one thing to happen; the first waits for packages to be installed.
const PATIENCE: Duration = Duration::from_secs(600);

/// How often the outside is asked again.
const POLL: Duration = Duration::from_millis(150);

/// Requests that must have flowed by the end.
const REQUESTS_MIN: u64 = 1_000;

/// Plays every station.
pub(super) async fn all(tour: &mut Tour) -> anyhow::Result<()> {
    let copy = clone(tour, &tour.training(), "linus").await?;
    let good = push(tour, &copy, "push", Edit::First).await?;
    run_and_verdict(tour, &good).await?;
    let weak = push(tour, &copy, "weak_push", Edit::Weak).await?;
    refused(tour, &weak).await?;
    let (first, sample) = land(tour, 1, true).await?;
    let production = door(tour, "production").await?;
    let url = environment_url(tour, "production").await?;
    let traffic = Traffic::begin(&production, &format!("{url}/v1/predict"), &sample["input"]);
    push(tour, &copy, "second_push", Edit::Second).await?;
    let (second, _) = land(tour, 2, false).await?;
    ensure!(
        first != second,
        "the second version has the same digest as the first"
    );
    rollback(tour, &first, &url, &production).await?;
    let (sent, failed) = traffic.end(REQUESTS_MIN).await;
    ensure!(
        failed == 0,
        "{failed} of {sent} requests failed while releases were switched"
    );
    tour.tell(Station {
        name: "traffic",
        detail: format!("{sent} requests across the switches, 0 failed"),
        url: Some(url),
        http_status: Some(200),
        ..Station::default()
    });
    Ok(())
}

/// What is pushed.
#[derive(Clone, Copy, PartialEq)]
enum Edit {
    First,
    Weak,
    Second,
}

async fn clone(tour: &Tour, repo: &str, login: &str) -> anyhow::Result<PathBuf> {
    let name = repo.split('/').next_back().unwrap_or(repo);
    let into = tour.work.join(name);
    let url = format!("{}/{repo}.git", tour.brief.hub);
    std::fs::create_dir_all(&into)?;
    git(&into, &["init", "-q"]).await?;
    sign_in(&into, &tour.brief.hub, login, tour.brief.token(login)).await?;
    git(&into, &["remote", "add", "origin", &url]).await?;
    git(&into, &["fetch", "-q", "origin", "main"]).await?;
    git(&into, &["checkout", "-q", "-B", "main", "origin/main"]).await?;
    Ok(into)
}

async fn push(
    tour: &mut Tour,
    copy: &std::path::Path,
    name: &'static str,
    edit: Edit,
) -> anyhow::Result<String> {
    let data = copy.join("data/train.csv");
    let contract = copy.join("bowsprit.yaml");
    match edit {
        Edit::First => std::fs::write(copy.join("CHANGES"), "The first model.\n")?,
        Edit::Weak => {
            let text = std::fs::read_to_string(&data)
                .context("the training data is not where it should be")?;
            std::fs::write(&data, shuffled(&text))?;
        }
        Edit::Second => {
            git(copy, &["checkout", "-q", "HEAD~1", "--", "data/train.csv"]).await?;
            let text = std::fs::read_to_string(&contract)?;
            let changed = text.replace("C: \"1.0\"", "C: \"1.5\"");
            ensure!(
                changed != text,
                "the contract has no `C: \"1.0\"` to change"
            );
            std::fs::write(&contract, changed)?;
        }
    }
    let message = match edit {
        Edit::First => "Train the first model",
        Edit::Weak => "Relabel the training data",
        Edit::Second => "Undo the labels, and fit more closely",
    };
    git(copy, &["add", "-A"]).await?;
    git(copy, &["commit", "-q", "-m", message]).await?;
    git(copy, &["push", "-q", "origin", "main"]).await?;
    let sha = git(copy, &["rev-parse", "HEAD"]).await?;
    let url = format!("{}/{}/commit/{sha}", tour.brief.hub, tour.training());
    tour.tell(Station {
        name,
        detail: format!("linus pushed `{}`: {message}", &sha[..7]),
        url: Some(url),
        sha: Some(sha.clone()),
        ..Station::default()
    });
    Ok(sha)
}

/// The same rows with the labels moved on by a third of the file: weak by its data, not by a threshold.
fn shuffled(text: &str) -> String {
    let mut lines = text.lines();
    let head = lines.next().unwrap_or_default().to_owned();
    let rows: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(',')).collect();
    let shift = rows.len() / 3 + 1;
    let mut out = head + "\n";
    for (index, (_, pixels)) in rows.iter().enumerate() {
        let label = rows[(index * 7 + shift) % rows.len().max(1)].0;
        out.push_str(&format!("{label},{pixels}\n"));
    }
    out
}

/// Waits until `look` finds something.
async fn until<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        tokio::time::sleep(POLL).await;
    }
    bail!("waited {} s in vain for {what}", PATIENCE.as_secs())
}

async fn check_run(
    tour: &Tour,
    repo: &str,
    sha: &str,
    name: &str,
) -> anyhow::Result<Option<Value>> {
    let found = tour
        .person("ada")
        .get(&format!(
            "/repos/{repo}/commits/{sha}/check-runs?check_name={name}"
        ))
        .await?;
    Ok(found["check_runs"]
        .as_array()
        .and_then(|runs| runs.iter().find(|run| run["name"] == name))
        .cloned())
}

async fn run_and_verdict(tour: &mut Tour, sha: &str) -> anyhow::Result<()> {
    let repo = tour.training();
    let run = until("the run of the push", async || {
        check_run(tour, &repo, sha, "train").await
    })
    .await?;
    let url = run["details_url"].as_str().map(str::to_owned);
    tour.tell(Station {
        name: "run",
        detail: "training runs".to_owned(),
        url,
        sha: Some(sha.to_owned()),
        ..Station::default()
    });
    let run = until("the verdict", async || {
        Ok(check_run(tour, &repo, sha, "train")
            .await?
            .filter(|run| run["status"] == "completed"))
    })
    .await?;
    ensure!(
        run["conclusion"] == "success",
        "the good model was refused: {}\n{}",
        run["output"]["title"],
        run["output"]["summary"]
    );
    tour.tell(verdict("verdict", &run, sha));
    Ok(())
}

fn verdict(name: &'static str, run: &Value, sha: &str) -> Station {
    let title = run["output"]["title"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    Station {
        name,
        detail: title,
        url: run["html_url"].as_str().map(str::to_owned),
        sha: Some(sha.to_owned()),
        verdict: Some(
            if run["conclusion"] == "success" {
                "passed"
            } else {
                "failed"
            }
            .to_owned(),
        ),
        ..Station::default()
    }
}

async fn refused(tour: &mut Tour, sha: &str) -> anyhow::Result<()> {
    let repo = tour.training();
    let run = until("the verdict on the weak model", async || {
        Ok(check_run(tour, &repo, sha, "train")
            .await?
            .filter(|run| run["status"] == "completed"))
    })
    .await?;
    ensure!(
        run["conclusion"] == "failure",
        "the weak model was not refused: {}",
        run["output"]["title"]
    );
    let pulls = tour
        .person("ada")
        .get(&format!("/repos/{}/pulls?state=all", tour.service()))
        .await?;
    let proposed = pulls.as_array().map_or(0, |pulls| {
        pulls
            .iter()
            .filter(|pull| pull["head"]["ref"] == "bowsprit/digits")
            .count()
    });
    ensure!(proposed <= 1, "a weak model was proposed");
    tour.tell(verdict("weak_refused", &run, sha));
    Ok(())
}

/// A proposed version on its way.
struct Candidate {
    version: u64,
    /// Whether each station is told, or the last alone.
    is_first: bool,
    number: u64,
    head: String,
    url: Option<String>,
    manifest: Manifest,
}

impl Candidate {
    fn station(&self, name: &'static str, detail: String) -> Station {
        Station {
            name,
            detail,
            url: self.url.clone(),
            sha: Some(self.head.clone()),
            digest: Some(self.manifest.digest.to_string()),
            model_version: Some(self.version),
            ..Station::default()
        }
    }

    fn tell(&self, tour: &mut Tour, station: Station) {
        if self.is_first {
            tour.tell(station);
        }
    }
}

/// From the open proposal to production; says the digest and a sample.
async fn land(tour: &mut Tour, version: u64, is_first: bool) -> anyhow::Result<(String, Value)> {
    let candidate = proposed(tour, version, is_first).await?;
    let merged = reviewed(tour, &candidate).await?;
    let sample = sample_at(tour, &merged).await?;
    let manifest = &candidate.manifest;
    let staging = deployed(tour, "staging", Some(&merged)).await?;
    let status = serves(tour, "staging", &staging, manifest, &sample).await?;
    let station = Station {
        url: Some(staging),
        http_status: Some(status),
        sha: Some(merged.clone()),
        ..candidate.station("staging", format!("staging serves v{version}"))
    };
    candidate.tell(tour, station);
    promoted(tour, &candidate).await?;
    let production = deployed(tour, "production", Some(&merged)).await?;
    let status = serves(tour, "production", &production, manifest, &sample).await?;
    let name = if is_first {
        "production"
    } else {
        "second_version"
    };
    tour.tell(Station {
        url: Some(production),
        http_status: Some(status),
        sha: Some(merged),
        ..candidate.station(name, format!("production serves v{version}"))
    });
    Ok((candidate.manifest.digest.to_string(), sample))
}

async fn proposed(tour: &mut Tour, version: u64, is_first: bool) -> anyhow::Result<Candidate> {
    let pull = open_pull(tour, "bowsprit/digits", &format!("v{version}")).await?;
    let head = text(&pull["head"]["sha"]);
    let manifest = manifest_at(tour, &head).await?;
    ensure!(
        manifest.version == version,
        "the proposal is v{}, not v{version}",
        manifest.version
    );
    let candidate = Candidate {
        version,
        is_first,
        number: pull["number"].as_u64().unwrap_or_default(),
        head,
        url: url_of(&pull),
        manifest,
    };
    if is_first {
        tour.tell(candidate.station("proposal", text(&pull["title"])));
        preview(tour, &candidate).await?;
    }
    Ok(candidate)
}

async fn preview(tour: &mut Tour, candidate: &Candidate) -> anyhow::Result<()> {
    let (number, head) = (candidate.number, &candidate.head);
    let url = deployed(tour, &format!("preview-{number}"), Some(head)).await?;
    let sample = sample_at(tour, head).await?;
    let door = door(tour, &format!("pr-{number}")).await?;
    let status = predicts(&door, &url, &sample).await?;
    tour.tell(Station {
        url: Some(url),
        http_status: Some(status),
        ..candidate.station("preview", "the preview knows a digit".to_owned())
    });
    Ok(())
}

/// Says the merge commit.
async fn reviewed(tour: &mut Tour, candidate: &Candidate) -> anyhow::Result<String> {
    let (service, number) = (tour.service(), candidate.number);
    for (login, name, word) in [("grace", "lgtm", "/lgtm"), ("ada", "approve", "/approve")] {
        say(tour, login, &service, number, word).await?;
        let station = candidate.station(name, format!("{login}: {word}"));
        candidate.tell(tour, station);
    }
    let merged = until("the merge", async || {
        let pull = tour
            .person("ada")
            .get(&format!("/repos/{service}/pulls/{number}"))
            .await?;
        Ok(pull["merged"]
            .as_bool()
            .unwrap_or_default()
            .then(|| text(&pull["merge_commit_sha"])))
    })
    .await?;
    ensure!(
        manifest_at(tour, &merged).await?.digest == candidate.manifest.digest,
        "the merged manifest is not the approved one"
    );
    let station = Station {
        sha: Some(merged.clone()),
        ..candidate.station("merge", format!("merged as `{}`", &merged[..7]))
    };
    candidate.tell(tour, station);
    Ok(merged)
}

async fn promoted(tour: &mut Tour, candidate: &Candidate) -> anyhow::Result<()> {
    let title = format!("v{}", candidate.version);
    let pull = open_pull(tour, "bowsprit/promote-production", &title).await?;
    let station = Station {
        url: url_of(&pull),
        sha: Some(text(&pull["head"]["sha"])),
        ..candidate.station("promotion", text(&pull["title"]))
    };
    candidate.tell(tour, station);
    let number = pull["number"].as_u64().unwrap_or_default();
    say(tour, "rita", &tour.service(), number, "/approve").await
}

async fn rollback(tour: &mut Tour, first: &str, url: &str, door: &Caller) -> anyhow::Result<()> {
    let service = tour.service();
    let issue = tour
        .person("rita")
        .post(
            &format!("/repos/{service}/issues"),
            &json!({"title": "Production looks odd", "body": "Going back."}),
        )
        .await?;
    let number = issue["number"].as_u64().unwrap_or_default();
    say(tour, "rita", &service, number, "/rollback production").await?;
    let live = until("the rollback", async || {
        let live = door.get(&format!("{url}/.bowsprit/live")).await?;
        Ok((live["digests"]["digits"] == first).then_some(live))
    })
    .await?;
    ensure!(
        environment_url(tour, "production").await? == url,
        "the address changed with the rollback"
    );
    tour.tell(Station {
        name: "rollback",
        detail: format!(
            "production serves v{} again, same address, same key",
            live["versions"]["digits"]
        ),
        url: Some(url.to_owned()),
        digest: Some(first.to_owned()),
        model_version: live["versions"]["digits"].as_u64(),
        http_status: Some(200),
        ..Station::default()
    });
    Ok(())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn url_of(pull: &Value) -> Option<String> {
    pull["html_url"].as_str().map(str::to_owned)
}

async fn open_pull(tour: &Tour, branch: &str, word: &str) -> anyhow::Result<Value> {
    let path = format!(
        "/repos/{}/pulls?state=open&head={}:{branch}",
        tour.service(),
        tour.brief.owner
    );
    until(
        &format!("the pull request of `{branch}` for {word}"),
        async || {
            let pulls = tour.person("ada").get(&path).await?;
            let found = pulls.as_array().and_then(|pulls| {
                pulls
                    .iter()
                    .find(|pull| text(&pull["title"]).contains(word))
            });
            Ok(found.cloned())
        },
    )
    .await
}

async fn say(tour: &Tour, login: &str, repo: &str, number: u64, words: &str) -> anyhow::Result<()> {
    tour.person(login)
        .post(
            &format!("/repos/{repo}/issues/{number}/comments"),
            &json!({"body": words}),
        )
        .await?;
    Ok(())
}

/// A file of the service repository at a commit, read through a fresh fetch of it.
async fn file_at(tour: &Tour, sha: &str, path: &str) -> anyhow::Result<String> {
    let copy = tour.work.join("look");
    if !copy.exists() {
        std::fs::create_dir_all(&copy)?;
        git(&copy, &["init", "-q"]).await?;
        sign_in(
            &copy,
            &tour.brief.hub,
            "ada",
            tour.brief.people.get("ada").map_or("", String::as_str),
        )
        .await?;
        git(
            &copy,
            &[
                "remote",
                "add",
                "origin",
                &format!("{}/{}.git", tour.brief.hub, tour.service()),
            ],
        )
        .await?;
    }
    git(&copy, &["fetch", "-q", "origin", sha]).await?;
    git(&copy, &["show", &format!("{sha}:{path}")]).await
}

async fn manifest_at(tour: &Tour, sha: &str) -> anyhow::Result<Manifest> {
    let text = file_at(tour, sha, "models/digits/manifest.json").await?;
    serde_json::from_str(&text).context("cannot understand the manifest")
}

async fn sample_at(tour: &Tour, sha: &str) -> anyhow::Result<Value> {
    let text = file_at(tour, sha, "models/digits/samples.jsonl").await?;
    let line = text.lines().next().context("there are no samples")?;
    Ok(serde_json::from_str(line)?)
}

/// Waits until GitHub's deployment of this environment and commit succeeded; says where it answers.
async fn deployed(tour: &Tour, environment: &str, sha: Option<&str>) -> anyhow::Result<String> {
    let repo = tour.service();
    let ada = tour.person("ada");
    until(&format!("the deployment to {environment}"), async || {
        let deployments = ada
            .get(&format!(
                "/repos/{repo}/deployments?environment={environment}&per_page=20"
            ))
            .await?;
        for deployment in deployments.as_array().into_iter().flatten() {
            if sha.is_some_and(|sha| deployment["sha"] != sha) {
                continue;
            }
            let statuses = ada
                .get(&format!(
                    "/repos/{repo}/deployments/{}/statuses",
                    deployment["id"]
                ))
                .await?;
            let newest = &statuses[0];
            ensure!(
                newest["state"] != "failure",
                "{environment} failed: {}",
                newest["description"]
            );
            if newest["state"] == "success" {
                return Ok(newest["environment_url"]
                    .as_str()
                    .filter(|url| !url.is_empty())
                    .map(str::to_owned));
            }
        }
        Ok(None)
    })
    .await
}

async fn environment_url(tour: &Tour, name: &str) -> anyhow::Result<String> {
    let found = tour
        .bot()
        .get(&format!("/api/v1/environments/{}/{name}", tour.service()))
        .await?;
    found["url"]
        .as_str()
        .map(|url| url.trim_end_matches('/').to_owned())
        .with_context(|| format!("{name} has no address"))
}

/// A caller of an environment, with its key.
async fn door(tour: &Tour, name: &str) -> anyhow::Result<Caller> {
    let keys = tour
        .bot()
        .get(&format!(
            "/api/v1/environments/{}/{name}/keys",
            tour.service()
        ))
        .await?;
    Ok(Caller::new(
        &tour.brief.bot,
        keys["primary"].as_str().unwrap_or_default(),
    ))
}

/// Asks for a prediction whose answer is known.
async fn predicts(door: &Caller, url: &str, sample: &Value) -> anyhow::Result<u16> {
    let answer = door
        .call(
            Method::POST,
            &format!("{}/v1/predict", url.trim_end_matches('/')),
            Some(&sample["input"]),
        )
        .await?;
    ensure!(
        answer.status == 200,
        "a prediction was answered {}: {}",
        answer.status,
        String::from_utf8_lossy(&answer.body)
    );
    ensure!(
        answer.json()["labels"] == sample["output"]["labels"],
        "the prediction is {}, not {}",
        answer.json()["labels"],
        sample["output"]["labels"]
    );
    Ok(answer.status)
}

/// Holds what an environment serves against the manifest: digest by hashing the bytes, prediction by a sample.
async fn serves(
    tour: &Tour,
    name: &str,
    url: &str,
    manifest: &Manifest,
    sample: &Value,
) -> anyhow::Result<u16> {
    let url = url.trim_end_matches('/');
    let door = door(tour, name).await?;
    let live = door.get(&format!("{url}/.bowsprit/live")).await?;
    ensure!(
        live["digests"]["digits"] == manifest.digest.as_str(),
        "{name} serves {}, not {}",
        live["digests"]["digits"],
        manifest.digest
    );
    for file in &manifest.files {
        let answer = door
            .call(
                Method::GET,
                &format!("{url}/.bowsprit/models/digits/{}", file.path),
                None,
            )
            .await?;
        let found = bowsprit_core::name::Digest::of(&answer.body);
        ensure!(
            found == file.sha256,
            "{name} serves other bytes than the manifest names for `{}`",
            file.path
        );
    }
    let stranger = Caller::new(&tour.brief.bot, "not-a-key");
    let refused = stranger
        .call(
            Method::POST,
            &format!("{url}/v1/predict"),
            Some(&sample["input"]),
        )
        .await?;
    ensure!(
        refused.status == 401,
        "{name} answered a wrong key with {}",
        refused.status
    );
    predicts(&door, url, sample).await
}
