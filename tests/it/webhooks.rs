//! Every payload that GitHub publishes as an example is understood.

use bowsprit::github::event::{EVENTS, seen};
use bowsprit_core::seen::Seen;
use serde_json::Value;
use std::collections::BTreeSet;

/// The package had 329 examples when it was pinned; fewer than this is another file.
const EXAMPLES_MIN: usize = 300;

#[test]
#[ignore = "needs GitHub's examples: tests/openapi/check.sh fetches them and runs this"]
fn every_published_example_is_understood() {
    let file = std::env::var_os("BOWSPRIT_WEBHOOK_EXAMPLES")
        .expect("run tests/openapi/check.sh, which names the file");
    let text = std::fs::read_to_string(file).expect("the examples");
    let events: Vec<Value> = serde_json::from_str(&text).expect("a list of events");
    let mut heard = BTreeSet::new();
    let mut count = 0;
    for event in &events {
        let name = event["name"].as_str().expect("a name");
        for example in event["examples"].as_array().expect("a list") {
            count += 1;
            let seen = seen(name, example.to_string().as_bytes());
            let seen = seen.unwrap_or_else(|error| {
                panic!("an example of `{name}` is refused: {error}\n{example:#}")
            });
            if seen != [Seen::Nothing] {
                heard.insert(name);
            }
        }
    }
    assert!(count >= EXAMPLES_MIN, "only {count} examples");
    let asked = EVENTS
        .iter()
        .chain(&["installation", "installation_repositories"]);
    let unheard: Vec<_> = asked.filter(|name| !heard.contains(**name)).collect();
    assert!(
        unheard.is_empty(),
        "no example of these events means anything: {unheard:?}"
    );
    println!(
        "{count} examples of {} events are understood, {} events are heard",
        events.len(),
        heard.len()
    );
}
