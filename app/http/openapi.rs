//! The API's description, made from its own table of routes.
//!
//! Source: OpenAPI 3.1.1, <https://spec.openapis.org/oas/v3.1.1.html> (2024-10).

use super::routes::{BASE, Gives, ROUTES, Route, Verb};
use crate::store::Scope;
use serde_json::{Map, Value, json};

/// The document that `/openapi.json` gives.
pub(super) fn document() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let path = paths
            .entry(format!("{BASE}{}", route.path))
            .or_insert_with(|| json!({}));
        path[verb(route.verb)] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Bowsprit",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Runs, models, environments and the queues of a Bowsprit server.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "`bowsprit token create NAME --scope read|run|admin` makes one."},
            },
            "schemas": schemas(),
        },
    })
}

/// The method's name as the document writes it.
pub(super) fn verb(verb: Verb) -> &'static str {
    match verb {
        Verb::Get => "get",
        Verb::Post => "post",
        Verb::Delete => "delete",
    }
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "operationId": operation_id(route),
        "summary": route.about,
        "x-scope": route.scope,
        "parameters": parameters(route),
        "responses": responses(route),
    });
    if let Some(schema) = route.body {
        operation["requestBody"] = json!({"required": true, "content": {"application/json": {"schema": reference(schema)}}});
    }
    operation
}

/// `get_runs_id_log` for `GET /runs/{id}/log`.
fn operation_id(route: &Route) -> String {
    let words = route
        .path
        .split('/')
        .map(|part| part.trim_matches(['{', '}']))
        .filter(|part| !part.is_empty());
    let words: Vec<&str> = std::iter::once(verb(route.verb)).chain(words).collect();
    words.join("_")
}

fn parameters(route: &Route) -> Value {
    let in_path = route
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path = in_path.map(
        |name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}),
    );
    let in_query = route.query.iter().map(|(name, about)| {
        let kind = if matches!(*name, "limit" | "offset") {
            "integer"
        } else {
            "string"
        };
        json!({"name": name, "in": "query", "description": about, "schema": {"type": kind}})
    });
    in_path.chain(in_query).collect()
}

fn responses(route: &Route) -> Value {
    let json = |schema: Value| json!({"application/json": {"schema": schema}});
    let (status, content) = match route.gives {
        Gives::One(schema) => ("200", json(reference(schema))),
        Gives::Accepted(schema) => ("202", json(reference(schema))),
        Gives::List(schema) => ("200", json(page(schema))),
        Gives::Text => ("200", json!({"text/plain": {"schema": {"type": "string"}}})),
        Gives::Stream => (
            "200",
            json!({"text/event-stream": {"schema": {"type": "string"}}}),
        ),
    };
    let failure = |about: &str| json!({"description": about, "content": json(reference("Error"))});
    let mut responses = json!({
        status: {"description": route.about, "content": content},
        "400": failure("It was asked wrongly."),
        "401": failure("No token of this server came with it."),
    });
    if route.scope > Scope::Read {
        responses["403"] = failure("The token may not do this.");
    }
    if route.path.contains('{') || route.body.is_some() {
        responses["404"] = failure("There is no such thing.");
    }
    if route.verb != Verb::Get {
        responses["409"] = failure("It cannot be done as things stand.");
    }
    responses
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

fn page(schema: &str) -> Value {
    json!({
        "type": "object",
        "required": ["items", "next"],
        "properties": {
            "items": {"type": "array", "items": reference(schema)},
            "next": {"type": ["string", "null"], "description": "The `before` of the next page; null at the end."},
        },
    })
}

/// The schemas, as far as clients rely on them; members may be added.
fn schemas() -> Value {
    serde_json::from_str(include_str!("schemas.json"))
        .expect("the schemas are constant and read by a test")
}
