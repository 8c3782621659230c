//! Whatever happens: nothing lands untested, it ends, and who is good lands.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Steps after which a pool of a dozen must have come to its end.
const STEPS_MAX: usize = 2_000;

/// Something that happens.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// The nth test under way ends.
    Ends(usize),
    /// The next of the row merges.
    Merges,
    /// Another one is ready, with this priority.
    Comes(u32),
    /// The nth member leaves.
    Leaves(usize),
    /// Somebody pushes to the branch.
    Push,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => (0..4_usize).prop_map(Event::Ends),
        4 => Just(Event::Merges),
        4 => (0..2_u32).prop_map(Event::Comes),
        1 => (0..8_usize).prop_map(Event::Leaves),
        1 => Just(Event::Push),
    ];
    prop::collection::vec(event, 0..60)
}

#[derive(Debug)]
struct World {
    limits: Limits,
    bad: BTreeSet<char>,
    /// The later one does not merge on top of the earlier one.
    conflicts: BTreeSet<(char, char)>,
    pool: Pool,
    tests: Vec<Test>,
    /// What each base is made of, by its commit; a push is one letter more.
    trees: Vec<(CommitSha, String)>,
    pushes: u32,
    came: u32,
}

impl World {
    fn tree(&self, base: &CommitSha) -> String {
        let found = self.trees.iter().find(|(commit, _)| commit == base);
        found.expect("a base").1.clone()
    }

    fn move_base(&mut self, tree: String) {
        let commit = CommitSha::parse(&format!("{:040x}", 1_000_000 + self.trees.len())).unwrap();
        self.trees.push((commit.clone(), tree));
        self.pool.base = commit;
    }

    fn is_bad(&self, heads: &str) -> bool {
        heads.chars().any(|head| self.bad.contains(&head))
    }

    /// The first of these that does not merge.
    fn conflict(&self, base: &CommitSha, heads: &str) -> Option<usize> {
        let mut before = self.tree(base);
        heads.chars().position(|head| {
            let is_in_the_way = before
                .chars()
                .any(|other| self.conflicts.contains(&(other.min(head), other.max(head))));
            before.push(head);
            is_in_the_way
        })
    }

    fn happens(&mut self, event: Event, row: &[PrNumber]) {
        match event {
            Event::Ends(nth) => {
                let running = self.tests.iter().enumerate();
                let running = running.filter(|(_, one)| one.verdict == Verdict::Running);
                let Some(at) = running.map(|(at, _)| at).nth(nth) else {
                    return;
                };
                let heads: String = self.tests[at].heads.iter().map(letter).collect();
                self.tests[at].verdict = match self.is_bad(&heads) {
                    true => Verdict::Red,
                    false => Verdict::Green,
                };
            }
            Event::Merges => {
                if let Some(number) = row.first() {
                    self.merge(*number);
                }
            }
            Event::Comes(priority) if self.came < 12 => {
                self.came += 1;
                let head = char::from_u32(u32::from('A') + self.came).unwrap();
                self.pool.members.push(Member {
                    priority,
                    ready_ms: i64::from(self.came),
                    ..member(head)
                });
            }
            Event::Comes(_) => {}
            Event::Leaves(nth) => {
                if nth < self.pool.members.len() {
                    self.pool.members.remove(nth);
                }
            }
            Event::Push => {
                self.pushes += 1;
                let push = char::from_digit(self.pushes % 10, 10).unwrap();
                let tree = self.tree(&self.pool.base) + &push.to_string();
                self.pool.landed.clear();
                self.move_base(tree);
            }
        }
    }

    fn merge(&mut self, number: PrNumber) {
        let at = self
            .pool
            .members
            .iter()
            .position(|one| one.number == number);
        let member = self.pool.members.remove(at.expect("a member"));
        self.pool.landed.push(Landed {
            onto: self.pool.base.clone(),
            head: member.head.clone(),
        });
        let tree = self.tree(&self.pool.base) + &letter(&member.head).to_string();
        self.move_base(tree);
    }

    /// One look: what was decided holds, and is carried out but for the merges.
    fn look(&mut self) -> Result<Decision, TestCaseError> {
        let done = decide(&self.pool, &self.tests, self.limits);
        let numbers: Vec<char> = done
            .merge
            .iter()
            .map(|n| char::from_u32(n.0 as u32 + 64).unwrap())
            .collect();
        if !numbers.is_empty() {
            let wanted = self.tree(&self.pool.base) + &numbers.iter().collect::<String>();
            let green = self
                .tests
                .iter()
                .filter(|one| one.verdict == Verdict::Green);
            let mut trees = green.map(|one| {
                self.tree(&one.base) + &one.heads.iter().map(letter).collect::<String>()
            });
            prop_assert!(
                trees.any(|tree| tree == wanted),
                "{wanted} was never tested"
            );
        }
        for out in &done.out {
            self.pool.members.retain(|one| one.number != out.number);
            let head = char::from_u32(out.number.0 as u32 + 64).unwrap();
            let is_in_the_way = self.conflict(&self.pool.base, &head.to_string()).is_some();
            match out.why {
                Why::Red { .. } => prop_assert!(self.bad.contains(&head), "{head} is good"),
                Why::Conflict => prop_assert!(is_in_the_way, "{head} merges"),
                Why::Refused { .. } => prop_assert!(false, "nothing was refused"),
            }
        }
        for at in done.cancel.iter().rev() {
            prop_assert_eq!(self.tests[*at].verdict, Verdict::Running);
            self.tests.remove(*at);
        }
        for start in &done.start {
            let heads: String = start.heads.iter().map(letter).collect();
            let verdict = match self.conflict(&start.base, &heads) {
                Some(at) => Verdict::Conflict(at),
                None => Verdict::Running,
            };
            self.tests.push(Test {
                base: start.base.clone(),
                heads: start.heads.clone(),
                verdict,
            });
        }
        let running = self
            .tests
            .iter()
            .filter(|one| one.verdict == Verdict::Running);
        prop_assert!(running.count() <= self.limits.at_once);
        Ok(done)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn nothing_lands_untested_it_ends_and_who_is_good_lands(
        (at_once, batch) in (1..5_usize, 1..10_usize),
        bad in prop::collection::btree_set(proptest::char::range('B', 'M'), 0..4),
        pairs in prop::collection::btree_set((proptest::char::range('B', 'M'), proptest::char::range('B', 'M')), 0..4),
        events in events(),
    ) {
        let conflicts = pairs.into_iter().filter(|(a, b)| a < b).collect();
        let mut world = World {
            limits: Limits { at_once, batch },
            bad,
            conflicts,
            pool: pool("", ""),
            tests: Vec::new(),
            trees: vec![(sha('0'), String::new())],
            pushes: 0,
            came: 0,
        };
        for event in events {
            let done = world.look()?;
            world.happens(event, &done.merge);
        }
        let mut steps = 0;
        while !world.pool.members.is_empty() {
            steps += 1;
            prop_assert!(steps < STEPS_MAX, "it does not end: {world:?}");
            let done = world.look()?;
            match done.merge.is_empty() {
                true => world.happens(Event::Ends(0), &[]),
                false => world.happens(Event::Merges, &done.merge),
            }
        }
        // What was still under way is cancelled, and then there is nothing to do.
        world.look()?;
        prop_assert_eq!(world.look()?, Decision::default());
    }
}
