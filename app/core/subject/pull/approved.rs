//! The rule that the owners of every changed file agree.

use super::dated::Covers;
use super::four_eyes::four_eyes;
use super::rules::{Rule, WHO_SHOWN, join, void_word};
use super::step::Seen;
use super::{Kind, Pull, by_hand, gone};
use crate::habits::{Compatibility, Switch};
use crate::name::Login;
use crate::subject::ask::{Ask, Permission};
use std::collections::BTreeSet;

/// Who has approved this change, the author of code included where nobody else made it what it is, without those who are here no more.
pub(super) fn approvers(seen: &Seen) -> BTreeSet<Login> {
    let mut by = seen.words.approvers();
    let author = seen.view.author.lower();
    let is_implied = !seen.is_of_another || seen.habits.preset == Compatibility::Prow;
    if seen.kind == Kind::Code
        && is_implied
        && !seen.habits.has(Switch::RequireSelfApproval)
        && !seen
            .words
            .approve_cancelled
            .iter()
            .any(|login| login.is(&author))
    {
        by.insert(author);
    }
    by.retain(|login| !seen.gone.contains(login));
    by
}

/// Why nobody can approve, where the files that say who may cannot be known whole.
fn closed(seen: &Seen) -> Option<String> {
    let problem = seen.owners.problems().first();
    let problem = problem.filter(|_| seen.owners.is_beyond())?;
    let (path, line) = (&problem.path, problem.line);
    Some(format!("`{path}` line {line}: {}", problem.message))
}

pub(super) fn approved(pull: &Pull, seen: &Seen, ask: &mut Ask) -> Option<Vec<Rule>> {
    let by = approvers(seen);
    if seen.kind == Kind::Code && by_hand::counts(pull, &seen.habits, by_hand::APPROVED) {
        let detail = "the label was put on by hand";
        return Some(vec![Rule::new("approved", true, detail)]);
    }
    if seen.owners.is_empty() {
        return unowned(pull, seen, ask).map(|rule| vec![rule]);
    }
    let paths = seen.paths();
    if paths.is_empty() {
        return Some(vec![Rule::new("approved", false, "it changes no file")]);
    }
    if let Some(why) = closed(seen) {
        return Some(vec![Rule::new("approved", false, why)]);
    }
    let pending = seen.owners.pending(&paths, &by);
    if pending.is_empty() {
        let entitled: BTreeSet<Login> = paths
            .iter()
            .flat_map(|path| seen.owners.approvers(path))
            .filter(|login| by.contains(login))
            .collect();
        let detail = match entitled.is_empty() {
            true => "the files are left to everybody".to_owned(),
            false => format!("by {}", join(&entitled)),
        };
        let mut rules = vec![Rule::new("approved", true, detail).by(entitled.clone())];
        rules.extend(four_eyes(pull, seen, &entitled, ask)?);
        return Some(rules);
    }
    let not: BTreeSet<Login> = by.union(&seen.gone).cloned().collect();
    let who = seen.owners.suggest(&pending, &not, pull.number.0);
    let folders: Vec<String> = pending
        .iter()
        .map(|p| {
            if p.dir.is_empty() {
                "the root".to_owned()
            } else {
                format!("`{}/`", p.dir)
            }
        })
        .collect();
    // Nobody has left, most of the time, and a change may have thousands of files.
    let of_whom = paths.iter().filter(|_| !seen.gone.is_empty());
    let entitled = of_whom.flat_map(|path| seen.owners.approvers(path));
    let detail = void_word(&seen.words.approve)
        .unwrap_or_else(|| format!("an approver of {} says `/approve`", folders.join(", ")))
        + &gone::told(seen, &entitled.collect());
    Some(vec![
        Rule::new("approved", false, detail).by(who.into_iter().take(WHO_SHOWN)),
    ])
}

/// Without OWNERS: the people of `CODEOWNERS` for their files, and for all others one who may write here.
fn unowned(pull: &Pull, seen: &Seen, ask: &mut Ask) -> Option<Rule> {
    let said = seen.words.approve.iter();
    let said: Vec<Login> = said
        .filter(|word| word.covers == Covers::Yes)
        .map(|word| word.by.lower())
        .filter(|by| !seen.gone.contains(by))
        .collect();
    let mut writer = None;
    for by in &said {
        if ask.permission(pull.repo.id, by)? >= Permission::Write {
            writer = Some(by.clone());
            break;
        }
    }
    let (mut open, mut by) = (BTreeSet::new(), BTreeSet::new());
    let mut needs_writer = false;
    for path in seen.paths() {
        match seen.owners.code_owner(&path) {
            Some(owner) if !owner.has_others || writer.is_none() => {
                let agreed = said.iter().filter(|by| owner.people.contains(by));
                let agreed: Vec<Login> = agreed.cloned().collect();
                if agreed.is_empty() {
                    open.extend(owner.people.iter().cloned());
                    needs_writer |= owner.has_others;
                }
                by.extend(agreed);
            }
            Some(_) | None => {
                needs_writer |= writer.is_none();
                by.extend(writer.clone());
            }
        }
    }
    if open.is_empty() && !needs_writer && !by.is_empty() {
        let (names, is_code) = (join(&by), seen.owners.has_code_owners());
        let why = match is_code {
            true => "as `CODEOWNERS` says (there is no OWNERS file)",
            false => "who may write here (there is no OWNERS file)",
        };
        return Some(Rule::new("approved", true, format!("by {names}, {why}")).by(by));
    }
    let detail = match (open.is_empty(), needs_writer) {
        (true, _) => {
            "somebody who may write here says `/approve` (there is no OWNERS file)".to_owned()
        }
        (false, false) => {
            "code owners of the changed files say `/approve` (there is no OWNERS file)".to_owned()
        }
        (false, true) => "code owners of the changed files, and for the others somebody who may write here, say `/approve` (there is no OWNERS file)".to_owned(),
    };
    let detail = detail + &gone::told(seen, &open);
    let open = open.into_iter().filter(|who| !seen.gone.contains(who));
    Some(Rule::new("approved", false, detail).by(open.take(WHO_SHOWN)))
}
