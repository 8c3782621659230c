//! What the door may ask of the far ends: the few reads that a call of the API needs and the store cannot answer.

use super::{Rooms, Trouble};
use crate::git::tree::TextAt;
use bowsprit_core::contract::{Contract, Role};
use bowsprit_core::name::{BranchName, CommitSha, Repo, Slug};
use bowsprit_core::subject::ask::RepoView;

impl Rooms {
    /// The head of a branch now. Errors: GitHub cannot be asked.
    pub(crate) async fn head(
        &self,
        repo: &Repo,
        branch: &BranchName,
    ) -> anyhow::Result<Option<CommitSha>> {
        let place = self.place(repo).await.map_err(told)?;
        Ok(place.head(branch).await?)
    }

    /// Whether a commit is part of what led to `head`. Errors: the repository cannot be fetched.
    pub(crate) async fn is_on(
        &self,
        repo: &Repo,
        head: &CommitSha,
        sha: &CommitSha,
    ) -> anyhow::Result<bool> {
        self.ensure(repo, &[head]).await.map_err(told)?;
        // A commit that GitHub does not give is on no branch.
        if self.ensure(repo, &[sha]).await.is_err() {
            return Ok(false);
        }
        self.mirrors.is_ancestor(repo.id, sha, head).await
    }

    /// Whether the contract on the default branch names this environment; a broken one is taken to name it.
    pub(crate) async fn names_environment(
        &self,
        view: &RepoView,
        name: &Slug,
    ) -> anyhow::Result<bool> {
        let Some(head) = self.head(&view.repo, &view.default_branch).await? else {
            return Ok(false);
        };
        self.ensure(&view.repo, &[&head]).await.map_err(told)?;
        let text = self.mirrors.contract_text(view.repo.id, &head).await?;
        let contract = match text {
            TextAt::Text(text) => bowsprit_core::contract::parse(&text),
            TextAt::Missing => return Ok(false),
            TextAt::Unusable(_) => return Ok(true),
        };
        Ok(match contract {
            Ok(Contract::Service(service)) => service
                .environment(name)
                .is_some_and(|environment| !matches!(environment.role, Role::Preview { .. })),
            Ok(Contract::Training(_)) => false,
            Err(_) => true,
        })
    }
}

fn told(trouble: Trouble) -> anyhow::Error {
    anyhow::anyhow!(trouble)
}
