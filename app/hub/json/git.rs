//! Commits, trees, refs and changed files, out of the git objects.

use super::View;
use crate::gitstore::FileChange;
use crate::state::Repo;
use crate::text::{node_id, percent_encode, time};
use git2::Commit;
use serde_json::{Value, json};

impl View<'_> {
    /// A commit as the commits API shows it.
    pub(crate) fn commit(&self, repo: &Repo, commit: &Commit<'_>) -> Value {
        let api = self.repo_api(repo);
        let html = self.repo_html(repo);
        let sha = commit.id().to_string();
        let url = format!("{api}/commits/{sha}");
        let parents: Vec<Value> = commit
            .parent_ids()
            .map(|id| {
                json!({
                    "sha": id.to_string(), "url": format!("{api}/commits/{id}"),
                    "html_url": format!("{html}/commit/{id}"),
                })
            })
            .collect();
        json!({
            "sha": sha, "node_id": node_id(&format!("Commit:{sha}"), repo.id), "url": url,
            "html_url": format!("{html}/commit/{sha}"),
            "comments_url": format!("{url}/comments"),
            "commit": {
                "url": format!("{api}/git/commits/{sha}"),
                "author": signature(&commit.author()),
                "committer": signature(&commit.committer()),
                "message": message(commit),
                "tree": {
                    "sha": commit.tree_id().to_string(),
                    "url": format!("{api}/git/trees/{}", commit.tree_id()),
                },
                "comment_count": 0,
                "verification": verification(commit),
            },
            "author": self.account_of(&commit.author()),
            "committer": self.account_of(&commit.committer()),
            "parents": parents,
        })
    }

    /// A commit as the git data API shows it.
    pub(crate) fn git_commit(&self, repo: &Repo, commit: &Commit<'_>) -> Value {
        let api = self.repo_api(repo);
        let html = self.repo_html(repo);
        let sha = commit.id().to_string();
        let parents: Vec<Value> = commit
            .parent_ids()
            .map(|id| {
                json!({
                    "sha": id.to_string(), "url": format!("{api}/git/commits/{id}"),
                    "html_url": format!("{html}/commit/{id}"),
                })
            })
            .collect();
        json!({
            "sha": sha, "node_id": node_id(&format!("Commit:{sha}"), repo.id),
            "url": format!("{api}/git/commits/{sha}"),
            "html_url": format!("{html}/commit/{sha}"),
            "author": signature(&commit.author()),
            "committer": signature(&commit.committer()),
            "tree": {
                "sha": commit.tree_id().to_string(),
                "url": format!("{api}/git/trees/{}", commit.tree_id()),
            },
            "message": message(commit), "parents": parents,
            "verification": verification(commit),
        })
    }

    /// The short form in push payloads.
    pub(crate) fn push_commit(
        &self,
        repo: &Repo,
        commit: &Commit<'_>,
        files: &[FileChange],
    ) -> Value {
        let named = |status: &str| -> Vec<&str> {
            files
                .iter()
                .filter(|file| file.status == status)
                .map(|file| file.path.as_str())
                .collect()
        };
        let sha = commit.id().to_string();
        json!({
            "id": sha, "tree_id": commit.tree_id().to_string(), "distinct": true,
            "message": message(commit), "timestamp": time(commit.time().seconds()),
            "url": format!("{}/commit/{sha}", self.repo_html(repo)),
            "author": push_person(&commit.author()), "committer": push_person(&commit.committer()),
            "added": named("added"), "removed": named("removed"), "modified": named("modified"),
        })
    }

    /// The form in check suites.
    pub(crate) fn simple_commit(&self, commit: &Commit<'_>) -> Value {
        let person = |signature: git2::Signature<'_>| {
            json!({
                "name": signature.name().unwrap_or_default(),
                "email": signature.email().unwrap_or_default(),
            })
        };
        json!({
            "id": commit.id().to_string(), "tree_id": commit.tree_id().to_string(),
            "message": message(commit), "timestamp": time(commit.time().seconds()),
            "author": person(commit.author()), "committer": person(commit.committer()),
        })
    }

    pub(crate) fn git_ref(&self, repo: &Repo, name: &str, sha: &str, kind: &str) -> Value {
        let api = self.repo_api(repo);
        let folder = if kind == "tag" { "tags" } else { "commits" };
        let path: Vec<String> = name.split('/').map(percent_encode).collect();
        json!({
            "ref": name, "node_id": node_id(&format!("Ref:{name}"), repo.id),
            "url": format!("{api}/git/{}", path.join("/")),
            "object": {"type": kind, "sha": sha, "url": format!("{api}/git/{folder}/{sha}")},
        })
    }

    /// One changed file of a pull request, commit or comparison.
    pub(crate) fn file(&self, repo: &Repo, sha: &str, file: &FileChange) -> Value {
        let path: Vec<String> = file.path.split('/').map(percent_encode).collect();
        let path = path.join("/");
        let mut body = json!({
            "sha": file.blob, "filename": file.path, "status": file.status,
            "additions": file.additions, "deletions": file.deletions,
            "changes": file.additions + file.deletions,
            "blob_url": format!("{}/blob/{sha}/{path}", self.repo_html(repo)),
            "raw_url": format!("{}/raw/{sha}/{path}", self.repo_html(repo)),
            "contents_url": format!("{}/contents/{path}?ref={sha}", self.repo_api(repo)),
        });
        if let Some(patch) = &file.patch {
            body["patch"] = json!(patch);
        }
        if let Some(previous) = &file.previous {
            body["previous_filename"] = json!(previous);
        }
        body
    }

    /// The account a commit's address belongs to, or null.
    fn account_of(&self, signature: &git2::Signature<'_>) -> Value {
        let email = signature.email().unwrap_or_default();
        let login = email
            .strip_suffix("@users.noreply.hub")
            .map(|local| local.split_once('+').map_or(local, |(_, login)| login));
        match login.and_then(|login| self.state.account(login)) {
            Some(account) => self.account(account),
            None => Value::Null,
        }
    }
}

/// The message of a commit; bytes that are not text are dropped.
pub(crate) fn message(commit: &Commit<'_>) -> String {
    String::from_utf8_lossy(commit.message_bytes())
        .trim_end()
        .to_owned()
}

pub(crate) fn signature(signature: &git2::Signature<'_>) -> Value {
    json!({
        "name": signature.name().unwrap_or_default(),
        "email": signature.email().unwrap_or_default(),
        "date": time(signature.when().seconds()),
    })
}

fn push_person(signature: &git2::Signature<'_>) -> Value {
    let email = signature.email().unwrap_or_default();
    let mut person = json!({
        "name": signature.name().unwrap_or_default(), "email": email,
        "date": time(signature.when().seconds()),
    });
    if let Some(local) = email.strip_suffix("@users.noreply.hub") {
        person["username"] = json!(local.split_once('+').map_or(local, |(_, login)| login));
    }
    person
}

/// Commits that the server itself made for the App or a merge count as signed.
fn verification(commit: &Commit<'_>) -> Value {
    let is_ours = commit.committer().email().unwrap_or_default() == crate::gitstore::SIGNER_EMAIL;
    if !is_ours {
        return json!({
            "verified": false, "reason": "unsigned", "signature": null, "payload": null,
            "verified_at": null,
        });
    }
    json!({
        "verified": true, "reason": "valid",
        "signature": "-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----",
        "payload": format!("tree {}\n", commit.tree_id()),
        "verified_at": time(commit.time().seconds()),
    })
}
