//! What a manifest may name, whoever writes it.

use super::promoting::promotion;
use super::*;
use crate::subject::environment::{ChangeCause, Environment};

const RULE: &str = "known version";
const INSTEAD: &str =
    "a training proposes its own version, and `/rollback` goes back to one that served";

/// `#7` of `ada`: a manifest written by hand, which names this version.
fn by_hand(number: u64, bytes: &str) -> Change {
    let mut change = Change::of(SERVICE, "topic", ('1', '2'));
    change.files(&[("models/digits/manifest.json", 'b'), ("app.py", 'b')]);
    change.ran('2', What::Service, Phase::Succeeded);
    change.manifest(number, bytes);
    change.proposes(vec![version(6, "six"), version(7, "seven")]);
    change
}

#[track_caller]
fn refused(change: &Change, why: &str) {
    let want = format!("Unmet known version of `digits`: {why}; {INSTEAD}");
    assert_eq!(change.rule(RULE), want);
}

#[test]
fn a_manifest_by_hand_names_what_a_training_made() {
    assert_eq!(by_hand(7, "seven").rule(RULE), "", "back to what is known");
    assert_eq!(by_hand(6, "six").rule(RULE), "");
    refused(&by_hand(8, "eight"), "no training here made digits v8");
    let digest = |bytes: &str| model_files(bytes).digest.short().to_owned();
    let forged = format!(
        "digits v7 has the digest `{}`, the file says `{}`",
        digest("seven"),
        digest("forged")
    );
    refused(&by_hand(7, "forged"), &forged);
    // After the loss of the database its run may have begun anew, and ended otherwise.
    let mut again = by_hand(7, "seven");
    let run = Run {
        phase: Phase::Cancelled,
        ..passed('a', "seven")
    };
    let query = Query::Run("r7".to_owned());
    again.world.tell(query, Answer::Run(Some(run)));
    assert_eq!(again.rule(RULE), "");
}

#[test]
fn a_manifest_by_hand_does_not_name_what_was_deleted() {
    let mut change = by_hand(6, "six");
    let deleted = Some(crate::effect::Deleted {
        by: login("ada"),
        at_ms: NOW_MS,
    });
    change.proposes(vec![
        crate::effect::Version {
            deleted,
            ..version(6, "six")
        },
        version(7, "seven"),
    ]);
    let why =
        "digits v6 was deleted by ada on 2026-01-05 10:00 UTC; use another version, or train again";
    refused(&change, why);
    change.manifest(7, "seven");
    assert_eq!(change.rule(RULE), "");
}

#[test]
fn what_cannot_be_read_is_not_known() {
    let mut change = by_hand(7, "seven");
    let query = Query::Models(SERVICE, sha('2'));
    let mut broken = model_at("digits", 7, "seven");
    broken.manifest = Err("unknown field `x`".to_owned());
    change
        .world
        .tell(query.clone(), Answer::Models(vec![broken]));
    refused(
        &change,
        "`models/digits/manifest.json` cannot be used: unknown field `x`",
    );
    change.world.tell(query, Answer::Models(vec![]));
    refused(&change, "`models/digits/manifest.json` cannot be read");
}

#[test]
fn only_manifests_of_services_are_asked_for() {
    let mut change = by_hand(8, "eight");
    change.files(&[
        ("models/digits/card.md", 'b'),
        ("models/manifest.json", 'b'),
    ]);
    assert_eq!(change.rule(RULE), "", "no manifest of a model");
    let gone = Changes {
        merge_base: sha('1'),
        files: std::collections::BTreeMap::from([(
            path("models/digits/manifest.json"),
            (Some(sha('0')), None),
        )]),
        is_cut: false,
    };
    let query = Query::Changes(SERVICE, sha('1'), sha('2'));
    change.world.tell(query, Answer::Changes(gone));
    assert_eq!(change.rule(RULE), "", "it goes away");
    for (base, head, is_asked) in [
        (SERVICE_TEXT, SERVICE_TEXT, true),
        (TRAINING_TEXT, TRAINING_TEXT, false),
        ("", SERVICE_TEXT, true),
        ("", TRAINING_TEXT, false),
        ("kind: service\n", "", true),
    ] {
        let mut change = by_hand(8, "eight");
        change.world.contract(SERVICE, '1', base);
        let head = if head.is_empty() { base } else { head };
        change.world.contract(SERVICE, '2', head);
        let told = change.rule(RULE);
        assert_eq!(told.starts_with("Unmet"), is_asked, "{base} {head}");
    }
}

#[test]
fn a_branch_of_ours_proves_nothing() {
    let mut change = Change::proposal();
    assert_eq!(change.rule(RULE), "");
    change.manifest(7, "forged");
    assert!(change.rule(RULE).starts_with("Unmet"), "pushed on top");
}

#[test]
fn what_nobody_knows_is_not_promoted() {
    let mut production = Environment::new(repo(SERVICE), slug("production"), 0);
    production.is_gone = false;
    let mut change = promotion(&production, ChangeCause::Promotion);
    assert_eq!(change.rule(RULE), "");
    // The commit's own manifest names it, so that no tag was ever asked.
    let query = Query::Models(SERVICE, sha('d'));
    let model = model_at("digits", 2, "x");
    change.world.tell(query, Answer::Models(vec![model]));
    change.proposes(vec![version(1, "x")]);
    refused(&change, "no training here made digits v2");
}
