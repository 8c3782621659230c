//! One call of the REST API: the rules common to all, the route, the log.
//!
//! User-Agent, API version, body, authentication, rate limit, entity tags and the faults that
//! replace an answer live here.  Pages make their calls through `perform`, without the rules
//! that are only for programs.

use crate::answer::{Answer, Body, Refusal, Reply};
use crate::api::{Call, Ctx};
use crate::auth::{self, Actor, Gate};
use crate::door::Head;
use crate::faults::{CallFault, Kind, Rule};
use crate::hub::{Hub, lock};
use crate::routes::{self, Route};
use crate::state::State;
use crate::text;
use http::{HeaderMap, Method, StatusCode, header};
use hyper::body::Bytes;
use serde_json::{Value, json};

const VERSIONS: [&str; 2] = ["2022-11-28", "2026-03-10"];

/// A call made from inside the server.
pub(crate) struct Wish<'a> {
    pub(crate) actor: Actor,
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) body: Value,
    pub(crate) accept: &'a str,
}

/// Does a call that a page makes.
pub(crate) fn perform(hub: &Hub, state: &mut State, wish: Wish<'_>) -> Reply {
    let (route, params) = routes::find(&wish.method, wish.path).ok_or_else(Refusal::not_found)?;
    let call = Call {
        address: format!("{}{}", hub.urls.api, wish.path),
        method: wish.method,
        params,
        query: text::parse_query(wish.query),
        body: wish.body,
        accept: wish.accept.to_owned(),
        actor: wish.actor,
        now: text::now(),
    };
    let reply = run(hub, state, &call, route);
    if call.method != Method::GET && reply.is_ok() {
        hub.touch(state);
    }
    reply
}

/// Does one API call and writes it into the log.
pub(crate) fn answer(hub: &Hub, head: &Head, body: &Bytes, how: (bool, &CallFault)) -> Answer {
    let (with_prefix, fault) = how;
    let now = text::now();
    let route = routes::find(&head.method, &head.path);
    let mut state = lock(&hub.state);
    let actor = auth::authenticate(&state, &head.headers);
    let label = match &actor {
        Ok(actor) => actor.label(&state),
        Err(_) => "unknown".into(),
    };
    let parsed = parse(&head.method, body);
    let logged_body = parsed.as_ref().ok().filter(|body| !body.is_null()).cloned();
    let caller = actor.as_ref().ok().map(Actor::counted_as);
    let reply = check(head).and(actor).and_then(|actor| {
        if let Some(rule) = &fault.instead {
            return Ok(instead(rule));
        }
        let (route, params) = route.as_ref().ok_or_else(Refusal::not_found)?;
        let call = Call {
            method: head.method.clone(),
            address: address(hub, head, with_prefix),
            params: params.clone(),
            query: text::parse_query(&head.query),
            body: parsed?,
            accept: header_text(&head.headers, header::ACCEPT.as_str()).to_owned(),
            actor,
            now,
        };
        refuse_over_limit(hub, &call.actor)?;
        if let Some(age) = fault.stale
            && let Some(mut old) = hub.state_before(age)
        {
            return run(hub, &mut old, &call, route);
        }
        run(hub, &mut state, &call, route)
    });
    if head.method != Method::GET && reply.is_ok() {
        hub.touch(&state);
    }
    drop(state);
    let mut answer = reply.unwrap_or_else(Refusal::into_answer);
    tag(head, &mut answer);
    add_headers(
        hub,
        &mut answer,
        caller.as_deref(),
        route.as_ref().map(|found| found.0),
    );
    let entry = json!({
        "method": head.method.as_str(), "path": head.path, "query": head.query,
        "status": answer.status.as_u16(), "actor": label,
        "time": jiff::Timestamp::now().to_string(), "body": logged_body,
    });
    // An answer that a fault put in place is not the server's own word.
    if fault.instead.is_none() {
        hub.recorder.call(&entry, &answer);
    }
    lock(&hub.journal).call(entry, route.is_some());
    answer
}

fn run(hub: &Hub, state: &mut State, call: &Call, route: &Route) -> Reply {
    auth::check_plain(route.gate, &call.actor)?;
    let mut ctx = Ctx {
        hub,
        state,
        call,
        repo_id: 0,
    };
    let repo = if route.pattern.starts_with("/repos/{owner}/{repo}") {
        let found = ctx.state.repo_named(ctx.param("owner"), ctx.param("repo"));
        Some(found.ok_or_else(Refusal::not_found)?)
    } else if route.pattern == "/repositories/{id}" {
        let found = ctx.state.repos.get(&ctx.number("id")?);
        Some(found.ok_or_else(Refusal::not_found)?)
    } else {
        None
    };
    if let Some(repo) = repo {
        auth::check_repo(route.gate, ctx.state, &call.actor, repo)?;
        let is_write = call.method != Method::GET && call.method != Method::PATCH;
        if repo.archived && is_write && !matches!(route.gate, Gate::App) {
            return Err(Refusal::forbidden(
                "Repository was archived so is read-only.",
            ));
        }
        ctx.repo_id = repo.id;
    }
    (route.handler)(&mut ctx)
}

/// Checks what every call needs.
fn check(head: &Head) -> Result<(), Refusal> {
    if header_text(&head.headers, header::USER_AGENT.as_str()).is_empty() {
        return Err(Refusal::forbidden(
            "Request forbidden by administrative rules. Please make sure your request has a User-Agent header",
        ));
    }
    let version = header_text(&head.headers, "x-github-api-version");
    if !version.is_empty() && !VERSIONS.contains(&version) {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            format!("{version} is not a supported version"),
        ));
    }
    Ok(())
}

fn parse(method: &Method, body: &Bytes) -> Result<Value, Refusal> {
    if *method == Method::GET || body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Null);
    }
    serde_json::from_slice(body)
        .map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "Problems parsing JSON"))
}

fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

fn address(hub: &Hub, head: &Head, with_prefix: bool) -> String {
    let base = if with_prefix {
        &hub.urls.api
    } else {
        &hub.urls.html
    };
    format!("{base}{}", head.path)
}

fn limit(hub: &Hub, caller: &str) -> u32 {
    if caller == "anonymous" {
        hub.config.rate_limit_anonymous_per_hour
    } else {
        hub.config.rate_limit_per_hour
    }
}

fn refuse_over_limit(hub: &Hub, actor: &Actor) -> Result<(), Refusal> {
    let caller = actor.counted_as();
    let (limit, used, _) = hub.count_call(&caller, limit(hub, &caller), true);
    if used >= limit {
        return Err(Refusal::forbidden("API rate limit exceeded"));
    }
    Ok(())
}

/// Gives a GET its entity tag, or 304 when the client has that very answer.
fn tag(head: &Head, answer: &mut Answer) {
    if head.method != Method::GET || answer.status != StatusCode::OK {
        return;
    }
    let Body::Json(body) = &answer.body else {
        return;
    };
    let etag = format!("W/\"{}\"", text::sha256_hex(body.to_string().as_bytes()));
    let asked = header_text(&head.headers, header::IF_NONE_MATCH.as_str());
    let strong = etag.trim_start_matches("W/");
    let is_same = asked
        .split(',')
        .map(|one| one.trim().trim_start_matches("W/"))
        .any(|one| one == strong || one == "*");
    if is_same {
        answer.status = StatusCode::NOT_MODIFIED;
        answer.body = Body::Empty;
    }
    answer.headers.push(("etag", etag));
    answer
        .headers
        .push(("cache-control", "private, max-age=60, s-maxage=60".into()));
}

fn add_headers(hub: &Hub, answer: &mut Answer, caller: Option<&str>, route: Option<&Route>) {
    let caller = caller.unwrap_or("anonymous");
    let is_rate_limit = route.is_some_and(|route| route.pattern == "/rate_limit");
    let is_free = answer.status == StatusCode::NOT_MODIFIED || is_rate_limit;
    let (limit, used, reset) = hub.count_call(caller, limit(hub, caller), is_free);
    let has = |name: &str| answer.headers.iter().any(|(key, _)| *key == name);
    let mut headers = vec![
        ("x-github-request-id", uuid::Uuid::new_v4().to_string()),
        ("x-github-api-version-selected", VERSIONS[0].to_owned()),
        ("x-github-media-type", "github.v3; format=json".to_owned()),
    ];
    if !has("x-ratelimit-limit") {
        headers.push(("x-ratelimit-limit", limit.to_string()));
        headers.push((
            "x-ratelimit-remaining",
            limit.saturating_sub(used).to_string(),
        ));
        headers.push(("x-ratelimit-used", used.to_string()));
        headers.push(("x-ratelimit-reset", reset.to_string()));
        headers.push(("x-ratelimit-resource", "core".to_owned()));
    }
    if let Some(needs) = route.and_then(Route::needs) {
        let words: Vec<String> = needs
            .iter()
            .map(|(name, level)| format!("{name}={level}"))
            .collect();
        headers.push(("x-accepted-github-permissions", words.join("; ")));
    }
    answer.headers.extend(headers);
}

/// The answer that a fault rule gives in place of the real one.
pub(crate) fn instead(rule: &Rule) -> Answer {
    let is_secondary = rule.kind == Kind::SecondaryRateLimit;
    let code = rule.code.unwrap_or(if is_secondary { 403 } else { 502 });
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut answer = Refusal::new(
        status,
        if is_secondary {
            "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
        } else {
            status.canonical_reason().unwrap_or("Server Error")
        },
    )
    .into_answer();
    match &rule.body {
        Some(Value::String(text)) => {
            answer.body = Body::Bytes("text/html; charset=utf-8", text.clone().into_bytes());
        }
        Some(body) => answer.body = Body::Json(body.clone()),
        None => {}
    }
    let known = [
        "retry-after",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-used",
        "x-ratelimit-reset",
        "location",
    ];
    for name in known {
        if let Some(value) = rule.headers.get(name) {
            answer.headers.push((name, value.clone()));
        }
    }
    if let Some(seconds) = rule.retry_after {
        answer.headers.push(("retry-after", seconds.to_string()));
    }
    answer
}
