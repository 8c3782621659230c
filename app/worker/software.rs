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
