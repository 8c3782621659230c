//! Answers to `/lgtm` and `/approve`: whether the word counts, and if not, why.

use super::acts::{Done, Later, Waiting, fresh, reply};
use super::dated::Covers;
use super::edits::at_github;
use super::lgtm::may_lgtm;
use super::rules::{Rule, Standing};
use super::step::Seen;
use super::telling::why;
use super::words::Word;
use super::{Kind, Pull, collaborators};
use crate::command::{Command, Heard, Say};
use crate::effect::{Intent, Record};
use crate::subject::ask::{Ask, Comment};
use crate::subject::run::check;
use crate::subject::{Act, Given};

/// Answers lgtm and approve: a reaction when the word stands, a sentence when it does not;
/// and what else had to wait for the rules.
pub(super) fn answer_words(
    act: &mut Act<Pull>,
    seen: &Seen,
    (rules, mut waiting): (&[Rule], Waiting),
    given: &Given<Pull>,
    ask: &mut Ask,
) -> Option<()> {
    for (comment, heard) in fresh(act, (&seen.comments, &seen.habits), given) {
        let (mut refused, mut has_word) = (Vec::new(), false);
        for one in &heard {
            match &one.command {
                Ok(Command::Say(Say::Lgtm)) => {
                    refused.extend(why_not(seen, &seen.words.lgtm, comment, rules, "lgtm"))
                }
                Ok(Command::Say(Say::Approve { .. })) => {
                    let words = &seen.words.approve;
                    refused.extend(why_not(seen, words, comment, rules, "approve"));
                }
                Ok(Command::Say(Say::LgtmCancel)) => {
                    let is_author = comment.author.is(&seen.view.author);
                    if !is_author && !may_lgtm(&act.state, seen, &comment.author, ask)? {
                        let who = collaborators::people(&seen.habits);
                        refused.push(format!("`/lgtm cancel` counts from the author, {who} here, or whom OWNERS names for a changed file"));
                    }
                }
                Ok(Command::Say(Say::ApproveCancel)) => {}
                Ok(Command::Say(_) | Command::OnChange(_) | Command::OnThread(_)) | Err(_) => {
                    continue;
                }
            }
            has_word = true;
        }
        act.state.acted.push(comment.id);
        let mut done: Vec<Done> = Vec::new();
        for one in waiting.remove(&comment.id).unwrap_or_default() {
            done.push(match one {
                Done::Later(Later::Why) => why(rules, &given.public_url),
                Done::Later(Later::Refresh) => refresh(act, seen, comment),
                other => other,
            });
        }
        if has_word && refused.is_empty() {
            done.push(Done::Yes);
            note(act, seen, comment, &heard);
        }
        done.extend(refused.into_iter().map(Done::No));
        reply(act, comment, done);
    }
    Some(())
}

fn note(act: &mut Act<Pull>, seen: &Seen, comment: &Comment, heard: &[Heard]) {
    let words: Vec<String> = heard.iter().map(|one| one.text.clone()).collect();
    act.records.push(Record::Event {
        who: Some(comment.author.clone()),
        what: crate::text::truncate(&words.join(", "), 100),
        sha: Some(seen.change.head.clone()),
        why: format!("#{}", act.state.number),
    });
}

/// Everything that we show of the head, told once more: GitHub may show something else since.
fn refresh(act: &mut Act<Pull>, seen: &Seen, comment: &Comment) -> Done {
    let mut views: Vec<Intent> = act
        .intents
        .iter()
        .filter(|one| one.is_view)
        .cloned()
        .collect();
    views.extend(
        seen.runs
            .iter()
            .filter(|run| run.phase.is_final())
            .map(|run| check::concluded(run, Vec::new())),
    );
    let done = views
        .into_iter()
        .map(|view| at_github(act, comment, view.effect));
    Done::Several(done.collect())
}

fn why_not(
    seen: &Seen,
    words: &[Word],
    comment: &Comment,
    rules: &[Rule],
    verb: &str,
) -> Option<String> {
    let word = words
        .iter()
        .find(|word| word.by.is(&comment.author) && word.comment == Some(comment.id))?;
    match word.covers {
        Covers::Changed => {
            return Some(format!(
                "the change is another since you wrote that; look at `{}` and say `/{verb}` again",
                seen.change.head.short()
            ));
        }
        Covers::Undated => {
            return Some(format!(
                "a push to `{}` came too close to your word to know which was first; please say `/{verb}` again",
                seen.change.head.short()
            ));
        }
        Covers::Several => {
            return Some(format!(
                "several commits of this pull request begin so; give more digits: `/{verb} {}` if you mean the head",
                seen.change.head
            ));
        }
        Covers::Yes => {}
    }
    if seen.gone.contains(&comment.author.lower()) {
        return Some(format!(
            "OWNERS names you, but you are no collaborator of this repository any more, so your `/{verb}` does not count"
        ));
    }
    if verb == "lgtm" {
        if comment.author.is(&seen.view.author) {
            return Some("an author cannot lgtm their own change".to_owned());
        }
        if seen.kind == Kind::Promotion {
            return None;
        }
        let rule = rules.iter().find(|rule| rule.name == "lgtm")?;
        let counts =
            rule.state == Standing::Met && rule.who.iter().any(|who| who.is(&comment.author));
        let who = collaborators::people(&seen.habits);
        return (!counts).then(|| {
            format!("`/lgtm` counts from {who} here, or whom OWNERS names for a changed file")
        });
    }
    let mut entitled = seen
        .paths()
        .into_iter()
        .flat_map(|path| seen.owners.approvers(&path));
    let is_entitled = entitled.any(|login| login.is(&comment.author))
        || rules
            .iter()
            .any(|r| r.name == "approved" && r.who.iter().any(|w| w.is(&comment.author)));
    let who: Vec<String> = rules
        .iter()
        .filter(|r| r.name.starts_with("approved"))
        .flat_map(|r| r.who.iter().map(ToString::to_string))
        .collect();
    let who = if who.is_empty() {
        "nobody is named".to_owned()
    } else {
        who.join(", ")
    };
    (!is_entitled).then(|| format!("`/approve` counts from approvers of the changed files ({who})"))
}
