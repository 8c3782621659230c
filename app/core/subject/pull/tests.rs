//! A small pull request, and what one look at it says.

mod acting;
mod asking;
mod computing;
mod contexts;
mod dating;
mod editing;
mod enqueueing;
mod following;
mod four_eyes;
mod helping;
mod keeping;
mod knowing;
mod landing;
mod leaving;
mod naming;
mod overriding;
mod owning;
mod picking;
mod pool_limits;
mod pooling;
mod promoting;
mod prow;
mod prow_acts;
mod prow_comments;
mod prow_people;
mod prow_rights;
mod queueing;
mod remembering;
mod retargeting;
mod revoking;
mod ruling;
mod summing;
mod talking;
mod trusting;
mod unreading;
mod withdrawing;

use super::*;
use crate::effect::Hint;
use crate::subject::Act;
use crate::subject::ask::{Answer, Changes, Comment, PullView, Query};
use crate::subject::run::{Cause, Phase, Run, Trigger, What};
use crate::subject::testing::*;

/// `#7` of `ada`: one file of the training repository, `a…` to `b…`, trained and checked.
pub(super) struct Change {
    pub(super) world: World,
    pub(super) id: crate::name::RepoId,
    pub(super) view: PullView,
    pub(super) comments: Vec<Comment>,
    pub(super) runs: Vec<Run>,
}

pub(super) const OWNERS: &[(&str, &str)] = &[
    ("", "approvers: [root]\nreviewers: [rita]"),
    ("models", "approvers: [mia, ada]"),
    ("environments", "approvers: [eve, eda]"),
];

impl Change {
    pub(super) fn code() -> Change {
        let mut change = Change::of(crate::subject::testing::TRAINING, "topic", ('a', 'b'));
        change.files(&[("train.py", 'b')]);
        for what in [
            What::Train,
            What::Check(slug("unit")),
            What::Check(slug("lint")),
        ] {
            change.ran('b', what, Phase::Succeeded);
        }
        change
    }

    /// Version 7 on our branch, its service tests passed.
    pub(super) fn proposal() -> Change {
        let mut change = Change::of(SERVICE, "bowsprit/digits", ('1', '2'));
        change.view.author = login("bowsprit[bot]");
        change.files(&[("models/digits/manifest.json", 'b')]);
        change.ran('2', What::Service, Phase::Succeeded);
        let version = crate::effect::Version {
            pr: Some(PrNumber(7)),
            ..version(7, "x")
        };
        change.proposes(vec![version]).pushed_by(Some("ada"));
        change.manifest(7, "x");
        change
    }

    /// The head's manifest names this version, of these bytes.
    pub(super) fn manifest(&mut self, number: u64, bytes: &str) -> &mut Change {
        let query = Query::Models(SERVICE, sha('2'));
        let model = model_at("digits", number, bytes);
        self.world.tell(query, Answer::Models(vec![model]));
        self
    }

    /// The service repository has these versions.
    pub(super) fn proposes(&mut self, versions: Vec<crate::effect::Version>) -> &mut Change {
        let query = Query::Versions(SERVICE, slug("digits"));
        self.world.tell(query, Answer::Versions(versions));
        self
    }

    /// The training commit `a…` was pushed by this one.
    pub(super) fn pushed_by(&mut self, by: Option<&str>) -> &mut Change {
        let mut run = passed('a', "x");
        run.cause.by = by.map(login);
        let query = Query::Runs(TRAINING, sha('a'));
        self.world.tell(query, Answer::Runs(vec![run]));
        self
    }

    fn of(id: crate::name::RepoId, name: &str, (base, head): (char, char)) -> Change {
        let mut world = World::pair();
        world.owners(id, base, OWNERS);
        let text = if id == SERVICE {
            SERVICE_TEXT
        } else {
            TRAINING_TEXT
        };
        world.contract(id, head, text);
        let view = pull_view(id, 7, name, (base, head));
        Change {
            world,
            id,
            view,
            comments: Vec::new(),
            runs: Vec::new(),
        }
    }

    /// The contract of the base has this under `chatops`, and can be read.
    #[track_caller]
    pub(super) fn chatops(&mut self, text: &str) -> &mut Change {
        let text = format!("{TRAINING_TEXT}chatops: {text}\n");
        self.world.contract(TRAINING, 'a', &text);
        let read = self.world.answer(&Query::Contract(TRAINING, sha('a')));
        let is_good = matches!(
            read,
            Answer::Contract(crate::subject::ask::ContractAt::Good(..))
        );
        assert!(is_good, "{read:?}");
        self
    }

    pub(super) fn files(&mut self, files: &[(&str, char)]) -> &mut Change {
        let (base, head) = if self.id == SERVICE {
            ('1', '2')
        } else {
            ('a', 'b')
        };
        self.world.changes(self.id, (base, head), files);
        self
    }

    pub(super) fn ran(&mut self, head: char, what: What, phase: Phase) -> &mut Change {
        let base = sha(if self.id == SERVICE { '1' } else { 'a' });
        let trigger = Trigger::Pull {
            pr: PrNumber(7),
            base,
            retargeted_ms: None,
        };
        self.runs.retain(|run| run.cause.what != what);
        let cause: Cause = cause(self.id, head, what, trigger);
        self.runs.push(run(cause, phase));
        self
    }

    /// Somebody writes a comment; they are numbered from 1.
    pub(super) fn says(&mut self, by: &str, body: &str) -> &mut Change {
        let id = self.comments.len() as u64 + 1;
        self.comments.push(comment(id, by, body));
        self
    }

    pub(super) fn change(&mut self) -> &mut crate::subject::ask::ChangeView {
        self.view.change.as_mut().expect("a pull request")
    }

    pub(super) fn world(&self) -> World {
        let mut world = self.world.clone();
        let head = self
            .view
            .change
            .as_ref()
            .expect("a pull request")
            .head
            .clone();
        world.tell(
            Query::Pull(self.id, PrNumber(7)),
            Answer::Pull(Some(self.view.clone())),
        );
        world.tell(
            Query::Comments(self.id, PrNumber(7)),
            Answer::Comments(self.comments.clone()),
        );
        world.tell(Query::Runs(self.id, head), Answer::Runs(self.runs.clone()));
        world
    }

    /// The first look, after the delivery that told of it.
    pub(super) fn look(&self) -> Act<Pull> {
        let head = self
            .view
            .change
            .as_ref()
            .expect("a pull request")
            .head
            .clone();
        let hint = Hint::Pushed {
            head,
            at_ms: self.view.created_ms,
        };
        self.again(None, vec![hint])
    }

    pub(super) fn again(&self, state: Option<Pull>, hints: Vec<Hint>) -> Act<Pull> {
        self.step(&given(state, hints))
    }

    pub(super) fn step(&self, given: &crate::subject::Given<Pull>) -> Act<Pull> {
        self.step_in(&self.world(), given)
    }

    /// As [`Change::step`], where the world differs from what the change says of itself.
    pub(super) fn step_in(&self, world: &World, given: &crate::subject::Given<Pull>) -> Act<Pull> {
        drive(world, |ask| step(given, (self.id, PrNumber(7)), ask)).expect("a pull request")
    }

    /// Every rule: how it stands, why, and who can meet it.
    pub(super) fn rules(&self) -> String {
        let shown = self.look().state.rules.into_iter().map(|rule| {
            let who: Vec<String> = rule.who.iter().map(ToString::to_string).collect();
            let who = if who.is_empty() {
                String::new()
            } else {
                format!(" [{}]", who.join(" "))
            };
            format!("{:?} {}: {}{who}", rule.state, rule.name, rule.detail)
        });
        shown.collect::<Vec<_>>().join("\n")
    }

    /// The rules whose name starts so.
    pub(super) fn rule(&self, name: &str) -> String {
        let all = self.rules();
        let found: Vec<&str> = all
            .lines()
            .filter(|line| {
                line.split_once(' ')
                    .is_some_and(|(_, rest)| rest.starts_with(name))
            })
            .collect();
        found.join("\n")
    }
}

pub(super) fn cut(changes: &mut Changes) {
    changes.is_cut = true;
}
