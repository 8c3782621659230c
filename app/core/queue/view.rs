//! The tests of a pool as they bear on its members now.

use super::evidence::Evidence;
use super::{Member, Pool, Test, Verdict};
use crate::name::CommitSha;
use std::collections::{BTreeMap, BTreeSet};

/// One test, read for those of its members that have not landed.
#[derive(Debug, Clone)]
pub(super) struct Read {
    /// Its place in the list.
    pub(super) at: usize,
    /// Its members that have not landed, in their order.
    pub(super) rest: Vec<usize>,
    /// Whether it was made over the base as it is now: a green one lets `rest` land.
    pub(super) is_over_base: bool,
    pub(super) verdict: Verdict,
    /// The member that did not merge with those before it.
    conflict: Option<usize>,
}

/// A pool by seats: a member's seat is its place in the order.
#[derive(Debug)]
pub(super) struct View<'a> {
    /// By seat.
    pub(super) members: Vec<&'a Member>,
    /// Seats of those that are neither landed nor out.
    pub(super) present: BTreeSet<usize>,
    /// Tests that still say something.
    pub(super) reads: Vec<Read>,
    /// Tests under way that say nothing any more.
    dead: Vec<usize>,
}

impl<'a> View<'a> {
    pub(super) fn of(pool: &'a Pool, tests: &[Test]) -> View<'a> {
        let mut members: Vec<&Member> = pool.members.iter().collect();
        members.sort_by_key(|member| member.rank());
        // Two pull requests with one head land together; one that landed may be shown as open for a moment.
        let mut heads: BTreeSet<&CommitSha> = pool.landed.iter().map(|one| &one.head).collect();
        members.retain(|member| heads.insert(&member.head));
        let seats: BTreeMap<&CommitSha, usize> = members
            .iter()
            .enumerate()
            .map(|(seat, member)| (&member.head, seat))
            .collect();
        let (mut reads, mut dead) = (Vec::new(), Vec::new());
        for (at, test) in tests.iter().enumerate() {
            match read(pool, &seats, at, test) {
                Some(read) => reads.push(read),
                None if test.verdict == Verdict::Running => dead.push(at),
                None => {}
            }
        }
        View {
            present: (0..members.len()).collect(),
            members,
            reads,
            dead,
        }
    }

    /// As if these were not in the pool: no test with one of them says anything.
    pub(super) fn leave(&mut self, gone: &BTreeSet<usize>) {
        self.present.retain(|seat| !gone.contains(seat));
        self.keep(|read| !read.rest.iter().any(|seat| gone.contains(seat)));
    }

    /// As if these had landed, in this order.
    pub(super) fn land(&mut self, landed: &[usize]) {
        self.present.retain(|seat| !landed.contains(seat));
        for read in &mut self.reads {
            read.is_over_base &= read.rest.starts_with(landed);
            read.rest.retain(|seat| !landed.contains(seat));
        }
        self.keep(|read| !read.rest.is_empty());
    }

    fn keep(&mut self, is_kept: impl Fn(&Read) -> bool) {
        let (kept, gone): (Vec<Read>, Vec<Read>) = self.reads.drain(..).partition(is_kept);
        self.reads = kept;
        let running = gone.iter().filter(|read| read.verdict == Verdict::Running);
        self.dead.extend(running.map(|read| read.at));
    }

    /// The longest row that may land now.
    pub(super) fn longest_green(&self) -> Vec<usize> {
        let green = self
            .reads
            .iter()
            .filter(|read| read.verdict == Verdict::Green && read.is_over_base);
        let longest = green.max_by_key(|read| (read.rest.len(), std::cmp::Reverse(read.at)));
        longest.map(|read| read.rest.clone()).unwrap_or_default()
    }

    /// Tests under way that a green end of would let something land.
    pub(super) fn running(&self) -> impl Iterator<Item = &Read> {
        let reads = self.reads.iter();
        reads.filter(|read| read.verdict == Verdict::Running && read.is_over_base)
    }

    /// Members of each red test.
    pub(super) fn reds(&self) -> impl Iterator<Item = BTreeSet<usize>> {
        let reads = self.reads.iter();
        reads
            .filter(|read| read.verdict == Verdict::Red)
            .map(|read| read.rest.iter().copied().collect())
    }

    /// Red tests of which everything else has landed.
    pub(super) fn reds_alone(&self, seat: usize) -> usize {
        let reads = self.reads.iter();
        reads
            .filter(|read| read.verdict == Verdict::Red && read.rest == [seat])
            .count()
    }

    /// Whether it does not merge into the base, which holds all that it was tried with.
    pub(super) fn conflicts_alone(&self, seat: usize) -> bool {
        self.conflicts()
            .any(|(of, with)| of == seat && with.is_empty())
    }

    /// Members that did not merge, each with those before it that have not landed.
    fn conflicts(&self) -> impl Iterator<Item = (usize, Vec<usize>)> {
        self.reads.iter().filter_map(|read| {
            let of = read.conflict?;
            let before = read.rest.iter().copied().take_while(|seat| *seat != of);
            Some((of, before.collect()))
        })
    }

    /// The list without those that do not merge with the ones before them; they have their turn when these have landed.
    pub(super) fn merging(&self, list: &[usize]) -> Vec<usize> {
        let conflicts: Vec<(usize, Vec<usize>)> = self.conflicts().collect();
        let mut kept: Vec<usize> = Vec::new();
        for seat in list {
            let is_in_the_way = |(of, with): &(usize, Vec<usize>)| {
                of == seat && with.iter().any(|other| kept.contains(other))
            };
            if !conflicts.iter().any(is_in_the_way) {
                kept.push(*seat);
            }
        }
        kept
    }

    /// Tests under way that cannot help any more.
    pub(super) fn useless(&self, evidence: &Evidence) -> Vec<usize> {
        let mut useless = self.dead.clone();
        let running = self
            .reads
            .iter()
            .filter(|read| read.verdict == Verdict::Running)
            .filter(|read| !read.is_over_base || evidence.is_hopeless(&read.rest));
        useless.extend(running.map(|read| read.at));
        useless.sort_unstable();
        useless
    }
}

/// `None` where it says nothing: made over another branch's past, with a head that left, or all of it landed.
fn read(pool: &Pool, seats: &BTreeMap<&CommitSha, usize>, at: usize, test: &Test) -> Option<Read> {
    let from = match test.base == pool.base {
        true => pool.landed.len(),
        false => pool.landed.iter().position(|one| one.onto == test.base)?,
    };
    let since: Vec<&CommitSha> = pool.landed[from..].iter().map(|one| &one.head).collect();
    let conflict = match test.verdict {
        Verdict::Conflict(place) => Some(test.heads.get(place)?),
        Verdict::Running | Verdict::Green | Verdict::Red => None,
    };
    let count = test
        .heads
        .iter()
        .zip(&since)
        .take_while(|(a, b)| a == *b)
        .count();
    let is_over_base = count == since.len();
    let mut rest = Vec::new();
    for head in &test.heads {
        match seats.get(head) {
            Some(seat) => rest.push(*seat),
            None if since.contains(&head) => {}
            None => return None,
        }
    }
    (!rest.is_empty()).then(|| Read {
        at,
        rest,
        is_over_base,
        verdict: test.verdict,
        conflict: conflict.and_then(|head| seats.get(head).copied()),
    })
}
