//! The queue from both sides: what it decides at a moment, and how whole days of it end.

mod any;
mod days;

use super::*;
use expect_test::{Expect, expect};

const WIDE: Limits = Limits {
    at_once: 3,
    batch: 64,
};
const NARROW: Limits = Limits {
    at_once: 1,
    batch: 64,
};

/// A commit by its letter.
fn sha(letter: char) -> CommitSha {
    CommitSha::parse(&format!("{:040x}", u32::from(letter))).unwrap()
}

fn letter(sha: &CommitSha) -> char {
    let code = u32::from_str_radix(sha.as_str(), 16).unwrap();
    char::from_u32(code).unwrap()
}

/// A pull request whose number tells its letter: `A` is 1.
fn member(head: char) -> Member {
    Member {
        number: PrNumber(u64::from(u32::from(head)) - 64),
        head: sha(head),
        priority: 0,
        ready_ms: 0,
        attempts: 0,
    }
}

/// A pool on base `0`, onto which these landed before: each makes the base `0`, `1` and so on.
fn pool(landed: &str, members: &str) -> Pool {
    let bases = '0'..='9';
    let landed: Vec<Landed> = landed
        .chars()
        .zip(bases.clone())
        .map(|(head, onto)| Landed {
            onto: sha(onto),
            head: sha(head),
        })
        .collect();
    Pool {
        base: sha(bases.clone().nth(landed.len()).unwrap()),
        landed,
        members: members.chars().map(member).collect(),
    }
}

/// `0ABC+`: base, heads and verdict (`.` under way, `+` green, `-` red, `!` the last head conflicts).
fn tests(all: &str) -> Vec<Test> {
    let all = all.split_whitespace().map(|one| {
        let mut letters: Vec<char> = one.chars().collect();
        let verdict = match letters.pop().unwrap() {
            '.' => Verdict::Running,
            '+' => Verdict::Green,
            '-' => Verdict::Red,
            '!' => Verdict::Conflict(letters.len() - 2),
            other => panic!("no verdict: {other}"),
        };
        Test {
            base: sha(letters[0]),
            heads: letters[1..].iter().copied().map(sha).collect(),
            verdict,
        }
    });
    all.collect()
}

fn told(pool: &Pool, all: &str, limits: Limits) -> String {
    let tests = tests(all);
    let done = decide(pool, &tests, limits);
    let mut words = Vec::new();
    let name = |number: &PrNumber| char::from_u32(number.0 as u32 + 64).unwrap();
    let out = done.out.iter();
    words.extend(out.map(|out| format!("{} out: {}", name(&out.number), out.why)));
    if !done.merge.is_empty() {
        let row: String = done.merge.iter().map(name).collect();
        words.push(format!("merge {row}"));
    }
    let cancelled = done.cancel.iter().map(|at| {
        let heads: String = tests[*at].heads.iter().map(letter).collect();
        format!("cancel {heads}")
    });
    words.extend(cancelled);
    let started = done.start.iter().map(|start| {
        let heads: String = start.heads.iter().map(letter).collect();
        format!("test {} {heads}", letter(&start.base))
    });
    words.extend(started);
    words.join("\n")
}

#[track_caller]
fn check((landed, members): (&str, &str), all: &str, limits: Limits, wanted: Expect) {
    wanted.assert_eq(&told(&pool(landed, members), all, limits));
}

#[test]
fn a_pool_is_tested_as_a_whole_and_by_its_prefixes() {
    check(("", ""), "", WIDE, expect![""]);
    check(("", "A"), "", WIDE, expect!["test 0 A"]);
    check(("", "ABCDEF"), "", NARROW, expect!["test 0 ABCDEF"]);
    check(
        ("", "ABCDEF"),
        "",
        WIDE,
        expect![[r#"
        test 0 ABCDEF
        test 0 AB
        test 0 ABCD"#]],
    );
    let two = Limits {
        at_once: 2,
        batch: 4,
    };
    check(
        ("", "ABCDEF"),
        "",
        two,
        expect![[r#"
        test 0 ABCD
        test 0 AB"#]],
    );
    // Who comes later is tested on top of what is under way.
    check(
        ("", "ABC"),
        "0B.",
        WIDE,
        expect![[r#"
        test 0 BAC
        test 0 BA"#]],
    );
    check(("", "ABCD"), "0A. 0AB. 0ABC.", WIDE, expect![""]);
}

#[test]
fn green_lands_its_row_and_what_is_on_top_goes_on() {
    check(("", "ABC"), "0AB+ 0ABC.", NARROW, expect!["merge AB"]);
    check(("A", "BC"), "0AB+ 0ABC.", NARROW, expect!["merge B"]);
    check(("AB", "C"), "0AB+ 0ABC.", NARROW, expect![""]);
    check(("AB", "C"), "0AB+ 0ABC+", NARROW, expect!["merge C"]);
    // The longest, whatever shorter ones came to; those under way for less are of no use.
    check(
        ("", "ABC"),
        "0A. 0AB- 0ABC+",
        WIDE,
        expect![[r#"
        merge ABC
        cancel A"#]],
    );
    // A row that landed otherwise was never tested.
    check(("B", "A"), "0AB+", NARROW, expect!["test 1 A"]);
    // Nor was one onto which somebody pushed.
    let mut pushed = pool("", "AB");
    pushed.base = sha('9');
    expect!["test 9 AB"].assert_eq(&told(&pushed, "0AB+", NARROW));
}

#[test]
fn who_leaves_takes_along_only_the_tests_that_they_are_in() {
    check(
        ("", "AC"),
        "0A. 0AB. 0ABC.",
        WIDE,
        expect![[r#"
        cancel AB
        cancel ABC
        test 0 AC"#]],
    );
    check(
        ("", "AC"),
        "0A+ 0AB+ 0ABC+",
        WIDE,
        expect![[r#"
        merge A
        test 0 AC"#]],
    );
    check(
        ("", "AB"),
        "0A. 0AB+ 0ABC.",
        WIDE,
        expect![[r#"
        merge AB
        cancel A
        cancel ABC"#]],
    );
    // A red test with somebody who left accuses nobody.
    check(("", "AB"), "0ABC-", NARROW, expect!["test 0 AB"]);
}

#[test]
fn red_is_tried_again_and_split_until_one_is_left() {
    check(("", "ABCD"), "0ABCD-", NARROW, expect!["test 0 ABCD"]);
    check(("", "ABCD"), "0ABCD- 0ABCD-", NARROW, expect!["test 0 AB"]);
    check(
        ("", "ABCD"),
        "0ABCD- 0ABCD- 0AB-",
        NARROW,
        expect!["test 0 A"],
    );
    check(
        ("", "ABCD"),
        "0ABCD- 0ABCD- 0AB- 0A-",
        NARROW,
        expect!["test 0 BCD"],
    );
    check(
        ("CD", "AB"),
        "0ABCD- 0ABCD- 0AB- 0A-",
        NARROW,
        expect!["test 2 B"],
    );
    check(
        ("CDB", "A"),
        "0ABCD- 0ABCD- 0AB- 0A-",
        NARROW,
        expect![
            "A out: 4 tests with it were red, and everything else in them has landed; push a fix, or `/retest`"
        ],
    );
    check(
        ("", "ABCDEFGH"),
        "0ABCDEFGH-",
        WIDE,
        expect![[r#"
            test 0 ABCDEFGH
            test 0 ABC
            test 0 ABCDEF"#]],
    );
    check(
        ("", "ABCDEFGH"),
        "0ABCDEFGH- 0ABCD-",
        WIDE,
        expect![[r#"
        test 0 EFGH
        test 0 EFGHAB
        test 0 EFGHABC"#]],
    );
    // What is still under way serves as the second try.
    check(
        ("", "ABCDEFGH"),
        "0ABCDEFGH. 0ABCD-",
        WIDE,
        expect![[r#"
        test 0 EFGH
        test 0 EFGHAB"#]],
    );
    // With a second red inside, nobody waits for it.
    check(
        ("", "ABCDEFGH"),
        "0ABCDEFGH. 0ABCDE- 0ABC-",
        WIDE,
        expect![[r#"
            cancel ABCDEFGH
            test 0 DEFGH
            test 0 DEFGHA
            test 0 DEFGHAB"#]],
    );
}

#[test]
fn one_alone_is_told_after_a_second_red() {
    check(("", "A"), "0A-", WIDE, expect!["test 0 A"]);
    check(
        ("", "A"),
        "0A- 0A-",
        WIDE,
        expect![
            "A out: 2 tests with it were red, and everything else in them has landed; push a fix, or `/retest`"
        ],
    );
    check(("", "A"), "0A- 0A+", WIDE, expect!["merge A"]);
    // A test counts once all else in it has landed.
    check(
        ("A", "B"),
        "0AB- 0AB-",
        WIDE,
        expect![
            "B out: 2 tests with it were red, and everything else in them has landed; push a fix, or `/retest`"
        ],
    );
    check(
        ("A", "B"),
        "0AB- 0B-",
        WIDE,
        expect![
            "B out: 2 tests with it were red, and everything else in them has landed; push a fix, or `/retest`"
        ],
    );
    check(("", "AB"), "0AB- 0B-", NARROW, expect!["test 0 A"]);
}

#[test]
fn who_conflicts_waits_for_those_before_it() {
    check(("", "ABC"), "0AB!", NARROW, expect!["test 0 AC"]);
    check(("", "ABC"), "0AB! 0AC+", NARROW, expect!["merge AC"]);
    check(("", "BC"), "0AB!", NARROW, expect!["test 0 BC"]);
    check(
        ("AC", "B"),
        "0AB! 0AC+",
        NARROW,
        expect!["B out: it conflicts with what landed before it; merge or rebase"],
    );
    check(
        ("", "A"),
        "0A!",
        NARROW,
        expect!["A out: it conflicts with what landed before it; merge or rebase"],
    );
}

#[test]
fn refused_merges_come_last_and_end() {
    let mut refused = pool("", "AB");
    refused.members[0].attempts = 1;
    expect!["merge AB"].assert_eq(&told(&refused, "0AB+", NARROW));
    expect!["test 0 BA"].assert_eq(&told(&refused, "", NARROW));
    refused.members[0].attempts = TRIES_MAX;
    expect![[r#"
        A out: GitHub refused to merge it 6 times
        test 0 B"#]]
    .assert_eq(&told(&refused, "", NARROW));
}

#[test]
fn priority_goes_before_readiness_and_readiness_before_the_number() {
    let mut all = pool("", "ABCD");
    all.members[3].priority = 1;
    all.members[0].ready_ms = 5;
    expect!["test 0 DBCA"].assert_eq(&told(&all, "", NARROW));
    // What is under way is not thrown away for it.
    expect![[r#"
        test 0 BDCA
        test 0 BD"#]]
    .assert_eq(&told(&all, "0B.", WIDE));
    let mut twins = pool("", "AB");
    twins.members[1].head = sha('A');
    expect!["test 0 A"].assert_eq(&told(&twins, "", NARROW));
}
