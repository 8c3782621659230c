//! What red tests say of their members.

use super::REDS_MAX;
use super::view::View;
use std::collections::BTreeSet;

/// Members of which at least one is bad, if the test that was red can be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Suspects {
    /// By seat, so in their order.
    pub(super) seats: Vec<usize>,
    /// Red tests that one bad member among them would explain.
    pub(super) times: usize,
}

impl Suspects {
    /// Whether one bad test is no explanation any more. One member alone is told by [`View::reds_alone`].
    pub(super) fn is_believed(&self) -> bool {
        self.seats.len() > 1 && self.times >= REDS_MAX
    }
}

/// Who is under suspicion.
#[derive(Debug)]
pub(super) struct Evidence {
    /// None holds another; the smallest first.
    pub(super) groups: Vec<Suspects>,
}

impl Evidence {
    pub(super) fn of(view: &View<'_>) -> Evidence {
        let reds: Vec<BTreeSet<usize>> = view.reds().collect();
        let mut least: Vec<&BTreeSet<usize>> = reds
            .iter()
            .filter(|red| {
                !reds
                    .iter()
                    .any(|other| other != *red && other.is_subset(red))
            })
            .collect();
        least.sort_by_key(|red| (red.len(), red.first().copied()));
        least.dedup();
        let groups = least.into_iter().map(|group| Suspects {
            seats: group.iter().copied().collect(),
            times: reds.iter().filter(|red| group.is_subset(red)).count(),
        });
        Evidence {
            groups: groups.collect(),
        }
    }

    /// Whether it is under suspicion.
    pub(super) fn names(&self, seat: usize) -> bool {
        self.groups.iter().any(|group| group.seats.contains(&seat))
    }

    /// Whether a test of these would be red, as far as anybody can know.
    pub(super) fn is_hopeless(&self, rest: &[usize]) -> bool {
        let mut believed = self.groups.iter().filter(|group| group.is_believed());
        believed.any(|group| is_within(&group.seats, rest))
    }

    /// Whether it holds everybody of a group other than this one.
    pub(super) fn is_in_vain(&self, rest: &[usize], but: Option<&Suspects>) -> bool {
        let mut groups = self.groups.iter().filter(|group| Some(*group) != but);
        groups.any(|group| is_within(&group.seats, rest))
    }
}

/// Whether all of these are among those.
pub(super) fn is_within(some: &[usize], all: &[usize]) -> bool {
    some.iter().all(|seat| all.contains(seat))
}
