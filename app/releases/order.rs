//! A plan as an order: what every target tells its gateways, and what it takes over for them.

use super::desk::Desk;
use super::keys::Keys;
use crate::hands::{self, StartError};
use bowsprit_core::effect::DeployPlan;
use bowsprit_core::image::containerfile::MODELS;
use bowsprit_core::name::{Digest, Slug};
use bowsprit_core::serving::spec::{InImage, ServeSpec, ServerSpec};
use bowsprit_core::training::spec::{ModelInput, RuntimeSpec, Source};
use std::collections::BTreeMap;

/// A server that is replaced is given this long to finish its requests. Units: seconds.
const DRAIN_TIMEOUT_S: u64 = 20;

/// The server of a plan; `None` while there is no model. Errors: `Refused` for a model without a name.
pub(super) fn server(
    plan: &DeployPlan,
    (snapshot, models): (Source, Vec<ModelInput>),
    cache_dir: String,
) -> Result<Option<ServerSpec>, StartError> {
    let digests = plan
        .models
        .iter()
        .map(|model| match Slug::parse(&model.name) {
            Ok(name) => Ok((name, model.digest.clone())),
            Err(error) => Err(StartError::Refused(error.to_string())),
        });
    let digests: BTreeMap<Slug, Digest> = digests.collect::<Result<_, _>>()?;
    let in_image = plan.image.as_ref().map(|_| InImage {
        models: MODELS.to_owned(),
    });
    let runtime = match &plan.image {
        Some(image) => Some(RuntimeSpec::Image {
            image: image.clone(),
            origin: Some("with code and models".to_owned()),
        }),
        None => plan.runtime.clone(),
    };
    Ok(plan.serve.as_ref().map(|serve| ServerSpec {
        snapshot,
        in_image,
        runtime,
        trust: plan.trust,
        cache_dir,
        run: serve.run.clone(),
        ready: serve.ready.clone(),
        env: serve.env.clone(),
        models,
        digests,
        sample_sets: serve.sample_sets.clone(),
        cpu_millis: serve.cpu_millis,
        memory_bytes: serve.memory_bytes,
        ready_timeout_s: serve.ready_timeout_s,
        drain_timeout_s: DRAIN_TIMEOUT_S,
    }))
}

/// The order as it is given: the snapshot is taken over, and the environment's keys are made where it has none.
pub(super) fn write(
    plan: &DeployPlan,
    desk: &Desk,
    snapshot: Source,
    mut server: Option<ServerSpec>,
) -> Result<ServeSpec, StartError> {
    let keys = match desk.keys()? {
        Some(keys) => keys,
        None => {
            let keys = Keys::generate()?;
            desk.write_keys(&keys)?;
            keys
        }
    };
    match &mut server {
        Some(server) => {
            server.snapshot = hands::take_snapshot(&snapshot, &desk.snapshot_path(&snapshot)?)?;
        }
        None => hands::drop_snapshot(&snapshot),
    }
    let mut door = plan.door.clone();
    door.keys = if plan.auth {
        keys.digests()
    } else {
        Vec::new()
    };
    Ok(ServeSpec {
        release: plan.release.clone(),
        generation: plan.generation,
        server,
        door,
    })
}
