//! Acts: commands that are carried out once per comment, and the answers to all commands.

use super::edits::{self, Doing, Thread};
use super::overrides::{override_, skip};
use super::release_acts::{promote, rollback, supersede, unhold};
use super::reviewers::{auto_cc, cc};
use super::run_acts::{Again, cancel, ok_to_test, retest, train};
use super::step::Seen;
use super::telling::compare;
use super::wanted::may_start;
use super::{ACT_AGE_MAX_MS, Pull, checks_told, picks};
use super::{labels, lgtm};
use crate::command::{Command, Heard, OnChange, OnThread, Right, Say, hear, help};
use crate::effect::{Edit, Text};
use crate::habits::{Compatibility, Habits};
use crate::name::CommentId;
use crate::subject::ask::{Ask, Comment, Permission};
use crate::subject::{Act, Given, answer_with, react};
use serde_json::json;
use std::collections::BTreeMap;

/// Most answers to the commands of one comment, in one reply.
const ANSWERS_MAX: usize = 5;

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
    /// Answered once the rules are known.
    Later(Later),
    /// GitHub carries it out: answered when the effect of this key is there.
    Doing(String),
    /// Several things, each with its outcome.
    Several(Vec<Done>),
}

/// What is answered once the rules are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Later {
    /// What is missing.
    Why,
    /// What we show is shown again.
    Refresh,
}

/// Comments with commands that nobody has dealt with yet.
pub(super) fn fresh<'a>(
    act: &Act<Pull>,
    (comments, habits): (&'a [Comment], &Habits),
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
        .map(|comment| (comment, hear(&comment.body, habits)))
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
    for (comment, mut heard) in fresh(act, (&seen.comments, &seen.habits), given) {
        // What the same comment starts is not skipped, wherever it stands in it.
        heard.sort_by_key(|one| matches!(one.command, Ok(Command::OnChange(OnChange::Skip))));
        let mut done = Vec::new();
        for one in &heard {
            let refused = match is_for_all(seen, one) {
                true => None,
                false => refusal(act, comment, (one, &seen.habits), ask)?,
            };
            done.push(match refused {
                Some(refused) => refused,
                None => carry_out(act, seen, comment, one, ask)?,
            });
        }
        let waits = |one: &Done| matches!(one, Done::Standing | Done::Later(_));
        if done.iter().any(waits) {
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
    thread: &Thread<'_>,
    comments: &[Comment],
    given: &Given<Pull>,
    ask: &mut Ask,
) -> Option<()> {
    for (comment, heard) in fresh(act, (comments, thread.habits), given) {
        act.state.acted.push(comment.id);
        let mut done = Vec::new();
        for one in &heard {
            done.push(match (&one.command, &thread.view.change) {
                (Ok(Command::Say(_) | Command::OnChange(_)), None) => Done::No(format!(
                    "{} works on a pull request",
                    crate::text::code_span(&one.text)
                )),
                (Ok(Command::OnChange(OnChange::Why | OnChange::Compare { .. })), Some(_)) => {
                    Done::No(format!(
                        "{} works on an open pull request",
                        crate::text::code_span(&one.text)
                    ))
                }
                // A closed pull request: it is over, and nobody needs to be told.
                (Ok(Command::Say(_) | Command::OnChange(_)), Some(_)) => Done::Passed,
                (Ok(Command::OnThread(what)), _) => {
                    match refusal(act, comment, (one, thread.habits), ask)? {
                        Some(refused) => refused,
                        None => on_thread(act, thread, comment, what, ask)?,
                    }
                }
                (Err(wrong), _) => Done::No(misheard(wrong)),
            });
        }
        reply(act, comment, done);
    }
    Some(())
}

/// Whether anybody may have it run: with Prow's habits what is trusted is tested by everybody's word.
fn is_for_all(seen: &Seen, heard: &Heard) -> bool {
    let Ok(Command::OnChange(what)) = &heard.command else {
        return false;
    };
    let is_test = match what {
        OnChange::Retest { .. }
        | OnChange::Tests { .. }
        | OnChange::Test { .. }
        | OnChange::TestByHand => true,
        OnChange::Train { .. }
        | OnChange::Cancel
        | OnChange::Supersede
        | OnChange::Cc { .. }
        | OnChange::AutoCc
        | OnChange::Override { .. }
        | OnChange::Skip
        | OnChange::Refresh
        | OnChange::Why
        | OnChange::Compare { .. } => false,
    };
    is_test && seen.is_trusted && seen.habits.preset == Compatibility::Prow
}

/// Why a line is not carried out, whatever it is about: it is unclear, or its speaker has no right to it.
fn refusal(
    act: &Act<Pull>,
    comment: &Comment,
    (heard, habits): (&Heard, &Habits),
    ask: &mut Ask,
) -> Option<Option<Done>> {
    let (id, who) = (act.state.repo.id, &comment.author);
    Some(match (&heard.command, heard.right) {
        (Err(wrong), _) => Some(Done::No(misheard(wrong))),
        (Ok(_), Right::Anybody) => None,
        (Ok(_), Right::Writer) => (ask.permission(id, who)? < Permission::Write).then(|| {
            Done::No(format!(
                "`{}` is for people who may write in this repository",
                heard.name
            ))
        }),
        (Ok(_), Right::Trusted) => (!may_start(who, (id, habits), ask)?).then(|| {
            let also = match habits.preset {
                Compatibility::Own => "",
                Compatibility::Prow => ", other collaborators and members of the organisation",
            };
            Done::No(format!(
                "`{}` is for people who may write in this repository{also}",
                heard.name
            ))
        }),
    })
}

fn misheard(wrong: &crate::command::Misheard) -> String {
    let stop = if wrong.reason.ends_with('?') { "" } else { "." };
    format!("{}{stop} Usage: `{}`", wrong.reason, wrong.usage)
}

/// Without what works on pull requests alone, where this is none.
fn help_text(thread: &Thread<'_>) -> Text {
    let mut here = help(thread.habits);
    here.retain(|entry| thread.view.change.is_some() || entry.is_anywhere());
    let habits = thread.habits;
    let rows = here.into_iter().map(|entry| json!({"usage": entry.usage_with(habits), "who": entry.who_with(habits), "what": entry.what, "example": entry.example}));
    Text::new(
        "comments/help",
        json!({"commands": rows.collect::<Vec<_>>()}),
    )
}

/// One comment, one answer: a reaction for what is done, a reply for what was refused or asked.
pub(super) fn reply(act: &mut Act<Pull>, comment: &Comment, done: Vec<Done>) {
    let repo = act.state.repo.clone();
    let (mut refused, mut keys, mut is_done) = (Vec::new(), Vec::new(), false);
    let mut texts: Vec<Text> = Vec::new();
    let mut open = done;
    open.reverse();
    while let Some(one) = open.pop() {
        match one {
            Done::Yes => is_done = true,
            Done::No(why) => refused.push(why),
            Done::Told(told) if texts.contains(&told) => {}
            Done::Told(told) => texts.push(told),
            Done::Doing(key) => keys.push(key),
            Done::Several(more) => open.extend(more.into_iter().rev()),
            Done::Passed | Done::Standing | Done::Later(_) => {}
        }
    }
    if is_done && refused.is_empty() && keys.is_empty() {
        act.intents.push(react(&repo, comment.id));
    }
    if !keys.is_empty() {
        act.state.doing.push(Doing {
            comment: comment.id,
            by: comment.author.clone(),
            keys,
            is_refused: !refused.is_empty(),
        });
    }
    if !refused.is_empty() {
        let message = refused.join("\n\n");
        let data = json!({"who": comment.author, "message": message});
        texts.insert(0, Text::new("refusal/to", data));
    }
    texts.truncate(ANSWERS_MAX);
    let text = match texts.len() {
        0 => return,
        1 => texts.swap_remove(0),
        _ => Text::new("comments/answers", json!({ "texts": texts })),
    };
    act.intents
        .push(answer_with(&repo, act.state.number, comment.id, text));
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
            Say::Lgtm | Say::LgtmCancel => {
                lgtm::assign(act, seen, comment, ask)?;
                Done::Standing
            }
            Say::Approve { .. } | Say::ApproveCancel => Done::Standing,
            Say::Hold { .. } => Done::Yes,
            Say::Unhold => unhold(act, seen, comment, ask)?,
            Say::OkToTest { sha } => ok_to_test(act, seen, (comment, sha.as_deref()), ask)?,
            Say::OkToTestCancel => Done::Yes,
        },
        Ok(Command::OnChange(what)) => on_open(act, seen, comment, what, ask)?,
        Ok(Command::OnThread(what)) => {
            let thread = Thread {
                view: &seen.view,
                habits: &seen.habits,
            };
            on_thread(act, &thread, comment, what, ask)?
        }
    })
}

fn on_open(
    act: &mut Act<Pull>,
    seen: &Seen,
    comment: &Comment,
    what: &OnChange,
    ask: &mut Ask,
) -> Option<Done> {
    let mut again = |act: &mut Act<Pull>, again: Again<'_>| retest(act, seen, comment, &again, ask);
    Some(match what {
        OnChange::Retest { required_only } => {
            let required_only = *required_only;
            again(act, Again::Failed { required_only })?
        }
        OnChange::Tests { why } => {
            checks_told::tell(act, seen, comment, why.as_deref(), ask)?;
            Done::Passed
        }
        OnChange::Test { names } => again(act, Again::Named(names))?,
        OnChange::TestByHand => again(act, Again::ByHand)?,
        OnChange::Train { params } => train(act, seen, comment, params),
        OnChange::Cancel => cancel(act, seen, &comment.author, ask)?,
        OnChange::Supersede => supersede(act, seen, comment),
        OnChange::Cc { add, logins, teams } => cc(act, comment, *add, (logins, teams)),
        OnChange::AutoCc => auto_cc(act, seen, comment),
        OnChange::Override { how, names } => override_(act, seen, comment, (*how, names), ask)?,
        OnChange::Skip => skip(act, seen, comment, ask)?,
        OnChange::Refresh => Done::Later(Later::Refresh),
        OnChange::Why => Done::Later(Later::Why),
        OnChange::Compare { version } => compare(act, seen, *version, ask)?,
    })
}

fn on_thread(
    act: &mut Act<Pull>,
    thread: &Thread<'_>,
    comment: &Comment,
    what: &OnThread,
    ask: &mut Ask,
) -> Option<Done> {
    Some(match what {
        OnThread::Help => Done::Told(help_text(thread)),
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
        OnThread::Assign { add, logins } => edits::assign(act, comment, *add, logins),
        OnThread::Label { add, family, names } => {
            let (add, family) = (*add, *family);
            let wish = labels::Wish { add, family, names };
            labels::label(act, thread, comment, &wish, ask)?
        }
        OnThread::Lifecycle { add, state } => {
            labels::lifecycle(act, thread, comment, (*add, state))
        }
        OnThread::Invite { add, is_first } => {
            edits::invite(act, thread, comment, (*add, *is_first))
        }
        OnThread::Cherrypick { branches } => picks::wish(act, thread, comment, branches),
        OnThread::Milestone { title } => edits::milestone(act, comment, title.as_deref(), ask)?,
        OnThread::Retitle { title } => edits::edit(act, comment, Edit::Title(title.clone())),
        OnThread::Close { not_planned } => edits::close(act, thread, comment, *not_planned, ask)?,
        OnThread::Reopen => edits::reopen(act, thread, comment, ask)?,
    })
}
