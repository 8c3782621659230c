//! Reads what a repository brings for a cluster.

use super::reader::{Fields, Problems, checked};
use crate::name::RepoPath;

pub(crate) const DEPLOY_KEYS: [&str; 2] = ["manifests", "chart"];

/// The folder of the repository's own manifests; `None` where it has none, or after a problem.
pub(crate) fn manifests(fields: &Fields<'_>, problems: &mut Problems) -> Option<RepoPath> {
    let node = fields.get("deploy")?;
    let fields = Fields::of(node, "`deploy`", &DEPLOY_KEYS, problems)?;
    let instead = "render it to plain YAML in a folder and name that by `manifests`, with `${BOWSPRIT_…}` where values differ";
    if fields.refuse("chart", instead, problems) {
        return None;
    }
    let hint = "a folder of YAML files, such as `manifests: deploy`";
    let folder = fields.need("manifests", hint, problems)?;
    let check = |text: &str| RepoPath::parse(text.strip_suffix('/').unwrap_or(text));
    checked(folder, "`manifests`", check, problems)
}
