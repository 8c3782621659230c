//! Standing words: lgtm, approval, hold and trust, recomputed from the comments and reviews themselves.

use super::dated::{Covers, Named, covers, named};
use super::noes::{self, No};
use super::talk::Talk;
use super::{Pull, by_hand};
use crate::command::{Command, Say, hear};
use crate::habits::{Habits, Switch};
use crate::name::{CommentId, CommitSha, Digest, Login};
use crate::subject::ask::{Comment, Review, ReviewState};
use std::collections::BTreeSet;

/// A word that stands, and where it was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// Who.
    pub(super) by: Login,
    /// The comment; `None` for GitHub's review box.
    pub(super) comment: Option<CommentId>,
    /// Whether it was said to the change as it is now.
    pub(super) covers: Covers,
    /// Whether it takes back what was said before.
    pub(super) is_cancel: bool,
}

/// Everything said, reduced to what stands.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// About the code, oldest first: of each person the last yes, and the last word that takes every earlier yes back.
    pub(super) lgtm: Vec<Word>,
    /// Last word of each person that is a yes to the files.
    pub(super) approve: Vec<Word>,
    /// Who took an approval back that would otherwise be implied.
    pub(super) approve_cancelled: Vec<Login>,
    /// Who said that no issue is needed; a later plain approval does not take it back.
    pub(super) no_issue: Vec<Login>,
    /// Who holds it, and why.
    pub(super) hold: Option<(Login, Option<String>)>,
    /// Words about whether its code may run, oldest first.
    pub(super) trust: Vec<TrustWord>,
}

impl Words {
    /// Who has approved this change, in lower case.
    pub(super) fn approvers(&self) -> BTreeSet<Login> {
        let said = self.approve.iter();
        said.filter(|word| word.covers == Covers::Yes)
            .map(|word| word.by.lower())
            .collect()
    }
}

/// Somebody's word about whether the code may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TrustWord {
    /// Who.
    pub(super) by: Login,
    /// The head that was named, where one was.
    pub(super) named: Option<Named>,
    /// Whether it takes trust back.
    pub(super) is_cancel: bool,
}

/// Which words survive a push.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sticky {
    pub(super) approve: bool,
    pub(super) lgtm: bool,
}

#[derive(Clone)]
struct Said {
    at_ms: i64,
    id: CommentId,
    by: Login,
    is_comment: bool,
    head: Option<CommitSha>,
    say: Say,
}

/// Reads all comments and reviews; people only, created words only, last word of each person wins.
/// What keeps something back stands though its comment was edited or deleted, or its review dismissed.
/// A hold is lifted by those of whom `may_lift` says so.
pub(super) fn words(
    pull: &Pull,
    (change, sticky): (&Digest, Sticky),
    talk: &Talk,
    habits: &Habits,
    may_lift: &mut dyn FnMut(&Login) -> Option<bool>,
) -> Option<Words> {
    let mut said: Vec<Said> = Vec::new();
    // The box first: commands in a review's own words come after it.
    for review in talk.reviews.iter().filter(|r| !r.is_bot) {
        said.extend(from_box(review, habits));
    }
    for comment in talk.heard() {
        said.extend(from_text(comment, habits));
    }
    let is_heard = |no: &No| {
        said.iter()
            .any(|one| one.id == no.id && no.word.is_of(&one.say))
    };
    let gone: Vec<Said> = pull
        .noes
        .iter()
        .filter(|no| !is_heard(no))
        .map(from_memory)
        .collect();
    said.extend(gone);
    said.extend(by_hand::said(pull, habits).map(|(label, say)| Said {
        at_ms: label.at_ms,
        id: CommentId::Description(pull.number.0),
        by: label.by.clone(),
        is_comment: false,
        head: None,
        say,
    }));
    said.sort_by_key(|one| (one.at_ms, one.id));
    let mut words = Words::default();
    for one in said {
        if matches!(one.say, Say::Unhold) && !may_lift(&one.by)? {
            continue;
        }
        if habits.has(Switch::LgtmActsAsApprove) {
            let (sha, no_issue) = (None, false);
            let also = match one.say {
                Say::Lgtm => Some(Say::Approve { sha, no_issue }),
                Say::LgtmCancel => Some(Say::ApproveCancel),
                Say::Approve { .. }
                | Say::ApproveCancel
                | Say::Hold { .. }
                | Say::Unhold
                | Say::OkToTest { .. }
                | Say::OkToTestCancel => None,
            };
            let also = also.map(|say| Said { say, ..one.clone() });
            if let Some(also) = also {
                take(&mut words, pull, (change, sticky), also);
            }
        }
        take(&mut words, pull, (change, sticky), one);
    }
    Some(words)
}

/// Keeps what holds and takes back, and what lifts it, as it is heard now.
pub(super) fn learn(pull: &mut Pull, talk: &Talk, habits: &Habits) {
    let boxes = talk.reviews.iter().filter(|review| !review.is_bot);
    let boxes = boxes.flat_map(|review| from_box(review, habits));
    let texts = talk.heard().flat_map(|comment| from_text(comment, habits));
    for one in boxes.chain(texts) {
        let (id, at_ms, by, say) = (one.id, one.at_ms, one.by, one.say);
        noes::keep(&mut pull.noes, say, |word| No {
            id,
            at_ms,
            by,
            word,
        });
    }
}

fn from_memory(no: &No) -> Said {
    Said {
        at_ms: no.at_ms,
        id: no.id,
        by: no.by.clone(),
        is_comment: true,
        head: None,
        say: no.word.say(),
    }
}

fn from_text(comment: &Comment, habits: &Habits) -> Vec<Said> {
    let mut lines = comment.body.split(['\n', '\r']);
    if !lines.any(|line| line.starts_with('/')) {
        // Most comments are talk, and each look reads them all.
        return Vec::new();
    }
    let said = hear(&comment.body, habits).into_iter().filter_map(|heard| {
        let Ok(Command::Say(say)) = heard.command else {
            return None;
        };
        Some(Said {
            at_ms: comment.created_ms,
            id: comment.id,
            by: comment.author.clone(),
            is_comment: true,
            head: comment.head.clone(),
            say,
        })
    });
    said.collect()
}

/// What GitHub's box counts as, as far as the habits let it count.
fn from_box(review: &Review, habits: &Habits) -> Vec<Said> {
    let words = match review.state {
        ReviewState::Approved => {
            let (sha, no_issue) = (None, false);
            [Say::Lgtm, Say::Approve { sha, no_issue }]
        }
        ReviewState::ChangesRequested => [Say::LgtmCancel, Say::ApproveCancel],
        ReviewState::Commented | ReviewState::Dismissed => return Vec::new(),
    };
    let say = |say| Said {
        at_ms: review.submitted_ms,
        id: review.id,
        by: review.author.clone(),
        is_comment: false,
        head: review.commit.clone(),
        say,
    };
    let [lgtm, approve] = words;
    let counted = [
        (Switch::ReviewActsAsLgtm, lgtm),
        (Switch::ReviewActsAsApprove, approve),
    ];
    counted
        .into_iter()
        .filter(|(switch, _)| habits.has(*switch))
        .map(|(_, word)| say(word))
        .collect()
}

fn take(words: &mut Words, pull: &Pull, (change, sticky): (&Digest, Sticky), one: Said) {
    let word = |digits: Option<&str>| Word {
        by: one.by.clone(),
        comment: one.is_comment.then_some(one.id),
        covers: covers(pull, change, one.at_ms, one.head.as_ref(), digits),
        is_cancel: false,
    };
    match &one.say {
        Say::Lgtm => {
            // What somebody took back stays back: a later yes of theirs, perhaps to another head, is theirs alone.
            words.lgtm.retain(|w| w.is_cancel || !w.by.is(&one.by));
            let mut word = word(None);
            if sticky.lgtm {
                word.covers = Covers::Yes;
            }
            words.lgtm.push(word);
        }
        Say::LgtmCancel => {
            words.lgtm.retain(|w| !w.by.is(&one.by));
            words.lgtm.push(Word {
                is_cancel: true,
                ..word(None)
            });
        }
        Say::Approve { sha, no_issue } => {
            if *no_issue {
                words.no_issue.push(one.by.clone());
            }
            words.approve.retain(|w| !w.by.is(&one.by));
            words.approve_cancelled.retain(|by| !by.is(&one.by));
            let mut word = word(sha.as_deref());
            if sticky.approve && sha.is_none() {
                word.covers = Covers::Yes;
            }
            words.approve.push(word);
        }
        Say::ApproveCancel => {
            words.approve.retain(|w| !w.by.is(&one.by));
            words.approve_cancelled.retain(|by| !by.is(&one.by));
            words.approve_cancelled.push(one.by.clone());
        }
        Say::Hold { reason } => words.hold = Some((one.by.clone(), reason.clone())),
        Say::Unhold => words.hold = None,
        Say::OkToTest { sha } => words.trust.push(TrustWord {
            by: one.by.clone(),
            named: sha
                .as_deref()
                .map(|digits| named(&pull.heads, digits, one.at_ms)),
            is_cancel: false,
        }),
        Say::OkToTestCancel => words.trust.push(TrustWord {
            by: one.by.clone(),
            named: None,
            is_cancel: true,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::HeadSeen;
    use super::*;
    use crate::habits::Compatibility;
    use crate::name::{PrNumber, Repo, RepoId, RepoName};

    fn sha(digit: char) -> CommitSha {
        CommitSha::parse(&digit.to_string().repeat(40)).unwrap()
    }

    fn pull(heads: &[(char, i64, bool, &str)]) -> Pull {
        let heads = heads
            .iter()
            .map(|(digit, at_ms, is_first, change)| HeadSeen {
                sha: sha(*digit),
                at_ms: *at_ms,
                is_first: *is_first,
                by: None,
                change: Some(Digest::of(change.as_bytes())),
            });
        Pull::new(
            Repo {
                id: RepoId(1),
                name: RepoName::parse("a/b").unwrap(),
            },
            PrNumber(1),
            heads.collect(),
        )
    }

    fn comment(id: u64, by: &str, body: &str, created_ms: i64) -> Comment {
        Comment {
            id: CommentId::Comment(id),
            author: Login::parse(by).unwrap(),
            is_bot: by.ends_with(']'),
            body: body.to_owned(),
            created_ms,
            is_edited: false,
            head: None,
        }
    }

    fn stands(pull: &Pull, change: &str, comments: &[Comment]) -> Vec<(String, Covers)> {
        let talk = Talk {
            comments: comments.to_vec(),
            reviews: Vec::new(),
        };
        let habits = Habits::of(Compatibility::Own);
        let change = Digest::of(change.as_bytes());
        let said_to = (&change, Sticky::default());
        let words = words(pull, said_to, &talk, &habits, &mut |_| Some(true));
        let words = words.expect("nothing is asked");
        words
            .approve
            .into_iter()
            .map(|w| (w.by.to_string(), w.covers))
            .collect()
    }

    #[test]
    fn a_word_belongs_to_the_change_that_its_speaker_saw() {
        let one = pull(&[('a', 1_000, true, "x")]);
        assert_eq!(
            stands(&one, "x", &[comment(1, "grace", "/approve", 1_500)]),
            [("grace".to_owned(), Covers::Yes)]
        );
        let pushed = pull(&[('a', 1_000, true, "x"), ('b', 5_000, false, "y")]);
        assert_eq!(
            stands(&pushed, "y", &[comment(1, "grace", "/approve", 2_000)])[0].1,
            Covers::Changed
        );
        assert_eq!(
            stands(&pushed, "y", &[comment(1, "grace", "/approve", 5_400)])[0].1,
            Covers::Undated
        );
        assert_eq!(
            stands(&pushed, "y", &[comment(1, "grace", "/approve", 6_000)])[0].1,
            Covers::Yes
        );
        let rebased = pull(&[('a', 1_000, true, "x"), ('b', 5_000, false, "x")]);
        assert_eq!(
            stands(&rebased, "x", &[comment(1, "grace", "/approve", 2_000)])[0].1,
            Covers::Yes
        );
        assert_eq!(
            stands(
                &pushed,
                "y",
                &[comment(1, "grace", "/approve bbbbbbb", 5_100)]
            )[0]
            .1,
            Covers::Yes
        );
        assert_eq!(
            stands(
                &pushed,
                "y",
                &[comment(1, "grace", "/approve aaaaaaa", 5_100)]
            )[0]
            .1,
            Covers::Changed
        );
    }

    #[test]
    fn the_last_word_of_each_person_stands() {
        let one = pull(&[('a', 0, true, "x")]);
        let say = |bodies: &[&str]| {
            let comments: Vec<Comment> = bodies
                .iter()
                .enumerate()
                .map(|(i, b)| comment(i as u64, "grace", b, 2_000 + i as i64))
                .collect();
            stands(&one, "x", &comments).len()
        };
        assert_eq!(say(&["/approve", "/approve cancel"]), 0);
        assert_eq!(say(&["/approve cancel", "/approve"]), 1);
        assert_eq!(say(&["> /approve"]), 0);
    }

    #[test]
    fn bots_and_edited_words_do_not_count() {
        let one = pull(&[('a', 0, true, "x")]);
        assert_eq!(
            stands(&one, "x", &[comment(1, "other[bot]", "/approve", 9_000)]),
            []
        );
        let edited = Comment {
            is_edited: true,
            ..comment(1, "grace", "/approve", 9_000)
        };
        assert_eq!(stands(&one, "x", &[edited]), []);
    }
}
