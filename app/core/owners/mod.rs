//! OWNERS files: who may approve what.
//!
//! The files are those of the base branch, never of the change that is judged.
//! Logins are compared in lower case; whether somebody is still a collaborator is not known here.
//!
//! One folder is special: what lies under `environments/` is approved only by people whom that folder itself names,
//! because its files decide what runs where. Without an OWNERS file there, nobody approves them.

mod codeowners;
mod file;
#[cfg(test)]
mod tests;

use crate::name::{Login, RepoPath};
pub use codeowners::{BYTES_MAX as CODE_BYTES_MAX, CodeOwner, CodeOwners};
use file::{People, Rules};
use std::collections::{BTreeMap, BTreeSet};

/// Most OWNERS files that are read.
pub const FILES_MAX: usize = 1_000;
/// Filters of all files together beyond which nobody owns anything; compiled ones take memory.
pub const PATTERNS_MAX: usize = 500;
/// Largest OWNERS or OWNERS_ALIASES file. Units: bytes.
pub const FILE_BYTES_MAX: usize = 64 * 1024;
/// The folder whose files do not inherit approvers from above.
pub const ENVIRONMENTS: &str = "environments";

/// The file of the root that names groups of people.
const ALIASES: &str = "OWNERS_ALIASES";

/// An OWNERS file as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnersFile<'a> {
    /// Its folder without slashes at the ends; empty for the root.
    pub dir: &'a str,
    /// Its text.
    pub text: &'a str,
}

impl OwnersFile<'_> {
    fn path(&self) -> String {
        match self.dir {
            "" => "OWNERS".to_owned(),
            dir => format!("{dir}/OWNERS"),
        }
    }
}

/// Where GitHub looks for its own file, in its order.
pub const CODE_OWNERS: [&str; 3] = [".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"];

/// Whether a file is one that says who owns what.
pub fn is_owners(path: &RepoPath) -> bool {
    let is_root = path.as_str() == ALIASES || CODE_OWNERS.contains(&path.as_str());
    is_root || path.as_str().rsplit('/').next() == Some("OWNERS")
}

/// Something wrong in an OWNERS file; the rest of the file counts as far as it can be read.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct OwnersProblem {
    /// The file.
    pub path: String,
    /// Units: lines from 1.
    pub line: u32,
    /// What is wrong.
    pub message: String,
}

/// Files that still need somebody's approval.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Pending {
    /// The folder whose owners are asked; empty for the root.
    pub dir: String,
    /// Who may approve all of these files; empty when nobody may.
    pub approvers: BTreeSet<Login>,
}

/// All OWNERS files of a repository.
#[derive(Debug, Clone, Default)]
pub struct Owners {
    rules: BTreeMap<String, Rules>,
    /// Whether there was a file, readable or not: a broken one must not open the repository to everybody.
    is_owned: bool,
    /// GitHub's own file, where there is no OWNERS.
    code: CodeOwners,
    problems: Vec<OwnersProblem>,
    /// Whether nobody can approve, since the files cannot be known whole.
    is_beyond: bool,
}

impl Owners {
    /// Reads every file; what cannot be read is left out and stands among the [`Owners::problems`].
    ///
    /// A file that is no YAML counts as if it were not there, so that the folder above can approve its repair.
    pub fn parse(files: &[OwnersFile<'_>], aliases: Option<&str>) -> Owners {
        let mut problems = Vec::new();
        let aliases = match aliases.map(|text| file::read_aliases(text, &mut problems)) {
            None => file::Aliases::new(),
            Some(Ok(read)) => read,
            // Nobody is named by them.
            Some(Err(problem)) if files.is_empty() => {
                problems.push(problem);
                file::Aliases::new()
            }
            Some(Err(problem)) => return Owners::closed(problem),
        };
        let mut rules = BTreeMap::new();
        let mut patterns = 0;
        for (index, file) in files.iter().enumerate() {
            if index >= FILES_MAX || patterns >= PATTERNS_MAX {
                // What is left out could name other people than the folders above it do.
                return Owners::cut(
                    file.path(),
                    format!(
                        "this file and those after it are not read, so nobody can approve: at most {FILES_MAX} files and {PATTERNS_MAX} filters are; put those of several folders together"
                    ),
                );
            }
            if let Some(read) = file::read(file, &aliases, &mut problems) {
                if read.is_cut {
                    return Owners::cut(
                        file.path(),
                        format!(
                            "it has more than {} filters, so nobody can approve; put several together",
                            file::FILTERS_MAX
                        ),
                    );
                }
                patterns += read.patterns();
                rules.insert(file.dir.to_owned(), read);
            }
        }
        Owners {
            rules,
            is_owned: !files.is_empty(),
            code: CodeOwners::default(),
            problems,
            is_beyond: false,
        }
    }

    /// Those of a repository with more files than are read: nobody owns anything, for a rule may be among the others.
    pub fn beyond(files_max: usize) -> Owners {
        Owners::cut(
            "OWNERS".to_owned(),
            format!(
                "there are more than {files_max} OWNERS files, so nobody can approve; put those of several folders together by `filters`"
            ),
        )
    }

    fn cut(path: String, message: String) -> Owners {
        let line = 1;
        Owners::closed(OwnersProblem {
            path,
            line,
            message,
        })
    }

    /// Nobody can approve, for this reason.
    fn closed(problem: OwnersProblem) -> Owners {
        Owners {
            is_owned: true,
            problems: vec![problem],
            is_beyond: true,
            ..Owners::default()
        }
    }

    /// Whether nobody can approve, since the files cannot be known whole.
    pub fn is_beyond(&self) -> bool {
        self.is_beyond
    }

    /// What is wrong in the files.
    pub fn problems(&self) -> &[OwnersProblem] {
        &self.problems
    }

    /// Those of GitHub's `CODEOWNERS` at this path, in a repository without an OWNERS file; where the file cannot be known
    /// whole nobody can approve, for it may name others.
    pub fn of_code(path: &str, text: &str) -> Owners {
        match CodeOwners::parse(text) {
            Ok(code) => Owners {
                code,
                ..Owners::default()
            },
            Err((line, why)) => Owners::without_code(path, line, &why),
        }
    }

    /// Those of a repository whose `CODEOWNERS` is there and cannot be read: nobody can approve, for it may name somebody.
    pub fn of_unreadable_code(path: &str, why: &str) -> Owners {
        Owners::without_code(path, 1, why)
    }

    fn without_code(path: &str, line: u32, why: &str) -> Owners {
        let message = format!(
            "{why}, so nobody can approve; a file (no link) of UTF-8 with at most {} MiB and {} patterns is read, and OWNERS files go before it; merge the repair at GitHub",
            codeowners::BYTES_MAX >> 20,
            codeowners::LINES_MAX,
        );
        let path = path.to_owned();
        Owners::closed(OwnersProblem {
            path,
            line,
            message,
        })
    }

    /// Whether anybody is named by `CODEOWNERS`.
    pub fn has_code_owners(&self) -> bool {
        !self.code.is_empty()
    }

    /// Who agrees to the file by `CODEOWNERS`; `None` where nobody is named.
    pub fn code_owner(&self, path: &RepoPath) -> Option<&CodeOwner> {
        self.code.of(path)
    }

    /// Whether the person is named anywhere: cheaper to know than for which files.
    pub fn names(&self, login: &Login) -> bool {
        let login = login.lower();
        let mut all = self.rules.values().flat_map(Rules::everybody);
        all.any(|people| {
            [
                &people.approvers,
                &people.reviewers,
                &people.required_reviewers,
            ]
            .iter()
            .any(|list| list.contains(&login))
        }) || self.code.names(&login)
    }

    /// Whether there is no OWNERS file at all; one that cannot be read is one.
    pub fn is_empty(&self) -> bool {
        !self.is_owned
    }

    /// Who may approve the file, in lower case.
    pub fn approvers(&self, path: &RepoPath) -> BTreeSet<Login> {
        self.people(
            path,
            |people| &people.approvers,
            approval_boundary(path.as_str()),
        )
    }

    /// Who is asked to review the file, in lower case.
    pub fn reviewers(&self, path: &RepoPath) -> BTreeSet<Login> {
        self.people(path, |people| &people.reviewers, "")
    }

    /// Who is asked to review the file, those nearest to it first, in lower case.
    pub fn reviewers_by_distance(&self, path: &RepoPath) -> Vec<BTreeSet<Login>> {
        let mut levels = Vec::new();
        for dir in ancestors(parent(path.as_str()), "") {
            let Some(rules) = self.rules.get(dir) else {
                continue;
            };
            let found: BTreeSet<Login> = rules
                .matching(below(dir, path.as_str()))
                .flat_map(|people| people.reviewers.iter().cloned())
                .collect();
            if !found.is_empty() {
                levels.push(found);
            }
            if rules.no_parent_owners && !levels.is_empty() {
                break;
            }
        }
        levels
    }

    /// Who is always asked to review the file, in lower case.
    pub fn required_reviewers(&self, path: &RepoPath) -> BTreeSet<Login> {
        self.people(path, |people| &people.required_reviewers, "")
    }

    /// Labels that a change of the file gets.
    pub fn labels(&self, path: &RepoPath) -> BTreeSet<String> {
        ancestors(parent(path.as_str()), "")
            .filter_map(|dir| self.rules.get(dir).map(|rules| (dir, rules)))
            .flat_map(|(dir, rules)| rules.matching(below(dir, path.as_str())))
            .flat_map(|people| people.labels.iter().cloned())
            .collect()
    }

    /// Whether the person's `/lgtm` counts by OWNERS: approver or reviewer of any of these files.
    pub fn may_lgtm(&self, login: &Login, paths: &[RepoPath]) -> bool {
        let Some(login) = lower(login.as_str()) else {
            return false;
        };
        paths.iter().any(|path| {
            self.approvers(path).contains(&login) || self.reviewers(path).contains(&login)
        })
    }

    /// What is still to be approved, by folder; empty when every file has an approver among `approved_by`.
    ///
    /// No paths are never pending: whether a change without files may merge is decided elsewhere.
    /// A folder whose files the approvers of a pending folder above can approve as well is not named on its own.
    pub fn pending(&self, paths: &[RepoPath], approved_by: &BTreeSet<Login>) -> Vec<Pending> {
        let approved_by: BTreeSet<Login> = approved_by
            .iter()
            .filter_map(|login| lower(login.as_str()))
            .collect();
        let mut pending = BTreeSet::new();
        for path in paths {
            let dir = self.owning_dir(path);
            let approvers = self.approvers(path);
            if self.is_free(dir, path) || !approvers.is_disjoint(&approved_by) {
                continue;
            }
            pending.insert(Pending {
                dir: dir.to_owned(),
                approvers,
            });
        }
        pending
            .iter()
            .filter(|one| !pending.iter().any(|other| covers(other, one)))
            .cloned()
            .collect()
    }

    /// Whom to ask so that everything pending is approved: the fewest people, those nearest to the files first.
    ///
    /// `not` are left out, such as the author. The same question has the same answer; of equals `seed` decides, so that
    /// not everybody asks the first by name.
    pub fn suggest(&self, pending: &[Pending], not: &BTreeSet<Login>, seed: u64) -> Vec<Login> {
        let not: BTreeSet<Login> = not
            .iter()
            .filter_map(|login| lower(login.as_str()))
            .collect();
        let mut open: Vec<(&Pending, BTreeSet<Login>)> = pending
            .iter()
            .map(|one| (one, self.nearest(one, &not)))
            .filter(|(_, people)| !people.is_empty())
            .collect();
        let mut chosen = Vec::new();
        while !open.is_empty() {
            let candidates: BTreeSet<&Login> = open.iter().flat_map(|(_, people)| people).collect();
            let weight = |login: &Login| {
                open.iter()
                    .filter(|(one, _)| one.approvers.contains(login))
                    .count()
            };
            let most = candidates.iter().map(|login| weight(login)).max();
            let equals: Vec<&Login> = candidates
                .into_iter()
                .filter(|login| Some(weight(login)) == most)
                .collect();
            let turn = usize::try_from(seed).unwrap_or(0) % equals.len().max(1);
            let Some(best) = equals.get(turn).copied().cloned() else {
                break;
            };
            open.retain(|(one, _)| !one.approvers.contains(&best));
            chosen.push(best);
        }
        chosen
    }

    /// The people of the nearest folder who may approve and are not left out.
    fn nearest(&self, pending: &Pending, not: &BTreeSet<Login>) -> BTreeSet<Login> {
        let able: BTreeSet<Login> = pending.approvers.difference(not).cloned().collect();
        let leaf = ancestors(&pending.dir, "")
            .filter_map(|dir| self.rules.get(dir))
            .map(|rules| {
                rules
                    .everybody()
                    .flat_map(|people| &people.approvers)
                    .filter(|login| able.contains(login))
                    .cloned()
                    .collect()
            })
            .find(|people: &BTreeSet<Login>| !people.is_empty());
        leaf.unwrap_or(able)
    }

    /// The union of a list up to the root; a folder without parent owners ends it once somebody is found.
    fn people(
        &self,
        path: &RepoPath,
        list: fn(&People) -> &BTreeSet<Login>,
        boundary: &str,
    ) -> BTreeSet<Login> {
        let mut found = BTreeSet::new();
        for dir in ancestors(parent(path.as_str()), boundary) {
            let Some(rules) = self.rules.get(dir) else {
                continue;
            };
            found.extend(
                rules
                    .matching(below(dir, path.as_str()))
                    .flat_map(|people| list(people).iter().cloned()),
            );
            if rules.no_parent_owners && !found.is_empty() {
                break;
            }
        }
        found
    }

    /// The nearest folder that names an approver of the file, else the last one that could.
    fn owning_dir<'a>(&self, path: &'a RepoPath) -> &'a str {
        let boundary = approval_boundary(path.as_str());
        let owns = |dir: &&str| {
            self.rules.get(*dir).is_some_and(|rules| {
                rules
                    .matching(below(dir, path.as_str()))
                    .any(|people| !people.approvers.is_empty())
            })
        };
        // The boundary is the root, or the first part of the path itself.
        let last = path.as_str().get(..boundary.len()).unwrap_or_default();
        ancestors(parent(path.as_str()), boundary)
            .find(owns)
            .unwrap_or(last)
    }

    /// Whether the file lies in a folder below that its owners leave to everybody.
    fn is_free(&self, dir: &str, path: &RepoPath) -> bool {
        parent(path.as_str()) != dir
            && self
                .rules
                .get(dir)
                .is_some_and(|rules| rules.auto_approve_unowned_subfolders)
    }
}

/// Whether asking for `one` is needless because `other`, above it, is asked for and may approve both.
fn covers(other: &Pending, one: &Pending) -> bool {
    let is_above = other.dir != one.dir
        && ancestors(&one.dir, approval_boundary(&one.dir)).any(|dir| dir == other.dir);
    is_above && !other.approvers.is_empty() && other.approvers.is_subset(&one.approvers)
}

/// The highest folder whose approvers count for a path.
fn approval_boundary(path: &str) -> &'static str {
    let is_inside = path
        .strip_prefix(ENVIRONMENTS)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if is_inside { ENVIRONMENTS } else { "" }
}

/// A folder and those above it, up to and including `last`.
fn ancestors<'a>(dir: &'a str, last: &str) -> impl Iterator<Item = &'a str> {
    let last_bytes = last.len();
    std::iter::successors(Some(dir), move |dir| {
        (dir.len() > last_bytes).then(|| parent(dir))
    })
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

/// The path as seen from a folder above it.
fn below<'a>(dir: &str, path: &'a str) -> &'a str {
    path.strip_prefix(dir)
        .map_or(path, |rest| rest.trim_start_matches('/'))
}

/// A login as OWNERS files are compared: without `@`, in lower case.
fn lower(text: &str) -> Option<Login> {
    Login::parse(&text.strip_prefix('@').unwrap_or(text).to_ascii_lowercase()).ok()
}
