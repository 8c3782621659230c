//! The repository's own manifests, from the files of a commit or from what its chart renders to.

use super::chart::Helm;
use crate::hands::StartError;
use anyhow::Context as _;
use bowsprit_core::contract::Deploy;
use bowsprit_core::effect::DeployPlan;
use bowsprit_core::name::Slug;
use bowsprit_core::serving::manifests::{self, Manifests, Values};
use bowsprit_core::serving::objects::{self, Rollout, ServingContext, Site, restricted_problems};
use bowsprit_core::training::spec::{Source, Trust};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;

/// Largest manifest that is read. Units: bytes.
const FILE_BYTES_MAX: u64 = 512 << 10;
/// Most files in the folder that are read.
const FILES_MAX: usize = 100;

/// Files of a release's objects, each with its path and text.
pub(super) type Files = Vec<(String, String)>;

/// What the repository brings, where its contract names something.
///
/// Errors: `Refused` with what is wrong and what would work; `Retry` where the snapshot cannot be read.
pub(super) async fn gather(
    plan: &DeployPlan,
    snapshot: &Source,
    helm: &Helm,
) -> Result<Files, StartError> {
    let found = match &plan.deploy {
        None => return Ok(Files::new()),
        Some(Deploy::Manifests(folder)) => {
            let (snapshot, folder) = (snapshot.clone(), folder.to_string());
            let read = tokio::task::spawn_blocking(move || files(&snapshot, &folder)).await;
            read.context("reading the snapshot ended early")
                .map_err(StartError::Retry)?
        }
        Some(Deploy::Chart(chart)) => {
            let models = plan.models.iter();
            let models = models.filter_map(|model| Slug::parse(&model.name).ok());
            helm.render((chart, plan.trust), snapshot, models.collect())
                .await
        }
    };
    found.map_err(|why| match why {
        Unread::Wrong(why) => refused(plan, &[why]),
        Unread::Broken(error) => StartError::Retry(error),
    })
}

fn refused(plan: &DeployPlan, problems: &[String]) -> StartError {
    let list: String = problems.iter().map(|why| format!("\n- {why}")).collect();
    let what = match &plan.deploy {
        Some(Deploy::Chart(chart)) => format!("what the chart in `{}` makes", chart.folder),
        Some(Deploy::Manifests(folder)) => format!("the manifests in `{folder}`"),
        None => "the manifests".to_owned(),
    };
    StartError::Refused(format!("{what} cannot be applied:{list}"))
}

/// The manifests of a release, held to their rules and to the restricted standard; none where there are no files.
///
/// Errors: `Refused` with all that is wrong.
pub(super) fn read(
    plan: &DeployPlan,
    rollout: &Rollout,
    (files, site): (&Files, &Site),
    context: &ServingContext,
) -> Result<Manifests, StartError> {
    if files.is_empty() {
        return Ok(Manifests::default());
    }
    let image = rollout.image.as_ref().map(ToString::to_string);
    let image = image.unwrap_or_else(|| context.image.clone());
    let models = plan.models.iter().filter_map(|model| {
        let name = Slug::parse(&model.name).ok()?;
        Some((name, (model.version, model.digest.clone())))
    });
    let models: BTreeMap<_, _> = models.collect();
    let values = Values::new(site, &rollout.release, &image, &models);
    let found =
        manifests::read(files, site, &values).map_err(|problems| refused(plan, &problems))?;
    let found = match rollout.trust {
        Trust::Trusted => found,
        Trust::Untrusted => found.of_a_stranger(),
    };
    let made = objects::objects(site, Some(rollout), context, None, &found);
    let problems = made.deployment.as_ref().map(restricted_problems);
    match problems.unwrap_or_default() {
        problems if problems.is_empty() => Ok(found),
        problems => Err(refused(plan, &problems)),
    }
}

/// Why there are no files.
pub(super) enum Unread {
    /// The commit has something else there.
    Wrong(String),
    /// The snapshot cannot be read now.
    Broken(anyhow::Error),
}

impl From<anyhow::Error> for Unread {
    fn from(error: anyhow::Error) -> Unread {
        Unread::Broken(error)
    }
}

/// The YAML files below a folder of a snapshot, by path.
fn files(snapshot: &Source, folder: &str) -> Result<Files, Unread> {
    let file = File::open(&snapshot.uri).context("cannot open the snapshot")?;
    let mut archive = tar::Archive::new(file);
    let mut found = Vec::new();
    for entry in archive.entries().context("cannot read the snapshot")? {
        let entry = entry.context("cannot read the snapshot")?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let is_below = path
            .strip_prefix(folder)
            .is_some_and(|rest| rest.starts_with('/'));
        if !is_below || !(path.ends_with(".yaml") || path.ends_with(".yml")) {
            continue;
        }
        if !entry.header().entry_type().is_file() || entry.size() > FILE_BYTES_MAX {
            return Err(Unread::Wrong(format!(
                "`{path}` is no plain file of at most {FILE_BYTES_MAX} bytes"
            )));
        }
        let mut text = String::new();
        if entry
            .take(FILE_BYTES_MAX)
            .read_to_string(&mut text)
            .is_err()
        {
            return Err(Unread::Wrong(format!("`{path}` is not UTF-8 text")));
        }
        found.push((path, text));
    }
    found.sort();
    match found.len() {
        0 => Err(Unread::Wrong(
            "there is no YAML file in the commit; the contract's `deploy.manifests` names the folder".to_owned(),
        )),
        1..=FILES_MAX => Ok(found),
        more => Err(Unread::Wrong(format!(
            "there are {more} files, at most {FILES_MAX} are read"
        ))),
    }
}
