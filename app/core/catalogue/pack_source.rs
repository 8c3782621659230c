//! Packs of others: the git repository that they come from, the commit that they are held at, and what of its tree is taken.
//!
//! Nothing of a source is run or checked out: its tree is judged as git lists it, before a byte of its files is read.

use super::PACK_FILE;
use crate::name::{BranchName, CommitSha, RepoPath};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// How an address of a source begins.
const SCHEMES: [&str; 4] = ["https://", "http://", "ssh://", "file://"];
/// Longest address. Units: bytes.
const URL_BYTES_MAX: usize = 500;
/// The folder of a source whose folders are packs as well as those at its root.
const PACKS_DIR: &str = "packs";
/// Packs that one source may offer.
const PACKS_MAX: usize = 50;
/// Files that a pack may bring, its description among them.
const FILES_MAX: usize = 200;
/// Largest file of a pack. Units: bytes.
pub const PACK_FILE_BYTES_MAX: u64 = 1 << 20;
/// Most that all files of a pack may have together. Units: bytes.
const PACK_BYTES_MAX: u64 = 8 << 20;

/// Sources that are kept for one person or team.
pub const PACK_SOURCES_MAX: usize = 20;
/// Pins that a lock may hold.
pub const PINS_MAX: usize = 200;

/// A git repository that offers packs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackSource {
    /// Its address, such as `https://github.com/acme/packs`.
    pub url: String,
    /// A branch, a tag or a commit; none for its default branch.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub at: Option<BranchName>,
}

/// The commit that a source is held at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// The source.
    pub source: PackSource,
    /// The commit.
    pub commit: CommitSha,
}

/// One file of a source's tree, as git lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// The path, within the pack's folder once a pack is told.
    pub path: RepoPath,
    /// The blob.
    pub id: CommitSha,
}

impl fmt::Display for PackSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)?;
        self.at.as_ref().map_or(Ok(()), |at| write!(f, "#{at}"))
    }
}

impl PackSource {
    /// Reads `URL` or `URL#REF`. Errors: a sentence that says what would work.
    pub fn parse(text: &str) -> Result<PackSource, String> {
        let (url, at) = match text.split_once('#') {
            Some((url, at)) => (url, Some(at)),
            None => (text, None),
        };
        let at = at.map(BranchName::parse).transpose().map_err(|error| {
            format!("{error}; after `#` comes a branch, a tag or a commit of the source")
        })?;
        let url = url.to_owned();
        PackSource { url, at }.checked()
    }

    /// Checks and completes what somebody gave. Errors: a sentence that says what would work.
    pub fn checked(mut self) -> Result<PackSource, String> {
        self.url.truncate(self.url.trim_end_matches('/').len());
        let url = &self.url;
        let rest = SCHEMES.iter().find_map(|scheme| url.strip_prefix(scheme));
        let is_plain = url.len() <= URL_BYTES_MAX
            && url.bytes().all(|b| b.is_ascii_graphic())
            && !url.contains(['#', '?', '\\', '\'', '"', '`']);
        let Some(rest) = rest.filter(|_| is_plain) else {
            return Err(format!(
                "`{}` is no address of packs: write it like https://github.com/acme/packs, perhaps with #BRANCH, #TAG or #COMMIT",
                url.chars().take(80).collect::<String>()
            ));
        };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (who, host) = host.rsplit_once('@').unwrap_or(("", host));
        if who.contains(':') || (!who.is_empty() && !url.starts_with("ssh://")) {
            return Err(
                "leave the login out of the address; git asks its credential helper for it"
                    .to_owned(),
            );
        }
        let is_file = url.starts_with("file://");
        let is_host = host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[');
        if path.is_empty() || (is_file && !host.is_empty()) || (!is_file && !is_host) {
            return Err(format!(
                "`{url}` names no repository: write it like https://github.com/acme/packs or file:///srv/packs.git"
            ));
        }
        Ok(self)
    }

    /// Whether everybody of a team can reach it. Errors: a sentence that says why not.
    pub fn for_team(&self) -> Result<(), String> {
        match self.url.starts_with("file://") {
            true => Err(format!(
                "{self} is a folder of one machine; a team's packs come from a server"
            )),
            false => Ok(()),
        }
    }
}

/// The packs in a tree, each by its folder, with the blobs that it brings; what lies elsewhere is no concern of ours.
///
/// `listing` is what `git ls-tree -r -l -z --full-tree` prints.
/// Errors: a sentence that names what is refused: links, submodules, names that lead elsewhere, and whatever is too large.
pub fn packs_in(listing: &str) -> Result<BTreeMap<String, Vec<Blob>>, String> {
    let rows: Vec<Row<'_>> = listing
        .split_terminator('\0')
        .map(Row::read)
        .collect::<Option<_>>()
        .ok_or("git lists its files in a way that is not understood")?;
    let mut found: BTreeMap<String, Vec<Blob>> = rows
        .iter()
        .filter_map(|row| row.path.strip_suffix(PACK_FILE)?.strip_suffix('/'))
        .filter(|folder| is_pack_folder(folder))
        .map(|folder| (folder.to_owned(), Vec::new()))
        .collect();
    match found.len() {
        0 => {
            return Err(format!(
                "it has no pack: a pack is a folder at its root, or in `{PACKS_DIR}`, with a `{PACK_FILE}`"
            ));
        }
        1..=PACKS_MAX => {}
        many => {
            return Err(format!(
                "it has {many} packs, and {PACKS_MAX} are taken at most"
            ));
        }
    }
    let mut bytes: BTreeMap<&str, u64> = BTreeMap::new();
    for row in &rows {
        let Some((folder, inside)) = row.within(&found) else {
            continue;
        };
        let blob = row.judged(inside)?;
        let sum = bytes.entry(folder).or_default();
        *sum = sum.saturating_add(row.bytes.unwrap_or(u64::MAX));
        let blobs = found.get_mut(folder).ok_or("a pack was lost")?;
        blobs.push(blob);
        if blobs.len() > FILES_MAX || *sum > PACK_BYTES_MAX {
            return Err(format!(
                "the pack `{folder}` is too large: {FILES_MAX} files and {} MiB at most",
                PACK_BYTES_MAX >> 20
            ));
        }
    }
    Ok(found)
}

fn is_pack_folder(folder: &str) -> bool {
    let name = folder
        .strip_prefix(PACKS_DIR)
        .and_then(|rest| rest.strip_prefix('/'));
    folder != PACKS_DIR && !name.unwrap_or(folder).contains('/')
}

/// A row of the listing.
struct Row<'l> {
    mode: &'l str,
    id: &'l str,
    /// None where it is no file. Units: bytes.
    bytes: Option<u64>,
    path: &'l str,
}

impl<'l> Row<'l> {
    /// `MODE TYPE ID SIZE<tab>PATH`. Source: git-ls-tree(1), "Output Format".
    fn read(text: &'l str) -> Option<Row<'l>> {
        let (head, path) = text.split_once('\t')?;
        let words: Vec<&str> = head.split_ascii_whitespace().collect();
        let [mode, _, id, bytes] = words[..] else {
            return None;
        };
        Some(Row {
            mode,
            id,
            bytes: bytes.parse().ok(),
            path,
        })
    }

    /// The pack that it belongs to, and its path there.
    fn within(&self, packs: &BTreeMap<String, Vec<Blob>>) -> Option<(&'l str, &'l str)> {
        let ends = self.path.match_indices('/').map(|(at, _)| at);
        ends.take(2).find_map(|at| {
            let (folder, inside) = self.path.split_at(at);
            let is_pack = packs.contains_key(folder);
            is_pack.then(|| (folder, inside.trim_start_matches('/')))
        })
    }

    fn judged(&self, inside: &str) -> Result<Blob, String> {
        let path = self.path;
        match self.mode {
            "100644" | "100755" => {}
            "120000" => return Err(format!("`{path}` is a link; a pack brings files alone")),
            "160000" => {
                return Err(format!(
                    "`{path}` is a submodule; a pack brings its files itself"
                ));
            }
            mode => return Err(format!("`{path}` has the mode {mode}, which no file has")),
        }
        if self.bytes.is_none_or(|bytes| bytes > PACK_FILE_BYTES_MAX) {
            return Err(format!(
                "`{path}` is larger than {} MiB",
                PACK_FILE_BYTES_MAX >> 20
            ));
        }
        let is_git = |part: &str| {
            part.trim_end_matches(['.', ' '])
                .eq_ignore_ascii_case(".git")
        };
        if inside.split('/').any(is_git) {
            return Err(format!("`{path}` would lie in git's own folder"));
        }
        let path = RepoPath::parse(inside).map_err(|error| error.to_string())?;
        let id = CommitSha::parse(self.id).map_err(|error| error.to_string())?;
        Ok(Blob { path, id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_or_what_would_work_is_said() {
        for (text, url, at) in [
            (
                "https://github.com/acme/packs",
                "https://github.com/acme/packs",
                None,
            ),
            (
                "https://github.com/acme/packs/#v1",
                "https://github.com/acme/packs",
                Some("v1"),
            ),
            (
                "ssh://git@example.org/packs",
                "ssh://git@example.org/packs",
                None,
            ),
            (
                "http://127.0.0.1:3000/a/b#main",
                "http://127.0.0.1:3000/a/b",
                Some("main"),
            ),
            ("file:///srv/packs.git", "file:///srv/packs.git", None),
        ] {
            let source = PackSource::parse(text).expect(text);
            assert_eq!(
                (
                    source.url.as_str(),
                    source.at.as_ref().map(BranchName::as_str)
                ),
                (url, at)
            );
            assert_eq!(PackSource::parse(&source.to_string()).as_ref(), Ok(&source));
            assert_eq!(source.for_team().is_ok(), !text.starts_with("file:"));
        }
        for (text, says) in [
            ("", "is no address of packs"),
            ("acme/packs", "is no address of packs"),
            ("ext::sh -c true", "is no address of packs"),
            ("git@github.com:acme/packs", "is no address of packs"),
            ("https://example.org/a b", "is no address of packs"),
            ("https://example.org/a'b", "is no address of packs"),
            ("--upload-pack=x", "is no address of packs"),
            ("https://me:secret@example.org/packs", "leave the login out"),
            ("https://token@example.org/packs", "leave the login out"),
            ("https://example.org", "names no repository"),
            ("ssh://-oProxyCommand=x/packs", "names no repository"),
            ("file://host/packs", "names no repository"),
            ("https://example.org/packs#", "a branch, a tag or a commit"),
            (
                "https://example.org/packs#-x",
                "a branch, a tag or a commit",
            ),
            (
                "https://example.org/packs#a..b",
                "a branch, a tag or a commit",
            ),
        ] {
            let error = PackSource::parse(text).expect_err(text);
            assert!(error.contains(says), "{text}: {error}");
        }
        assert!(PackSource::parse(&format!("https://x/{}", "a".repeat(600))).is_err());
    }

    /// A listing of `(mode, bytes, path)`.
    fn listing(rows: &[(&str, &str, &str)]) -> String {
        let id = "a".repeat(40);
        rows.iter()
            .map(|(mode, bytes, path)| format!("{mode} blob {id} {bytes:>7}\t{path}\0"))
            .collect()
    }

    #[test]
    fn packs_are_folders_with_a_description() {
        let found = packs_in(&listing(&[
            ("100644", "3", "README.md"),
            ("120000", "3", "docs/link"),
            ("100644", "3", "r-training/pack.yaml"),
            ("100755", "3", "r-training/bin/run.sh"),
            ("100644", "3", "packs/r-service/pack.yaml"),
            ("100644", "3", "packs/r-service/bowsprit.yaml"),
            ("100644", "3", "deep/er/pack.yaml"),
        ]))
        .expect("packs");
        let paths = |folder: &str| -> Vec<&str> {
            found[folder]
                .iter()
                .map(|blob| blob.path.as_str())
                .collect()
        };
        assert_eq!(found.len(), 2);
        assert_eq!(paths("r-training"), ["pack.yaml", "bin/run.sh"]);
        assert_eq!(paths("packs/r-service"), ["pack.yaml", "bowsprit.yaml"]);
        assert!(packs_in("").expect_err("none").contains("no pack"));
        assert!(packs_in("nonsense\0").is_err());
    }

    #[test]
    fn what_is_hostile_is_refused_by_name() {
        let large = (PACK_FILE_BYTES_MAX + 1).to_string();
        for ((mode, bytes, path), says) in [
            (("120000", "9", "p/OWNERS"), "`p/OWNERS` is a link"),
            (("160000", "-", "p/sub"), "is a submodule"),
            (("040000", "-", "p/sub"), "has the mode 040000"),
            (("100644", large.as_str(), "p/big"), "larger than 1 MiB"),
            (("100644", "-", "p/big"), "larger than 1 MiB"),
            (("100644", "9", "p/.git/hooks/x"), "git's own folder"),
            (("100644", "9", "p/sub/.GIT/config"), "git's own folder"),
            (("100644", "9", "p/.git./config"), "git's own folder"),
            (("100644", "9", "p/../../x"), "without `..`"),
            (("100644", "9", "p/a\\b"), "backslashes"),
            (("100644", "9", "p/a\nb"), "control characters"),
        ] {
            let rows = [("100644", "3", "p/pack.yaml"), (mode, bytes, path)];
            let error = packs_in(&listing(&rows)).expect_err(path);
            assert!(error.contains(says), "{path:?}: {error}");
        }
        let mib = PACK_FILE_BYTES_MAX.to_string();
        let of = |count: usize, bytes: &str| {
            let names: Vec<String> = (1..count).map(|n| format!("p/{n}")).collect();
            let mut rows = vec![("100644", bytes, "p/pack.yaml")];
            rows.extend(names.iter().map(|name| ("100644", bytes, name.as_str())));
            packs_in(&listing(&rows))
        };
        assert!(of(FILES_MAX, "1").is_ok());
        assert!(
            of(FILES_MAX + 1, "1")
                .expect_err("many")
                .contains("too large")
        );
        assert!(of(8, &mib).is_ok());
        assert!(of(9, &mib).expect_err("large").contains("too large"));
        let names: Vec<String> = (0..=PACKS_MAX).map(|n| format!("p{n}/pack.yaml")).collect();
        let rows: Vec<_> = names
            .iter()
            .map(|name| ("100644", "1", name.as_str()))
            .collect();
        assert!(
            packs_in(&listing(&rows))
                .expect_err("many")
                .contains("51 packs")
        );
        assert!(packs_in(&listing(&rows[1..])).is_ok());
    }
}
