//! Acts as lines of text, so that a story reads as one.

use super::NOW_MS;
use crate::effect::{Edit, Effect, Hint, Intent, Record, Text, Wake};
use crate::name::{Login, VersionRef};
use crate::subject::Act;
use crate::training::spec::Trust;
use std::collections::BTreeSet;

/// What an act does, one line each: effects, wakes, events, the next look.
pub(crate) fn told<S>(act: &Act<S>) -> String {
    let mut lines: Vec<String> = act.intents.iter().map(intent).collect();
    lines.extend(act.wakes.iter().map(wake));
    for record in &act.records {
        if let Record::Event { who, what, why, .. } = record {
            let who = who
                .as_ref()
                .map(|who| format!("{who}: "))
                .unwrap_or_default();
            lines.push(format!("event {who}{what} ({why})"));
        }
    }
    lines.extend(
        act.look_again_ms
            .map(|at| format!("look after {} s", (at - NOW_MS) / 1_000)),
    );
    lines.join("\n")
}

/// Who is woken, one line each.
pub(crate) fn lines(wakes: &[Wake]) -> String {
    wakes.iter().map(wake).collect::<Vec<_>>().join("\n")
}

fn wake(wake: &Wake) -> String {
    match &wake.hint {
        Some(Hint::RunWanted(cause)) => {
            let params: Vec<String> = cause
                .params
                .iter()
                .map(|(k, v)| format!(" {k}={v}"))
                .collect();
            format!(
                "wake {} at {}{}",
                cause.what.check_name(),
                cause.sha.short(),
                params.concat()
            )
        }
        Some(hint) => format!("wake {}: {}", wake.subject, hint_word(hint)),
        None => format!("wake {}", wake.subject),
    }
}

fn hint_word(hint: &Hint) -> String {
    match hint {
        Hint::Pushed { head, at_ms } => format!("pushed {} {}", head.short(), at_ms - NOW_MS),
        Hint::PushedBy { head, by } => format!("pushed {} by {by}", head.short()),
        Hint::Said { id, body } => format!("said in {id}: {body}"),
        Hint::Labeled {
            label,
            by,
            head,
            is_on,
        } => {
            let what = if *is_on { "put on" } else { "taken off" };
            format!("{label} {what} {} by {by}", head.short())
        }
        Hint::RunWanted(cause) => cause.run_id(),
        Hint::RunForgotten { cause, .. } => format!("forgotten {}", cause.what.check_name()),
        Hint::CancelRun { by } => format!("cancel by {by}"),
        Hint::RunUnneeded => "unneeded".to_owned(),
        Hint::Supersede { by, comment, .. } => format!("supersede by {by} in {comment}"),
        Hint::DeleteVersions { by, version } => {
            let which = version.map_or_else(|| "every one".to_owned(), |number| number.to_string());
            format!("delete {which} by {by}")
        }
        Hint::Promote { by, version, .. } => format!("promote {} by {by}", shown(version)),
        Hint::Rollback {
            by,
            version,
            model_only,
            ..
        } => format!(
            "rollback {} by {by}, model only {model_only}",
            shown(version)
        ),
        Hint::Unhold => "unhold".to_owned(),
        Hint::Gone => "gone".to_owned(),
        Hint::Removed => "removed".to_owned(),
        Hint::Shown { head } => format!("shown {}", head.short()),
    }
}

fn distrust(trust: Trust) -> &'static str {
    match trust {
        Trust::Trusted => "",
        Trust::Untrusted => " untrusted",
    }
}

fn edit_word(edit: &Edit) -> String {
    let signed = |sign: char, names: Vec<String>| -> Vec<String> {
        names
            .into_iter()
            .map(|name| format!("{sign}{name}"))
            .collect()
    };
    let both = |add: Vec<String>, remove: Vec<String>| {
        [signed('+', add), signed('-', remove)].concat().join(" ")
    };
    let logins = |all: &BTreeSet<Login>| all.iter().map(ToString::to_string).collect();
    match edit {
        Edit::Assignees { add, remove } => {
            format!("assignees {}", both(logins(add), logins(remove)))
        }
        Edit::Reviewers {
            add,
            logins: people,
            teams,
        } => {
            let mut names: Vec<String> = logins(people);
            names.extend(teams.iter().map(|team| format!("team {team}")));
            let sign = if *add { '+' } else { '-' };
            format!("reviewers {}", signed(sign, names).join(" "))
        }
        Edit::Labels { add, remove } => format!(
            "labels {}",
            both(
                add.iter().cloned().collect(),
                remove.iter().cloned().collect()
            )
        ),
        Edit::Milestone(number) => format!("milestone {number:?}"),
        Edit::Title(title) => format!("title {title}"),
        Edit::Closed { not_planned } => format!("closed, not planned {not_planned}"),
        Edit::Open => "open".to_owned(),
    }
}

fn talk_word(effect: &Effect) -> String {
    match effect {
        Effect::Labels { set, .. } => format!(
            "labels {}",
            set.iter().cloned().collect::<Vec<_>>().join(" ")
        ),
        Effect::React { comment, .. } => format!("react to {comment}"),
        Effect::Note { pr, name, text, .. } => match text {
            Some(text) => {
                let why = text.data["why"].as_str().unwrap_or("as asked");
                format!("note {name} on #{pr}: {why}")
            }
            None => format!("no note {name} on #{pr}"),
        },
        Effect::Reply { pr, text, .. } => {
            let message = text.data.get("message").and_then(|m| m.as_str());
            format!("reply on #{pr}: {}", message.unwrap_or(&text.template))
        }
        Effect::Edit { edit, .. } => format!("edit {}", edit_word(edit)),
        Effect::Status(status) => format!(
            "post {} {}: {}",
            status.context, status.is_success, status.description
        ),
        Effect::Enqueue {
            pr, head, is_in, ..
        } => {
            let word = if *is_in { "enqueue" } else { "dequeue" };
            format!("{word} #{pr} at {}", head.short())
        }
        _ => unreachable!("it is told elsewhere"),
    }
}

fn intent(intent: &Intent) -> String {
    match &intent.effect {
        Effect::StatusComment { text, .. } => format!("status {}", missing(text)),
        Effect::CheckRun(check) => {
            let notes: Vec<String> = check
                .annotations
                .iter()
                .map(|a| format!(" [{}:{} {}]", a.path, a.line, a.message))
                .collect();
            format!(
                "check {} {:?}: {}{}",
                check.name,
                check.status,
                check.title,
                notes.concat()
            )
        }
        Effect::Labels { .. }
        | Effect::React { .. }
        | Effect::Reply { .. }
        | Effect::Note { .. }
        | Effect::Edit { .. }
        | Effect::Enqueue { .. }
        | Effect::Status(_) => talk_word(&intent.effect),
        Effect::Propose(propose) => {
            let replaces = propose
                .replaces
                .as_ref()
                .map(|(pr, head)| format!(" over #{pr} {}", head.short()));
            format!(
                "propose {} on {}{}",
                propose.title,
                propose.branch,
                replaces.unwrap_or_default()
            )
        }
        Effect::Merge { pr, head, .. } => {
            format!("merge #{pr} at {} key {}", head.short(), intent.key)
        }
        Effect::StartStage(plan) => format!(
            "start {}",
            plan.stage.split_once('-').map_or("", |(_, name)| name)
        ),
        Effect::CancelStage { stage } => format!(
            "cancel {}",
            stage.split_once('-').map_or("", |(_, name)| name)
        ),
        Effect::Deploy(plan) => {
            let models: Vec<String> = plan
                .models
                .iter()
                .map(|m| format!(" {} v{}", m.name, m.version.unwrap_or(0)))
                .collect();
            let waits = if plan.serve.is_none() { " waiting" } else { "" };
            let trust = distrust(plan.trust);
            format!(
                "deploy {} #{} at {}{}{waits}{trust}",
                plan.environment,
                plan.generation,
                plan.commit.short(),
                models.concat()
            )
        }
        Effect::Remove { environment, .. } => format!("remove {environment}"),
        Effect::RemoveBytes { model, version, .. } => format!("remove bytes of {model} v{version}"),
        Effect::Deployment(deployment) => format!(
            "deployment {} {:?}: {}",
            deployment.environment, deployment.state, deployment.description
        ),
    }
}

/// What a status comment says is missing.
fn missing(text: &Text) -> String {
    let rules = text.data["missing"].as_array().cloned().unwrap_or_default();
    let names: Vec<String> = rules
        .iter()
        .map(|rule| rule["name"].as_str().unwrap_or("?").to_owned())
        .collect();
    if names.is_empty() {
        "ready".to_owned()
    } else {
        names.join(", ")
    }
}

fn shown(version: &Option<VersionRef>) -> String {
    version
        .as_ref()
        .map_or_else(|| "unnamed".to_owned(), ToString::to_string)
}
