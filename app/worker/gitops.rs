//! Who commits releases to the repository that a syncer reads: the serving target says what, GitHub is told here.

use crate::github::apply::write_folder;
use crate::github::client::GitHub;
use crate::github::error::ApiError;
use crate::hands::StartError;
use crate::releases::Commit;
use crate::store::Store;
use bowsprit_core::effect::Priority;
use bowsprit_core::serving::gitops::{Committed, FolderCommit};
use std::sync::Arc;

/// Commits by the installation that shows the repository.
pub fn committer(store: Store, github: GitHub) -> Arc<Commit> {
    Arc::new(move |wanted| {
        let (store, github) = (store.clone(), github.clone());
        Box::pin(async move { commit(&store, &github, &wanted).await })
    })
}

async fn commit(
    store: &Store,
    github: &GitHub,
    wanted: &FolderCommit,
) -> Result<Committed, StartError> {
    let name = &wanted.repository;
    let Some((view, installation)) = store.repository_named(name).await? else {
        return Err(StartError::Refused(format!(
            "the release cannot be written to `{name}` (`gitops.repository`): no installation of the App shows it; install the App there"
        )));
    };
    let place = github
        .at(installation, view.repo)
        .with_priority(Priority::Change);
    match write_folder(&place, wanted).await {
        Ok(done) => Ok(done),
        Err(error @ (ApiError::Refused { .. } | ApiError::NotFound)) => {
            Err(StartError::Refused(format!(
                "the release cannot be written to `{name}` (`gitops.repository`), branch `{}`: {}; the branch must be there, and let the App push",
                wanted.branch,
                error.words()
            )))
        }
        Err(error) => Err(StartError::Retry(
            anyhow::Error::new(error).context(format!("cannot write the release to `{name}` now")),
        )),
    }
}
