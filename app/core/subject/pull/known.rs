//! The rule that a model comes from a training that passed its gates, whoever writes its manifest.

use super::Pull;
use super::rules::Rule;
use super::step::Seen;
use crate::contract::Contract;
use crate::name::{RepoId, RepoPath, Slug};
use crate::subject::ask::{Ask, ContractAt};
use crate::subject::environment::ModelRef;
use crate::subject::model::deletion;

/// What works instead.
const INSTEAD: &str =
    "a training proposes its own version, and `/rollback` goes back to one that served";

/// Each manifest that the change writes names a version that we know.
pub(super) fn models(pull: &Pull, seen: &Seen, ask: &mut Ask) -> Option<Vec<Rule>> {
    let id = pull.repo.id;
    let written = seen.changes.files.iter();
    let written = written.filter(|(_, (_, new))| new.is_some());
    let written: Vec<Slug> = written.filter_map(|(path, _)| model_of(path)).collect();
    if written.is_empty() || !is_service(pull, seen, ask)? {
        return Some(Vec::new());
    }
    let at_head = ask.models(id, &seen.change.head)?;
    let mut rules = Vec::new();
    for model in written {
        let found = at_head.iter().find(|found| found.model == model);
        let why = match found.map(|found| &found.manifest) {
            Some(Ok(manifest)) => {
                let named = ModelRef {
                    version: manifest.version,
                    digest: manifest.digest.clone(),
                };
                unknown(id, (&model, &named), ask)?
            }
            Some(Err(why)) => Some(format!(
                "`models/{model}/manifest.json` cannot be used: {why}"
            )),
            None => Some(format!("`models/{model}/manifest.json` cannot be read")),
        };
        rules.extend(why.map(|why| rule(&model, &why)));
    }
    Some(rules)
}

/// The rule that this model breaks, and what works instead.
pub(super) fn rule(model: &Slug, why: &str) -> Rule {
    let name = format!("known version of `{model}`");
    Rule::new(&name, false, format!("{why}; {INSTEAD}"))
}

/// Why nobody knows this version with these bytes as one that passed, where nobody does.
pub(super) fn unknown(
    repo: RepoId,
    (model, named): (&Slug, &ModelRef),
    ask: &mut Ask,
) -> Option<Option<String>> {
    let number = named.version;
    let versions = ask.versions(repo, model)?;
    if let Some(why) = deletion::gone(&versions, (number, &named.digest)) {
        return Some(Some(why));
    }
    let Some(version) = versions.into_iter().find(|v| v.version == number) else {
        return Some(Some(format!("no training here made {model} v{number}")));
    };
    if version.digest != named.digest {
        return Some(Some(format!(
            "{model} v{number} has the digest `{}`, the file says `{}`",
            version.digest.short(),
            named.digest.short()
        )));
    }
    // Only what passed its gates has a version. Its run is not asked: after the loss of the database
    // the same run may have begun anew, and may have ended otherwise.
    Some(None)
}

fn model_of(path: &RepoPath) -> Option<Slug> {
    let inside = path.as_str().strip_prefix("models/")?;
    Slug::parse(inside.strip_suffix("/manifest.json")?).ok()
}

/// Whether it is a service that this changes, or may be one.
fn is_service(pull: &Pull, seen: &Seen, ask: &mut Ask) -> Option<bool> {
    Some(match &seen.contract {
        Some(Contract::Service(_)) => true,
        Some(Contract::Training(_)) => false,
        None => match ask.contract(pull.repo.id, &seen.change.head)? {
            ContractAt::Good(contract, _) => matches!(*contract, Contract::Service(_)),
            ContractAt::Broken(_) => true,
            ContractAt::Missing => false,
        },
    })
}
