//! What `/help` names.

use super::editing::{code, issue};
use super::*;

/// The commands that `/help` names.
fn helped(act: &Act<Pull>) -> Vec<String> {
    let texts = act.intents.iter().filter_map(|one| match &one.effect {
        crate::effect::Effect::Reply { text, .. } => text.data["commands"].as_array(),
        _ => None,
    });
    let usages = texts.flatten().filter_map(|row| row["usage"].as_str());
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
