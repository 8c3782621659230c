//! `[clusters.<name>]`: further clusters, which environments choose by their name.

use super::cluster::Cluster;
use super::read::Reader;
use super::serving::{self, Serving};
use bowsprit_core::name::{RepoPath, Slug};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Where the keys begin.
const PREFIX: &str = "clusters.";

/// A cluster that serves environments which choose it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherCluster {
    /// How it is reached, and how its pods reach this server; all else is as in `[cluster]`.
    pub way: Cluster,
    /// Where environments live there, and how they are reached.
    pub serving: Serving,
    /// The folder of `gitops.repository` that is synced to it; its environments are applied where absent.
    pub gitops_path: Option<RepoPath>,
}

/// Reads the sections. `usual` is `[cluster]`.
pub(super) fn clusters(
    reader: &mut Reader,
    usual: Option<&Cluster>,
) -> Option<BTreeMap<Slug, OtherCluster>> {
    let keys = reader.keys_below(PREFIX);
    let names: BTreeSet<String> = keys
        .iter()
        .filter_map(|key| key.strip_prefix(PREFIX)?.split('.').next())
        .map(str::to_owned)
        .collect();
    let mut found = Some(BTreeMap::new());
    for text in names {
        let one = match Slug::parse(&text) {
            Ok(name) => other(reader, &name, usual).map(|other| (name, other)),
            Err(error) => {
                reader.complain(&format!("{PREFIX}{text}"), error.to_string());
                None
            }
        };
        match (&mut found, one) {
            (Some(all), Some((name, other))) => drop(all.insert(name, other)),
            (found, _) => *found = None,
        }
    }
    found
}

fn other(reader: &mut Reader, name: &Slug, usual: Option<&Cluster>) -> Option<OtherCluster> {
    let key = |key: &str| format!("{PREFIX}{name}.{key}");
    let kubeconfig = reader.required(
        &key("kubeconfig"),
        "the file that says how the cluster is reached",
    );
    let context = reader.text(&key("context"));
    let bot_url = usual.map_or("http://127.0.0.1", |usual| usual.bot_url.as_str());
    let bot_url = reader.url(&key("bot_url"), bot_url);
    let serving = serving::serving(reader, &format!("{PREFIX}{name}"));
    let path = reader.text(&key("gitops_path"));
    let path = path.map(|path| RepoPath::parse(path.trim_matches('/')));
    let path = path.transpose().map_err(|error| {
        reader.complain(&key("gitops_path"), error.to_string());
    });
    Some(OtherCluster {
        way: Cluster {
            kubeconfig: Some(PathBuf::from(kubeconfig?)),
            context,
            bot_url: bot_url?,
            ..usual?.clone()
        },
        serving: serving?,
        gitops_path: path.ok()?,
    })
}
