//! What the small GitHub holds, and its answers.

use bowsprit_core::name::Digest;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What the server holds.
#[derive(Debug, Default)]
pub(in crate::github) struct World {
    /// Method and path of each call, with `304` behind those answered so.
    pub(in crate::github) calls: Vec<String>,
    pub(in crate::github) bodies: Vec<Value>,
    /// Answers given instead of the usual ones, first come first served, to calls whose line begins so.
    pub(in crate::github) faults: Vec<(String, Fault)>,
    pub(in crate::github) comments: Vec<Value>,
    pub(in crate::github) checks: Vec<Value>,
    pub(in crate::github) labels: Vec<String>,
    pub(in crate::github) pulls: Vec<Value>,
    /// Reference to commit.
    pub(in crate::github) refs: BTreeMap<String, String>,
    /// Commit: tree, parent, message, author.
    pub(in crate::github) commits: BTreeMap<String, (String, Option<String>, String, String)>,
    pub(in crate::github) deployments: Vec<Value>,
    pub(in crate::github) statuses: Vec<Value>,
    /// The issue that edits are about.
    pub(in crate::github) issue: Value,
    /// Whom it can be assigned to.
    pub(in crate::github) assignable: Vec<String>,
    pub(in crate::github) requested: Vec<String>,
    pub(in crate::github) tokens: u64,
}

#[derive(Debug, Clone)]
pub(in crate::github) enum Fault {
    /// Instead of doing it.
    Instead(u16, Vec<(&'static str, &'static str)>, Value),
    /// It is done, but the answer is this.
    After(u16),
}

/// A commit, tree or blob id made from a word.
pub(in crate::github) fn id(word: &str) -> String {
    match word.len() == 40 {
        true => word.to_owned(),
        false => Digest::of(word.as_bytes()).hex()[..40].to_owned(),
    }
}

impl World {
    #[expect(
        clippy::too_many_arguments,
        reason = "a commit at GitHub has these parts, each test names them all"
    )]
    pub(in crate::github) fn commit(
        &mut self,
        name: &str,
        tree: &str,
        parent: Option<&str>,
        message: &str,
        author: &str,
    ) -> String {
        let sha = id(name);
        self.commits.insert(
            sha.clone(),
            (
                id(tree),
                parent.map(id),
                message.to_owned(),
                author.to_owned(),
            ),
        );
        if name == "base" {
            self.refs.insert("heads/main".to_owned(), sha.clone());
        }
        sha
    }

    pub(in crate::github) fn answer(
        &mut self,
        method: &str,
        path: &str,
        query: &str,
        body: &Value,
    ) -> (u16, Value) {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let below = match parts.as_slice() {
            ["repos", "o", "r", below @ ..] => below,
            ["app"] => return (200, json!({"id": 12, "slug": "bowsprit"})),
            ["app", "installations", "5", "access_tokens"] => return self.token(body),
            _ => return self.unknown(method, path),
        };
        match (method, below) {
            ("GET", ["issues", _, "comments"]) => (200, json!(self.comments)),
            ("POST", ["issues", _, "comments"]) => self.comment(body),
            ("PATCH", ["issues", "comments", id]) => patch(&mut self.comments, id, body),
            ("GET", ["issues", _, "labels"]) => (
                200,
                self.labels
                    .iter()
                    .map(|name| json!({"name": name}))
                    .collect(),
            ),
            ("POST", ["issues", _, "labels"]) => {
                let names: Vec<String> = serde_json::from_value(body["labels"].clone()).unwrap();
                self.labels.retain(|label| !names.contains(label));
                self.labels.extend(names);
                (200, json!([]))
            }
            ("DELETE", ["issues", _, "labels", name]) => {
                self.labels.retain(|label| label != name);
                (200, json!([]))
            }
            ("GET", ["labels", _]) => (404, json!({"message": "Not Found"})),
            ("POST", ["labels"]) => (201, json!({})),
            ("GET", ["commits", _, "check-runs"]) => (200, json!({"check_runs": self.checks})),
            ("GET", ["commits", _, "status"]) => (
                200,
                json!({"statuses": [{"context": "ci", "state": "failure", "creator": null}, {"context": "ci", "state": "success", "creator": null}]}),
            ),
            ("POST", ["check-runs"]) => self.check(body),
            ("PATCH", ["check-runs", id]) => patch(&mut self.checks, id, body),
            ("GET", ["deployments"]) => (200, json!(self.deployments)),
            ("POST", ["deployments"]) => {
                let number = self.deployments.len() as u64 + 1;
                self.deployments.push(
                    json!({"id": number, "payload": body["payload"].to_string(), "sent": body}),
                );
                (201, json!({"id": number}))
            }
            ("GET", ["deployments", _, "statuses"]) => (200, json!(self.statuses)),
            ("POST", ["deployments", _, "statuses"]) => {
                let mut status = body.clone();
                status["id"] = json!(self.statuses.len() + 1);
                self.statuses.push(status);
                (201, json!({}))
            }
            _ => self
                .answer_edit(method, below, body)
                .unwrap_or_else(|| self.answer_git(method, path, query, body)),
        }
    }

    /// What edits of issues and pull requests ask for.
    fn answer_edit(&mut self, method: &str, below: &[&str], body: &Value) -> Option<(u16, Value)> {
        Some(match (method, below) {
            ("GET", ["issues", _]) => (200, self.issue.clone()),
            ("PATCH", ["issues", _]) => {
                let fields = body.as_object().unwrap().clone();
                let milestone = fields.get("milestone").cloned();
                self.issue.as_object_mut().unwrap().extend(fields);
                if let Some(number) = milestone.filter(|number| !number.is_null()) {
                    self.issue["milestone"] = json!({"number": number, "title": "m"});
                }
                (200, self.issue.clone())
            }
            ("POST" | "DELETE", ["issues", _, "assignees"]) => self.assign(method, body),
            ("GET", ["pulls", _, "requested_reviewers"]) => (
                200,
                json!({"users": accounts(&self.requested), "teams": []}),
            ),
            ("POST" | "DELETE", ["pulls", _, "requested_reviewers"]) => {
                change(&mut self.requested, method, &body["reviewers"], &|_| true);
                (201, json!({}))
            }
            ("POST", ["statuses", _]) => {
                self.statuses.push(body.clone());
                (201, json!({}))
            }
            _ => return None,
        })
    }

    fn answer_git(&mut self, method: &str, path: &str, query: &str, body: &Value) -> (u16, Value) {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').skip(3).collect();
        match (method, parts.as_slice()) {
            ("GET", ["git", "ref", name @ ..]) => match self.refs.get(&name.join("/")) {
                Some(sha) => (200, json!({"object": {"type": "commit", "sha": sha}})),
                None => (404, json!({"message": "Not Found"})),
            },
            ("GET", ["git", "commits", sha]) => self.show_commit(sha),
            ("POST", ["git", "blobs"]) => (201, json!({"sha": id(&body.to_string())})),
            ("POST", ["git", "trees"]) => (201, json!({"sha": id(&format!("{body}"))})),
            ("POST", ["git", "commits"]) => {
                let name = format!("{body}{}", self.calls.len());
                let parent = body["parents"][0].as_str().map(str::to_owned);
                let (tree, message) = (
                    body["tree"].as_str().unwrap(),
                    body["message"].as_str().unwrap(),
                );
                let sha = self.commit(&name, tree, parent.as_deref(), message, "bowsprit[bot]");
                (201, json!({"sha": sha}))
            }
            ("POST", ["git", "refs"]) => self.create_ref(body),
            ("PATCH", ["git", "refs", name @ ..]) => self.move_ref(&name.join("/"), body),
            ("GET", ["pulls"]) => {
                assert!(query.contains("head=o%3Abowsprit%2Fdigits"), "{query}");
                let mut pulls = self.shown_pulls();
                pulls.reverse();
                (200, json!(pulls))
            }
            ("GET", ["pulls", number]) => match self
                .shown_pulls()
                .into_iter()
                .find(|pull| is_number(&pull["number"], number))
            {
                Some(pull) => (200, pull),
                None => (404, json!({"message": "Not Found"})),
            },
            ("POST", ["pulls"]) => self.open(body),
            ("PATCH", ["pulls", number]) => {
                let pull = self
                    .pulls
                    .iter_mut()
                    .find(|pull| is_number(&pull["number"], number))
                    .unwrap();
                pull.as_object_mut()
                    .unwrap()
                    .extend(body.as_object().unwrap().clone());
                (200, pull.clone())
            }
            ("PUT", ["pulls", number, "merge"]) => self.merge(number, body),
            _ => self.unknown(method, path),
        }
    }

    fn unknown(&self, method: &str, path: &str) -> (u16, Value) {
        (
            599,
            json!({"message": format!("the fake does not know {method} {path}")}),
        )
    }

    fn token(&mut self, body: &Value) -> (u16, Value) {
        assert_eq!(body["repository_ids"], json!([9]));
        self.tokens += 1;
        (
            201,
            json!({"token": format!("ghs_canary.{}", self.tokens), "expires_at": "2999-01-01T00:00:00Z"}),
        )
    }

    fn assign(&mut self, method: &str, body: &Value) -> (u16, Value) {
        let on = self.issue["assignees"].as_array().cloned();
        let mut logins: Vec<String> = on
            .unwrap_or_default()
            .iter()
            .map(|one| one["login"].as_str().unwrap().to_owned())
            .collect();
        let assignable = self.assignable.clone();
        let may = |login: &String| assignable.contains(login);
        change(&mut logins, method, &body["assignees"], &may);
        // GitHub leaves out whom it has no room for, without a word.
        logins.truncate(10);
        self.issue["assignees"] = accounts(&logins);
        (201, self.issue.clone())
    }

    fn comment(&mut self, body: &Value) -> (u16, Value) {
        let comment = json!({
            "id": self.comments.len() + 1, "body": body["body"], "user": {"login": "bowsprit[bot]", "type": "Bot"},
            "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
        });
        self.comments.push(comment.clone());
        (201, comment)
    }

    fn check(&mut self, body: &Value) -> (u16, Value) {
        let mut check = body.clone();
        check["id"] = json!(self.checks.len() + 1);
        check["app"] = json!({"id": 12});
        check["output"]["annotations_count"] =
            json!(body["output"]["annotations"].as_array().map_or(0, Vec::len));
        self.checks.push(check.clone());
        (201, check)
    }

    fn show_commit(&self, sha: &str) -> (u16, Value) {
        match self.commits.get(sha) {
            Some((tree, parent, message, author)) => {
                let parents: Vec<Value> =
                    parent.iter().map(|parent| json!({"sha": parent})).collect();
                (
                    200,
                    json!({"tree": {"sha": tree}, "parents": parents, "message": message, "author": {"name": author}}),
                )
            }
            None => (404, json!({"message": "Not Found"})),
        }
    }

    fn create_ref(&mut self, body: &Value) -> (u16, Value) {
        let name = body["ref"]
            .as_str()
            .unwrap()
            .strip_prefix("refs/")
            .unwrap()
            .to_owned();
        if self.refs.contains_key(&name) {
            return (422, json!({"message": "Reference already exists"}));
        }
        self.refs
            .insert(name, body["sha"].as_str().unwrap().to_owned());
        (201, json!({}))
    }

    fn move_ref(&mut self, name: &str, body: &Value) -> (u16, Value) {
        assert_eq!(body["force"], json!(true));
        self.refs
            .insert(name.to_owned(), body["sha"].as_str().unwrap().to_owned());
        (200, json!({}))
    }

    fn shown_pulls(&self) -> Vec<Value> {
        let show = |pull: &Value| {
            let mut pull = pull.clone();
            let branch = pull["branch"].as_str().unwrap().to_owned();
            let head = self.refs[&format!("heads/{branch}")].clone();
            pull["head"] = json!({"ref": branch, "sha": head, "repo": {"id": 9}});
            pull["base"] =
                json!({"ref": "main", "sha": self.refs["heads/main"], "repo": {"id": 9}});
            pull
        };
        self.pulls.iter().map(show).collect()
    }

    fn open(&mut self, body: &Value) -> (u16, Value) {
        let branch = body["head"].as_str().unwrap();
        if self
            .pulls
            .iter()
            .any(|pull| pull["branch"] == branch && pull["state"] == "open")
        {
            let fault =
                json!({"message": format!("A pull request already exists for o:{branch}.")});
            return (
                422,
                json!({"message": "Validation Failed", "errors": [fault]}),
            );
        }
        let pull = json!({
            "number": self.pulls.len() + 1, "state": "open", "title": body["title"], "body": body["body"], "branch": branch,
            "user": {"login": "bowsprit[bot]", "type": "Bot"}, "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "merged_at": null, "merge_commit_sha": null,
        });
        self.pulls.push(pull.clone());
        (201, pull)
    }

    fn merge(&mut self, number: &str, body: &Value) -> (u16, Value) {
        let pull = self
            .pulls
            .iter_mut()
            .find(|pull| is_number(&pull["number"], number))
            .unwrap();
        assert_eq!(body["merge_method"], "merge");
        let sha = id("merge");
        pull["state"] = json!("closed");
        pull["merged_at"] = json!("2026-01-02T00:00:00Z");
        pull["merge_commit_sha"] = json!(sha);
        self.commit("merge", "tree-of-merge", Some("base"), "m", "bowsprit[bot]");
        (200, json!({"sha": sha, "merged": true}))
    }
}

fn accounts(logins: &[String]) -> Value {
    let all = logins
        .iter()
        .map(|login| json!({"login": login, "type": "User"}));
    all.collect()
}

/// Names are added, as far as they may, or taken away.
fn change(names: &mut Vec<String>, method: &str, these: &Value, may: &dyn Fn(&String) -> bool) {
    let these: Vec<String> = serde_json::from_value(these.clone()).unwrap();
    names.retain(|name| !these.contains(name));
    if method == "POST" {
        names.extend(these.into_iter().filter(may));
    }
}

fn patch(items: &mut [Value], id: &str, body: &Value) -> (u16, Value) {
    let item = items
        .iter_mut()
        .find(|item| is_number(&item["id"], id))
        .unwrap();
    item.as_object_mut()
        .unwrap()
        .extend(body.as_object().unwrap().clone());
    (200, item.clone())
}

fn is_number(value: &Value, text: &str) -> bool {
    value
        .as_u64()
        .is_some_and(|number| text.parse() == Ok(number))
}
