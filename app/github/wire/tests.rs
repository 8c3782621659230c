use super::*;
use serde_json::json;

#[test]
fn next_page_is_found_among_links() {
    let links = "<https://h/x?page=1>; rel=\"prev\", <https://h/x?a=b,c&page=3>; rel=\"last\", <https://h/x?page=2>; rel=\"next\"";
    let mut headers = HeaderMap::new();
    headers.insert("link", http::HeaderValue::from_static(links));
    assert_eq!(next_link(&headers).as_deref(), Some("https://h/x?page=2"));
    assert_eq!(next_link(&HeaderMap::new()), None);
}

#[test]
fn what_is_null_or_plain_is_taken_as_meant() {
    let issue = |labels: Value, people: Value| {
        let at = "2026-11-01T00:00:00Z";
        serde_json::from_value::<Issue>(json!({
            "number": 3, "state": "open", "title": "t", "body": null, "user": null,
            "created_at": at, "updated_at": at, "labels": labels, "assignees": people,
        }))
        .unwrap()
    };
    let names = |issue: Issue| {
        let labels = issue.labels.into_iter().map(|label| label.name);
        labels.collect::<Vec<_>>()
    };
    let lean = issue(Value::Null, Value::Null);
    assert!(lean.assignees.is_empty());
    assert_eq!(login(lean.user.as_ref()).as_str(), "ghost");
    assert!(names(lean).is_empty());
    let labels = json!(["bug", {"name": "ui", "color": "fff"}]);
    let untyped = json!([{"login": "ada", "type": null}]);
    let both = issue(labels, untyped);
    assert_eq!(logins(&both.assignees)[0].as_str(), "ada");
    assert_eq!(names(both), ["bug", "ui"]);
    let answer: GraphQl<Value> =
        serde_json::from_value(json!({"data": {"a": 1}, "errors": null})).unwrap();
    assert!(answer.errors.is_empty());
    let checks: ProtectionChecks =
        serde_json::from_value(json!({"contexts": null, "checks": null})).unwrap();
    assert!(checks.contexts.is_empty() && checks.checks.is_empty());
}

#[test]
fn a_list_may_be_null_and_may_not_be_missing() {
    let of = |body: &str, key: Option<&str>| {
        let answer = Response {
            status: 200,
            headers: HeaderMap::new(),
            body: body.to_owned().into(),
        };
        list::<u64>(&answer, key).ok()
    };
    assert_eq!(of("null", None), Some(vec![]));
    assert_eq!(of("[1]", None), Some(vec![1]));
    assert_eq!(of("{}", None), None);
    assert_eq!(of(r#"{"all": null}"#, Some("all")), Some(vec![]));
    assert_eq!(of(r#"{"all": [1]}"#, Some("all")), Some(vec![1]));
    assert_eq!(of(r#"{"other": []}"#, Some("all")), None);
}

#[test]
fn hostile_names_are_escaped() {
    assert_eq!(encoded("a/../b?c#d%"), "a%2F..%2Fb%3Fc%23d%25");
    assert_eq!(encoded_path("feature/ü x"), "feature/%C3%BC%20x");
    assert_eq!(branch("main").as_str(), "main");
    assert_eq!(branch("$(id) x").as_str(), "unnameable/idx");
    assert_eq!(branch("\u{7}").as_str(), "unnameable/branch");
    let odd = Account {
        login: "a b".to_owned(),
        kind: String::new(),
    };
    assert_eq!(login(Some(&odd)).as_str(), "ghost");
}
