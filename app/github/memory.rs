//! What GitHub showed, told or took last, so that it need not be asked again.
//!
//! A conversation is kept as it was read; a delivery adds the comment that it carries, and anything else that may have
//! changed it makes it doubtful, until it is read again. So does each tick: a delivery may be lost.
//! What is kept is good enough to answer a person and to show how things stand. Before a merge GitHub itself is read.
//! Of what we wrote, the id is kept by which it is written again.

use crate::github::heard::{Heard, What};
use bowsprit_core::name::{BranchName, CommitSha, Digest, Login, PrNumber, RepoId};
use bowsprit_core::subject::ask::{Comment, PullView};
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Conversations kept at once; beyond it all are dropped, and read again when they are needed.
const THREADS_MAX: usize = 2_000;

/// A conversation with more is read each time. Units: bytes of its comments.
const COMMENTS_BYTES_MAX: usize = 256 * 1024;

/// Ids kept of each kind; beyond it all are dropped, and looked for again when they are needed.
const IDS_MAX: usize = 10_000;

/// A comment that was written longer ago may have been edited since. Units: milliseconds.
const FRESH_MS: i64 = 60_000;

/// Which conversation.
pub(crate) type Key = (RepoId, PrNumber);

/// What is kept; it ends with the process.
#[derive(Debug, Default)]
pub struct Memory {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    threads: HashMap<Key, Thread>,
    /// Our status comments: id, and digest of the text.
    comments: HashMap<Key, (u64, Digest)>,
    /// Our check runs by `external_id`: id, and digest of what they say.
    checks: HashMap<(RepoId, String), (u64, Digest)>,
    /// Labels that a repository has.
    labels: HashSet<(RepoId, String)>,
}

#[derive(Debug, Default)]
struct Thread {
    /// How often something was heard of it: what was read before that is not kept.
    heard: u64,
    pull: Option<PullView>,
    comments: Option<Vec<Comment>>,
    /// The head that a delivery told of; GitHub may still answer with the one before.
    head: Option<CommitSha>,
    /// How often we changed its labels, and which ones it had then.
    labels: (u64, Vec<String>),
}

/// When a read began, among what was heard and what we changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    heard: u64,
    labelled: u64,
}

impl Memory {
    /// Takes in what a delivery says.
    pub fn hear(&self, heard: Heard, now_ms: i64) {
        let mut kept = self.kept();
        let Some(number) = heard.number else {
            if let What::Branch(branch) = &heard.what {
                kept.doubt_branch(heard.repo, branch);
            }
            return;
        };
        // Of what was never read, nothing can become untrue.
        let Some(thread) = kept.threads.get_mut(&(heard.repo, number)) else {
            return;
        };
        thread.heard += 1;
        match heard.what {
            What::Comment(comment) if now_ms - comment.created_ms < FRESH_MS => {
                thread.add(*comment)
            }
            What::Head(head, view) => {
                // It was on its way while we changed labels, perhaps.
                let labels = thread.pull.take().map(|known| known.labels);
                thread.pull = view
                    .zip(labels)
                    .map(|(view, labels)| PullView { labels, ..*view });
                thread.head = Some(head);
            }
            What::Assignees(people) => thread.assign(people),
            What::Comment(_) | What::Branch(_) | What::Other => thread.doubt(),
        }
    }

    /// Doubts everything: deliveries may have been lost.
    pub fn doubt_all(&self) {
        for thread in self.kept().threads.values_mut() {
            thread.heard += 1;
            thread.doubt();
        }
    }

    /// Doubts one conversation: we changed it.
    pub(crate) fn doubt(&self, key: Key) {
        if let Some(thread) = self.kept().threads.get_mut(&key) {
            thread.heard += 1;
            thread.doubt();
        }
    }

    /// Now, for [`Memory::keep_pull`] and [`Memory::keep_comments`].
    pub(crate) fn moment(&self, key: Key) -> Moment {
        let mut kept = self.kept();
        let thread = kept.thread(key);
        Moment {
            heard: thread.heard,
            labelled: thread.labels.0,
        }
    }

    /// The pull request, where it is not doubtful; whether it can be merged may not be computed yet, which nobody tells.
    pub(crate) fn pull(&self, key: Key) -> Option<PullView> {
        let kept = self.kept();
        let thread = kept.threads.get(&key)?;
        let view = thread.pull.as_ref()?;
        let change = view.change.as_ref()?;
        let is_known = view.is_open && thread.head.as_ref().is_none_or(|head| *head == change.head);
        is_known.then(|| view.clone())
    }

    /// The comments, where they are not doubtful.
    pub(crate) fn comments(&self, key: Key) -> Option<Vec<Comment>> {
        self.kept().threads.get(&key)?.comments.clone()
    }

    /// Keeps what a read that began then brought.
    pub(crate) fn keep_pull(&self, key: Key, began: Moment, view: Option<&PullView>) {
        let mut kept = self.kept();
        let thread = kept.thread(key);
        thread.pull = view.filter(|_| thread.heard == began.heard).cloned();
        if let Some(view) = &mut thread.pull
            && thread.labels.0 != began.labelled
        {
            view.labels.clone_from(&thread.labels.1);
        }
    }

    /// Keeps what a read that began then brought.
    pub(crate) fn keep_comments(&self, key: Key, began: Moment, comments: &[Comment]) {
        let bytes: usize = comments.iter().map(|one| one.body.len()).sum();
        let mut kept = self.kept();
        let thread = kept.thread(key);
        let is_good = thread.heard == began.heard && bytes <= COMMENTS_BYTES_MAX;
        thread.comments = is_good.then(|| comments.to_vec());
    }

    /// The labels that are on it, where the pull request is not doubtful.
    pub(crate) fn labels(&self, key: Key) -> Option<Vec<String>> {
        let kept = self.kept();
        let view = kept.threads.get(&key)?.pull.as_ref()?;
        Some(view.labels.clone())
    }

    /// The label is not on it, says GitHub.
    pub(crate) fn drop_label(&self, key: Key, name: &str) {
        if let Some(mut labels) = self.labels(key) {
            labels.retain(|label| !label.eq_ignore_ascii_case(name));
            self.keep_labels(key, labels);
        }
    }

    /// The labels are these now, says GitHub's answer to our change of them.
    pub(crate) fn keep_labels(&self, key: Key, labels: Vec<String>) {
        if let Some(thread) = self.kept().threads.get_mut(&key) {
            if let Some(view) = &mut thread.pull {
                view.labels.clone_from(&labels);
            }
            thread.labels = (thread.labels.0 + 1, labels);
        }
    }

    /// It is assigned to these people now, says GitHub's answer to our change of them.
    pub(crate) fn keep_assignees(&self, key: Key, people: Vec<Login>) {
        if let Some(thread) = self.kept().threads.get_mut(&key) {
            thread.assign(people);
        }
    }

    /// Our status comment.
    pub(crate) fn status_comment(&self, key: Key) -> Option<(u64, Digest)> {
        self.kept().comments.get(&key).cloned()
    }

    /// Our status comment has this id and says this; `None` where it is not there.
    pub(crate) fn keep_status_comment(&self, key: Key, found: Option<(u64, Digest)>) {
        put(&mut self.kept().comments, key, found);
    }

    /// Our check run of this `external_id`.
    pub(crate) fn check(&self, repo: RepoId, external_id: &str) -> Option<(u64, Digest)> {
        let key = (repo, external_id.to_owned());
        self.kept().checks.get(&key).cloned()
    }

    /// Our check run of this `external_id` has this id and says this; `None` where it is not there.
    pub(crate) fn keep_check(&self, repo: RepoId, external_id: &str, found: Option<(u64, Digest)>) {
        let key = (repo, external_id.to_owned());
        put(&mut self.kept().checks, key, found);
    }

    /// Whether the repository has the label, as far as we know.
    pub(crate) fn has_label(&self, repo: RepoId, name: &str) -> bool {
        self.kept().labels.contains(&(repo, name.to_owned()))
    }

    /// The repository has the label, or not.
    pub(crate) fn keep_label(&self, repo: RepoId, name: &str, is_there: bool) {
        let mut kept = self.kept();
        let key = (repo, name.to_owned());
        if !is_there {
            kept.labels.remove(&key);
            return;
        }
        if kept.labels.len() >= IDS_MAX {
            kept.labels.clear();
        }
        kept.labels.insert(key);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn thread(&mut self, key: Key) -> &mut Thread {
        if self.threads.len() >= THREADS_MAX && !self.threads.contains_key(&key) {
            self.threads.clear();
        }
        self.threads.entry(key).or_default()
    }

    /// A push to a branch: pull requests to it may conflict. Of those from it another delivery tells.
    fn doubt_branch(&mut self, repo: RepoId, branch: &BranchName) {
        let of_repo = self.threads.iter_mut().filter(|((of, _), _)| *of == repo);
        for (_, thread) in of_repo {
            let change = thread.pull.as_ref().and_then(|view| view.change.as_ref());
            if change.is_none_or(|change| change.base == *branch) {
                thread.heard += 1;
                thread.pull = None;
            }
        }
    }
}

impl Thread {
    fn doubt(&mut self) {
        (self.pull, self.comments) = (None, None);
    }

    fn assign(&mut self, people: Vec<Login>) {
        if let Some(view) = &mut self.pull {
            view.assignees = people;
        }
    }

    fn add(&mut self, comment: Comment) {
        if let Some(view) = &mut self.pull {
            view.is_untouched = false;
        }
        if let Some(comments) = &mut self.comments
            && !comments.iter().any(|one| one.id == comment.id)
        {
            comments.push(comment);
        }
    }
}

fn put<K: std::hash::Hash + Eq>(
    ids: &mut HashMap<K, (u64, Digest)>,
    key: K,
    found: Option<(u64, Digest)>,
) {
    if ids.len() >= IDS_MAX {
        ids.clear();
    }
    match found {
        Some(found) => ids.insert(key, found),
        None => ids.remove(&key),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use bowsprit_core::name::CommentId;
    use bowsprit_core::subject::ask::ChangeView;

    const KEY: Key = (RepoId(1), PrNumber(7));

    fn sha(digit: char) -> CommitSha {
        CommitSha::parse(&digit.to_string().repeat(40)).unwrap()
    }

    fn branch(name: &str) -> BranchName {
        BranchName::parse(name).unwrap()
    }

    fn view(head: char, is_mergeable: Option<bool>) -> PullView {
        PullView {
            number: KEY.1,
            change: Some(ChangeView {
                head: sha(head),
                branch: branch("work"),
                head_repo: Some(KEY.0),
                base: branch("main"),
                base_sha: sha('0'),
                is_draft: false,
                is_mergeable,
                is_blocked: false,
                merged: None,
            }),
            author: Login::parse("linus").unwrap(),
            is_open: true,
            title: "t".to_owned(),
            body: String::new(),
            created_ms: 0,
            is_untouched: true,
            labels: Vec::new(),
            assignees: Vec::new(),
        }
    }

    fn comment(id: u64, created_ms: i64) -> Comment {
        Comment {
            id: CommentId::Comment(id),
            author: Login::parse("ada").unwrap(),
            is_bot: false,
            body: "/hold".to_owned(),
            created_ms,
            is_edited: false,
            head: None,
        }
    }

    fn heard(what: What) -> Heard {
        let number = (!matches!(what, What::Branch(_))).then_some(KEY.1);
        let repo = KEY.0;
        Heard { repo, number, what }
    }

    /// A memory that has just read the conversation.
    fn warm() -> Memory {
        let memory = Memory::default();
        let at = memory.moment(KEY);
        memory.keep_pull(KEY, at, Some(&view('a', Some(true))));
        memory.keep_comments(KEY, at, &[comment(1, 0)]);
        assert!(memory.pull(KEY).is_some() && memory.comments(KEY).is_some());
        memory
    }

    /// What is still known after something was heard: the pull request, and how many comments.
    fn after(what: What) -> (bool, Option<usize>) {
        let memory = warm();
        memory.hear(heard(what), FRESH_MS + 1_000);
        let comments = memory.comments(KEY).map(|all| all.len());
        (memory.pull(KEY).is_some(), comments)
    }

    #[test]
    fn a_fresh_comment_is_added_and_all_else_makes_it_doubtful() {
        let new = |id, at| What::Comment(Box::new(comment(id, at)));
        assert_eq!(after(new(2, FRESH_MS)), (true, Some(2)));
        assert_eq!(after(new(1, FRESH_MS)), (true, Some(1)), "heard twice");
        assert_eq!(after(new(2, 0)), (false, None), "it may be edited by now");
        assert_eq!(after(What::Other), (false, None));
        assert_eq!(after(What::Branch(branch("main"))), (false, Some(1)));
        assert_eq!(after(What::Branch(branch("work"))), (true, Some(1)));
        assert_eq!(after(What::Head(sha('b'), None)), (false, Some(1)));
        assert_eq!(after(What::Branch(branch("else"))), (true, Some(1)));
        let memory = warm();
        memory.doubt_all();
        assert_eq!((memory.pull(KEY), memory.comments(KEY)), (None, None));
    }

    #[test]
    fn an_answer_from_before_what_was_heard_is_not_kept() {
        let memory = warm();
        let before = memory.moment(KEY);
        memory.hear(heard(What::Comment(Box::new(comment(2, 0)))), 0);
        memory.keep_comments(KEY, before, &[comment(1, 0)]);
        assert_eq!(memory.comments(KEY), None);
    }

    #[test]
    fn labels_that_we_put_on_stand_against_an_answer_from_before() {
        let memory = warm();
        let before = memory.moment(KEY);
        memory.keep_labels(KEY, vec!["lgtm".to_owned()]);
        let labels = |memory: &Memory| memory.pull(KEY).map(|view| view.labels);
        assert_eq!(labels(&memory), Some(vec!["lgtm".to_owned()]));
        memory.keep_pull(KEY, before, Some(&view('a', Some(true))));
        assert_eq!(labels(&memory), Some(vec!["lgtm".to_owned()]));
        let after = memory.moment(KEY);
        memory.keep_pull(KEY, after, Some(&view('a', Some(true))));
        assert_eq!(labels(&memory), Some(Vec::new()));
    }

    #[test]
    fn a_push_is_taken_as_told() {
        let memory = warm();
        let told = Box::new(view('b', None));
        memory.hear(heard(What::Head(sha('b'), Some(told))), 10_000);
        let kept = memory.pull(KEY).and_then(|view| view.change);
        assert_eq!(kept.map(|change| change.head), Some(sha('b')));
    }

    #[test]
    fn a_head_before_the_one_told_of_is_asked_again() {
        let memory = warm();
        memory.hear(heard(What::Head(sha('b'), None)), 0);
        let reads = [
            ('a', Some(true), false),
            ('b', None, true),
            ('b', Some(false), true),
        ];
        for (head, is_mergeable, is_kept) in reads {
            memory.keep_pull(KEY, memory.moment(KEY), Some(&view(head, is_mergeable)));
            assert_eq!(memory.pull(KEY).is_some(), is_kept, "{head}");
        }
    }
}
