mod turns;
mod unseen;

use super::*;
use crate::name::{BranchName, CommitSha, Digest, PrNumber, RepoId, Slug};
use crate::subject::run::BRANCH_RUNS_MAX;

const NOW: i64 = 1_800_000_000_000;

fn keep() -> Keep {
    Keep {
        runs: Some(90 * DAY_MS),
        deliveries: Some(30 * DAY_MS),
        dead_letters: Some(365 * DAY_MS),
        events: Some(365 * DAY_MS),
        artifacts_unused: Some(30 * DAY_MS),
    }
}

fn before() -> Before {
    keep().before(NOW)
}

/// So many days ago.
fn days(days: i64) -> i64 {
    NOW - days * DAY_MS
}

#[test]
fn what_is_kept_for_ever_is_before_nothing() {
    let never = Keep {
        runs: None,
        deliveries: None,
        dead_letters: None,
        events: None,
        artifacts_unused: None,
    };
    let before = never.before(NOW);
    assert!(!delivery_may_go(Letter::Handled, 0, &before));
    assert!(!delivery_may_go(Letter::GivenUp, 0, &before));
    assert!(!effect_may_go(Letter::Handled, Owner::Over, 0, &before));
    assert!(!artifact_may_go(
        &"a".repeat(64),
        0,
        &BTreeSet::new(),
        &before
    ));
    assert!(before.payloads == i64::MIN && before.events == i64::MIN);
    let found = runs(&[run(1, 9_999)], &Words::default(), &before);
    assert!(found.go.is_empty());
    // Payloads go sooner than what says that they came, and never later.
    assert_eq!(super::tests::before().payloads, days(7));
}

#[test]
fn letters_go_by_their_end_and_age() {
    use Letter::{GivenUp, Handled, Waiting};
    for (letter, age, goes) in [
        (Waiting, 9_999, false),
        (Handled, 30, false),
        (Handled, 31, true),
        (GivenUp, 31, false),
        (GivenUp, 365, false),
        (GivenUp, 366, true),
    ] {
        let told = format!("a delivery {letter:?} of {age} days");
        assert_eq!(
            delivery_may_go(letter, days(age), &before()),
            goes,
            "{told}"
        );
    }
    for (letter, owner, age, goes) in [
        (Waiting, Owner::Over, 9_999, false),
        (Handled, Owner::Over, 90, false),
        (Handled, Owner::Over, 91, true),
        (Handled, Owner::Living(0), 9_999, false),
        (Handled, Owner::Living(OUTCOMES_MAX - 1), 9_999, false),
        (Handled, Owner::Living(OUTCOMES_MAX), 91, true),
        (Handled, Owner::Living(OUTCOMES_MAX), 90, false),
        (GivenUp, Owner::Over, 91, false),
        (GivenUp, Owner::Over, 366, true),
        (GivenUp, Owner::Living(0), 366, false),
    ] {
        let told = format!("an effect {letter:?} of {owner:?}, {age} days old");
        let found = effect_may_go(letter, owner, days(age), &before());
        assert_eq!(found, goes, "{told}");
    }
}

#[test]
fn a_store_that_is_younger_than_bytes_cannot_tell_who_names_them() {
    for (born, can) in [
        (days(31), true),
        (days(30), true),
        (days(29), false),
        (NOW, false),
    ] {
        assert_eq!(can_vouch(born, &before()), can);
    }
}

#[test]
fn bytes_go_when_they_are_old_and_nothing_names_them() {
    let (named, other) = ("a".repeat(64), "b".repeat(64));
    let names = BTreeSet::from([named.clone()]);
    for (hex, age, goes) in [
        (&named, 9_999, false),
        (&other, 30, false),
        (&other, 31, true),
    ] {
        assert_eq!(artifact_may_go(hex, days(age), &names, &before()), goes);
    }
}

#[test]
fn digests_and_runs_are_found_in_any_text() {
    let hex = "0a".repeat(32);
    let text = format!(
        r#"{{"digest":"sha256:{hex}","run":"r0123456789ab","key":"propose:1:m:v1:rba9876543210","sha":"{}"}}"#,
        "c".repeat(40)
    );
    let found: Vec<&str> = names(&text).collect();
    assert_eq!(found, [&hex[..], "r0123456789ab", "rba9876543210"]);
    for other in [
        "r0123456789aZ",
        "s0123456789ab",
        "r0123456789abc",
        &"G".repeat(64),
    ] {
        assert_eq!(names(other).count(), 0, "{other}");
    }
}

/// A run on a commit of its own that nothing names, `age` days old.
fn run(number: u64, age: i64) -> Seen {
    Seen {
        id: format!("r{number:012x}"),
        repo: RepoId(1),
        sha: CommitSha::parse(&format!("{number:040x}")).unwrap(),
        branch: None,
        model: None,
        pulls: Vec::new(),
        is_active: false,
        is_proposable: false,
        has_letters: false,
        created_ms: days(age),
        ended_ms: days(age),
    }
}

fn main() -> BranchName {
    BranchName::parse("main").unwrap()
}

fn words() -> Words {
    Words {
        default_branches: [(RepoId(1), main())].into(),
        ..Words::default()
    }
}

/// Whether the first of these goes, and whether what it made is of use.
fn first(all: &[Seen], words: &Words) -> (bool, bool) {
    let found = runs(all, words, &before());
    (
        found.go.iter().any(|ids| ids.contains(&all[0].id)),
        found.used.contains(&all[0].id),
    )
}

#[test]
fn a_run_goes_by_age() {
    assert_eq!(first(&[run(1, 29)], &words()), (false, true));
    assert_eq!(first(&[run(1, 31)], &words()), (false, false));
    assert_eq!(first(&[run(1, 90)], &words()), (false, false));
    assert_eq!(first(&[run(1, 91)], &words()), (true, false));
}

#[test]
fn what_is_at_work_or_named_stays_with_its_bytes() {
    let active = Seen {
        is_active: true,
        ..run(1, 400)
    };
    assert_eq!(
        first(std::slice::from_ref(&active), &words()),
        (false, true)
    );
    let both = [active, run(2, 1)];
    let over = runs(&both, &words(), &before()).over;
    assert_eq!(over, [run(2, 1).id].into());
    let mut named = words();
    named.names.insert(run(1, 400).id);
    assert_eq!(first(&[run(1, 400)], &named), (false, true));
    let undone = Seen {
        has_letters: true,
        ..run(1, 400)
    };
    assert_eq!(first(&[undone], &words()), (false, false));
}

#[test]
fn what_stands_for_deleted_versions_alone_keeps_no_bytes() {
    let digest = |text: &str| Digest::of(text.as_bytes());
    let made = |bytes: &str, number, is_deleted| Made {
        digest: digest(bytes),
        run: run(number, 0).id,
        service: RepoId(2),
        training: RepoId(1),
        is_deleted,
    };
    let all = [
        made("one", 1, true),
        made("two", 2, false),
        made("two", 3, true),
    ];
    let deleted = only_deleted(&all);
    let hex = |text: &str| digest(text).hex().to_owned();
    let want = [hex("one"), run(1, 0).id, run(3, 0).id];
    assert_eq!(deleted, want.into());

    let mut words = words();
    words.names = [hex("one"), hex("two"), run(1, 0).id, run(2, 0).id].into();
    assert_eq!(first(&[run(1, 400)], &words), (false, true));
    words.deleted = deleted;
    assert_eq!(words.of_bytes(), [hex("two"), run(2, 0).id].into());
    // Its row stays, and so does what is younger than its bytes need be.
    assert_eq!(first(&[run(1, 400)], &words), (false, false));
    assert_eq!(first(&[run(1, 1)], &words), (false, false));
    assert_eq!(first(&[run(2, 400)], &words), (false, true));
    // Work under way may have been given them.
    words.at_work = [run(1, 0).id].into();
    assert_eq!(first(&[run(1, 400)], &words), (false, true));
    assert!(words.of_bytes().contains(&run(1, 0).id));
}

#[test]
fn runs_of_one_commit_go_together() {
    let again = |age| Seen {
        sha: run(1, 0).sha,
        ..run(2, age)
    };
    assert_eq!(first(&[run(1, 400), again(5)], &words()), (false, false));
    assert_eq!(first(&[run(1, 400), again(95)], &words()), (true, false));
    let go = runs(&[run(1, 400), run(3, 400), again(95)], &words(), &before()).go;
    let both = [run(1, 0).id, run(2, 0).id].into();
    assert_eq!(go, [both, [run(3, 0).id].into()]);
    let elsewhere = Seen {
        repo: RepoId(2),
        ..again(5)
    };
    assert_eq!(first(&[run(1, 400), elsewhere], &words()), (true, false));
}

#[test]
fn runs_of_an_open_pull_request_stay_and_the_bytes_of_its_newest_commit() {
    let of_pull = |number, age| Seen {
        pulls: vec![PrNumber(7)],
        ..run(number, age)
    };
    let mut open = words();
    open.open.insert((RepoId(1), PrNumber(7)));
    assert_eq!(first(&[of_pull(1, 400)], &words()), (true, false));
    assert_eq!(first(&[of_pull(1, 400)], &open), (false, true));
    let superseded = [of_pull(1, 400), of_pull(2, 300)];
    assert_eq!(first(&superseded, &open), (false, false));
    let beside = Seen {
        sha: run(2, 0).sha,
        ..of_pull(1, 400)
    };
    assert_eq!(first(&[beside, of_pull(2, 300)], &open), (false, true));
}

#[test]
fn the_newest_runs_of_the_default_branch_stay_and_the_bytes_of_its_head() {
    let pushed = |number, age| Seen {
        branch: Some(main()),
        ..run(number, age)
    };
    assert_eq!(first(&[pushed(1, 400)], &words()), (false, true));
    assert_eq!(
        first(&[pushed(1, 400), pushed(2, 300)], &words()),
        (false, false)
    );
    let mut all = vec![pushed(1, 400)];
    all.extend(
        (2..)
            .take(BRANCH_RUNS_MAX)
            .map(|number| pushed(number, 300)),
    );
    assert_eq!(first(&all, &words()), (true, false));
    assert_eq!(first(&all[..BRANCH_RUNS_MAX], &words()), (false, false));
    let side = Seen {
        branch: Some(BranchName::parse("side").unwrap()),
        ..run(1, 400)
    };
    assert_eq!(first(std::slice::from_ref(&side), &words()), (true, false));
    // Nobody knows which branch is the default one of a repository that is not shown now.
    assert_eq!(first(&[side], &Words::default()), (false, true));
}

#[test]
fn the_run_that_may_be_the_next_version_stays() {
    let passed = |number, age| Seen {
        branch: Some(main()),
        model: Some(Slug::parse("digits").unwrap()),
        is_proposable: true,
        ..run(number, age)
    };
    let failed = |number: u64| Seen {
        is_proposable: false,
        ..passed(number, 100)
    };
    let later: Vec<Seen> = (10..).take(BRANCH_RUNS_MAX).map(failed).collect();
    let with_later = |mut some: Vec<Seen>| {
        some.extend(later.clone());
        some
    };
    assert_eq!(
        first(&with_later(vec![passed(1, 400)]), &words()),
        (false, true)
    );
    let overtaken = with_later(vec![passed(1, 400), passed(2, 300)]);
    assert_eq!(first(&overtaken, &words()), (true, false));
    // An old commit that is run again is not newer than one that came after it.
    let again = Seen {
        sha: run(2, 0).sha,
        ..passed(3, 200)
    };
    let old = Seen {
        is_proposable: false,
        ..passed(2, 390)
    };
    assert_eq!(
        first(&with_later(vec![passed(1, 380), old, again]), &words()),
        (false, true)
    );
}

#[test]
fn what_went_is_told_in_one_line() {
    let swept = Swept {
        runs: 2,
        artifact_bytes: 10,
        ..Swept::default()
    };
    assert!(!swept.is_nothing() && Swept::default().is_nothing());
    assert!(swept.shown().starts_with("2 runs, 0 effects"));
}
