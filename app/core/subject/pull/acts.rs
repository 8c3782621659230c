//! Acts: commands that are carried out once per comment, and the answers to all commands.

use super::release_acts::{promote, rollback, supersede, unhold};
use super::run_acts::{cancel, ok_to_test, retest, train};
use super::step::Seen;
use super::{ACT_AGE_MAX_MS, Pull};
use crate::command::{Command, Heard, hear, help};
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
            done.push(match &one.command {
                Err(wrong) => Done::No(misheard(wrong)),
                Ok(command) => carry_out(act, seen, comment, command, ask)?,
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

/// Commands on an issue or a closed pull request: those that speak of environments, and help.
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
            done.push(match &one.command {
                Err(wrong) => Done::No(misheard(wrong)),
                Ok(Command::Help) => Done::Told(help_text()),
                Ok(Command::Promote {
                    environment,
                    version,
                }) => promote(act, comment, environment, *version, ask)?,
                Ok(Command::Rollback {
                    environment,
                    version,
                    model_only,
                }) => rollback(act, comment, environment, (*version, *model_only), ask)?,
                Ok(
                    Command::Lgtm
                    | Command::LgtmCancel
                    | Command::Approve { .. }
                    | Command::ApproveCancel
                    | Command::Hold { .. }
                    | Command::Unhold
                    | Command::Retest
                    | Command::Test { .. }
                    | Command::Train { .. }
                    | Command::Cancel
                    | Command::Supersede
                    | Command::OkToTest { .. },
                ) => match view.change {
                    // A closed pull request: it is over, and nobody needs to be told.
                    Some(_) => Done::Passed,
                    None => Done::No(format!(
                        "{} works on a pull request",
                        crate::text::code_span(&one.text)
                    )),
                },
            });
        }
        reply(act, comment, done);
    }
    Some(())
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
    command: &Command,
    ask: &mut Ask,
) -> Option<Done> {
    let trusted = ask.permission(act.state.repo.id, &comment.author)? >= Permission::Write;
    let needs_trust = |what: &str| {
        Done::No(format!(
            "`{what}` is for people who may write in this repository"
        ))
    };
    Some(match command {
        Command::Lgtm | Command::LgtmCancel | Command::Approve { .. } | Command::ApproveCancel => {
            Done::Standing
        }
        Command::Hold { .. } => Done::Yes,
        Command::Unhold => unhold(act, seen, comment),
        Command::Help => Done::Told(help_text()),
        Command::OkToTest { sha } if trusted => ok_to_test(seen, sha.as_deref()),
        Command::OkToTest { .. } => needs_trust("/ok-to-test"),
        Command::Retest if !trusted => needs_trust("/retest"),
        Command::Test { .. } if !trusted => needs_trust("/test"),
        Command::Train { .. } if !trusted => needs_trust("/train"),
        Command::Cancel if !trusted => needs_trust("/cancel"),
        Command::Retest => retest(act, seen, comment, &[], ask)?,
        Command::Test { names } => retest(act, seen, comment, names, ask)?,
        Command::Train { params } => train(act, seen, comment, params),
        Command::Cancel => cancel(act, seen, &comment.author, ask)?,
        Command::Supersede => supersede(act, seen, comment),
        Command::Promote {
            environment,
            version,
        } => promote(act, comment, environment, *version, ask)?,
        Command::Rollback {
            environment,
            version,
            model_only,
        } => rollback(act, comment, environment, (*version, *model_only), ask)?,
    })
}
