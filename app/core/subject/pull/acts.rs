//! Acts: commands that are carried out once per comment, and the answers to all commands.

use super::rules::{Rule, Standing, environment_of, keeps_held};
use super::step::Seen;
use super::words::{Covers, Word};
use super::{ACT_AGE_MAX_MS, Kind, Pull, wanted};
use crate::command::{Command, Heard, hear, help};
use crate::effect::{Hint, Record, Text, Wake};
use crate::name::{Login, RepoPath, Slug};
use crate::subject::ask::{Ask, Comment, Permission, PullView};
use crate::subject::run::{Cause, Phase, Trigger, What};
use crate::subject::{Act, Given, SubjectKey, answer_with, react};
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
fn fresh<'a>(
    act: &Act<Pull>,
    comments: &'a [Comment],
    given: &Given<Pull>,
) -> Vec<(&'a Comment, Vec<Heard>)> {
    let is_fresh = |c: &&Comment| {
        !c.is_bot
            && !c.is_edited
            && !act.state.acted.contains(&c.id.0)
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
pub(super) type Waiting = BTreeMap<u64, Vec<Done>>;

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
            waiting.insert(comment.id.0, done);
        } else {
            act.state.acted.push(comment.id.0);
            reply(act, comment, done);
        }
    }
    Some(waiting)
}

/// Commands on an issue: those that speak of environments, and help.
pub(super) fn on_issue(
    act: &mut Act<Pull>,
    view: &PullView,
    comments: &[Comment],
    given: &Given<Pull>,
    ask: &mut Ask,
) -> Option<()> {
    outside(act, view, comments, given, ask)
}

/// Commands on a closed pull request: those that speak of environments, and help.
pub(super) fn on_closed(
    act: &mut Act<Pull>,
    view: &PullView,
    comments: &[Comment],
    given: &Given<Pull>,
    ask: &mut Ask,
) -> Option<()> {
    outside(act, view, comments, given, ask)
}

fn outside(
    act: &mut Act<Pull>,
    view: &PullView,
    comments: &[Comment],
    given: &Given<Pull>,
    ask: &mut Ask,
) -> Option<()> {
    for (comment, heard) in fresh(act, comments, given) {
        act.state.acted.push(comment.id.0);
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

fn reply(act: &mut Act<Pull>, comment: &Comment, done: Vec<Done>) {
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

fn unhold(act: &mut Act<Pull>, seen: &Seen, comment: &Comment) -> Done {
    let paths = seen.paths();
    if let Some(name) = keeps_held(&seen.owners, &paths, &comment.author) {
        return Done::No(format!(
            "`/unhold` on a change of {name} is for its approvers"
        ));
    }
    for name in paths.iter().filter_map(environment_of) {
        act.wakes.push(Wake {
            subject: SubjectKey::Environment(act.state.repo.id, name),
            hint: Some(Hint::Unhold),
        });
    }
    Done::Yes
}

fn ok_to_test(seen: &Seen, sha: Option<&str>) -> Done {
    let head = &seen.change.head;
    match sha {
        Some(sha) if head.as_str().starts_with(sha) => Done::Yes,
        Some(_) => Done::No(format!(
            "the head is `{}` now; look at it, then say `/ok-to-test {}`",
            head.short(),
            head.short()
        )),
        None => Done::No(format!(
            "trust belongs to one head: say `/ok-to-test {}` once you have looked at it",
            head.short()
        )),
    }
}

fn retest(
    act: &mut Act<Pull>,
    seen: &Seen,
    comment: &Comment,
    names: &[String],
    ask: &mut Ask,
) -> Option<Done> {
    if !seen.is_trusted {
        return Some(Done::No(format!(
            "nothing of this head runs before `/ok-to-test {}`",
            seen.change.head.short()
        )));
    }
    let all = wanted::whats(seen, ask)?;
    let is_named = |what: &What| {
        names.iter().any(|name| {
            name == "all"
                || *name == what.check_name()
                || *name == what.check_name().replace("bowsprit/", "")
        })
    };
    let failed = |what: &What| {
        seen.runs
            .iter()
            .find(|run| run.cause.what == *what)
            .is_none_or(|run| matches!(run.phase, Phase::Failed | Phase::Cancelled))
    };
    let chosen: Vec<What> = all
        .iter()
        .map(|(what, _)| what.clone())
        .filter(|what| {
            if names.is_empty() {
                failed(what)
            } else {
                is_named(what)
            }
        })
        .collect();
    if chosen.is_empty() {
        let known: Vec<String> = all
            .iter()
            .map(|(what, _)| format!("`{}`", what.check_name()))
            .collect();
        let known = if known.is_empty() {
            "none".to_owned()
        } else {
            known.join(", ")
        };
        return Some(Done::No(if names.is_empty() {
            "nothing has failed; `/test all` runs everything again".to_owned()
        } else {
            format!("no such check; this pull request has: {known}")
        }));
    }
    for what in chosen {
        start(act, seen, comment, what, BTreeMap::new());
    }
    Some(Done::Yes)
}

fn start(
    act: &mut Act<Pull>,
    seen: &Seen,
    comment: &Comment,
    what: What,
    params: BTreeMap<String, String>,
) {
    let trigger = Trigger::Comment {
        pr: act.state.number,
        comment: comment.id,
        base: seen.base.clone(),
    };
    let cause = Cause {
        params,
        by: Some(comment.author.clone()),
        ..wanted::cause(&act.state, seen, what, trigger)
    };
    act.wakes.push(Wake {
        subject: SubjectKey::Run(cause.run_id()),
        hint: Some(Hint::RunWanted(cause)),
    });
}

fn train(
    act: &mut Act<Pull>,
    seen: &Seen,
    comment: &Comment,
    params: &BTreeMap<String, String>,
) -> Done {
    if !matches!(seen.contract, Some(crate::contract::Contract::Training(_))) {
        return Done::No("`/train` works in a training repository; this one has no training contract on its base branch".to_owned());
    }
    if !seen.is_trusted {
        return Done::No(format!(
            "nothing of this head runs before `/ok-to-test {}`",
            seen.change.head.short()
        ));
    }
    start(act, seen, comment, What::Train, params.clone());
    Done::Yes
}

fn cancel(act: &mut Act<Pull>, seen: &Seen, by: &Login, ask: &mut Ask) -> Option<Done> {
    let number = act.state.number;
    // Not only those that the rules look at: a run with other parameters is ended as well.
    let mut active = ask.runs(act.state.repo.id, &seen.change.head)?;
    active.retain(|run| {
        !run.phase.is_final() && run.cause.trigger.pull().is_some_and(|(pr, _)| pr == number)
    });
    if active.is_empty() {
        return Some(Done::No("nothing is running here".to_owned()));
    }
    for run in active {
        act.wakes.push(Wake {
            subject: SubjectKey::Run(run.id.clone()),
            hint: Some(Hint::CancelRun { by: by.clone() }),
        });
    }
    Some(Done::Yes)
}

fn supersede(act: &mut Act<Pull>, seen: &Seen, comment: &Comment) -> Done {
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

fn promote(
    act: &mut Act<Pull>,
    comment: &Comment,
    environment: &Slug,
    version: Option<u64>,
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
    let may = owners.may_lgtm(&comment.author, &paths)
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
        version,
    };
    act.wakes.push(Wake {
        subject: SubjectKey::Environment(id, environment.clone()),
        hint: Some(hint),
    });
    Some(Done::Passed)
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

fn rollback(
    act: &mut Act<Pull>,
    comment: &Comment,
    environment: &Slug,
    (version, model_only): (Option<u64>, bool),
    ask: &mut Ask,
) -> Option<Done> {
    if let Some(refused) = unknown(act, environment, ask)? {
        return Some(refused);
    }
    let hint = Hint::Rollback {
        by: comment.author.clone(),
        pr: act.state.number,
        comment: comment.id,
        version,
        model_only,
    };
    act.wakes.push(Wake {
        subject: SubjectKey::Environment(act.state.repo.id, environment.clone()),
        hint: Some(hint),
    });
    Some(Done::Passed)
}

/// Answers lgtm and approve: a reaction when the word stands, a sentence when it does not.
pub(super) fn answer_words(
    act: &mut Act<Pull>,
    seen: &Seen,
    rules: &[Rule],
    given: &Given<Pull>,
    mut waiting: Waiting,
) {
    for (comment, heard) in fresh(act, &seen.comments, given) {
        let mut refused = Vec::new();
        for command in heard.iter().filter_map(|one| one.command.as_ref().ok()) {
            match command {
                Command::Lgtm => {
                    refused.extend(why_not(seen, &seen.words.lgtm, comment, rules, "lgtm"))
                }
                Command::Approve { .. } => refused.extend(why_not(
                    seen,
                    &seen.words.approve,
                    comment,
                    rules,
                    "approve",
                )),
                Command::LgtmCancel | Command::ApproveCancel => {}
                Command::Hold { .. }
                | Command::Unhold
                | Command::Retest
                | Command::Test { .. }
                | Command::Train { .. }
                | Command::Cancel
                | Command::Supersede
                | Command::Promote { .. }
                | Command::Rollback { .. }
                | Command::OkToTest { .. }
                | Command::Help => {}
            }
        }
        act.state.acted.push(comment.id.0);
        let mut done = waiting.remove(&comment.id.0).unwrap_or_default();
        if refused.is_empty() {
            done.push(Done::Yes);
            let words = heard
                .iter()
                .map(|one| one.text.clone())
                .collect::<Vec<_>>()
                .join(", ");
            act.records.push(Record::Event {
                who: Some(comment.author.clone()),
                what: crate::text::truncate(&words, 100),
                sha: Some(seen.change.head.clone()),
                why: format!("#{}", act.state.number),
            });
        }
        done.extend(refused.into_iter().map(Done::No));
        reply(act, comment, done);
    }
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
        Covers::Yes => {}
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
        return (!counts).then(|| "`/lgtm` counts from people who may write here, or whom OWNERS names for a changed file".to_owned());
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
