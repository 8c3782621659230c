//! Environments that only a cluster knows, as after the loss of our papers: told to whoever decides, and removed by their labels.

use crate::releases::environment::Key;
use bowsprit_core::serving::objects::Site;
use bowsprit_core::serving::spec::{Live, RolloutPhase};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Those that were found.
#[derive(Default)]
pub(super) struct Strays(Mutex<BTreeMap<Key, Stray>>);

struct Stray {
    site: Site,
    generation: u64,
    is_told: bool,
}

impl Strays {
    fn all(&self) -> MutexGuard<'_, BTreeMap<Key, Stray>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes one, where it lives and which order it answers.
    pub(super) fn note(&self, key: Key, site: Site, generation: u64) {
        let stray = Stray {
            site,
            generation,
            is_told: false,
        };
        self.all().insert(key, stray);
    }

    /// Where one lives.
    pub(super) fn site(&self, key: &Key) -> Option<Site> {
        self.all().get(key).map(|stray| stray.site.clone())
    }

    /// What is told of one.
    pub(super) fn live(&self, key: &Key) -> Option<Live> {
        self.all().get(key).map(|stray| Live {
            generation: stray.generation,
            phase: RolloutPhase::Waiting,
            reason: Some("the cluster has it, and nobody here knows of it".to_owned()),
            serving: None,
            url: String::new(),
            pid: 0,
            updated_ms: 0,
        })
    }

    /// Those that were noted since this was asked last.
    pub(super) fn take_news(&self) -> Vec<Key> {
        let mut all = self.all();
        let tell = |(key, stray): (&Key, &mut Stray)| {
            let was_told = std::mem::replace(&mut stray.is_told, true);
            (!was_told).then(|| key.clone())
        };
        all.iter_mut().filter_map(tell).collect()
    }

    /// It is known again, or gone.
    pub(super) fn forget(&self, key: &Key) {
        self.all().remove(key);
    }
}
