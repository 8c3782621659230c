//! A folder of somebody's as a commit: what git would take of it now, committed or not, put into a mirror of ours.
//!
//! The folder's own repository, if it has one, is neither read nor written; its `.gitignore` is obeyed.

use crate::git::mirror::Mirrors;
use anyhow::Context as _;
use bowsprit_core::name::{CommitSha, RepoId};
use git2::{IndexAddOption, Repository, Signature};
use std::path::{Path, PathBuf};

/// Who a commit of a folder is by.
const AUTHOR: (&str, &str) = ("working copy", "working-copy@localhost");

impl Mirrors {
    /// Takes a folder in, but for what lies below `except`. The same files are the same commit.
    ///
    /// Errors: the folder cannot be read, or the mirror cannot be written.
    pub async fn take_in(
        &self,
        repo: RepoId,
        dir: &Path,
        except: Option<&Path>,
    ) -> anyhow::Result<CommitSha> {
        let (mirror, dir) = (self.path(repo), dir.to_owned());
        let except = except.and_then(|path| path.strip_prefix(&dir).ok().map(Path::to_owned));
        let taken = tokio::task::spawn_blocking(move || take_in(&mirror, &dir, except.as_deref()));
        taken.await.context("reading the folder ended early")?
    }
}

fn take_in(mirror: &PathBuf, dir: &Path, except: Option<&Path>) -> anyhow::Result<CommitSha> {
    let cannot = || format!("cannot take in `{}`", dir.display());
    let git = Repository::init_bare(mirror).with_context(cannot)?;
    git.set_workdir(dir, false).with_context(cannot)?;
    let mut index = git.index().with_context(cannot)?;
    index.clear().with_context(cannot)?;
    let mut skip =
        |path: &Path, _: &[u8]| i32::from(except.is_some_and(|not| path.starts_with(not)));
    index
        .add_all(["*"], IndexAddOption::DEFAULT, Some(&mut skip))
        .with_context(cannot)?;
    let tree = index.write_tree().with_context(cannot)?;
    let tree = git.find_tree(tree).with_context(cannot)?;
    let (name, mail) = AUTHOR;
    // Its time is none, so that the same files are the same commit.
    let author = Signature::new(name, mail, &git2::Time::new(0, 0)).with_context(cannot)?;
    let made = git.commit(None, &author, &author, "the working copy", &tree, &[]);
    Ok(CommitSha::parse(&made.with_context(cannot)?.to_string())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_same_files_are_the_same_commit_and_what_is_ignored_is_none_of_it() {
        let (home, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mirror = home.path().join("1.git");
        let take = |except: Option<&str>| {
            let except = except.map(Path::new);
            take_in(&mirror, dir.path(), except).unwrap()
        };
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("train.py", "1");
        write(".gitignore", "*.log\n");
        let first = take(None);
        write("run.log", "noise");
        write(".git/config", "[core]\nbare = maybe\n");
        assert_eq!(take(None), first);
        write("outputs/model.bin", "weights");
        assert_eq!(take(Some("outputs")), first);
        assert_ne!(take(None), first);
        fs::remove_dir_all(dir.path().join("outputs")).unwrap();
        assert_eq!(take(None), first);
        write("train.py", "2");
        assert_ne!(take(None), first);
    }
}
