//! The rules of Prow, one row each, in the order of its documentation: what was said, and what stands then, first with the
//! habits of Prow and then with ours.
//!
//! Acts, OWNERS and trust follow in `prow_acts.rs`, overrides and members of the organisation in `prow_rights.rs`. Options that a team turns on are in `asking.rs`, what GitHub carries
//! out in `editing.rs`, who owns what in `owners/tests.rs`.
//! `ada` is the author, `rita` reviews and `root` approves by OWNERS, `walt` may write, `mallory` may read.

use super::editing::{code, done};
use super::*;

/// What was said, in order: who and what.
pub(super) type Said = &'static [(&'static str, &'static str)];

/// With this preset.
pub(super) fn with(preset: &str) -> Change {
    with_also(preset, "")
}

/// With this preset, and these keys beside it.
pub(super) fn with_also(preset: &str, also: &str) -> Change {
    let mut change = code();
    change.chatops(&format!("{{compatibility: {preset}{also}}}"));
    change
}

pub(super) fn stands(act: &Act<Pull>, name: &str) -> &'static str {
    let rule = act.state.rules.iter().find(|rule| rule.name == name);
    match rule.map(|rule| rule.state) {
        Some(Standing::Met) => "yes",
        Some(Standing::Waiting) => "soon",
        Some(Standing::Unmet) => "no",
        None => "-",
    }
}

/// Each row: what the rule says, what was said, and how `name` stands with the habits of Prow and with ours.
#[track_caller]
fn rows(name: &str, table: &[(&str, Said, &str, &str)]) {
    for (rule, said, prow, own) in table {
        for (preset, want) in [("prow", prow), ("own", own)] {
            let mut change = with(preset);
            for (by, body) in *said {
                change.says(by, body);
            }
            let act = change.look();
            let told = done(&act);
            assert_eq!(stands(&act, name), *want, "{preset}: {rule}\n{told}");
        }
    }
}

#[test]
fn frame_where_commands_are_heard() {
    const HELD: &str = "no";
    const FREE: &str = "-";
    rows(
        "not held",
        &[
            ("at the first column", &[("walt", "/hold")], HELD, HELD),
            ("not after a blank", &[("walt", " /hold")], FREE, FREE),
            ("not in a quote", &[("walt", "> /hold")], FREE, FREE),
            ("not in a list", &[("walt", "- /hold")], FREE, FREE),
            (
                "a blank and a CR at the end",
                &[("walt", "/hold \r\nx")],
                HELD,
                HELD,
            ),
            ("in a fence", &[("walt", "```\n/hold\n```")], HELD, FREE),
            (
                "in a fence of tildes",
                &[("walt", "~~~\n/hold\n~~~")],
                HELD,
                FREE,
            ),
            (
                "in an HTML comment",
                &[("walt", "<!--\n/hold\n-->")],
                HELD,
                FREE,
            ),
            (
                "not in indented code",
                &[("walt", "x\n\n    /hold")],
                FREE,
                FREE,
            ),
            ("whatever the case", &[("walt", "/HoLd")], HELD, HELD),
            (
                "among others",
                &[("walt", "/cc\n/hold\n/kind bug")],
                HELD,
                HELD,
            ),
            // Prow hears other bots, too; here no bot has a say, whatever the habits.
            ("not by a bot", &[("other[bot]", "/hold")], FREE, FREE),
        ],
    );
}

#[test]
fn lgtm() {
    rows(
        "lgtm",
        &[
            ("a reviewer gives it", &[("rita", "/lgtm")], "yes", "yes"),
            (
                "`no-issue` may follow",
                &[("rita", "/lgtm no-issue")],
                "yes",
                "yes",
            ),
            ("nothing else may", &[("rita", "/lgtm please")], "no", "no"),
            ("whatever the case", &[("rita", "/LGTM")], "yes", "yes"),
            ("the author never gives it", &[("ada", "/lgtm")], "no", "no"),
            (
                "a collaborator gives it",
                &[("walt", "/lgtm")],
                "yes",
                "yes",
            ),
            ("a stranger does not", &[("mallory", "/lgtm")], "no", "no"),
            (
                "the author cancels",
                &[("rita", "/lgtm"), ("ada", "/lgtm cancel")],
                "no",
                "no",
            ),
            (
                "a collaborator cancels",
                &[("rita", "/lgtm"), ("walt", "/remove-lgtm")],
                "no",
                "no",
            ),
            (
                "a stranger does not cancel",
                &[("rita", "/lgtm"), ("mallory", "/lgtm cancel")],
                "yes",
                "yes",
            ),
            (
                "giving beats cancelling in one comment",
                &[("rita", "/lgtm\n/lgtm cancel")],
                "yes",
                "no",
            ),
            (
                "it can be given again",
                &[
                    ("rita", "/lgtm"),
                    ("rita", "/lgtm cancel"),
                    ("walt", "/lgtm"),
                ],
                "yes",
                "yes",
            ),
        ],
    );
}

#[test]
fn approve() {
    rows(
        "approved",
        &[
            ("an approver", &[("root", "/approve")], "yes", "yes"),
            ("no-issue", &[("root", "/approve no-issue")], "yes", "yes"),
            (
                "any text may follow",
                &[("root", "/approve looks fine")],
                "yes",
                "no",
            ),
            (
                "`cancel` anywhere in it cancels",
                &[("root", "/approve"), ("root", "/approve don't cancel")],
                "no",
                "yes",
            ),
            (
                "the last word of a person counts",
                &[("root", "/approve cancel"), ("root", "/approve")],
                "yes",
                "yes",
            ),
            (
                "remove-approve takes it back",
                &[("root", "/approve"), ("root", "/remove-approve")],
                "no",
                "no",
            ),
            (
                "nobody takes back that of another",
                &[("root", "/approve"), ("walt", "/approve cancel")],
                "yes",
                "yes",
            ),
            (
                "a collaborator is no approver",
                &[("walt", "/approve")],
                "no",
                "no",
            ),
            (
                "a reviewer is none either",
                &[("rita", "/approve")],
                "no",
                "no",
            ),
            ("logins have no case", &[("Root", "/approve")], "yes", "yes"),
            ("an lgtm is none", &[("root", "/lgtm")], "no", "no"),
        ],
    );
}

#[test]
fn hold() {
    rows(
        "not held",
        &[
            ("anybody", &[("mallory", "/hold")], "no", "no"),
            ("with a reason", &[("walt", "/hold until noon")], "no", "no"),
            (
                "cancel lifts it",
                &[("walt", "/hold"), ("rita", "/hold cancel")],
                "-",
                "-",
            ),
            (
                "unhold lifts it",
                &[("walt", "/hold"), ("rita", "/unhold")],
                "-",
                "-",
            ),
            (
                "remove-hold lifts it",
                &[("walt", "/hold"), ("rita", "/remove-hold")],
                "-",
                "-",
            ),
            (
                "lifting beats holding in one comment",
                &[("walt", "/unhold\n/hold")],
                "-",
                "no",
            ),
            (
                "not `removehold`",
                &[("walt", "/hold"), ("rita", "/removehold")],
                "no",
                "no",
            ),
            (
                "not `remove - hold`",
                &[("walt", "/hold"), ("rita", "/remove - hold")],
                "no",
                "no",
            ),
        ],
    );
}
