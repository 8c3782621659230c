//! A release as files of a git repository, from which a syncer such as Argo CD or Flux brings it to the cluster.
//!
//! Each environment has a folder of its own there, called as its objects are. Only files that bear our names are ever
//! written or removed in it; what others lay beside them stays. No Secret is among the files.

#[cfg(test)]
mod tests;

use super::objects::{Objects, Site};
use super::rollout::View;
use super::spec::RolloutPhase;
use crate::effect::DeployPlan;
use crate::name::{BranchName, CommitSha, NameError, RepoName, RepoPath, Slug};
use k8s_openapi::Metadata;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The word that stands for all previews where environments are listed.
pub const PREVIEWS: &str = "preview";

/// What every file begins with.
const HEADER: &str = "# Written by Bowsprit with each release: what is changed here by hand is lost with the next one.\n";

/// Kinds of which an environment has one; the file is called so.
const SINGLE: [&str; 7] = [
    "deployment",
    "horizontalpodautoscaler",
    "httproute",
    "ingress",
    "networkpolicy",
    "poddisruptionbudget",
    "service",
];
/// Kinds of which it may have more; those files bear the object's name as well.
const NAMED: [&str; 2] = ["configmap", "service"];

/// The repository that a syncer reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// Its name.
    pub name: RepoName,
    /// The branch that is synced.
    pub branch: BranchName,
    /// The folder below which environments have theirs; the root where absent.
    pub path: Option<RepoPath>,
}

/// A folder as it should be, in one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderCommit {
    /// Of which repository.
    pub repository: RepoName,
    /// On which branch.
    pub branch: BranchName,
    /// Which folder.
    pub folder: RepoPath,
    /// Our files in it, by name; none takes all of them away.
    pub files: BTreeMap<String, String>,
    /// The commit's message.
    pub message: String,
}

/// Where a folder is as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The commit.
    pub commit: CommitSha,
    /// Whether it was made now; else everything was so already.
    pub is_new: bool,
}

/// Whether an environment is written, where only these are; all are where none is named.
pub fn covers(names: &[Slug], environment: &Slug) -> bool {
    let number = environment.as_str().strip_prefix("pr-");
    let is_preview = number.is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()));
    names.is_empty()
        || names
            .iter()
            .any(|name| name == environment || (is_preview && name.as_str() == PREVIEWS))
}

/// The folder of an environment: `<path>/<namespace>/<owner>-<service>/<name>`. Errors: the path is too long.
pub fn folder(
    repository: &Repository,
    service: &RepoName,
    site: &Site,
) -> Result<RepoPath, NameError> {
    let above = repository.path.as_ref().map(|path| format!("{path}/"));
    RepoPath::parse(&format!(
        "{}{}/{}-{}/{}",
        above.unwrap_or_default(),
        site.namespace,
        service.owner(),
        service.name(),
        site.name
    ))
}

/// The file of an object of a kind of which an environment has one.
pub fn file(kind: &str) -> String {
    format!("{kind}.yaml")
}

/// The objects as YAML files, by name. Errors: an object cannot be written as YAML, in words.
///
/// A number of pods that follows the load stands in none, so that no sync sets it back.
pub fn files(objects: &Objects) -> Result<BTreeMap<String, String>, String> {
    let mut files = BTreeMap::new();
    let mut deployment = objects.deployment.clone();
    if objects.scaler.is_some()
        && let Some(spec) = deployment.as_mut().and_then(|made| made.spec.as_mut())
    {
        spec.replicas = None;
    }
    let mut put = |kind: &str, text: String| files.insert(file(kind), text);
    put("service", yaml(&objects.service)?);
    put("networkpolicy", yaml(&objects.policy)?);
    if let Some(made) = &deployment {
        put("deployment", yaml(made)?);
    }
    if let Some(made) = &objects.scaler {
        put("horizontalpodautoscaler", yaml(made)?);
    }
    if let Some(made) = &objects.budget {
        put("poddisruptionbudget", yaml(made)?);
    }
    if let Some(made) = &objects.ingress {
        put("ingress", yaml(made)?);
    }
    if let Some(made) = &objects.route {
        put("httproute", yaml(made)?);
    }
    for made in &objects.services {
        put(&named("service", made), yaml(made)?);
    }
    for made in &objects.config_maps {
        put(&named("configmap", made), yaml(made)?);
    }
    Ok(files)
}

fn named(kind: &str, object: &impl Metadata<Ty = ObjectMeta>) -> String {
    let name = object.metadata().name.as_deref().unwrap_or_default();
    format!("{kind}-{name}")
}

fn yaml(object: &impl Serialize) -> Result<String, String> {
    // By way of a value, so that keys stand in one order whatever their type's is.
    let value = serde_json::to_value(object).map_err(|error| error.to_string())?;
    let text = serde_saphyr::to_string(&value).map_err(|error| error.to_string())?;
    Ok(format!("{HEADER}{text}"))
}

/// Whether a file of an environment's folder is ours, by its name; `environment` is what its objects are called.
fn is_ours(file: &str, environment: &str) -> bool {
    let Some(stem) = file.strip_suffix(".yaml") else {
        return false;
    };
    SINGLE.contains(&stem)
        || NAMED.iter().any(|kind| {
            let name = stem.strip_prefix(kind);
            name.and_then(|rest| rest.strip_prefix('-'))
                .is_some_and(|name| name.starts_with(environment))
        })
}

/// What changes in a folder, by path, `None` for what goes: `found` are the files there with the ids of their blobs, by name.
///
/// `id` tells the id that git gives to a text. Files of others are in no change.
pub fn changes(
    wanted: &FolderCommit,
    found: &BTreeMap<String, String>,
    id: impl Fn(&str) -> String,
) -> BTreeMap<String, Option<String>> {
    let folder = wanted.folder.as_str();
    let environment = folder.rsplit('/').next().unwrap_or(folder);
    let path = |name: &String| format!("{folder}/{name}");
    let written = wanted
        .files
        .iter()
        .filter(|(name, text)| found.get(*name) != Some(&id(text)))
        .map(|(name, text)| (path(name), Some(text.clone())));
    let gone = found
        .keys()
        .filter(|name| is_ours(name, environment) && !wanted.files.contains_key(*name))
        .map(|name| (path(name), None));
    written.chain(gone).collect()
}

/// The message of the commit that writes a release.
pub fn release_message(plan: &DeployPlan) -> String {
    let (service, environment) = (&plan.repo.name, &plan.environment);
    let versions: Vec<String> = plan
        .models
        .iter()
        .map(|model| match model.version {
            Some(version) => format!("{} v{version}", model.name),
            None => model.name.clone(),
        })
        .collect();
    let mut text = match (&plan.serve, versions.is_empty()) {
        (None, _) => format!("Prepare {environment} of {service}, which waits for a model\n\n"),
        (Some(_), true) => format!("Release {service} to {environment}\n\n"),
        (Some(_), false) => format!(
            "Release {} of {service} to {environment}\n\n",
            versions.join(", ")
        ),
    };
    // Writing into a text cannot fail.
    let _ = writeln!(text, "Service: {service}@{}", plan.commit);
    let _ = writeln!(text, "Release: {}", plan.release);
    for (model, version) in plan.models.iter().zip(&versions) {
        let _ = writeln!(text, "Model: {version} {}", model.digest);
    }
    if let Some(image) = &plan.image {
        let _ = writeln!(text, "Image: {image}");
    }
    if let Some(pr) = plan.pr {
        let _ = writeln!(text, "Pull request: {service}#{pr}");
    }
    text
}

/// The message of the commit that takes a release back; why stands on the pull request, whose words nobody else chose.
pub fn return_message(site: &Site, release: &str, former: Option<&str>) -> String {
    let place = format!("{} of {}", site.environment, site.service);
    match former {
        Some(former) => {
            format!("Return to {former} in {place}\n\nRelease {release} could not serve.\n")
        }
        None => {
            format!(
                "Take {release} out of {place}\n\nIt could not serve, and nothing did before.\n"
            )
        }
    }
}

/// The message of the commit that ends an environment.
pub fn removal_message(site: &Site) -> String {
    format!("Remove {} of {}\n", site.environment, site.service)
}

/// A release that is written, and that the cluster does not show yet.
#[derive(Debug, Clone, Copy)]
pub struct Unsynced<'a> {
    /// Where it was written.
    pub repository: &'a Repository,
    /// Its folder there.
    pub folder: &'a RepoPath,
    /// The commit that has it.
    pub commit: &'a CommitSha,
    /// Since when. Units: milliseconds since 1970, UTC.
    pub since_ms: i64,
    /// Whether this release served here before: then it is not on trial.
    pub has_served: bool,
}

/// How a release stands that no sync has brought yet. Units: milliseconds, `now_ms` since 1970, UTC.
pub fn unsynced(written: &Unsynced<'_>, now_ms: i64, wait_ms: i64) -> View {
    let repository = written.repository;
    let place = format!(
        "commit `{}` to `{}`",
        written.commit.short(),
        repository.name
    );
    let waited_ms = now_ms.saturating_sub(written.since_ms);
    if waited_ms < wait_ms {
        return View {
            phase: RolloutPhase::Starting,
            reason: Some(format!("written as {place}; waiting for the sync")),
        };
    }
    let phase = match written.has_served {
        true => RolloutPhase::Starting,
        false => RolloutPhase::Failed,
    };
    View {
        phase,
        reason: Some(format!(
            "written as {place}, and no sync brought it to the cluster within {}; see that the syncer (Argo CD, Flux) runs, that it follows branch `{}`, that its path holds `{}`, and what it says of that commit",
            span(wait_ms),
            repository.branch,
            written.folder
        )),
    }
}

fn span(ms: i64) -> String {
    match ms / 1_000 {
        seconds if seconds >= 60 && seconds % 60 == 0 => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}
