//! The table of routes and what is made of it.

use super::bench::Bench;
use super::samples::RUN;
use crate::http::openapi::{document, verb};
use crate::http::routes::{BASE, Gives, ROUTES};
use axum::http::StatusCode;
use std::collections::BTreeSet;

#[test]
fn the_document_has_exactly_the_routes_of_the_table() {
    let document = document();
    let paths = document["paths"].as_object().unwrap();
    let told: BTreeSet<(String, String)> = paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object()
                .unwrap()
                .keys()
                .map(move |method| (path.clone(), method.clone()))
        })
        .collect();
    let routes: BTreeSet<(String, String)> = ROUTES
        .iter()
        .map(|route| (format!("{BASE}{}", route.path), verb(route.verb).to_owned()))
        .collect();
    assert_eq!(told, routes);
    assert_eq!(
        routes.len(),
        ROUTES.len(),
        "a route stands twice in the table"
    );
    let names: BTreeSet<String> = paths
        .values()
        .flat_map(|item| item.as_object().unwrap().values())
        .map(|operation| operation["operationId"].to_string())
        .collect();
    assert_eq!(names.len(), ROUTES.len(), "operation ids must differ");
}

#[test]
fn every_schema_that_is_named_is_there() {
    let document = document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for route in ROUTES {
        let gives = match route.gives {
            Gives::One(schema) | Gives::List(schema) | Gives::Accepted(schema) => Some(schema),
            Gives::Text | Gives::Stream => None,
        };
        for schema in gives.into_iter().chain(route.body) {
            assert!(schemas.contains_key(schema), "{schema}");
        }
    }
}

#[tokio::test]
async fn the_document_is_served_and_unknown_paths_are_told() {
    let bench = Bench::empty(false).await;
    let got = bench.ask("GET", "/openapi.json", None, "").await;
    assert_eq!(
        (got.status, got.json()["openapi"].as_str()),
        (StatusCode::OK, Some("3.1.0"))
    );
    let got = bench.get("/api/v1/nothing").await;
    assert_eq!(
        (got.status, got.json()["error"]["code"].as_str()),
        (StatusCode::NOT_FOUND, Some("not-found"))
    );
}

#[tokio::test]
async fn every_list_and_thing_answers() {
    let bench = Bench::sample().await;
    for path in [
        "runs",
        "models",
        "environments",
        "deliveries",
        "effects",
        "events",
    ] {
        let got = bench.get(&format!("/api/v1/{path}?limit=1")).await;
        assert_eq!(got.status, StatusCode::OK, "{path}: {}", got.text);
        assert_eq!(got.json()["items"].as_array().unwrap().len(), 1, "{path}");
    }
    for path in [
        &format!("runs/{RUN}"),
        "models/ada/digits-service/digits",
        "environments/ADA/Digits-Service/staging",
        "pulls/ada/digits-service/4",
        "status",
    ] {
        let got = bench.get(&format!("/api/v1/{path}")).await;
        assert_eq!(got.status, StatusCode::OK, "{path}: {}", got.text);
    }
    for path in [
        "runs/r0",
        "models/ada/digits-service/cats",
        "environments/ada/other/staging",
        "pulls/ada/digits-service/77",
        "pulls/ada/digits-service/x",
    ] {
        assert_eq!(
            bench.get(&format!("/api/v1/{path}")).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
}

#[tokio::test]
async fn lists_are_filtered_and_turned_page_by_page() {
    let bench = Bench::sample().await;
    let mut seen = Vec::new();
    let mut before = String::new();
    loop {
        let page = bench
            .get(&format!("/api/v1/runs?limit=3&before={before}"))
            .await
            .json();
        seen.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|run| run["id"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => before = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen.len(), 4, "{seen:?}");
    let count = async |query: &str| {
        bench.get(&format!("/api/v1/runs?{query}")).await.json()["items"]
            .as_array()
            .map_or(99, Vec::len)
    };
    assert_eq!(count("phase=failed").await, 1);
    assert_eq!(count("repo=ada%2Fdigits-training&model=digits").await, 4);
    assert_eq!(count("model=cats").await, 0);
    let events = bench.get("/api/v1/events?limit=2").await.json();
    let next = events["next"].as_str().unwrap();
    let older = bench
        .get(&format!("/api/v1/events?limit=2&before={next}"))
        .await
        .json();
    assert!(older["items"][0]["id"].as_i64() < events["items"][1]["id"].as_i64());
    for bad in [
        "phase=odd",
        "limit=0",
        "limit=201",
        "limit=x",
        "colour=red",
        "limit=1&limit=2",
        "repo=x",
    ] {
        assert_eq!(
            bench.get(&format!("/api/v1/runs?{bad}")).await.status,
            StatusCode::BAD_REQUEST,
            "{bad}"
        );
    }
}

#[tokio::test]
async fn a_model_tells_who_agreed_and_where_it_is_live() {
    let bench = Bench::sample().await;
    let model = bench
        .get("/api/v1/models/ada/digits-service/digits")
        .await
        .json();
    assert_eq!(model["versions"][0]["version"], 4);
    assert_eq!(model["versions"][0]["approved_by"], serde_json::json!([]));
    let third = &model["versions"][1];
    assert_eq!(third["approved_by"], serde_json::json!(["ada", "rita"]));
    let live: Vec<&str> = third["environments"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|place| place["is_live"] == true)
        .map(|place| place["name"].as_str().unwrap())
        .collect();
    assert_eq!(live, ["production"]);
}
