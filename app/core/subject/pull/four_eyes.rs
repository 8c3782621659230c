//! The rule that nobody alone trains a model and lets it in.

use super::rules::Rule;
use super::step::Seen;
use super::{Kind, Pull};
use crate::effect::Version;
use crate::name::{CommitSha, Login, PrNumber, RepoId, RepoPath, Slug};
use crate::subject::ask::Ask;
use crate::subject::run::{Trigger, What};
use std::collections::BTreeSet;

/// Numbers in the subject of a commit that are looked at for the pull request that brought it.
const NUMBERS_MAX: usize = 3;

/// The rule's name.
const NAME: &str = "a second pair of eyes";

/// Whose change a training commit is.
enum Whose {
    /// Who opened the pull request that landed as this commit.
    Author(Login, PrNumber),
    /// Who pushed it.
    Pushers(BTreeSet<Login>),
    Unknown,
}

/// Whose change the training commit is approves its model with somebody else, unless there is nobody else.
/// Where nobody knows whose it is, two agree.
pub(super) fn four_eyes(
    pull: &Pull,
    seen: &Seen,
    entitled: &BTreeSet<Login>,
    ask: &mut Ask,
) -> Option<Option<Rule>> {
    let name = seen.change.branch.as_str().strip_prefix("bowsprit/");
    let Some(model) = name.and_then(|name| Slug::parse(name).ok()) else {
        return Some(None);
    };
    let path = RepoPath::parse(&format!("models/{model}/manifest.json")).ok()?;
    if seen.kind != Kind::Proposal || !seen.changes.files.contains_key(&path) {
        return Some(None);
    }
    // One that superseded another in place has the same pull request: the newest is what it proposes.
    // After the loss of the database the tag alone tells which version this head is.
    let versions = ask.versions(pull.repo.id, &model)?.into_iter();
    let is_this = |v: &Version| v.pr == Some(pull.number) || v.commit == seen.change.head;
    let whose = match versions.filter(is_this).max_by_key(|v| v.version) {
        Some(version) => whose(version.training, &version.training_commit, ask)?,
        None => Whose::Unknown,
    };
    let approvers = seen.owners.approvers(&path);
    let (who, own) = match whose {
        Whose::Author(author, number) => (
            format!("{author} wrote #{number}, which brought the training commit"),
            BTreeSet::from([author]),
        ),
        Whose::Pushers(pushers) => {
            let all: Vec<&str> = pushers.iter().map(Login::as_str).collect();
            let who = format!("{} pushed the training commit", all.join(" and "));
            (who, pushers)
        }
        Whose::Unknown if entitled.len() > 1 => return Some(None),
        Whose::Unknown => (
            "nobody knows whose the training commit is".to_owned(),
            entitled.clone(),
        ),
    };
    if entitled.iter().any(|login| !own.contains(login)) {
        return Some(None);
    }
    let others: Vec<Login> = approvers
        .into_iter()
        .filter(|login| !own.contains(login))
        .collect();
    Some(Some(if others.is_empty() {
        let detail = format!("{who}, and there is no other approver");
        Rule::new(NAME, true, detail)
    } else {
        let detail = format!("{who}; somebody else approves too");
        Rule::new(NAME, false, detail).by(others)
    }))
}

/// Whose change a commit is, by the pull request that landed as it, or else by who pushed it.
///
/// Who pressed a button to have it run again did not write it, and our own merge is no person's push.
fn whose(repo: RepoId, sha: &CommitSha, ask: &mut Ask) -> Option<Whose> {
    if ask.repository(repo)?.is_none() {
        return Some(Whose::Unknown);
    }
    if let Some(commit) = ask.commit(repo, sha)? {
        for number in numbers(&commit.subject) {
            if let Some(author) = author(repo, number, sha, ask)? {
                return Some(Whose::Author(author.lower(), number));
            }
        }
    }
    let runs = ask.runs(repo, sha)?.into_iter();
    let pushed = runs.filter(|run| {
        run.cause.what == What::Train && matches!(run.cause.trigger, Trigger::Push { .. })
    });
    let pushers = pushed.filter_map(|run| run.cause.by);
    let people: BTreeSet<Login> = pushers
        .filter(|login| !login.is_bot())
        .map(|login| login.lower())
        .collect();
    Some(match people.is_empty() {
        true => Whose::Unknown,
        false => Whose::Pushers(people),
    })
}

/// Who opened a pull request, if it landed as this commit. Its words are anybody's: GitHub is asked.
fn author(repo: RepoId, number: PrNumber, sha: &CommitSha, ask: &mut Ask) -> Option<Option<Login>> {
    let kept = ask.kept_pull(repo, number)?;
    let is_merged = |view: &crate::subject::ask::PullView| {
        view.change
            .as_ref()
            .is_some_and(|change| change.merged.is_some())
    };
    let view = match kept {
        Some(view) if is_merged(&view) => Some(view),
        // The delivery of its merge may have been lost.
        Some(_) => ask.pull(repo, number)?,
        None => None,
    };
    Some(view.and_then(|view| {
        let merged = view.change.and_then(|change| change.merged);
        (merged.as_ref() == Some(sha)).then_some(view.author)
    }))
}

/// Numbers that a subject names: `Merge #7: …`, `Merge pull request #7 …`, `… (#7)`.
fn numbers(subject: &str) -> Vec<PrNumber> {
    let after = subject.split('#').skip(1);
    let digits = after.map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit());
        &rest[..end.unwrap_or(rest.len())]
    });
    let mut numbers: Vec<PrNumber> = digits
        .filter_map(|text| text.parse().ok().map(PrNumber))
        .collect();
    // GitHub's own words stand at either end.
    if numbers.len() > NUMBERS_MAX {
        numbers.drain(1..numbers.len() - (NUMBERS_MAX - 1));
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_a_subject() {
        for (subject, want) in [
            ("Merge #7: Faster (#8)", &[7, 8][..]),
            ("Merge pull request #12 from o/x", &[12]),
            ("Faster (#9)", &[9]),
            ("#1 #2 #3 #4 (#5)", &[1, 4, 5]),
            ("Faster", &[]),
            ("C# and #x #99999999999999999999", &[]),
        ] {
            let found: Vec<u64> = numbers(subject).into_iter().map(|n| n.0).collect();
            assert_eq!(found, want, "{subject}");
        }
    }
}
