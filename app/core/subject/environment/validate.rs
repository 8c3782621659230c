//! Whether a change of an environment's file may land, whoever wrote it.

use super::{ChangeCause, Environment, Release, file, release};
use crate::name::CommitSha;
use crate::subject::ask::Ask;

/// The rule's name where a change goes past the others.
pub const BREAK_GLASS: &str = "break-glass";

/// Whether a pull request of an environment may land, rule by rule: `(rule, is met, detail)`.
pub fn validate(
    state: &Environment,
    previous: Option<&Environment>,
    target: &Release,
    cause: ChangeCause,
) -> Vec<(String, bool, String)> {
    let mut rules = Vec::new();
    match cause {
        ChangeCause::Promotion => {
            let before = previous.map_or_else(
                || "the environment before".to_owned(),
                |p| p.name.to_string(),
            );
            let is_met = previous.is_some_and(|p| p.verified_at(target).is_some());
            rules.push((format!("verified in {before}"), is_met, target.shown()));
            rules.extend(previous.and_then(|previous| down(previous, target)));
        }
        ChangeCause::Rollback | ChangeCause::Revert => {
            // Both were here, perhaps not together: `--model-only` keeps the code.
            let has = |is_it: fn(&Release, &Release) -> bool| {
                state.verified.iter().any(|v| is_it(&v.release, target))
            };
            let is_known = has(|one, other| one.models == other.models)
                && has(|one, other| one.commit == other.commit);
            rules.push((
                format!("served in {} before", state.name),
                is_known,
                target.shown(),
            ));
        }
        ChangeCause::BreakGlass => rules.push((
            BREAK_GLASS.to_owned(),
            true,
            "past the usual rules, on the record".to_owned(),
        )),
    }
    rules
}

/// A release that the environment before should serve at this moment, and does not.
fn down(previous: &Environment, target: &Release) -> Option<(String, bool, String)> {
    let is_there = previous.live.as_ref().is_some_and(|l| l.id == target.id);
    if !is_there || previous.up_since_ms.is_some() {
        return None;
    }
    let why = previous.reason.as_deref().unwrap_or("it is being started");
    let detail = format!(
        "{} does not answer there now ({why}); this goes on once it does",
        target.shown()
    );
    Some((format!("live in {}", previous.name), false, detail))
}

/// The release that a pull request's version of the file names. Errors: why it cannot be used.
pub fn target_of(
    repo: crate::name::RepoId,
    head: &CommitSha,
    text: &str,
    ask: &mut Ask,
) -> Option<Result<(Release, ChangeCause), String>> {
    let pinned = match file::parse(text) {
        Ok(pinned) => pinned,
        Err(why) => return Some(Err(why)),
    };
    let cause = pinned.cause;
    Some(release::of_pinned(repo, head, &pinned, ask)?.map(|ready| (ready.release, cause)))
}
