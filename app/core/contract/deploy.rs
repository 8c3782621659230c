//! Reads what a repository brings for a cluster.

use super::reader::{Fields, Problems, checked};
use super::tree::Node;
use crate::name::RepoPath;
use serde::{Deserialize, Serialize};

pub(crate) const DEPLOY_KEYS: [&str; 3] = ["manifests", "chart", "values"];

/// The repository's own objects for a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Deploy {
    /// A folder of YAML files.
    Manifests(RepoPath),
    /// What a chart renders to.
    Chart(Chart),
}

/// A chart of the repository. Source: <https://helm.sh/docs/topics/charts/>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chart {
    /// The folder with its `Chart.yaml`, dependencies included.
    pub folder: RepoPath,
    /// A file of values that go over the chart's own.
    pub values: Option<RepoPath>,
}

/// What the repository brings; `None` where it brings nothing, or after a problem.
pub(crate) fn deploy(fields: &Fields<'_>, problems: &mut Problems) -> Option<Deploy> {
    let node = fields.get("deploy")?;
    let fields = Fields::of(node, "`deploy`", &DEPLOY_KEYS, problems)?;
    let values = fields.get("values");
    match (fields.get("manifests"), fields.get("chart")) {
        (Some(_), Some(chart)) => {
            let why = "`deploy` takes `manifests` or `chart`, not both: put one into the other";
            problems.add(chart.at, why);
            None
        }
        (_, Some(chart)) => Some(Deploy::Chart(Chart {
            folder: path(chart, "`chart`", problems)?,
            values: match values {
                Some(values) => Some(path(values, "`values`", problems)?),
                None => None,
            },
        })),
        (folder, None) => {
            if let Some(values) = values {
                problems.add(
                    values.at,
                    "`values` are those of a `chart`, and there is none",
                );
            }
            let hint = "a folder of YAML files, such as `manifests: deploy`, or `chart` with that of a chart";
            let folder = folder.or_else(|| fields.need("manifests", hint, problems))?;
            path(folder, "`manifests`", problems).map(Deploy::Manifests)
        }
    }
}

fn path(node: &Node, what: &str, problems: &mut Problems) -> Option<RepoPath> {
    let check = |text: &str| RepoPath::parse(text.strip_suffix('/').unwrap_or(text));
    checked(node, what, check, problems)
}
