//! The one reply that lists the checks of a pull request: written on `/test ?` and whenever a name was not understood.

use super::step::Seen;
use super::{Pull, wanted};
use crate::effect::{Effect, Intent, Priority, Text};
use crate::subject::Act;
use crate::subject::ask::{Ask, Comment};
use serde_json::{Value, json};

/// By which the reply is found again.
const NOTE: &str = "tests";

/// Lists required and optional checks with their commands; `why`: what was not understood.
pub(super) fn tell(
    act: &mut Act<Pull>,
    seen: &Seen,
    comment: &Comment,
    why: Option<&str>,
    ask: &mut Ask,
) -> Option<()> {
    let called_for = wanted::whats(seen, ask)?;
    let others = wanted::others(seen);
    let rows = |is_optional: bool| -> Vec<Value> {
        let all = called_for.iter().map(|one| (one, true));
        let all = all.chain(others.iter().map(|one| (one, false)));
        let rows = all.filter(|((_, optional), _)| *optional == is_optional);
        let show = |((what, _), is_own): (&(_, bool), bool)| {
            let what: &crate::subject::run::What = what;
            json!({"name": what.check_name(), "runs_by_itself": is_own})
        };
        rows.map(show).collect()
    };
    let data = json!({
        "who": comment.author,
        "why": why,
        "required": rows(false),
        "optional": rows(true),
        "all_by_themselves": others.is_empty(),
        "asked": comment.id.to_string(),
    });
    act.state.has_checks_told = true;
    act.intents
        .push(note(act, Some(Text::new("comments/checks", data))));
    Some(())
}

/// Takes the list away: something runs now, and it would only be in the way.
pub(super) fn prune(act: &mut Act<Pull>) {
    if std::mem::take(&mut act.state.has_checks_told) {
        act.intents.push(note(act, None));
    }
}

fn note(act: &Act<Pull>, text: Option<Text>) -> Intent {
    let (repo, pr) = (act.state.repo.clone(), act.state.number);
    Intent {
        key: format!("note:{NOTE}:{}:{pr}", repo.id),
        is_view: true,
        priority: Priority::Answer,
        effect: Effect::Note {
            repo,
            pr,
            name: NOTE.to_owned(),
            text,
        },
    }
}
