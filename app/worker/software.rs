//! The software of a stage or a release in a cluster: an image that is found or built before it begins.

use super::{Rooms, Trouble};
use crate::hands::StartError;
use crate::images::{Ensured, Found, Images, ServiceWish, Software, Wanted};
use bowsprit_core::effect::{DeployPlan, StagePlan};
use bowsprit_core::image::recipe::{Kind, Recipe};
use bowsprit_core::image::reference::Pinned;
use bowsprit_core::subject::ask::StageView;
use bowsprit_core::training::spec::{RuntimeSpec, Source};

/// What something is ordered with.
pub(super) enum Resolved<T> {
    /// This.
    Ready(T),
    /// There will be none: why, for a person.
    Refused(String),
}

/// Makes an image of what the plan says, where stages run in images and a registry keeps them.
///
/// Errors: it is being built, or a registry or the cluster cannot be asked now; either way it is asked again later.
pub(super) async fn resolve(
    rooms: &Rooms,
    plan: &StagePlan,
    snapshot: &Source,
) -> Result<Resolved<Option<RuntimeSpec>>, Trouble> {
    let is_new = rooms.runs.view(&plan.stage) == StageView::Unknown;
    let Some(images) = rooms.images.as_ref() else {
        return Ok(Resolved::Ready(plan.runtime.clone()));
    };
    if !is_new || !rooms.runs.takes_images() {
        return Ok(Resolved::Ready(plan.runtime.clone()));
    }
    let what = format!("stage `{}`", plan.stage);
    match images.runtime(plan.runtime.as_ref(), snapshot, plan.trust) {
        Ok(Software::Base) => Ok(Resolved::Ready(None)),
        Ok(Software::ByAgent | Software::Given(_)) => Ok(Resolved::Ready(plan.runtime.clone())),
        Ok(Software::Made(wanted)) => Ok(match made(images, &what, &wanted).await? {
            Resolved::Ready((image, origin)) => Resolved::Ready(Some(RuntimeSpec::Image {
                image,
                origin: Some(origin),
            })),
            Resolved::Refused(reason) => Resolved::Refused(reason),
        }),
        Err(StartError::Refused(reason)) => Ok(Resolved::Refused(reason)),
        Err(StartError::Retry(error)) => Err(error.into()),
    }
}

/// Makes the image with code and models of a release, where releases run in images and a registry keeps them.
///
/// Its tests have succeeded in it. Errors: as of [`resolve`].
pub(super) async fn of_release(
    rooms: &Rooms,
    plan: &DeployPlan,
    snapshot: &Source,
) -> Result<Resolved<Option<Pinned>>, Trouble> {
    let (Some(images), Some(serve)) = (rooms.images.as_ref(), &plan.serve) else {
        return Ok(Resolved::Ready(None));
    };
    if !rooms.releases.takes_images() {
        return Ok(Resolved::Ready(None));
    }
    let what = format!("release {}", plan.release);
    let base = match base(images, &what, plan, snapshot).await? {
        Resolved::Ready(Base::None) => return Ok(Resolved::Ready(None)),
        Resolved::Ready(Base::Usual) => None,
        Resolved::Ready(Base::Image(image)) => Some(image),
        Resolved::Refused(reason) => return Ok(Resolved::Refused(reason)),
    };
    let wish = ServiceWish {
        runtime: plan.runtime.clone(),
        base,
        snapshot: snapshot.clone(),
        revision: plan.commit.clone(),
        models: plan.models.clone(),
        run: serve.run.clone(),
        test: plan.test.clone(),
        trust: plan.trust,
    };
    match images.service(&wish, &rooms.artifacts).await {
        Ok(wanted) => Ok(match made(images, &what, &wanted).await? {
            Resolved::Ready((image, _)) => Resolved::Ready(Some(image)),
            Resolved::Refused(reason) => Resolved::Refused(reason),
        }),
        Err(StartError::Refused(reason)) => Ok(Resolved::Refused(reason)),
        Err(StartError::Retry(error)) => Err(error.into()),
    }
}

/// What the image of a release begins with.
enum Base {
    /// No image can have this software: the pod fetches everything.
    None,
    /// The configured base image, or what the repository's Dockerfile says.
    Usual,
    /// This image.
    Image(Pinned),
}

async fn base(
    images: &Images,
    what: &str,
    plan: &DeployPlan,
    snapshot: &Source,
) -> Result<Resolved<Base>, Trouble> {
    if let Some(RuntimeSpec::Dockerfile { .. }) = &plan.runtime {
        return Ok(Resolved::Ready(Base::Usual));
    }
    match images.runtime(plan.runtime.as_ref(), snapshot, plan.trust) {
        Ok(Software::Base) => Ok(Resolved::Ready(Base::Usual)),
        Ok(Software::ByAgent) => Ok(Resolved::Ready(Base::None)),
        Ok(Software::Given(image)) => Ok(Resolved::Ready(Base::Image(image))),
        Ok(Software::Made(wanted)) => Ok(match made(images, what, &wanted).await? {
            Resolved::Ready((image, _)) => Resolved::Ready(Base::Image(image)),
            Resolved::Refused(reason) => Resolved::Refused(reason),
        }),
        Err(StartError::Refused(reason)) => Ok(Resolved::Refused(reason)),
        Err(StartError::Retry(error)) => Err(error.into()),
    }
}

/// The image and how it came to be there. Errors: it is not there yet.
async fn made(
    images: &Images,
    what: &str,
    wanted: &Wanted,
) -> Result<Resolved<(Pinned, String)>, Trouble> {
    let ensured = images.ensure(wanted).await?;
    let line = ensured.line(&wanted.recipe);
    match ensured {
        Ensured::Ready { image, found } => {
            // A release asks again for what it begins with as long as it is built itself.
            match wanted.recipe.kind() == Kind::Runtime && found == Found::Project {
                true => tracing::debug!("{what}: {line}"),
                false => tracing::info!("{what}: {line}"),
            }
            Ok(Resolved::Ready((image, found.to_string())))
        }
        Ensured::Building { .. } => Err(Trouble::Waiting(line)),
        Ensured::Failed { reason } => {
            tracing::warn!("{what}: {line}");
            Ok(Resolved::Refused(refusal(&wanted.recipe, &reason)))
        }
    }
}

fn refusal(recipe: &Recipe, reason: &str) -> String {
    let hint = match recipe {
        Recipe::Runtime(image) if image.lock.is_some() => "look at the lock file first",
        Recipe::Runtime(_) => "look at the contract's `runtime` first",
        Recipe::Dockerfile(_) => "look at the Dockerfile first",
        Recipe::Service(_) => "look at the contract's `serve`, its tests and its `runtime` first",
    };
    match recipe.kind() {
        Kind::Runtime => format!(
            "the software of this run is not there: {reason}\n({hint}; `/retest` builds it again)"
        ),
        Kind::Service => format!(
            "there is no image of this release: {reason}\n({hint}; the next change builds it again)"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bowsprit_core::image::recipe::{
        DockerfileImage, Platform, RuntimeImage, ServiceBase, ServiceImage,
    };
    use bowsprit_core::name::{CommitSha, Digest, RepoPath};
    use bowsprit_core::training::spec::Trust;
    use std::collections::BTreeMap;

    #[test]
    fn a_person_reads_why_and_where_to_look() {
        let digest = Digest::of(b"x");
        let platform = Platform::parse("linux/amd64").unwrap();
        let locked = RuntimeImage {
            base: Pinned::parse(&format!("r.example/python@{digest}")).unwrap(),
            steps: Vec::new(),
            lock: Some("x==9\n".to_owned()),
            platform: platform.clone(),
            trust: Trust::Trusted,
            python: None,
            gpu: None,
        };
        let bare = RuntimeImage {
            lock: None,
            ..locked.clone()
        };
        let release = ServiceImage {
            from: ServiceBase::Runtime(bare.base.clone()),
            snapshot: digest.clone(),
            revision: CommitSha::parse(&"a".repeat(40)).unwrap(),
            models: BTreeMap::new(),
            run: Vec::new(),
            test: None,
            platform: platform.clone(),
            trust: Trust::Trusted,
        };
        let own = DockerfileImage {
            file: RepoPath::parse("Dockerfile").unwrap(),
            snapshot: digest,
            platform,
            trust: Trust::Trusted,
        };
        for (recipe, hint) in [
            (Recipe::Runtime(locked), "the lock file"),
            (Recipe::Runtime(bare), "the contract's `runtime`"),
            (Recipe::Dockerfile(own), "the Dockerfile"),
            (Recipe::Service(release), "its tests"),
        ] {
            let told = refusal(&recipe, "the image could not be built:\nERROR: no x==9");
            assert!(told.contains("ERROR: no x==9\n(look at"), "{told}");
            assert!(
                told.contains(hint) && told.contains("builds it again"),
                "{told}"
            );
        }
    }
}
