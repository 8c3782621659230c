//! A branch, its pull requests and its test runners, with a clock that jumps from event to event.

use super::queue::{Decision, Landed, Limits, Member, Pool, Test, Verdict, decide};
use super::{CommitSha, PrNumber};
use std::collections::BTreeSet;

/// What one call that merges takes: GitHub asks for a second between writes. Units: milliseconds.
pub(crate) const MERGE_MS: i64 = 1_000;

/// A queue that needs more events than this does not end.
const EVENTS_MAX: usize = 100_000;

/// One world.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    /// Pull requests, all ready at the beginning.
    pub(crate) count: u64,
    /// Numbers of those with which every test is red.
    pub(crate) bad: BTreeSet<u64>,
    /// Units: milliseconds.
    pub(crate) test_ms: i64,
    /// Tests of a hundred that are red for no reason.
    pub(crate) flakes_percent: u64,
    pub(crate) limits: Limits,
    /// Another one, another chance.
    pub(crate) seed: u64,
}

/// How it went.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Ending {
    /// When the last one landed. Units: milliseconds.
    pub(crate) landed_ms: i64,
    /// In the order in which they landed.
    pub(crate) landed: Vec<u64>,
    /// Those that were put out.
    pub(crate) out: Vec<u64>,
    /// Tests that were started.
    pub(crate) tests: usize,
}

struct World<'a> {
    setting: &'a Setting,
    now_ms: i64,
    chance: u64,
    pool: Pool,
    tests: Vec<Test>,
    /// Of the test at the same place: when it ends, and how.
    ends: Vec<(i64, Verdict)>,
    /// What merges now, and when it has.
    merging: Option<(u64, i64)>,
    ending: Ending,
}

/// Plays until nobody is in the pool any more.
pub(crate) fn play(setting: &Setting) -> Ending {
    let members = (1..=setting.count).map(|number| Member {
        number: PrNumber(number),
        head: sha(number),
        priority: 0,
        ready_ms: 0,
        attempts: 0,
    });
    let mut world = World {
        setting,
        now_ms: 0,
        chance: setting.seed,
        pool: Pool {
            base: sha(1_000_000),
            landed: Vec::new(),
            members: members.collect(),
        },
        tests: Vec::new(),
        ends: Vec::new(),
        merging: None,
        ending: Ending::default(),
    };
    for _ in 0..EVENTS_MAX {
        let decision = decide(&world.pool, &world.tests, setting.limits);
        world.obey(decision);
        if world.pool.members.is_empty() {
            return world.ending;
        }
        world.go_on();
    }
    panic!("it does not end: {setting:?}");
}

impl World<'_> {
    fn obey(&mut self, decision: Decision) {
        for out in &decision.out {
            self.pool.members.retain(|one| one.number != out.number);
            self.ending.out.push(out.number.0);
        }
        // From the end, so that places before it stay.
        for at in decision.cancel.iter().rev() {
            self.tests.remove(*at);
            self.ends.remove(*at);
        }
        for start in decision.start {
            let verdict = self.verdict(&start.heads);
            self.tests.push(Test {
                base: start.base,
                heads: start.heads,
                verdict: Verdict::Running,
            });
            self.ends
                .push((self.now_ms + self.setting.test_ms, verdict));
            self.ending.tests += 1;
        }
        let running = self
            .tests
            .iter()
            .filter(|one| one.verdict == Verdict::Running);
        assert!(running.count() <= self.setting.limits.at_once);
        if self.merging.is_none()
            && let Some(next) = decision.merge.first()
        {
            self.merging = Some((next.0, self.now_ms + MERGE_MS));
        }
    }

    /// To the next thing that happens, and all that happens at that moment.
    fn go_on(&mut self) {
        let running = self.tests.iter().zip(&self.ends);
        let running = running.filter(|(test, _)| test.verdict == Verdict::Running);
        let ends = running.map(|(_, (at_ms, _))| *at_ms);
        let next = ends.chain(self.merging.map(|(_, at_ms)| at_ms)).min();
        self.now_ms = next.expect("something is under way while somebody waits");
        for (test, (at_ms, verdict)) in self.tests.iter_mut().zip(&self.ends) {
            if *at_ms <= self.now_ms {
                test.verdict = *verdict;
            }
        }
        if let Some((number, at_ms)) = self.merging
            && at_ms <= self.now_ms
        {
            self.merging = None;
            self.land(number);
        }
    }

    fn land(&mut self, number: u64) {
        self.pool.landed.push(Landed {
            onto: self.pool.base.clone(),
            head: sha(number),
        });
        self.pool.base = sha(1_000_000 + self.pool.landed.len() as u64);
        self.pool.members.retain(|one| one.number.0 != number);
        self.ending.landed.push(number);
        self.ending.landed_ms = self.now_ms;
    }

    fn verdict(&mut self, heads: &[CommitSha]) -> Verdict {
        let mut bad = self.setting.bad.iter();
        let is_bad = bad.any(|number| heads.contains(&sha(*number)));
        match is_bad || self.roll() < self.setting.flakes_percent {
            true => Verdict::Red,
            false => Verdict::Green,
        }
    }

    /// A number below a hundred: splitmix64, which is enough to be even and the same everywhere.
    fn roll(&mut self) -> u64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.chance;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % 100
    }
}

fn sha(number: u64) -> CommitSha {
    CommitSha::parse(&format!("{number:040x}")).expect("a name of a commit")
}
