//! The rooms as one look sees them: a repository is looked up once, however many questions are about it.

use super::{Rooms, Trouble};
use crate::git::mirror::Mirrors;
use crate::github::place::Place;
use bowsprit_core::name::{CommitSha, RepoId};
use bowsprit_core::subject::ask::RepoView;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// A repository and the way to it; `None` where no installation shows it.
type Found = Option<(RepoView, Place)>;

/// One look at work. Its questions come many at once.
pub(super) struct Looking<'a> {
    /// Who is asked.
    pub(super) rooms: &'a Rooms,
    found: Mutex<BTreeMap<RepoId, Arc<OnceCell<Found>>>>,
}

impl<'a> Looking<'a> {
    /// A look that has asked nothing yet.
    pub(super) fn new(rooms: &'a Rooms) -> Looking<'a> {
        Looking {
            rooms,
            found: Mutex::default(),
        }
    }

    /// A repository, where an installation of ours shows it. Errors: the database fails.
    pub(super) async fn find(&self, id: RepoId) -> Result<Found, Trouble> {
        let cell = {
            let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(found.entry(id).or_default())
        };
        let found = cell
            .get_or_try_init(async || match self.rooms.known(id).await {
                Ok(found) => Ok(Some(found)),
                Err(Trouble::Unknown(_)) => Ok(None),
                Err(trouble) => Err(trouble),
            })
            .await?;
        Ok(found.clone())
    }

    /// A repository that must be there. Errors: no installation shows it, or the database fails.
    pub(super) async fn known(&self, id: RepoId) -> Result<(RepoView, Place), Trouble> {
        self.find(id).await?.ok_or(Trouble::Unknown(id))
    }

    /// The mirrors, once these commits of a repository are in them.
    pub(super) async fn git_with(
        &self,
        id: RepoId,
        shas: &[&CommitSha],
    ) -> Result<&Mirrors, Trouble> {
        let (view, place) = self.known(id).await?;
        self.rooms
            .mirrors
            .ensure(&view.repo, shas, async || Ok(place.fetch_token().await?))
            .await?;
        Ok(&self.rooms.mirrors)
    }
}
