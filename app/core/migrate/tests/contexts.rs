//! Which contexts must be green, from tide's `context_options`.

use super::*;
use Compatibility::{Own, Prow};

const PLUGINS: &str = "plugins: {acme: {plugins: [approve]}, other: {plugins: [lgtm]}}";

/// Which of these must be green: `need`, `seen`, `free`, `mine` and `any`; and those that must be reported.
fn counts(habits: &Habits) -> String {
    let contexts = &habits.contexts;
    let all = ["need", "seen", "free", "mine", "any"];
    let green = all
        .into_iter()
        .filter(|name| contexts.must_be_green(habits.preset, name));
    let required: Vec<&str> = contexts.required().map(String::as_str).collect();
    format!(
        "{}; reported {}",
        green.collect::<Vec<_>>().join(" "),
        required.join(" ")
    )
}

#[test]
fn what_an_organisation_and_a_repository_say_adds_up() {
    let config = "tide: {context_options: {required-contexts: [need], orgs: {acme: {optional-contexts: [free], \
        skip-unknown-contexts: true, repos: {one: {required-if-present-contexts: [seen], skip-unknown-contexts: false}, \
        two: {required-contexts: [mine]}}}}}}";
    let found = good(PLUGINS, config);
    for (name, wanted) in [
        ("other/x", "need seen free mine any; reported need"),
        ("acme/x", "need; reported need"),
        ("acme/one", "need seen mine any; reported need"),
        ("acme/two", "need mine; reported mine need"),
    ] {
        assert_eq!(counts(&habits(&found, name)), wanted, "{name}");
    }
    assert!(
        found
            .left
            .iter()
            .all(|one| !one.from.key.contains("context"))
    );
}

#[test]
fn without_options_every_context_counts_as_there() {
    let found = good(
        PLUGINS,
        "tide: {context_options: {from-branch-protection: true}}",
    );
    let of = habits(&found, "acme/x");
    assert_eq!(
        (of.preset, counts(&of).as_str()),
        (Prow, "need seen free mine any; reported ")
    );
    assert_eq!(counts(&Habits::of(Own)), "; reported ");
}

#[test]
fn what_cannot_be_carried_over_is_told() {
    let config = "tide: {context_options: {optional-regex-contexts: [x], overwrite-pending-contexts: true, \
        skip-unknown-contexts: maybe, orgs: {acme: {required-contexts: [a], optional-contexts: [a], new-key: 1, \
        repos: {one: {branches: {main: {required-contexts: [b]}}}}}}}}";
    let told: Vec<String> = good(PLUGINS, config)
        .left
        .iter()
        .filter_map(|one| {
            let key = one.from.key.strip_prefix("tide.context_options.")?;
            Some(format!("{key}: {}", one.why))
        })
        .collect();
    expect![[r#"
        optional-regex-contexts: contexts are named, and not described by a pattern: what it matches counts as any other
        overwrite-pending-contexts: what others report is not written over, so what is pending is waited for
        skip-unknown-contexts: it is neither `true` nor `false`
        orgs.acme.new-key: it is not known here
        orgs.acme: the context `a` stands in another list too; leave it in one
        orgs.acme.repos.one.branches.main: contexts hold for a repository, and not for some of its branches
        orgs.acme.repos.one: the context `a` stands in another list too; leave it in one"#]].assert_eq(&told.join("\n"));
}
