//! Images: found where they are kept, or built once and kept.
//!
//! The registry is the cache and the record: an image is looked up by the key of its recipe, in the project's registry, then
//! in a shared one, and built by a Job in the cluster where neither has it. What is given on is always a digest.
//! Nothing of an untrusted head is ever pushed where trusted images are kept; it only reads there.

mod builder;
mod context;
mod credentials;
mod desk;
mod plan;
pub mod registry;
#[cfg(test)]
mod tests;

use crate::artifacts::Artifacts;
use crate::hands::StartError;
use anyhow::Context as _;
use bowsprit_core::image::build::Build;
use bowsprit_core::image::job::{BuildContext, BuildOrder};
use bowsprit_core::image::recipe::{Kind, Platform, Recipe, trust_name};
use bowsprit_core::image::reference::{Pinned, Place, Tagged};
use bowsprit_core::name::Digest;
use bowsprit_core::training::spec::{RuntimeSpec, Source, Trust};
use builder::{Builder, Confided};
pub use credentials::Credentials;
use desk::Desk;
use plan::Planner;
pub use plan::{ServiceWish, Software, Wanted};
use registry::Client;
use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// What the room is told.
pub struct Settings {
    /// Where contexts lie while they are fetched.
    pub state_dir: PathBuf,
    /// Where builds run, and with what.
    pub build: BuildContext,
    /// How pods reach the bot, without a slash at the end.
    pub bot_url: String,
    /// The project's registry.
    pub registry: String,
    /// A registry that is read where the project's has nothing.
    pub shared_registry: Option<String>,
    /// First parts of the path of every image.
    pub prefix: String,
    /// Who we are at registries.
    pub credentials: Credentials,
    /// Who builds of untrusted heads are at registries; it should be able to write under `untrusted/` alone.
    pub untrusted_credentials: Credentials,
    /// What a Python runtime begins with.
    pub base: Pinned,
    /// What images run on.
    pub platform: Platform,
}

/// The room; clones share it.
#[derive(Clone)]
pub struct Images {
    shop: Arc<Shop>,
}

struct Shop {
    settings: Settings,
    planner: Planner,
    builder: Builder,
    registry: Client,
    desk: Desk,
    /// Builds whose Secret this process knows to be there.
    confided: Mutex<BTreeSet<Digest>>,
}

/// How an image that is wanted stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ensured {
    /// It is there.
    Ready {
        /// By its digest.
        image: Pinned,
        /// How it came to be there.
        found: Found,
    },
    /// It is being built; ask again.
    Building {
        /// Why that does not move, where the cluster says so.
        waiting: Option<String>,
    },
    /// It cannot be built: why, for a person. The next wish tries again.
    Failed {
        /// What failed, then the last lines.
        reason: String,
    },
}

/// How an image came to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It was in the project's registry.
    Project,
    /// It was in the shared registry.
    Shared,
    /// It was built just now.
    Built {
        /// Units: seconds.
        seconds: u64,
    },
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Found::Project => f.write_str("found in the project's registry"),
            Found::Shared => f.write_str("found in the shared registry"),
            Found::Built { seconds } => write!(f, "built in {seconds} s"),
        }
    }
}

impl Ensured {
    /// What a person reads in the log of a run.
    pub fn line(&self, recipe: &Recipe) -> String {
        let what = format!("{} image {}", recipe.kind().word(), recipe.key().short());
        match self {
            Ensured::Ready { image, found } => format!("{what} {found}: {image}"),
            Ensured::Building { waiting: None } => format!("{what} is being built"),
            Ensured::Building {
                waiting: Some(reason),
            } => format!("{what} waits to be built: {reason}"),
            Ensured::Failed { reason } => format!("{what}: {reason}"),
        }
    }
}

impl Images {
    /// Opens the room. Errors: the state directory cannot be written, the system's certificates cannot be read.
    pub fn open(settings: Settings, client: kube::Client) -> anyhow::Result<Images> {
        Ok(Images {
            shop: Arc::new(Shop {
                planner: Planner {
                    base: settings.base.clone(),
                    platform: settings.platform.clone(),
                },
                builder: Builder::new(client, settings.build.clone()),
                registry: Client::new(
                    settings.credentials.clone(),
                    settings.build.insecure.clone(),
                )?,
                desk: Desk::open(&settings.state_dir)?,
                confided: Mutex::default(),
                settings,
            }),
        })
    }

    /// What the software of a contract comes to. Errors: `Refused` for a file that is missing or says what it must not.
    pub fn runtime(
        &self,
        runtime: Option<&RuntimeSpec>,
        snapshot: &Source,
        trust: Trust,
    ) -> Result<Software, StartError> {
        self.shop.planner.runtime(runtime, snapshot, trust)
    }

    /// A service's code and models as one image. Errors: `Refused` where models or files are missing.
    pub async fn service(
        &self,
        wish: &ServiceWish,
        artifacts: &Artifacts,
    ) -> Result<Wanted, StartError> {
        self.shop.planner.service(wish, artifacts).await
    }

    /// Finds the image, or sees to it that it is built. Asked again until it is there or has failed.
    ///
    /// Errors: the registry or the cluster cannot be asked now.
    pub async fn ensure(&self, wanted: &Wanted) -> anyhow::Result<Ensured> {
        let shop = &self.shop;
        let key = wanted.recipe.key();
        match shop.builder.see(&key).await? {
            Some(Build::Active { waiting }) => {
                shop.confide_once(&key, wanted.recipe.trust()).await?;
                Ok(Ensured::Building { waiting })
            }
            Some(Build::Pushed { digest, seconds }) => {
                let place = shop.place(&wanted.recipe, wanted.recipe.trust())?;
                let image = place.at(digest);
                let is_there = shop.registry.holds(&image).await?;
                shop.forget(&key).await?;
                Ok(match is_there {
                    true => Ensured::Ready {
                        image,
                        found: Found::Built { seconds },
                    },
                    false => Ensured::Failed {
                        reason: format!(
                            "the build says that it pushed `{image}`, and the registry does not have it"
                        ),
                    },
                })
            }
            Some(Build::Failed { reason }) => {
                shop.forget(&key).await?;
                Ok(Ensured::Failed { reason })
            }
            None => match shop.look_up(&wanted.recipe).await? {
                Some(ready) => Ok(ready),
                None => shop.begin(wanted, &key).await,
            },
        }
    }

    /// The context of a build, for who has its token; both come from outside.
    pub fn context(&self, key: &str, token: &str) -> anyhow::Result<Option<File>> {
        self.shop.desk.context(key, token)
    }
}

impl Shop {
    /// Where images of this kind and trust are kept in the project's registry.
    fn place(&self, recipe: &Recipe, trust: Trust) -> anyhow::Result<Place> {
        place(
            &self.settings.registry,
            &self.settings.prefix,
            recipe.kind(),
            trust,
        )
    }

    /// The trusted image first, for everybody; then an untrusted head's own; then the shared registry's trusted one.
    async fn look_up(&self, recipe: &Recipe) -> anyhow::Result<Option<Ensured>> {
        let trusted = recipe.trusted().key();
        let mut places: Vec<Tagged> = vec![self.place(recipe, Trust::Trusted)?.tagged(&trusted)];
        if recipe.trust() == Trust::Untrusted {
            places.push(self.place(recipe, Trust::Untrusted)?.tagged(&recipe.key()));
        }
        for place in &places {
            if let Some(image) = self.registry.find(place).await? {
                let found = Found::Project;
                return Ok(Some(Ensured::Ready { image, found }));
            }
        }
        let Some(shared) = &self.settings.shared_registry else {
            return Ok(None);
        };
        let shared = place(shared, &self.settings.prefix, recipe.kind(), Trust::Trusted)?;
        match self.registry.find(&shared.tagged(&trusted)).await {
            Ok(found) => Ok(found.map(|image| Ensured::Ready {
                image,
                found: Found::Shared,
            })),
            Err(error) => {
                // What it could have spared us can be built.
                tracing::warn!("the shared registry is left out: {error:#}");
                Ok(None)
            }
        }
    }

    async fn begin(self: &Arc<Self>, wanted: &Wanted, key: &Digest) -> anyhow::Result<Ensured> {
        let (shop, parts, laid) = (Arc::clone(self), wanted.parts.clone(), key.clone());
        let (context, confided, trust) = {
            let trust = wanted.recipe.trust();
            let work = tokio::task::spawn_blocking(move || {
                let context = shop.desk.lay_out(&laid, &parts)?;
                Ok::<_, anyhow::Error>((context, shop.confided(&laid, trust)?))
            });
            let (context, confided) = work.await.context("cannot lay out the build")??;
            (context, confided, trust)
        };
        let order = BuildOrder {
            key: key.clone(),
            kind: wanted.recipe.kind(),
            trust,
            context: Source {
                uri: format!("{}/builds/{}/context", self.settings.bot_url, key.hex()),
                sha256: context.sha256,
            },
            base: wanted.recipe.base().cloned(),
            target: self.place(&wanted.recipe, trust)?.tagged(key),
        };
        if self.builder.begin(&order, confided).await? {
            self.set_confided(key);
            tracing::info!(image.key = %key, "image `{}` is being built", order.target);
        } else {
            self.desk.remove(key)?;
        }
        Ok(Ensured::Building { waiting: None })
    }

    /// Where this bot began the build, and was ended perhaps before its Secret was there, it is given one again.
    async fn confide_once(&self, key: &Digest, trust: Trust) -> anyhow::Result<()> {
        let is_known = self.known().contains(key);
        if is_known || !self.desk.has(key) {
            return Ok(());
        }
        let confided = self.confided(key, trust)?;
        self.builder.confide_again(key, confided).await?;
        self.set_confided(key);
        Ok(())
    }

    fn confided(&self, key: &Digest, trust: Trust) -> anyhow::Result<Confided> {
        let credentials = match trust {
            Trust::Trusted => &self.settings.credentials,
            Trust::Untrusted => &self.settings.untrusted_credentials,
        };
        Ok(Confided {
            token: self.desk.new_token(key)?,
            auth: credentials.text().map(str::to_owned),
        })
    }

    fn set_confided(&self, key: &Digest) {
        self.known().insert(key.clone());
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeSet<Digest>> {
        self.confided.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn forget(&self, key: &Digest) -> anyhow::Result<()> {
        self.builder.remove(key).await?;
        self.known().remove(key);
        self.desk.remove(key)
    }
}

/// `<registry>/<prefix>/<trusted|untrusted>/<kind>`.
fn place(registry: &str, prefix: &str, kind: Kind, trust: Trust) -> anyhow::Result<Place> {
    let path = format!("{prefix}/{}/{}", trust_name(trust), kind.word());
    Ok(Place::new(registry, &path)?)
}
