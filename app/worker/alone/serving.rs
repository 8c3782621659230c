//! A service's folder, served with models of this machine until somebody ends it.

use super::{Alone, Folder, SERVICE};
use crate::artifacts::Artifacts;
use crate::git::snapshot::Part;
use crate::hands::StartError;
use crate::releases::Target;
use crate::worker::answer::{SAMPLES_BYTES_MAX, samples};
use crate::worker::{now_ms, snapshot};
use anyhow::{Context as _, bail};
use bowsprit_core::artifact::{self, File, media_type};
use bowsprit_core::contract::Service;
use bowsprit_core::effect::ModelFiles;
use bowsprit_core::name::{Repo, RepoPath, Slug};
use bowsprit_core::serving::spec::{Live, RolloutPhase};
use bowsprit_core::subject::environment::{TRIED, tried};
use bowsprit_core::training::spec::Sample;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often the server is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Most files of a model.
const FILES_MAX: usize = 1_000;

/// What is served.
#[derive(Debug)]
pub struct Served<'a> {
    /// The code.
    pub folder: &'a Folder,
    /// Its contract.
    pub contract: &'a Service,
    /// Folders of its models, by name; `samples.jsonl` beside one holds what it must answer.
    pub models: Vec<(Slug, PathBuf)>,
}

impl Alone {
    /// Serves until `stop`; `told` sees each look. Errors: what the server failed with, folders that cannot be read.
    pub async fn serve(
        &self,
        served: Served<'_>,
        target: &Target,
        stop: &CancellationToken,
        mut told: impl FnMut(Option<&Live>),
    ) -> anyhow::Result<()> {
        let environment = Slug::parse(TRIED)?;
        // One that was not ended when it should have been.
        target.remove(SERVICE, &environment).await?;
        let commit = self
            .mirrors
            .take_in(SERVICE, &served.folder.dir, None)
            .await?;
        let mut models = Vec::new();
        for (name, dir) in &served.models {
            models.push((model(&self.artifacts, name, dir).await?, beside(dir)));
        }
        let repo = Repo {
            id: SERVICE,
            name: served.folder.name.clone(),
        };
        let generation = u64::try_from(now_ms()).unwrap_or_default();
        let plan = tried(served.contract, (repo, commit), models, generation);
        let plan = plan.context("the contract has no environment to serve it as")?;
        let (at, to) = ((SERVICE, &plan.commit), (&*self.snapshots, &*plan.release));
        let snapshot = snapshot(&self.mirrors, at, Part::default(), to).await?;
        match target.deploy(&plan, snapshot).await {
            Ok(()) => {}
            Err(StartError::Refused(why)) => bail!(why),
            Err(StartError::Retry(error)) => return Err(error),
        }
        let ended = loop {
            target.tend().await;
            let live = target.live(SERVICE, &environment);
            let live = live.filter(|live| live.generation == generation);
            told(live.as_ref());
            if let Some(live) = live.filter(|live| live.phase == RolloutPhase::Failed) {
                let why = live.reason.unwrap_or_else(|| "it failed".to_owned());
                break Err(anyhow::anyhow!(why));
            }
            let stopped = tokio::time::timeout(LOOK_EVERY, stop.cancelled()).await;
            if stopped.is_ok() {
                break Ok(());
            }
        };
        target.remove(SERVICE, &environment).await?;
        ended
    }
}

/// A folder of files as a model in the store. Errors: there is none, or it cannot be read.
async fn model(artifacts: &Artifacts, name: &Slug, dir: &Path) -> anyhow::Result<ModelFiles> {
    let shown = dir.display();
    let (mut files, mut open) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(folder) = open.pop() {
        let entries = std::fs::read_dir(&folder);
        for entry in entries.with_context(|| format!("cannot read the model in {shown}"))? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                open.push(entry.path());
            } else if kind.is_file() {
                let path = entry.path();
                let relative = path.strip_prefix(dir).ok().and_then(Path::to_str);
                let relative = RepoPath::parse(relative.unwrap_or_default())?;
                let (sha256, bytes) = artifacts.put_file(&path).await?;
                files.push(File {
                    media_type: media_type(relative.as_str()).to_owned(),
                    path: relative,
                    sha256,
                    bytes,
                });
            }
            anyhow::ensure!(
                files.len() <= FILES_MAX,
                "{shown} holds more than {FILES_MAX} files"
            );
        }
    }
    anyhow::ensure!(!files.is_empty(), "{shown} holds no model");
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(ModelFiles {
        name: name.to_string(),
        version: None,
        digest: artifact::digest(&files),
        files,
    })
}

/// What the judge saw the model answer; nothing where nobody judged it.
fn beside(dir: &Path) -> Vec<Sample> {
    let path = dir.with_file_name("samples.jsonl");
    let Ok(file) = std::fs::File::open(path) else {
        return Vec::new();
    };
    let mut bytes = Vec::new();
    match file.take(SAMPLES_BYTES_MAX).read_to_end(&mut bytes) {
        Ok(_) => samples(&bytes),
        Err(_) => Vec::new(),
    }
}
