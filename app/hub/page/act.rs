//! What the forms do: choose a person, comment, review, label, close, press a check's button.

use super::{COOKIE, Page};
use crate::answer::{Answer, Refusal, Reply};
use crate::api::{Call, Ctx, checks};
use crate::state::AccountKind;
use http::{Method, StatusCode};
use serde_json::{Value, json};

type Fields = [(String, String)];

pub(super) fn post(this: &mut Page<'_>, fields: &Fields) -> Reply {
    let segments = this.segments.clone();
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["_page", "person"] => choose(this, fields),
        [_, _, "pull" | "issues", number] => talk(this, number, fields),
        [_, _, "runs", id] => press(this, id, fields),
        _ => Err(Refusal::not_found()),
    }
}

fn field<'f>(fields: &'f Fields, name: &str) -> &'f str {
    fields
        .iter()
        .find(|(key, _)| key == name)
        .map_or("", |(_, value)| value.as_str())
}

fn back(to: &str) -> Answer {
    Answer::empty(StatusCode::SEE_OTHER).with("location", to)
}

fn choose(this: &Page<'_>, fields: &Fields) -> Reply {
    let login = field(fields, "login");
    // Only a path of this server; two slashes would name another one.
    let to = match field(fields, "to") {
        to if to.starts_with('/') && !to.starts_with("//") && !to.contains('\\') => to,
        _ => "/",
    };
    if login.is_empty() {
        return Ok(back(to).with(
            "set-cookie",
            format!("{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"),
        ));
    }
    let account = this
        .state
        .account(login)
        .filter(|account| account.kind == AccountKind::User)
        .ok_or_else(Refusal::not_found)?;
    Ok(back(to).with(
        "set-cookie",
        format!(
            "{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict",
            account.login
        ),
    ))
}

fn talk(this: &mut Page<'_>, number: &str, fields: &Fields) -> Reply {
    let number: u64 = number.parse().map_err(|_| Refusal::not_found())?;
    let here = format!("/{}", this.segments.join("/"));
    let issue = format!("/repos{}/issues/{number}", this.base());
    // Browsers send line ends as two characters.
    let body = field(fields, "body").replace("\r\n", "\n");
    match field(fields, "do") {
        "comment" => {
            this.call(
                Method::POST,
                &format!("{issue}/comments"),
                json!({ "body": body }),
            )?;
        }
        event @ ("APPROVE" | "REQUEST_CHANGES") => {
            let path = format!("/repos{}/pulls/{number}/reviews", this.base());
            this.call(Method::POST, &path, json!({"event": event, "body": body}))?;
        }
        state @ ("open" | "closed") => {
            if !body.trim().is_empty() {
                this.call(
                    Method::POST,
                    &format!("{issue}/comments"),
                    json!({ "body": body }),
                )?;
            }
            this.call(Method::PATCH, &issue, json!({ "state": state }))?;
        }
        "label" => {
            let labels = json!({"labels": [field(fields, "label")]});
            this.call(Method::POST, &format!("{issue}/labels"), labels)?;
        }
        "unlabel" => {
            let name = crate::text::percent_encode(field(fields, "label"));
            this.call(
                Method::DELETE,
                &format!("{issue}/labels/{name}"),
                Value::Null,
            )?;
        }
        _ => return Err(Refusal::not_found()),
    }
    Ok(back(&here))
}

fn press(this: &mut Page<'_>, id: &str, fields: &Fields) -> Reply {
    let id: u64 = id.parse().map_err(|_| Refusal::not_found())?;
    let path = format!("/repos{}/check-runs/{id}", this.base());
    // Reading first makes sure that the viewer may see the run at all.
    let run = this.call(Method::GET, &path, Value::Null)?;
    let here = format!("{}/runs/{id}", this.base());
    if !field(fields, "rerun").is_empty() {
        this.call(Method::POST, &format!("{path}/rerequest"), json!({}))?;
        return Ok(back(&here));
    }
    if this.viewer.is_none() {
        return Err(crate::auth::requires_authentication());
    }
    let repo_id = this
        .state
        .repos
        .values()
        .find(|repo| repo.runs.contains_key(&id))
        .map(|repo| repo.id)
        .ok_or_else(Refusal::not_found)?;
    let call = Call {
        method: Method::POST,
        address: super::at(&run, "/url").to_owned(),
        params: Vec::new(),
        query: Vec::new(),
        body: Value::Null,
        accept: String::new(),
        actor: this.actor(),
        now: crate::text::now(),
    };
    let ctx = Ctx {
        hub: this.hub,
        state: this.state,
        call: &call,
        repo_id,
    };
    checks::press(&ctx, id, field(fields, "identifier"))?;
    Ok(back(&here))
}
