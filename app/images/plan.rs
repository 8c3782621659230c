//! From what a contract says to what is built: the recipe, and the parts that go into it.

use super::context::{self, Parts};
use crate::artifacts::Artifacts;
use crate::hands::{self, StartError};
use anyhow::Context as _;
use bowsprit_core::effect::ModelFiles;
use bowsprit_core::image::containerfile;
use bowsprit_core::image::recipe::{
    DockerfileImage, Platform, Recipe, RuntimeImage, ServiceBase, ServiceImage,
};
use bowsprit_core::image::reference::Pinned;
use bowsprit_core::name::{CommitSha, RepoPath, Slug};
use bowsprit_core::training::requirements;
use bowsprit_core::training::spec::{RuntimeSpec, Source, Trust};
use std::path::PathBuf;

/// What the software of a stage comes to in a cluster.
#[derive(Debug, Clone)]
pub enum Software {
    /// The configured base image as it is.
    Base,
    /// The base image, in which the agent installs what the contract names.
    ByAgent,
    /// The image that the contract names.
    Given(Pinned),
    /// An image that is found or made.
    Made(Box<Wanted>),
}

/// An image that is wanted, with everything that making it takes.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// What it is made of.
    pub recipe: Recipe,
    pub(super) parts: Parts,
}

/// A service image that is wanted.
#[derive(Debug, Clone)]
pub struct ServiceWish {
    /// The service's runtime in its contract.
    pub runtime: Option<RuntimeSpec>,
    /// The image of that runtime, unless a Dockerfile makes it.
    pub base: Option<Pinned>,
    /// Its files.
    pub snapshot: Source,
    /// Their commit.
    pub revision: CommitSha,
    /// The models.
    pub models: Vec<ModelFiles>,
    /// What it runs.
    pub run: Vec<String>,
    /// What must succeed in it before it is pushed.
    pub test: Option<Vec<String>>,
    /// Whether the commit is trusted.
    pub trust: Trust,
}

/// What stays the same for all plans.
#[derive(Debug, Clone)]
pub(super) struct Planner {
    /// What a Python runtime begins with.
    pub(super) base: Pinned,
    pub(super) platform: Platform,
}

impl Planner {
    /// What a runtime of a contract comes to. Errors: `Refused` for a file of the snapshot that is missing or says what it must not.
    pub(super) fn runtime(
        &self,
        runtime: Option<&RuntimeSpec>,
        snapshot: &Source,
        trust: Trust,
    ) -> Result<Software, StartError> {
        let image = |base: &Pinned, lock: Option<&RepoPath>| {
            Ok::<_, StartError>(RuntimeImage {
                base: base.clone(),
                steps: Vec::new(),
                lock: lock
                    .map(|path| lock_of(snapshot, path, trust))
                    .transpose()?,
                platform: self.platform.clone(),
                trust,
                python: None,
                gpu: None,
            })
        };
        match runtime {
            None => Ok(Software::Base),
            Some(RuntimeSpec::Conda { .. }) => Ok(Software::ByAgent),
            Some(rust @ RuntimeSpec::Rust { .. }) => Err(StartError::Refused(
                rust.cluster_refusal().unwrap_or_default(),
            )),
            Some(RuntimeSpec::Image { image, .. }) => Ok(Software::Given(image.clone())),
            Some(RuntimeSpec::Python {
                minimum,
                requirements,
            }) => Ok(made(RuntimeImage {
                python: Some(minimum.clone()),
                ..image(&self.base, requirements.as_ref())?
            })),
            Some(RuntimeSpec::Base {
                image: base,
                steps,
                requirements,
                gpu,
            }) => Ok(made(RuntimeImage {
                steps: steps.clone(),
                gpu: gpu.clone(),
                ..image(base, requirements.as_ref())?
            })),
            Some(RuntimeSpec::Dockerfile { file }) => {
                let first = text(snapshot, file)?;
                let recipe = Recipe::Dockerfile(DockerfileImage {
                    file: file.clone(),
                    snapshot: snapshot.sha256.clone(),
                    platform: self.platform.clone(),
                    trust,
                });
                let parts = Parts {
                    first: Some(first),
                    code: Some(PathBuf::from(&snapshot.uri)),
                    ..parts(&recipe)
                };
                Ok(Software::Made(Box::new(Wanted { recipe, parts })))
            }
        }
    }

    /// A service's image. Errors: `Refused` where models or files are missing; `Retry` where they cannot be read now.
    pub(super) async fn service(
        &self,
        wish: &ServiceWish,
        artifacts: &Artifacts,
    ) -> Result<Wanted, StartError> {
        let models = hands::model_inputs(artifacts, &wish.models).await?;
        let (from, first) = match (&wish.runtime, &wish.base) {
            (Some(RuntimeSpec::Dockerfile { file }), _) => (
                ServiceBase::Dockerfile(file.clone()),
                Some(text(&wish.snapshot, file)?),
            ),
            (_, Some(base)) => (ServiceBase::Runtime(base.clone()), None),
            (_, None) => (ServiceBase::Runtime(self.base.clone()), None),
        };
        let named = wish.models.iter().map(|model| {
            let name =
                Slug::parse(&model.name).map_err(|error| StartError::Refused(error.to_string()))?;
            Ok((name, model.digest.clone()))
        });
        let recipe = Recipe::Service(ServiceImage {
            from,
            snapshot: wish.snapshot.sha256.clone(),
            revision: wish.revision.clone(),
            models: named.collect::<Result<_, StartError>>()?,
            run: wish.run.clone(),
            test: wish.test.clone(),
            platform: self.platform.clone(),
            trust: wish.trust,
        });
        let parts = Parts {
            first,
            code: Some(PathBuf::from(&wish.snapshot.uri)),
            models,
            ..parts(&recipe)
        };
        Ok(Wanted { recipe, parts })
    }
}

fn made(image: RuntimeImage) -> Software {
    let lock = image.lock.clone();
    let recipe = Recipe::Runtime(image);
    let parts = Parts {
        lock,
        ..parts(&recipe)
    };
    Software::Made(Box::new(Wanted { recipe, parts }))
}

fn parts(recipe: &Recipe) -> Parts {
    Parts {
        texts: containerfile::texts(recipe),
        first: None,
        lock: None,
        code: None,
        models: Vec::new(),
    }
}

fn lock_of(snapshot: &Source, path: &RepoPath, trust: Trust) -> Result<String, StartError> {
    let text = text(snapshot, path)?;
    requirements::check(&text, path, trust).map_err(StartError::Refused)?;
    Ok(text)
}

fn text(snapshot: &Source, path: &RepoPath) -> Result<String, StartError> {
    let read = context::text_of(snapshot.uri.as_ref(), path);
    read.context("cannot plan the image")?
        .map_err(StartError::Refused)
}
