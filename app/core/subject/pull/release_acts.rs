//! Commands that a model or an environment carries out: `/supersede`, `/promote`, `/rollback`, `/unhold`.

use super::acts::Done;
use super::promotion::{environment_of, keeps_held};
use super::step::Seen;
use super::{Kind, Pull};
use crate::effect::{Hint, Wake};
use crate::name::{RepoPath, Slug, VersionRef};
use crate::subject::ask::{Ask, Comment, Permission};
use crate::subject::{Act, SubjectKey};

pub(super) fn unhold(
    act: &mut Act<Pull>,
    seen: &Seen,
    comment: &Comment,
    ask: &mut Ask,
) -> Option<Done> {
    let (id, paths) = (act.state.repo.id, seen.paths());
    if let Some(name) = keeps_held(id, (&seen.owners, &paths), &comment.author, ask)? {
        return Some(Done::No(format!(
            "`/unhold` on a change of {name} is for its approvers"
        )));
    }
    for name in paths.iter().filter_map(environment_of) {
        act.wakes.push(Wake {
            subject: SubjectKey::Environment(act.state.repo.id, name),
            hint: Some(Hint::Unhold),
        });
    }
    Some(Done::Yes)
}

pub(super) fn supersede(act: &mut Act<Pull>, seen: &Seen, comment: &Comment) -> Done {
    let model = seen
        .change
        .branch
        .as_str()
        .strip_prefix("bowsprit/")
        .and_then(|name| Slug::parse(name).ok());
    match model.filter(|_| seen.kind == Kind::Proposal) {
        None => Done::No("`/supersede` works on a proposal of a model version".to_owned()),
        Some(model) => {
            let hint = Hint::Supersede {
                by: comment.author.clone(),
                pr: act.state.number,
                comment: comment.id,
            };
            act.wakes.push(Wake {
                subject: SubjectKey::Model(act.state.repo.id, model),
                hint: Some(hint),
            });
            Done::Passed
        }
    }
}

pub(super) fn promote(
    act: &mut Act<Pull>,
    comment: &Comment,
    environment: &Slug,
    version: Option<&VersionRef>,
    ask: &mut Ask,
) -> Option<Done> {
    let id = act.state.repo.id;
    let Some(view) = ask.repository(id)? else {
        return Some(Done::Passed);
    };
    let Some(head) = ask.head(id, &view.default_branch)? else {
        return Some(Done::Passed);
    };
    let owners = ask.owners(id, &head)?;
    let paths: Vec<RepoPath> = vec![
        RepoPath::parse(crate::contract::CONTRACT_FILE).ok()?,
        crate::subject::environment::file::path(environment),
    ];
    let is_named = owners.may_lgtm(&comment.author, &paths);
    let may = (is_named && ask.is_here(id, &comment.author)?)
        || (owners.is_empty() && ask.permission(id, &comment.author)? >= Permission::Write);
    if !may {
        return Some(Done::No(
            "`/promote` is for reviewers of this repository (OWNERS)".to_owned(),
        ));
    }
    if let Some(refused) = unknown(act, environment, ask)? {
        return Some(refused);
    }
    let hint = Hint::Promote {
        by: comment.author.clone(),
        pr: act.state.number,
        comment: comment.id,
        version: version.cloned(),
    };
    Some(pass_on(act, environment, hint))
}

/// The environment carries it out, and answers.
fn pass_on(act: &mut Act<Pull>, environment: &Slug, hint: Hint) -> Done {
    act.wakes.push(Wake {
        subject: SubjectKey::Environment(act.state.repo.id, environment.clone()),
        hint: Some(hint),
    });
    Done::Passed
}

/// A refusal when the contract names no such pinned environment.
fn unknown(act: &Act<Pull>, environment: &Slug, ask: &mut Ask) -> Option<Option<Done>> {
    let known = ask.environments(act.state.repo.id)?;
    if known
        .iter()
        .any(|e| e.name == *environment && e.pr.is_none())
    {
        return Some(None);
    }
    let names: Vec<String> = known
        .iter()
        .filter(|e| e.pr.is_none())
        .map(|e| format!("`{}`", e.name))
        .collect();
    let names = if names.is_empty() {
        "none yet".to_owned()
    } else {
        names.join(", ")
    };
    Some(Some(Done::No(format!(
        "there is no environment `{environment}` here; there are: {names}"
    ))))
}

pub(super) fn rollback(
    act: &mut Act<Pull>,
    comment: &Comment,
    environment: &Slug,
    (version, model_only): (Option<&VersionRef>, bool),
    ask: &mut Ask,
) -> Option<Done> {
    if let Some(refused) = unknown(act, environment, ask)? {
        return Some(refused);
    }
    let hint = Hint::Rollback {
        by: comment.author.clone(),
        pr: act.state.number,
        comment: comment.id,
        version: version.cloned(),
        model_only,
    };
    Some(pass_on(act, environment, hint))
}
