//! `/supersede`: the newest waiting version into the open proposal.

use super::Model;
use crate::effect::{Hint, Record};
use crate::name::{CommentId, Login, PrNumber, RepoPath};
use crate::subject::ask::{Ask, Permission};
use crate::subject::{Act, Given, answer, react};

/// Why `/supersede` does nothing.
pub(super) const NOTHING_WAITS: &str = "there is no newer version waiting; nothing to supersede";

/// A `/supersede` not yet carried out.
pub(super) struct Supersede {
    pr: PrNumber,
    comment: CommentId,
    by: Login,
}

/// The commands given to this model, rights checked; the refused ones are answered.
pub(super) fn commands(
    act: &mut Act<Model>,
    given: &Given<Model>,
    ask: &mut Ask,
) -> Option<Vec<Supersede>> {
    let mut good = Vec::new();
    for hint in &given.hints {
        let Hint::Supersede { by, pr, comment } = hint else {
            continue;
        };
        if act.state.acted.contains(comment) {
            continue;
        }
        let Some(view) = ask.repository(act.state.repo.id)? else {
            continue;
        };
        let Some(head) = ask.head(act.state.repo.id, &view.default_branch)? else {
            continue;
        };
        let owners = ask.owners(act.state.repo.id, &head)?;
        let path = RepoPath::parse(&format!("models/{}/manifest.json", act.state.name))
            .expect("a slug makes a good path");
        act.state.acted.push(*comment);
        let one = Supersede {
            pr: *pr,
            comment: *comment,
            by: by.clone(),
        };
        let is_approver = owners.approvers(&path).contains(&by.lower());
        if (is_approver && ask.is_here(act.state.repo.id, by)?)
            || (owners.is_empty() && ask.permission(act.state.repo.id, by)? >= Permission::Write)
        {
            good.push(one);
        } else {
            let message = format!(
                "`/supersede` is for approvers of `models/{}/`",
                act.state.name
            );
            act.intents
                .push(answer(&act.state.repo, one.pr, one.comment, &message));
        }
    }
    let extra = act.state.acted.len().saturating_sub(100);
    act.state.acted.drain(..extra);
    Some(good)
}

pub(super) fn answer_all(act: &mut Act<Model>, commands: &[Supersede], message: &str) {
    for command in commands {
        act.intents.push(answer(
            &act.state.repo,
            command.pr,
            command.comment,
            message,
        ));
    }
}

pub(super) fn react_all(act: &mut Act<Model>, commands: &[Supersede]) {
    for command in commands {
        act.intents.push(react(&act.state.repo, command.comment));
        act.records.push(Record::Event {
            who: Some(command.by.clone()),
            what: "supersede".to_owned(),
            sha: None,
            why: format!("#{}", command.pr),
        });
    }
}
