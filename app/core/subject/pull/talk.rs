//! Everything that people wrote on a pull request or issue, each text as it was first written.
//!
//! Comments of the conversation tell whether they were edited. Descriptions and reviews do not, and a comment on
//! a line is changed by the very submission of its review: somebody else may have changed them, in the name of
//! whom they are by. So those are remembered as they came.

use super::Pull;
use crate::effect::Hint;
use crate::name::CommentId;
use crate::subject::Given;
use crate::subject::ask::{Ask, Comment, PullView, Review};
use serde::{Deserialize, Serialize};

/// Most texts that are remembered.
pub const ORIGINALS_MAX: usize = 500;

/// A description, review or diff comment as it was first written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Original {
    /// Which.
    pub id: CommentId,
    /// The text; empty where no line of it could be a command.
    pub body: String,
}

/// What was written.
pub(super) struct Talk {
    /// Descriptions, comments, diff comments and reviews that may hold commands, oldest first.
    pub(super) comments: Vec<Comment>,
    /// Reviews, for GitHub's box.
    pub(super) reviews: Vec<Review>,
}

impl Talk {
    /// Texts of people as they first wrote them.
    pub(super) fn heard(&self) -> impl Iterator<Item = &Comment> {
        let all = self.comments.iter();
        all.filter(|comment| !comment.is_bot && !comment.is_edited)
    }
}

/// Reads all that was written, and remembers what could be edited unseen.
pub(super) fn talk(
    pull: &mut Pull,
    view: &PullView,
    given: &Given<Pull>,
    ask: &mut Ask,
) -> Option<Talk> {
    let (id, number) = (pull.repo.id, pull.number);
    let comments = ask.kept_comments(id, number);
    let (diff, reviews) = match view.change {
        Some(_) => (ask.diff_comments(id, number), ask.reviews(id, number)),
        None => (Some(Vec::new()), Some(Vec::new())),
    };
    let (mut comments, diff, reviews) = (comments?, diff?, reviews?);
    remember(pull, given);
    if view.is_untouched {
        keep(pull, CommentId::Description(pull.number.0), &view.body);
    }
    for review in &reviews {
        keep(pull, review.id, &review.body);
    }
    for comment in &diff {
        keep(pull, comment.id, &comment.body);
    }
    comments.extend(diff.into_iter().filter_map(|comment| {
        let body = original(pull, comment.id)?;
        Some(Comment { body, ..comment })
    }));
    comments.extend(description(pull, view));
    comments.extend(reviews.iter().filter_map(|review| words_of(pull, review)));
    comments.sort_by_key(|comment| (comment.created_ms, comment.id));
    Some(Talk { comments, reviews })
}

/// Whether a new comment may hold a word about the code itself: that it is good, or may run.
pub(super) fn is_about_the_head(pull: &Pull, talk: &Talk) -> bool {
    let is_word = |line: &str| {
        let line = line.to_ascii_lowercase();
        ["/lgtm", "/approve", "/ok-to-test", "/test", "/override"]
            .iter()
            .any(|word| line.starts_with(word))
    };
    talk.comments.iter().any(|one| {
        let is_new = !one.is_bot && !pull.acted.contains(&one.id);
        is_new && one.body.lines().any(is_word)
    })
}

/// What deliveries told of at the moment of writing.
fn remember(pull: &mut Pull, given: &Given<Pull>) {
    for hint in &given.hints {
        if let Hint::Said { id, body } = hint {
            keep(pull, *id, body);
        }
    }
}

/// Whether further descriptions, reviews and comments on lines are not heard, since no more can be remembered.
pub(super) fn is_full(pull: &Pull) -> bool {
    pull.originals.len() >= ORIGINALS_MAX
}

/// The first text that is seen stands. Beyond the limit none is heard: were the oldest forgotten, what somebody made of
/// it since would be taken for what was first written.
fn keep(pull: &mut Pull, id: CommentId, body: &str) {
    if is_full(pull) || pull.originals.iter().any(|one| one.id == id) {
        return;
    }
    let may_speak = body.lines().any(|line| line.starts_with('/'));
    pull.originals.push(Original {
        id,
        body: if may_speak {
            body.to_owned()
        } else {
            String::new()
        },
    });
}

fn original(pull: &Pull, id: CommentId) -> Option<String> {
    let found = pull.originals.iter().find(|one| one.id == id)?;
    (!found.body.is_empty()).then(|| found.body.clone())
}

fn description(pull: &Pull, view: &PullView) -> Option<Comment> {
    let id = CommentId::Description(pull.number.0);
    Some(Comment {
        id,
        author: view.author.clone(),
        is_bot: view.author.is_bot(),
        body: original(pull, id)?,
        created_ms: view.created_ms,
        is_edited: false,
        head: None,
    })
}

fn words_of(pull: &Pull, review: &Review) -> Option<Comment> {
    Some(Comment {
        id: review.id,
        author: review.author.clone(),
        is_bot: review.is_bot,
        body: original(pull, review.id)?,
        created_ms: review.submitted_ms,
        is_edited: false,
        head: review.commit.clone(),
    })
}
