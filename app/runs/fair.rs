//! Whose turn it is: repositories take turns, so that a busy one does not keep the others waiting.

use bowsprit_core::name::RepoId;
use std::collections::{BTreeMap, VecDeque};

/// A stage that waits for a slot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Waiting {
    /// Whose turn it would take.
    pub(super) repo: RepoId,
    /// Its place among those of the same repository.
    pub(super) seq: u64,
    /// Its id.
    pub(super) stage: String,
}

/// What a repository has had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Share {
    /// Its stages at work.
    pub(super) running: usize,
    /// When it had a turn last, by number; 0 for never.
    pub(super) last_turn: u64,
}

/// The waiting stages in the order in which they get a slot: the repository with the fewest at work is next,
/// of equals the one whose turn is longest ago, of those the one that asked first.
pub(super) fn order(mut waiting: Vec<Waiting>, mut shares: BTreeMap<RepoId, Share>) -> Vec<String> {
    waiting.sort();
    let mut lines: BTreeMap<RepoId, VecDeque<Waiting>> = BTreeMap::new();
    for one in waiting {
        lines.entry(one.repo).or_default().push_back(one);
    }
    let mut turn = shares
        .values()
        .map(|share| share.last_turn)
        .max()
        .unwrap_or(0);
    let mut order = Vec::new();
    loop {
        let next = lines
            .iter()
            .filter_map(|(repo, line)| {
                let share = shares.get(repo).copied().unwrap_or_default();
                Some((share, line.front()?.seq, *repo))
            })
            .min();
        let Some((_, _, repo)) = next else {
            return order;
        };
        turn += 1;
        let share = shares.entry(repo).or_default();
        share.running += 1;
        share.last_turn = turn;
        order.extend(
            lines
                .get_mut(&repo)
                .and_then(VecDeque::pop_front)
                .map(|one| one.stage),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(waiting: &[(u64, &str)], shares: &[(u64, usize, u64)], wanted: &str) {
        let waiting = waiting.iter().zip(1..).map(|((repo, stage), seq)| Waiting {
            repo: RepoId(*repo),
            seq,
            stage: (*stage).to_owned(),
        });
        let shares = shares.iter().map(|(repo, running, last_turn)| {
            let share = Share {
                running: *running,
                last_turn: *last_turn,
            };
            (RepoId(*repo), share)
        });
        assert_eq!(order(waiting.collect(), shares.collect()).join(" "), wanted);
    }

    #[test]
    fn repositories_take_turns() {
        let queue = [(1, "a1"), (1, "a2"), (1, "a3"), (2, "b1"), (2, "b2")];
        check(&queue, &[], "a1 b1 a2 b2 a3");
        check(&queue, &[(1, 0, 1)], "b1 a1 b2 a2 a3");
        check(&queue, &[(1, 2, 1), (2, 0, 9)], "b1 b2 a1 a2 a3");
        check(&[], &[], "");
    }
}
