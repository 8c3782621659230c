//! Labels of a repository, and labels on issues and pull requests.

use super::Ctx;
use super::issues::{emit_changed, issue, issue_mut};
use crate::answer::{Refusal, Reply, created, no_content, ok};
use crate::state::Label;
use http::StatusCode;
use serde_json::{Value, json};

const NAME_MAX_CHARS: usize = 50;
const DESCRIPTION_MAX_CHARS: usize = 100;
/// The colour of labels that come into being on an issue.
const COLOR: &str = "ededed";

pub(crate) fn list(ctx: &mut Ctx<'_>) -> Reply {
    let repo = ctx.repo()?;
    ctx.paged(repo.labels.iter().collect(), |label| {
        ctx.view().label(repo, label)
    })
}

pub(crate) fn get(ctx: &mut Ctx<'_>) -> Reply {
    let repo = ctx.repo()?;
    let label = repo
        .label_named(ctx.param("name"))
        .ok_or_else(Refusal::not_found)?;
    ok(ctx.view().label(repo, label))
}

pub(crate) fn create(ctx: &mut Ctx<'_>) -> Reply {
    let name = ctx.need_text("Label", "name")?.to_owned();
    let color = ctx.text("color").unwrap_or(COLOR).to_owned();
    let description = ctx.text("description").map(ToOwned::to_owned);
    check(&name, &color, description.as_deref())?;
    if ctx.repo()?.label_named(&name).is_some() {
        return Err(Refusal::invalid("Label", "name", "already_exists"));
    }
    let id = ctx.state.id();
    ctx.repo_mut()?.labels.push(Label {
        id,
        name: name.clone(),
        color,
        description,
    });
    ctx.note("label.created", json!({ "name": name }));
    let repo = ctx.repo()?;
    let label = repo.label_named(&name).ok_or_else(Refusal::not_found)?;
    let body = ctx.view().label(repo, label);
    ctx.emit("label", Some("created"), json!({ "label": body }));
    created(body)
}

fn check(name: &str, color: &str, description: Option<&str>) -> Result<(), Refusal> {
    if name.chars().count() > NAME_MAX_CHARS {
        return Err(Refusal::custom(
            "Label",
            "name",
            format!("name is too long (maximum is {NAME_MAX_CHARS} characters)"),
        ));
    }
    if color.len() != 6 || !color.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Refusal::invalid("Label", "color", "invalid"));
    }
    if description.is_some_and(|text| text.chars().count() > DESCRIPTION_MAX_CHARS) {
        return Err(Refusal::custom(
            "Label",
            "description",
            format!("description is too long (maximum is {DESCRIPTION_MAX_CHARS} characters)"),
        ));
    }
    Ok(())
}

pub(crate) fn update(ctx: &mut Ctx<'_>) -> Reply {
    let old = ctx.param("name");
    let found = ctx
        .repo()?
        .label_named(old)
        .ok_or_else(Refusal::not_found)?;
    let (id, mut label) = (found.id, found.clone());
    if let Some(name) = ctx.text("new_name").or_else(|| ctx.text("name")) {
        name.clone_into(&mut label.name);
    }
    if let Some(color) = ctx.text("color") {
        color.clone_into(&mut label.color);
    }
    if let Some(text) = ctx.text("description") {
        label.description = Some(text.to_owned());
    }
    check(&label.name, &label.color, label.description.as_deref())?;
    let repo = ctx.repo_mut()?;
    if let Some(slot) = repo.labels.iter_mut().find(|one| one.id == id) {
        *slot = label.clone();
    }
    let body = ctx.view().label(ctx.repo()?, &label);
    ctx.emit(
        "label",
        Some("edited"),
        json!({"label": body, "changes": {}}),
    );
    ok(body)
}

pub(crate) fn delete(ctx: &mut Ctx<'_>) -> Reply {
    let label = ctx
        .repo()?
        .label_named(ctx.param("name"))
        .ok_or_else(Refusal::not_found)?
        .clone();
    let body = ctx.view().label(ctx.repo()?, &label);
    let repo = ctx.repo_mut()?;
    repo.labels.retain(|one| one.id != label.id);
    for issue in repo.issues.values_mut() {
        issue.labels.retain(|id| *id != label.id);
    }
    ctx.emit("label", Some("deleted"), json!({ "label": body }));
    no_content()
}

pub(crate) fn of_issue(ctx: &mut Ctx<'_>) -> Reply {
    let ids = issue(ctx)?.labels.clone();
    let Value::Array(values) = ctx.view().labels(ctx.repo()?, &ids) else {
        return Err(Refusal::not_found());
    };
    ctx.paged(values, |value| value)
}

/// The names in a body: `{"labels": [..]}`, a bare list, names or objects.
fn names(ctx: &Ctx<'_>) -> Result<Vec<String>, Refusal> {
    let body = &ctx.call.body;
    let list = body
        .as_array()
        .or_else(|| body.get("labels").and_then(Value::as_array))
        .ok_or_else(|| Refusal::invalid("Issue", "labels", "missing_field"))?;
    list.iter()
        .map(|one| {
            one.as_str()
                .or_else(|| one.get("name").and_then(Value::as_str))
                .filter(|name| !name.is_empty())
                .map(ToOwned::to_owned)
                .ok_or_else(|| Refusal::invalid("Label", "name", "invalid"))
        })
        .collect()
}

pub(crate) fn add(ctx: &mut Ctx<'_>) -> Reply {
    let names = names(ctx)?;
    let ids = ensure(ctx, &names)?;
    for id in ids {
        attach(ctx, id)?;
    }
    shown(ctx)
}

pub(crate) fn set(ctx: &mut Ctx<'_>) -> Reply {
    let names = names(ctx)?;
    replace(ctx, &names)?;
    shown(ctx)
}

pub(crate) fn clear(ctx: &mut Ctx<'_>) -> Reply {
    replace(ctx, &[])?;
    no_content()
}

pub(crate) fn remove(ctx: &mut Ctx<'_>) -> Reply {
    let repo = ctx.repo()?;
    let id = repo
        .label_named(ctx.param("name"))
        .map(|label| label.id)
        .filter(|id| issue(ctx).is_ok_and(|issue| issue.labels.contains(id)));
    issue(ctx)?;
    let id = id.ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "Label does not exist"))?;
    detach(ctx, id)?;
    shown(ctx)
}

/// Makes the labels of the issue in the path exactly these.
pub(crate) fn replace(ctx: &mut Ctx<'_>, names: &[String]) -> Result<(), Refusal> {
    let wanted = ensure(ctx, names)?;
    let has = issue(ctx)?.labels.clone();
    for id in has.iter().filter(|id| !wanted.contains(id)) {
        detach(ctx, *id)?;
    }
    for id in wanted {
        attach(ctx, id)?;
    }
    Ok(())
}

/// Finds labels by name and makes the ones that do not exist.
pub(crate) fn ensure(ctx: &mut Ctx<'_>, names: &[String]) -> Result<Vec<u64>, Refusal> {
    for name in names {
        if name.chars().count() > NAME_MAX_CHARS {
            return Err(Refusal::validation(json!({
                "resource": "Label", "field": "name", "code": "invalid", "value": name,
            })));
        }
    }
    let mut ids = Vec::new();
    for name in names {
        if let Some(label) = ctx.repo()?.label_named(name) {
            ids.push(label.id);
            continue;
        }
        let id = ctx.state.id();
        ctx.repo_mut()?.labels.push(Label {
            id,
            name: name.clone(),
            color: COLOR.into(),
            description: None,
        });
        ids.push(id);
    }
    Ok(ids)
}

fn attach(ctx: &mut Ctx<'_>, id: u64) -> Result<(), Refusal> {
    let issue = issue_mut(ctx)?;
    if issue.labels.contains(&id) {
        return Ok(());
    }
    issue.labels.push(id);
    changed(ctx, id, "labeled")
}

fn detach(ctx: &mut Ctx<'_>, id: u64) -> Result<(), Refusal> {
    issue_mut(ctx)?.labels.retain(|one| *one != id);
    changed(ctx, id, "unlabeled")
}

fn changed(ctx: &mut Ctx<'_>, id: u64, action: &'static str) -> Result<(), Refusal> {
    let now = ctx.call.now;
    issue_mut(ctx)?.updated = now;
    let repo = ctx.repo()?;
    let label = repo.labels.iter().find(|label| label.id == id);
    let (name, shown) = label.map_or((String::new(), Value::Null), |label| {
        (label.name.clone(), ctx.view().label(repo, label))
    });
    ctx.note(action, json!({"number": issue(ctx)?.number, "label": name}));
    emit_changed(ctx, action, json!({ "label": shown }))
}

fn shown(ctx: &mut Ctx<'_>) -> Reply {
    let ids = issue(ctx)?.labels.clone();
    Ctx::list(ctx.view().labels(ctx.repo()?, &ids))
}
