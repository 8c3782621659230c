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
use crate::cluster::{Cluster, Trouble};
use crate::config::{self, Config};
use crate::hands::StartError;
use anyhow::Context as _;
use bowsprit_core::image::build::Build;
use bowsprit_core::image::job::{BuildContext, BuildOrder};
use bowsprit_core::image::recipe::Recipe;
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
use std::time::SystemTime;

/// Keys that begin alike take turns.
const TURNS: usize = 16;

/// The room; clones share it.
#[derive(Clone)]
pub struct Images {
    shop: Arc<Shop>,
}

struct Shop {
    settings: config::Images,
    /// How pods reach the bot, without a slash at the end.
    bot_url: String,
    credentials: Credentials,
    untrusted_credentials: Credentials,
    planner: Planner,
    builder: Builder,
    registry: Client,
    desk: Desk,
    /// Builds whose Secret this process knows to be there.
    confided: Mutex<BTreeSet<Digest>>,
    /// One for each digit that a key may begin with.
    turns: [tokio::sync::Mutex<()>; TURNS],
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
    /// Opens the room. Errors: a credential file or the state directory cannot be used.
    pub fn open(
        config: &Config,
        settings: &config::Images,
        cluster: Cluster,
    ) -> anyhow::Result<Images> {
        let of = |path: &Option<PathBuf>| match path {
            Some(path) => Credentials::read(path),
            None => Ok(Credentials::default()),
        };
        let credentials = of(&settings.auth_file).context("cannot use `images.auth_file`")?;
        let untrusted_credentials =
            of(&settings.untrusted_auth_file).context("cannot use `images.untrusted_auth_file`")?;
        let build = BuildContext {
            namespace: config.cluster.build_namespace.clone(),
            builder: settings.builder.clone(),
            service_account: config.cluster.service_account.clone(),
            pull_secrets: config.cluster.pull_secrets.clone(),
            secret: String::new(),
            has_auth: false,
            insecure: settings.insecure.clone(),
            settings: settings.build_settings.clone(),
            sandbox_class: config.cluster.sandbox_class.clone(),
        };
        let shop = Shop {
            planner: Planner {
                base: settings.base.clone(),
                platform: settings.platform.clone(),
            },
            builder: Builder::new(cluster, build),
            registry: Client::new(credentials.clone(), settings.insecure.clone())?,
            desk: Desk::open(&config.state_dir)?,
            confided: Mutex::default(),
            turns: Default::default(),
            bot_url: config.cluster.bot_url.clone(),
            credentials,
            untrusted_credentials,
            settings: settings.clone(),
        };
        Ok(Images {
            shop: Arc::new(shop),
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
        // Two that want the same image at once would each lay out its build, and the second take the first's away.
        let _turn = shop.turn(&key).lock().await;
        match shop.builder.see(&key).await? {
            Some(Build::Active { waiting }) => {
                shop.desk.want(&key)?;
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

    /// Removes the contexts of builds that nobody has asked about for a day.
    pub async fn sweep(&self) {
        let shop = Arc::clone(&self.shop);
        let work = move || shop.desk.sweep(SystemTime::now());
        let swept = tokio::task::spawn_blocking(work).await;
        let swept = swept.map_err(anyhow::Error::from).flatten();
        if let Err(error) = swept {
            tracing::warn!("contexts of builds stay for now: {error:#}");
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
        let settings = &self.settings;
        let place = Place::of_ours(&settings.registry, &settings.prefix, recipe.kind(), trust);
        Ok(place?)
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
        let shared = Place::of_ours(shared, &self.settings.prefix, recipe.kind(), Trust::Trusted)?;
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
                uri: format!("{}/builds/{}/context", self.bot_url, key.hex()),
                sha256: context.sha256,
            },
            base: wanted.recipe.base().cloned(),
            target: self.place(&wanted.recipe, trust)?.tagged(key),
        };
        match self.builder.begin(&order, confided).await {
            Ok(true) => {
                self.set_confided(key);
                tracing::info!(image.key = %key, "image `{}` is being built", order.target);
            }
            Ok(false) => self.desk.remove(key)?,
            Err(error) => {
                return match error.downcast_ref::<Trouble>() {
                    Some(trouble) if !trouble.is_passing() => {
                        self.desk.remove(key)?;
                        Ok(Ensured::Failed {
                            reason: format!("the cluster does not take the build: {trouble}"),
                        })
                    }
                    // The Job may be there, without its Secret: the next look gives it one, and its files are here.
                    Some(_) | None => Err(error),
                };
            }
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
            Trust::Trusted => &self.credentials,
            Trust::Untrusted => &self.untrusted_credentials,
        };
        Ok(Confided {
            token: self.desk.new_token(key)?,
            auth: credentials.text().map(str::to_owned),
        })
    }

    /// Whoever holds it is alone with builds of this key.
    fn turn(&self, key: &Digest) -> &tokio::sync::Mutex<()> {
        let first = key.hex().bytes().next().unwrap_or_default();
        &self.turns[usize::from(first) % TURNS]
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
