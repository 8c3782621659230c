//! The App's webhook: its settings, and the deliveries it made.

use super::Ctx;
use crate::answer::{Answer, Refusal, Reply, ok};
use crate::deliver::{Delivery, Outgoing};
use crate::hub::lock;
use http::StatusCode;
use serde_json::{Value, json};

const PER_PAGE: usize = 30;
const PER_PAGE_MAX: usize = 100;

pub(crate) fn config(ctx: &mut Ctx<'_>) -> Reply {
    let hook = ctx.state.hook.as_ref().ok_or_else(Refusal::not_found)?;
    let mut body = json!({"content_type": "json", "insecure_ssl": "0", "url": hook.url});
    if hook.secret.is_some() {
        body["secret"] = json!("********");
    }
    ok(body)
}

pub(crate) fn set_config(ctx: &mut Ctx<'_>) -> Reply {
    let (url, secret) = (ctx.text("url"), ctx.text("secret"));
    let hook = ctx.state.hook.as_mut().ok_or_else(Refusal::not_found)?;
    if let Some(url) = url {
        hook.url = url.to_owned();
    }
    if let Some(secret) = secret {
        hook.secret = Some(secret.to_owned());
    }
    config(ctx)
}

pub(crate) fn deliveries(ctx: &mut Ctx<'_>) -> Reply {
    let per_page = ctx
        .query("per_page")
        .and_then(|text| text.parse::<usize>().ok())
        .filter(|number| *number > 0)
        .unwrap_or(PER_PAGE)
        .min(PER_PAGE_MAX);
    // The cursor is the id of the last entry of the page before.
    let before: u64 = match ctx.query("cursor") {
        Some(cursor) => cursor
            .trim_start_matches("v1_")
            .parse()
            .map_err(|_| Refusal::unprocessable("Invalid cursor"))?,
        None => u64::MAX,
    };
    let wants_status = ctx.query("status");
    let log = lock(&ctx.hub.deliveries);
    let mut found: Vec<&Delivery> = log
        .entries
        .iter()
        .rev()
        .filter(|entry| entry.id < before)
        .filter(|entry| match wants_status {
            Some("success") => entry.status_code < 400,
            Some("failure") => entry.status_code >= 400,
            Some(_) | None => true,
        })
        .take(per_page + 1)
        .collect();
    let has_more = found.len() > per_page;
    found.truncate(per_page);
    let values: Vec<Value> = found.iter().map(|entry| item(entry)).collect();
    let answer = Answer::json(StatusCode::OK, Value::Array(values));
    let Some(last) = found.last().filter(|_| has_more) else {
        return Ok(answer);
    };
    let status = wants_status.map_or_else(String::new, |status| format!("&status={status}"));
    Ok(answer.with(
        "link",
        format!(
            "<{}?per_page={per_page}{status}&cursor=v1_{}>; rel=\"next\"",
            ctx.call.address, last.id
        ),
    ))
}

fn item(entry: &Delivery) -> Value {
    json!({
        "id": entry.id, "guid": entry.guid, "delivered_at": entry.delivered_at,
        "redelivery": entry.redelivery, "duration": entry.duration,
        "status": entry.status, "status_code": entry.status_code,
        "event": entry.event, "action": entry.action,
        "installation_id": entry.installation_id, "repository_id": entry.repository_id,
        "throttled_at": null,
    })
}

pub(crate) fn delivery(ctx: &mut Ctx<'_>) -> Reply {
    let id = ctx.number("id")?;
    let log = lock(&ctx.hub.deliveries);
    let entry = log
        .entries
        .iter()
        .find(|entry| entry.id == id)
        .ok_or_else(Refusal::not_found)?;
    let payload: Value = serde_json::from_str(&entry.payload).unwrap_or_default();
    let mut body = item(entry);
    body["url"] = json!(entry.url);
    body["request"] = json!({"headers": entry.request_headers, "payload": payload});
    body["response"] = json!({"headers": entry.response_headers, "payload": entry.response});
    ok(body)
}

pub(crate) fn redeliver(ctx: &mut Ctx<'_>) -> Reply {
    let id = ctx.number("id")?;
    let outgoing = {
        let log = lock(&ctx.hub.deliveries);
        let entry = log
            .entries
            .iter()
            .find(|entry| entry.id == id)
            .ok_or_else(Refusal::not_found)?;
        Outgoing {
            key: 0,
            guid: entry.guid.clone(),
            event: entry.event.clone(),
            action: entry.action.clone(),
            installation_id: entry.installation_id,
            repository_id: entry.repository_id,
            payload: entry.payload.clone(),
            is_redelivery: true,
        }
    };
    ctx.hub.queue(outgoing);
    Ok(Answer::json(StatusCode::ACCEPTED, json!({})))
}
