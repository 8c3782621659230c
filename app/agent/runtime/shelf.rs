//! The shelf of finished software: found by what it is made of, or claimed by whoever builds it first.
//!
//! Trusted and untrusted things stand apart; an untrusted run reads trusted ones and never writes them.

use super::{Log, failure};
use bowsprit_core::name::Digest;
use bowsprit_core::training::spec::{Failure, FailureKind, Trust};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How often a build by another process is looked at again.
const LOCK_POLL: Duration = Duration::from_millis(200);
/// The marker of a finished build.
const READY: &str = ".ready";

/// Where software of a level of trust stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shelf<'a> {
    pub(super) cache_dir: &'a Path,
    pub(super) trust: Trust,
}

/// What looking came to.
pub(super) enum Found {
    /// It is there.
    There(Item),
    /// It is not, and the finder builds it.
    Claimed(Claim),
}

/// A finished thing.
pub(super) struct Item {
    pub(super) dir: PathBuf,
    pub(super) hash: Digest,
    /// Whether it was there already.
    pub(super) cached: bool,
}

/// The right to build a thing into an absent directory; it goes with the value.
pub(super) struct Claim {
    pub(super) dir: PathBuf,
    what: &'static str,
    hash: Digest,
    _lock: File,
}

impl Shelf<'_> {
    /// Finds what `recipe` makes, or claims it; waits while another process builds the same. `what` names it in the log.
    ///
    /// Errors: the cache cannot be written (`Agent`).
    pub(super) async fn find(
        &self,
        what: &'static str,
        recipe: &str,
        log: Log<'_>,
    ) -> Result<Found, Failure> {
        let readable = match self.trust {
            Trust::Trusted => &[Trust::Trusted][..],
            Trust::Untrusted => &[Trust::Trusted, Trust::Untrusted],
        };
        let found = |trust| Shelf { trust, ..*self }.look_up(recipe);
        if let Some(item) = readable.iter().find_map(|trust| found(*trust)) {
            log(&format!("{what} {} found in the cache", item.hash.short()));
            return Ok(Found::There(item));
        }
        let hash = self.hash(recipe);
        fs::create_dir_all(self.dir()).map_err(unwritable)?;
        let lock = self.dir().join(format!("{}.lock", hash.hex()));
        let lock = File::create(lock).map_err(unwritable)?;
        let mut said = false;
        while lock.try_lock().is_err() {
            if !said {
                log(&format!(
                    "waiting for another run that builds the same {what}"
                ));
                said = true;
            }
            tokio::time::sleep(LOCK_POLL).await;
        }
        if let Some(item) = self.look_up(recipe) {
            log(&format!("{what} {} was built by another run", hash.short()));
            return Ok(Found::There(item));
        }
        let dir = self.dir().join(hash.hex());
        if dir.exists() {
            // Left by a build that was ended: it has no marker.
            fs::remove_dir_all(&dir).map_err(unwritable)?;
        }
        Ok(Found::Claimed(Claim {
            dir,
            what,
            hash,
            _lock: lock,
        }))
    }

    /// The directory of this level of trust.
    pub(super) fn dir(&self) -> PathBuf {
        self.cache_dir.join(self.name())
    }

    /// The level of trust in a word.
    fn name(&self) -> &'static str {
        match self.trust {
            Trust::Trusted => "trusted",
            Trust::Untrusted => "untrusted",
        }
    }

    fn hash(&self, recipe: &str) -> Digest {
        Digest::of(format!("{recipe}\n{}\n", self.name()).as_bytes())
    }

    fn look_up(&self, recipe: &str) -> Option<Item> {
        let hash = self.hash(recipe);
        let dir = self.dir().join(hash.hex());
        let marker = File::options().append(true).open(dir.join(READY)).ok()?;
        // Its time is when it was last used, for whoever clears the cache; a failure costs only that.
        let _dated = marker.set_modified(SystemTime::now());
        Some(Item {
            dir,
            hash,
            cached: true,
        })
    }
}

impl Claim {
    /// Ends the claim with what building came to; what a failed build left goes. Errors: that failure, or `Agent`.
    pub(super) fn end(self, built: Result<(), Failure>, log: Log<'_>) -> Result<Item, Failure> {
        if let Err(failure) = built {
            // What stays is taken away by the next build.
            let _removed = fs::remove_dir_all(&self.dir);
            return Err(failure);
        }
        fs::write(self.dir.join(READY), "").map_err(unwritable)?;
        log(&format!("{} {} built", self.what, self.hash.short()));
        Ok(Item {
            dir: self.dir,
            hash: self.hash,
            cached: false,
        })
    }
}

/// The cache cannot be written.
pub(super) fn unwritable(error: std::io::Error) -> Failure {
    failure(
        FailureKind::Agent,
        format!("cannot write the runtime cache: {error}"),
    )
}
