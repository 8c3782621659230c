//! The fields of a check run's body: their limits, and putting them into a run.

use super::Ctx;
use crate::answer::Refusal;
use crate::state::CheckRun;
use crate::text::parse_time;
use serde_json::Value;

const TEXT_MAX_CHARS: usize = 65_535;
const ANNOTATIONS_MAX: usize = 50;
const ACTIONS_MAX: usize = 3;
const LABEL_MAX_CHARS: usize = 20;
const ACTION_DESCRIPTION_MAX_CHARS: usize = 40;
const IDENTIFIER_MAX_CHARS: usize = 20;
const STATUSES: [&str; 6] = [
    "queued",
    "in_progress",
    "completed",
    "waiting",
    "requested",
    "pending",
];
const CONCLUSIONS: [&str; 8] = [
    "action_required",
    "cancelled",
    "failure",
    "neutral",
    "success",
    "skipped",
    "stale",
    "timed_out",
];

fn bad(field: &str, code: &str) -> Refusal {
    Refusal::invalid("CheckRun", field, code)
}

/// Checks every limit of a body before anything is changed.
pub(super) fn check(ctx: &Ctx<'_>, is_new: bool) -> Result<(), Refusal> {
    let status = ctx.text("status");
    let conclusion = ctx.text("conclusion");
    if status.is_some_and(|status| !STATUSES.contains(&status)) {
        return Err(bad("status", "invalid"));
    }
    if conclusion.is_some_and(|conclusion| !CONCLUSIONS.contains(&conclusion)) {
        return Err(bad("conclusion", "invalid"));
    }
    if status == Some("completed") && conclusion.is_none() {
        return Err(bad("conclusion", "missing_field"));
    }
    if let Some(output) = ctx.call.body.get("output").filter(|one| one.is_object()) {
        check_output(output, is_new)?;
    }
    let actions = ctx.call.body.get("actions").and_then(Value::as_array);
    if actions.is_some_and(|actions| actions.len() > ACTIONS_MAX) {
        return Err(bad("actions", "invalid"));
    }
    for action in actions.into_iter().flatten() {
        let limits = [
            ("label", LABEL_MAX_CHARS),
            ("description", ACTION_DESCRIPTION_MAX_CHARS),
            ("identifier", IDENTIFIER_MAX_CHARS),
        ];
        for (field, max) in limits {
            let text = action.get(field).and_then(Value::as_str);
            let text = text.ok_or_else(|| bad(field, "missing_field"))?;
            if text.chars().count() > max {
                return Err(Refusal::custom(
                    "CheckRun",
                    field,
                    format!("{field} is too long (maximum is {max} characters)"),
                ));
            }
        }
    }
    Ok(())
}

fn check_output(output: &Value, is_new: bool) -> Result<(), Refusal> {
    let text = |name: &str| output.get(name).and_then(Value::as_str);
    if is_new && text("title").is_none() {
        return Err(bad("title", "missing_field"));
    }
    if text("summary").is_none() {
        return Err(bad("summary", "missing_field"));
    }
    for field in ["summary", "text"] {
        let length = text(field).unwrap_or_default().chars().count();
        if length > TEXT_MAX_CHARS {
            return Err(Refusal::custom(
                "CheckRun",
                field,
                format!("{field} exceeds a maximum bytesize of {TEXT_MAX_CHARS}"),
            ));
        }
    }
    let annotations = output.get("annotations").and_then(Value::as_array);
    if annotations.is_some_and(|list| list.len() > ANNOTATIONS_MAX) {
        return Err(Refusal::unprocessable(
            "Invalid request.\n\nNo more than 50 items are allowed.",
        ));
    }
    for annotation in annotations.into_iter().flatten() {
        for field in [
            "path",
            "start_line",
            "end_line",
            "annotation_level",
            "message",
        ] {
            if annotation.get(field).is_none() {
                return Err(bad(field, "missing_field"));
            }
        }
    }
    Ok(())
}

/// Puts the fields of a body into a run.
pub(super) fn apply(ctx: &Ctx<'_>, run: &mut CheckRun) {
    let body = &ctx.call.body;
    if let Some(name) = ctx.text("name") {
        name.clone_into(&mut run.name);
    }
    if let Some(id) = ctx.text("external_id") {
        run.external_id = Some(id.to_owned());
    }
    if let Some(url) = ctx.text("details_url") {
        run.details_url = Some(url.to_owned());
    }
    if let Some(status) = ctx.text("status") {
        status.clone_into(&mut run.status);
    }
    if let Some(at) = ctx.text("started_at").and_then(parse_time) {
        run.started = Some(at);
    }
    let completed = ctx.text("completed_at").and_then(parse_time);
    if let Some(conclusion) = ctx.text("conclusion") {
        run.conclusion = Some(conclusion.to_owned());
        run.status = "completed".into();
        run.completed = Some(completed.unwrap_or(ctx.call.now));
    } else if run.status != "completed" {
        run.conclusion = None;
        run.completed = None;
    }
    if let Some(actions) = body.get("actions").and_then(Value::as_array) {
        run.actions.clone_from(actions);
    }
    let Some(output) = body.get("output").filter(|one| one.is_object()) else {
        return;
    };
    let text = |name: &str| output.get(name).and_then(Value::as_str);
    for (field, slot) in [
        ("title", &mut run.title),
        ("summary", &mut run.summary),
        ("text", &mut run.text),
    ] {
        if let Some(value) = text(field) {
            *slot = Some(value.to_owned());
        }
    }
    let list = |name: &str| output.get(name).and_then(Value::as_array).cloned();
    run.annotations
        .extend(list("annotations").unwrap_or_default());
    run.images.extend(list("images").unwrap_or_default());
}
