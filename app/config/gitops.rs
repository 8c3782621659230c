//! `[gitops]`: the repository that releases are written to, where a syncer brings them to the cluster.

use super::Backend;
use super::read::Reader;
use bowsprit_core::name::{BranchName, NameError, RepoName, RepoPath, Slug};
use bowsprit_core::serving::gitops::Repository;
use std::time::Duration;

/// Shortest time that a sync is waited for.
const WAIT_MIN: Duration = Duration::from_secs(10);
/// Longest.
const WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Releases that are committed and not applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gitops {
    /// Where they are written.
    pub repository: Repository,
    /// Environments that are written, `preview` for all previews; all of them where none is named.
    pub environments: Vec<Slug>,
    /// How long the cluster may not show what was written before it has failed.
    pub sync_wait: Duration,
}

/// Reads the section; `None` inside where no repository is named. `backend` is who serves.
pub(super) fn gitops(reader: &mut Reader, backend: Option<Backend>) -> Option<Option<Gitops>> {
    let name = reader.text("gitops.repository");
    let branch = reader.text_or("gitops.branch", "main");
    let path = reader.text("gitops.path");
    let environments = reader.text("gitops.environments");
    let sync_wait = reader.duration("gitops.sync_wait", "15m", WAIT_MIN..=WAIT_MAX);
    let Some(name) = name else {
        if path.is_some() || environments.is_some() {
            let message = "is missing: the repository that Argo CD or Flux reads, as `owner/name`";
            reader.complain("gitops.repository", message.to_owned());
        }
        return Some(None);
    };
    if backend == Some(Backend::Local) {
        let message = "is for `releases.backend = \"kubernetes\"`";
        reader.complain("gitops.repository", message.to_owned());
    }
    let name = taken(reader, "gitops.repository", RepoName::parse(&name));
    let branch = taken(reader, "gitops.branch", BranchName::parse(&branch));
    let path = path.map(|path| RepoPath::parse(path.trim_matches('/')));
    let path = path.map(|path| taken(reader, "gitops.path", path));
    let environments = environments.unwrap_or_default();
    let environments = environments.split(',').map(str::trim);
    let environments: Option<Vec<Slug>> = environments
        .filter(|word| !word.is_empty())
        .map(|word| taken(reader, "gitops.environments", Slug::parse(word)))
        .collect();
    Some(Some(Gitops {
        repository: Repository {
            name: name?,
            branch: branch?,
            path: match path {
                Some(path) => Some(path?),
                None => None,
            },
        },
        environments: environments?,
        sync_wait: sync_wait?,
    }))
}

fn taken<T>(reader: &mut Reader, key: &str, parsed: Result<T, NameError>) -> Option<T> {
    parsed
        .map_err(|error| reader.complain(key, error.to_string()))
        .ok()
}
