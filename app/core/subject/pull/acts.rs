//! Acts: commands that are carried out once per comment, and the answers to all commands.

use super::release_acts::{promote, rollback, supersede, unhold};
use super::run_acts::{cancel, ok_to_test, retest, train};
use super::step::Seen;
use super::{ACT_AGE_MAX_MS, Pull};
use crate::command::{Command, Heard, OnChange, OnThread, Right, Say, hear, help};
use crate::effect::Text;
use crate::name::CommentId;
use crate::subject::ask::{Ask, Comment, Permission, PullView};
use crate::subject::{Act, Given, answer_with, react};
use serde_json::json;
use std::collections::BTreeMap;

/// What became of one command.
pub(super) enum Done {
    /// Carried out: a reaction.
    Yes,
    /// Refused: a sentence.
    No(String),
    /// Answered with a text.
    Told(Text),
    /// Somebody else answers.
    Passed,
    /// A standing word: answered with the rules.
    Standing,
}

/// Comments with commands that nobody has dealt with yet.
pub(super) fn fresh<'a>(
    act: &Act<Pull>,
    comments: &'a [Comment],
    given: &Given<Pull>,
) -> Vec<(&'a Comment, Vec<Heard>)> {
    // GitHub's times have whole seconds.
    let since_ms = given.since_ms - given.since_ms.rem_euclid(1_000);
    let is_fresh = |c: &&Comment| {
        !c.is_bot
            && !c.is_edited
            && !act.state.acted.contains(&c.id)
            && c.created_ms >= since_ms
            && given.now_ms - c.created_ms < ACT_AGE_MAX_MS
    };
    comments
        .iter()
        .filter(is_fresh)
        .map(|comment| (comment, hear(&comment.body)))
        .filter(|(_, heard)| !heard.is_empty())
        .collect()
}

/// What became of the commands of comments whose standing words are answered later, by comment: one comment, one answer.
pub(super) type Waiting = BTreeMap<CommentId, Vec<Done>>;

/// Carries out the commands of an open pull request.
pub(super) fn on_change(
    act: &mut Act<Pull>,
    seen: &Seen,
    given: &Given<Pull>,
    ask: &mut Ask,
) -> Option<Waiting> {
    let mut waiting = Waiting::new();
    for (comment, heard) in fresh(act, &seen.comments, given) {
        let mut done = Vec::new();
        for one in &heard {
            done.push(match refusal(act, comment, one, ask)? {
                Some(refused) => refused,
                None => carry_out(act, seen, comment, one, ask)?,
            });
        }
        if done.iter().any(|d| matches!(d, Done::Standing)) {
            waiting.insert(comment.id, done);
        } else {
            act.state.acted.push(comment.id);
            reply(act, comment, done);
        }
    }
    Some(waiting)
}

/// Commands on an issue or a closed pull request: those that work anywhere.
pub(super) fn outside(
    act: &mut Act<Pull>,
    view: &PullView,
    comments: &[Comment],
    given: &Given<Pull>,
    ask: &mut Ask,
) -> Option<()> {
    for (comment, heard) in fresh(act, comments, given) {
        act.state.acted.push(comment.id);
        let mut done = Vec::new();
        for one in &heard {
            done.push(match (&one.command, &view.change) {
                (Ok(Command::Say(_) | Command::OnChange(_)), None) => Done::No(format!(
                    "{} works on a pull request",
                    crate::text::code_span(&one.text)
                )),
                // A closed pull request: it is over, and nobody needs to be told.
                (Ok(Command::Say(_) | Command::OnChange(_)), Some(_)) => Done::Passed,
                (Ok(Command::OnThread(what)), _) => match refusal(act, comment, one, ask)? {
                    Some(refused) => refused,
                    None => on_thread(act, comment, what, ask)?,
                },
                (Err(wrong), _) => Done::No(misheard(wrong)),
            });
        }
        reply(act, comment, done);
    }
    Some(())
}

/// Why a line is not carried out, whatever it is about: it is unclear, or its speaker has no right to it.
fn refusal(
    act: &Act<Pull>,
    comment: &Comment,
    heard: &Heard,
    ask: &mut Ask,
) -> Option<Option<Done>> {
    let may_write = |ask: &mut Ask| {
        let may = ask.permission(act.state.repo.id, &comment.author)?;
        Some(may >= Permission::Write)
    };
    Some(match (&heard.command, heard.right) {
        (Err(wrong), _) => Some(Done::No(misheard(wrong))),
        (Ok(_), Right::Anybody) => None,
        (Ok(_), Right::Writer) => (!may_write(ask)?).then(|| {
            Done::No(format!(
                "`{}` is for people who may write in this repository",
                heard.name
            ))
        }),
    })
}

fn misheard(wrong: &crate::command::Misheard) -> String {
    let stop = if wrong.reason.ends_with('?') { "" } else { "." };
    format!("{}{stop} Usage: `{}`", wrong.reason, wrong.usage)
}

fn help_text() -> Text {
    let rows = help().into_iter().map(|entry| json!({"usage": entry.usage, "who": entry.who, "what": entry.what, "example": entry.example}));
    Text::new(
        "comments/help",
        json!({"commands": rows.collect::<Vec<_>>()}),
    )
}

pub(super) fn reply(act: &mut Act<Pull>, comment: &Comment, done: Vec<Done>) {
    let repo = act.state.repo.clone();
    let (mut refused, mut text, mut is_done) = (Vec::new(), None, false);
    for one in done {
        match one {
            Done::Yes => is_done = true,
            Done::No(why) => refused.push(why),
            Done::Told(told) => text = Some(told),
            Done::Passed | Done::Standing => {}
        }
    }
    if is_done && refused.is_empty() {
        act.intents.push(react(&repo, comment.id));
    }
    if !refused.is_empty() {
        let message = refused.join("\n\n");
        act.intents.push(answer_with(
            &repo,
            act.state.number,
            comment.id,
            Text::new(
                "refusal/to",
                json!({"who": comment.author, "message": message}),
            ),
        ));
    } else if let Some(text) = text {
        act.intents
            .push(answer_with(&repo, act.state.number, comment.id, text));
    }
}

fn carry_out(
    act: &mut Act<Pull>,
    seen: &Seen,
    comment: &Comment,
    heard: &Heard,
    ask: &mut Ask,
) -> Option<Done> {
    Some(match &heard.command {
        Err(wrong) => Done::No(misheard(wrong)),
        Ok(Command::Say(say)) => match say {
            Say::Lgtm | Say::LgtmCancel | Say::Approve { .. } | Say::ApproveCancel => {
                Done::Standing
            }
            Say::Hold { .. } => Done::Yes,
            Say::Unhold => unhold(act, seen, comment),
            Say::OkToTest { sha } => ok_to_test(seen, sha.as_deref()),
        },
        Ok(Command::OnChange(what)) => match what {
            OnChange::Retest => retest(act, seen, comment, &[], ask)?,
            OnChange::Test { names } => retest(act, seen, comment, names, ask)?,
            OnChange::Train { params } => train(act, seen, comment, params),
            OnChange::Cancel => cancel(act, seen, &comment.author, ask)?,
            OnChange::Supersede => supersede(act, seen, comment),
        },
        Ok(Command::OnThread(what)) => on_thread(act, comment, what, ask)?,
    })
}

fn on_thread(
    act: &mut Act<Pull>,
    comment: &Comment,
    what: &OnThread,
    ask: &mut Ask,
) -> Option<Done> {
    Some(match what {
        OnThread::Help => Done::Told(help_text()),
        OnThread::Promote {
            environment,
            version,
        } => promote(act, comment, environment, version.as_ref(), ask)?,
        OnThread::Rollback {
            environment,
            version,
            model_only,
        } => rollback(
            act,
            comment,
            environment,
            (version.as_ref(), *model_only),
            ask,
        )?,
    })
}
