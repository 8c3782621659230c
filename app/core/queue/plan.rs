//! Which tests a pool wants next.

use super::Limits;
use super::evidence::{Evidence, Suspects, is_within};
use super::view::View;

/// Rows of members to test on top of those that merge now.
pub(super) fn starts(
    view: &View<'_>,
    evidence: &Evidence,
    cancelled: &[usize],
    limits: Limits,
) -> Vec<Vec<usize>> {
    let running: Vec<&[usize]> = view
        .running()
        .filter(|read| !cancelled.contains(&read.at))
        .map(|read| read.rest.as_slice())
        .collect();
    let (slots, batch) = (limits.at_once.max(1), limits.batch.max(1));
    let free = slots.saturating_sub(running.len());
    let plan = Plan {
        view,
        evidence,
        running: &running,
        slots,
        batch,
    };
    let mut wanted: Vec<Vec<usize>> = Vec::new();
    for row in plan.rows() {
        if !row.is_empty() && !wanted.contains(&row) && !running.contains(&row.as_slice()) {
            wanted.push(row);
        }
    }
    if wanted.is_empty() && running.is_empty() {
        // Groups that overlap may forbid every row; one member alone is always worth a test.
        wanted.extend(view.present.first().map(|seat| vec![*seat]));
    }
    wanted.truncate(free);
    wanted
}

struct Plan<'a> {
    view: &'a View<'a>,
    evidence: &'a Evidence,
    running: &'a [&'a [usize]],
    slots: usize,
    batch: usize,
}

impl Plan<'_> {
    /// The most useful first, as many as there are slots.
    fn rows(&self) -> Vec<Vec<usize>> {
        let clean = self.clean();
        let Some(first) = self.evidence.groups.first() else {
            return self.spread(&clean);
        };
        let mut rows = Vec::new();
        if self.slots == 1 && first.seats.len() > 1 {
            // Both need a test of their own, and there is one: a row of both would tell of neither.
            return self.split(&[], first, 1);
        }
        let room = self.batch.saturating_sub(first.seats.len());
        let clean = &clean[..clean.len().min(room.max(self.batch / 2))];
        if !clean.is_empty() {
            rows.push(clean.to_vec());
        }
        for group in &self.evidence.groups {
            let left = self.slots.saturating_sub(rows.len());
            rows.extend(self.split(clean, group, left));
        }
        rows
    }

    /// Those under no suspicion: first the row that is tested already, so that the next test is made on top of it.
    fn clean(&self) -> Vec<usize> {
        let is_clean = |seat: &usize| !self.evidence.names(*seat);
        let rows = self.running.iter().map(|row| {
            let clean = row.iter().copied().take_while(is_clean);
            clean.collect::<Vec<usize>>()
        });
        let mut clean = rows.max_by_key(Vec::len).unwrap_or_default();
        let others = self.view.present.iter().copied().filter(is_clean);
        let others: Vec<usize> = others.filter(|seat| !clean.contains(seat)).collect();
        clean.extend(others);
        let mut clean = self.view.merging(&clean);
        clean.truncate(self.batch);
        clean
    }

    /// All of them, and prefixes that tell where a bad one is and land what comes before it.
    fn spread(&self, clean: &[usize]) -> Vec<Vec<usize>> {
        let mut rows = vec![clean.to_vec()];
        let parts = cuts(clean.len(), self.slots - 1);
        rows.extend(parts.into_iter().map(|cut| clean[..cut].to_vec()));
        rows
    }

    /// Rows that narrow a group down, each on top of the clean ones.
    fn split(&self, clean: &[usize], group: &Suspects, slots: usize) -> Vec<Vec<usize>> {
        let on_top = |seats: &[usize]| {
            let mut row = [clean, seats].concat();
            row.truncate(self.batch);
            self.view.merging(&row)
        };
        if group.seats.len() == 1 {
            return vec![on_top(&group.seats)].into_iter().take(slots).collect();
        }
        let mut rows = Vec::new();
        let is_tried = self.running.iter().any(|row| is_within(&group.seats, row));
        if !group.is_believed() && !is_tried && slots > 0 {
            let again = on_top(&group.seats);
            if !self.evidence.is_in_vain(&again, Some(group)) {
                rows.push(again);
            }
        }
        let cuts = cuts(group.seats.len(), slots.saturating_sub(rows.len()));
        let mut parts: Vec<&[usize]> = cuts.iter().map(|cut| &group.seats[..*cut]).collect();
        parts.push(&group.seats[1..]);
        let parts = parts.into_iter().map(on_top);
        rows.extend(parts.filter(|row| !self.evidence.is_in_vain(row, None)));
        rows.truncate(slots);
        rows
    }
}

/// At most so many places that cut a row into parts as equal as can be.
fn cuts(len: usize, count: usize) -> Vec<usize> {
    let mut cuts: Vec<usize> = (1..=count).map(|i| (len * i).div_ceil(count + 1)).collect();
    cuts.retain(|cut| (1..len).contains(cut));
    cuts.dedup();
    cuts
}
