//! Words that keep something back, and those that let it go on, as they were heard.
//!
//! Whoever may write in a repository may edit and delete what others wrote, and dismiss their reviews. A word that lets something pass is void
//! then; one that keeps it back must not be, or a change could pass by it.

use crate::command::Say;
use crate::name::{CommentId, Login};
use serde::{Deserialize, Serialize};

/// Most words that are remembered; of each person the newest of each kind.
pub const NOES_MAX: usize = 500;

/// A word that was heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct No {
    /// The comment or review that it stood in.
    pub id: CommentId,
    /// When it was written. Units: milliseconds since 1970, UTC.
    pub at_ms: i64,
    /// Who wrote it.
    pub by: Login,
    /// What.
    pub word: NoWord,
}

/// What is remembered of a comment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoWord {
    /// Do not merge for now, and why.
    Hold(Option<String>),
    /// Merge may go on: else an edit of this would hold it again.
    Unhold,
    /// The change is not good, after all.
    LgtmCancel,
    /// It may not enter the speaker's files, after all.
    ApproveCancel,
    /// Nothing of it may run, after all.
    OkToTestCancel,
}

impl NoWord {
    fn of(say: Say) -> Option<NoWord> {
        match say {
            Say::Hold { reason } => Some(NoWord::Hold(reason)),
            Say::Unhold => Some(NoWord::Unhold),
            Say::LgtmCancel => Some(NoWord::LgtmCancel),
            Say::ApproveCancel => Some(NoWord::ApproveCancel),
            Say::OkToTestCancel => Some(NoWord::OkToTestCancel),
            Say::Lgtm | Say::Approve { .. } | Say::OkToTest { .. } => None,
        }
    }

    /// As it was heard.
    pub(super) fn say(&self) -> Say {
        match self {
            NoWord::Hold(reason) => Say::Hold {
                reason: reason.clone(),
            },
            NoWord::Unhold => Say::Unhold,
            NoWord::LgtmCancel => Say::LgtmCancel,
            NoWord::ApproveCancel => Say::ApproveCancel,
            NoWord::OkToTestCancel => Say::OkToTestCancel,
        }
    }

    /// Whether it is this word.
    pub(super) fn is_of(&self, say: &Say) -> bool {
        NoWord::of(say.clone()).is_some_and(|word| word.is_like(self))
    }

    fn is_like(&self, other: &NoWord) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// Remembers a word, where it is one of these; the same look says the same again.
pub(super) fn keep(noes: &mut Vec<No>, say: Say, no: impl FnOnce(NoWord) -> No) {
    let Some(no) = NoWord::of(say).map(no) else {
        return;
    };
    let is_same = |one: &No| one.by.is(&no.by) && one.word.is_like(&no.word);
    match noes.iter().position(is_same) {
        Some(at) if (noes[at].at_ms, noes[at].id) > (no.at_ms, no.id) => {}
        // Behind what stood before it in its comment: of one comment the order is the meaning.
        Some(at) => {
            noes.remove(at);
            noes.push(no);
        }
        None if noes.len() < NOES_MAX => noes.push(no),
        None => {}
    }
}
