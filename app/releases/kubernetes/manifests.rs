//! The repository's own manifests, from the files of a commit.

use crate::hands::StartError;
use anyhow::Context as _;
use bowsprit_core::effect::DeployPlan;
use bowsprit_core::name::Slug;
use bowsprit_core::serving::manifests::{self, Manifests, Values};
use bowsprit_core::serving::objects::{self, Rollout, ServingContext, Site, restricted_problems};
use bowsprit_core::training::spec::Source;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;

/// Largest manifest that is read. Units: bytes.
const FILE_BYTES_MAX: u64 = 512 << 10;
/// Most files in the folder that are read.
const FILES_MAX: usize = 100;

/// The manifests of a release, held to their rules and to the restricted standard; none where the contract names none.
///
/// Errors: `Refused` with all that is wrong; `Retry` where the snapshot cannot be read.
pub(super) fn read(
    plan: &DeployPlan,
    rollout: &Rollout,
    (snapshot, site): (&Source, &Site),
    context: &ServingContext,
) -> Result<Manifests, StartError> {
    let Some(folder) = &plan.manifests else {
        return Ok(Manifests::default());
    };
    let refused = |problems: &[String]| {
        let list: String = problems.iter().map(|why| format!("\n- {why}")).collect();
        StartError::Refused(format!(
            "the manifests in `{folder}` cannot be applied:{list}"
        ))
    };
    let files = files(snapshot, folder.as_str()).map_err(|why| match why {
        Unread::Wrong(why) => refused(&[why]),
        Unread::Broken(error) => StartError::Retry(error),
    })?;
    let image = rollout.image.as_ref().map(ToString::to_string);
    let image = image.unwrap_or_else(|| context.image.clone());
    let models = plan.models.iter().filter_map(|model| {
        let name = Slug::parse(&model.name).ok()?;
        Some((name, (model.version, model.digest.clone())))
    });
    let models: BTreeMap<_, _> = models.collect();
    let values = Values::new(site, &rollout.release, &image, &models);
    let found = manifests::read(&files, site, &values).map_err(|problems| refused(&problems))?;
    let made = objects::objects(site, Some(rollout), context, None, &found);
    let problems = made.deployment.as_ref().map(restricted_problems);
    match problems.unwrap_or_default() {
        problems if problems.is_empty() => Ok(found),
        problems => Err(refused(&problems)),
    }
}

/// Why there are no files.
enum Unread {
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
fn files(snapshot: &Source, folder: &str) -> Result<Vec<(String, String)>, Unread> {
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
