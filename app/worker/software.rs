//! The software of a stage in a cluster: an image that is found or built before the stage begins.

use super::{Rooms, Trouble};
use crate::hands::StartError;
use crate::images::{Ensured, Images, Software, Wanted};
use bowsprit_core::effect::StagePlan;
use bowsprit_core::image::recipe::Recipe;
use bowsprit_core::subject::ask::StageView;
use bowsprit_core::training::spec::{RuntimeSpec, Source};

/// What a stage is ordered with.
pub(super) enum Resolved {
    /// This software.
    Ready(Option<RuntimeSpec>),
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
) -> Result<Resolved, Trouble> {
    let is_new = rooms.runs.view(&plan.stage) == StageView::Unknown;
    let Some(images) = rooms.images.as_ref() else {
        return Ok(Resolved::Ready(plan.runtime.clone()));
    };
    if !is_new || !rooms.runs.takes_images() {
        return Ok(Resolved::Ready(plan.runtime.clone()));
    }
    match images.runtime(plan.runtime.as_ref(), snapshot, plan.trust) {
        Ok(Software::Base) => Ok(Resolved::Ready(None)),
        Ok(Software::ByAgent | Software::Given(_)) => Ok(Resolved::Ready(plan.runtime.clone())),
        Ok(Software::Made(wanted)) => made(images, plan, &wanted).await,
        Err(StartError::Refused(reason)) => Ok(Resolved::Refused(reason)),
        Err(StartError::Retry(error)) => Err(error.into()),
    }
}

async fn made(images: &Images, plan: &StagePlan, wanted: &Wanted) -> Result<Resolved, Trouble> {
    let ensured = images.ensure(wanted).await?;
    let line = ensured.line(&wanted.recipe);
    match ensured {
        Ensured::Ready { image, found } => {
            tracing::info!(run.stage = %plan.stage, "stage `{}`: {line}", plan.stage);
            Ok(Resolved::Ready(Some(RuntimeSpec::Image {
                image,
                origin: Some(found.to_string()),
            })))
        }
        Ensured::Building { .. } => Err(Trouble::Waiting(line)),
        Ensured::Failed { reason } => {
            tracing::warn!(run.stage = %plan.stage, "stage `{}`: {line}", plan.stage);
            Ok(Resolved::Refused(refusal(&wanted.recipe, &reason)))
        }
    }
}

fn refusal(recipe: &Recipe, reason: &str) -> String {
    let hint = match recipe {
        Recipe::Runtime(image) if image.lock.is_some() => "look at the lock file first",
        Recipe::Runtime(_) => "look at the contract's `runtime` first",
        Recipe::Dockerfile(_) | Recipe::Service(_) => "look at the Dockerfile first",
    };
    format!("the software of this run is not there: {reason}\n({hint}; `/retest` builds it again)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use bowsprit_core::image::recipe::{DockerfileImage, Platform, RuntimeImage};
    use bowsprit_core::image::reference::Pinned;
    use bowsprit_core::name::{Digest, RepoPath};
    use bowsprit_core::training::spec::Trust;

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
        ] {
            let told = refusal(&recipe, "the image could not be built:\nERROR: no x==9");
            assert!(told.contains("ERROR: no x==9\n(look at"), "{told}");
            assert!(told.contains(hint) && told.contains("`/retest`"), "{told}");
        }
    }
}
