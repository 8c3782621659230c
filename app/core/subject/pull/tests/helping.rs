//! What `/help` names.

use super::editing::{code, issue};
use super::*;

/// What `/help` says of each command.
fn rows(act: &Act<Pull>) -> Vec<&serde_json::Value> {
    let texts = act.intents.iter().filter_map(|one| match &one.effect {
        crate::effect::Effect::Reply { text, .. } => text.data["commands"].as_array(),
        _ => None,
    });
    texts.flatten().collect()
}

/// The commands that `/help` names.
fn helped(act: &Act<Pull>) -> Vec<String> {
    let rows = rows(act);
    let usages = rows.iter().filter_map(|row| row["usage"].as_str());
    let names = usages.filter_map(|usage| usage.split([' ', '|']).next());
    names.map(str::to_owned).collect()
}

#[test]
fn help_names_what_works_here_and_is_ours() {
    let (mut world, change) = issue();
    let text = format!("{TRAINING_TEXT}chatops: {{not_ours: [/assign, /hold]}}\n");
    world.contract(TRAINING, 'a', &text);
    let comments = vec![comment(1, "mallory", "/help")];
    world.tell(
        Query::Comments(TRAINING, PrNumber(7)),
        Answer::Comments(comments),
    );
    let on_issue = helped(&change.step_in(&world, &given(None, vec![])));
    let mut change = code();
    change.world.contract(TRAINING, 'a', &text);
    change.says("mallory", "/help");
    let on_change = helped(&change.look());
    for (name, issue, pull) in [
        ("/help", true, true),
        ("/rollback", true, true),
        ("/lgtm", false, true),
        ("/test", false, true),
        ("/ok-to-test", false, true),
        ("/assign", false, false),
        ("/hold", false, false),
    ] {
        let has = |all: &[String]| all.iter().any(|one| one == name);
        assert_eq!((has(&on_issue), has(&on_change)), (issue, pull), "{name}");
    }
}

/// Each row: what stands under `chatops`, a command, how its grammar begins in `/help`, and whom it is for.
#[rustfmt::skip]
const HELPED: &[(&str, &str, &str, &str)] = &[
    ("{}", "/ok-to-test", "/ok-to-test <commit>", "Trusted people"),
    ("{compatibility: prow}", "/ok-to-test", "/ok-to-test [<commit>|cancel]", "Trusted people"),
    ("{}", "/approve", "/approve [<commit>|no-issue|cancel]", "Approvers in OWNERS"),
    ("{approve_with_words: true}", "/approve", "/approve [<commit>|no-issue|cancel|<text>]", "Approvers"),
    ("{}", "/override", "/override|", "Administrators of the repository."),
    ("{override_by_top_level_owners: true}", "/override", "/override|",
        "Administrators of the repository, approvers of the OWNERS file at its root."),
    ("{overriders: [Zoe, acme/core]}", "/override", "/override|",
        "Administrators of the repository, zoe, acme/core."),
    ("{override_by_top_level_owners: true, overriders: [zoe]}", "/override", "/override|",
        "Administrators of the repository, approvers of the OWNERS file at its root, zoe."),
];

#[test]
fn help_says_what_holds_here() {
    for (chatops, name, usage, who) in HELPED {
        let mut change = code();
        change.chatops(chatops).says("mallory", "/help");
        let act = change.look();
        let rows = rows(&act);
        let shown = |row: &serde_json::Value| row["usage"].as_str().unwrap().to_owned();
        let row = rows
            .iter()
            .find(|row| shown(row).split([' ', '|']).next() == Some(*name));
        let row = row.expect(name);
        assert!(shown(row).starts_with(*usage), "{chatops}: {row}");
        if !usage.ends_with('|') {
            assert_eq!(shown(row), *usage, "{chatops}");
        }
        assert!(
            row["who"].as_str().unwrap().starts_with(*who),
            "{chatops}: {row}"
        );
    }
}

/// Who is told that a command is refused is not shown what would be refused as well.
#[test]
fn usage_names_what_is_taken_here() {
    for (chatops, is_shown) in [("{}", false), ("{compatibility: prow}", true)] {
        let mut change = code();
        change.chatops(chatops).says("walt", "/ok-to-test please");
        let told = super::editing::done(&change.look());
        assert!(told.contains("Usage: `/ok-to-test"), "{told}");
        assert_eq!(told.contains("|cancel"), is_shown, "{told}");
    }
}
