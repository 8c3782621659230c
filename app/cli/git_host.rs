//! The git server with a person's own token: who they are, and the repositories that they make.

use super::client::{Answer, Client};
use super::git::Access;
use super::place::Numbered;
use super::read_secret;
use anyhow::{anyhow, bail};
use bowsprit_core::catalogue::Sight;
use bowsprit_core::name::{CommitSha, Login, RepoName};
use bowsprit_core::text::clean_line;
use clap::Args;
use http::{Method, StatusCode};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Servers that are no GitHub, by a part of their host.
const OTHERS: [&str; 6] = [
    "gitlab",
    "bitbucket",
    "codeberg",
    "gitea",
    "azure",
    "sourcehut",
];
/// Repositories of an owner that are listed, in pages of [`PAGE`].
const PAGES_MAX: usize = 20;
const PAGE: usize = 100;

/// Which git server, and as whom.
#[derive(Debug, Args)]
pub(super) struct GitHostArgs {
    /// Address of the GitHub API
    #[arg(
        long,
        value_name = "URL",
        env = "BOWSPRIT_GITHUB__API_URL",
        default_value = "https://api.github.com"
    )]
    api_url: String,
    /// Where repositories are pushed to
    #[arg(
        long,
        value_name = "URL",
        env = "BOWSPRIT_GITHUB__GIT_URL",
        default_value = "https://github.com"
    )]
    git_url: String,
    /// A file that holds your own token for the git server; GITHUB_TOKEN or GH_TOKEN where absent
    #[arg(long, value_name = "FILE")]
    git_token_file: Option<PathBuf>,
}

/// A git server as one person sees it.
pub(super) struct GitHost {
    api: Client,
    api_url: String,
    git_url: String,
    token: Option<SecretString>,
}

impl GitHostArgs {
    /// The server, not asked yet. Errors: an address or the token's file cannot be used; the server is known not to be GitHub.
    pub(super) fn open(&self) -> anyhow::Result<GitHost> {
        for url in [&self.api_url, &self.git_url] {
            let host = url::Url::parse(url)
                .ok()
                .and_then(|url| url.host_str().map(str::to_lowercase))
                .unwrap_or_default();
            if OTHERS.iter().any(|other| host.contains(other)) {
                bail!(
                    "{host} is not GitHub, and repositories are made on GitHub or a server that answers like it; use --no-push here, then push with git yourself"
                );
            }
        }
        let token = match &self.git_token_file {
            Some(file) => Some(read_secret(file)?),
            None => ["GITHUB_TOKEN", "GH_TOKEN"]
                .iter()
                .find_map(|name| std::env::var(name).ok()),
        };
        let token = token
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
            .map(SecretString::from);
        Ok(GitHost {
            api: Client::new(&self.api_url, token.clone())?,
            api_url: self.api_url.trim_end_matches('/').to_owned(),
            git_url: self.git_url.trim_end_matches('/').to_owned(),
            token,
        })
    }
}

impl GitHost {
    /// Another server, where this person is nobody: a token is for the server that it was given for.
    /// Errors: `url` is no address.
    pub(super) fn elsewhere(url: &str) -> anyhow::Result<GitHost> {
        let api_url = match url {
            "https://github.com" => "https://api.github.com".to_owned(),
            enterprise => format!("{enterprise}/api/v3"),
        };
        Ok(GitHost {
            api: Client::new(&api_url, None)?,
            api_url,
            git_url: url.to_owned(),
            token: None,
        })
    }

    /// Whether `url` is this server; an empty one always is.
    pub(super) fn is_at(&self, url: &str) -> bool {
        url.is_empty() || url == self.git_url
    }

    /// The host's name, such as `github.com`.
    pub(super) fn host(&self) -> String {
        url::Url::parse(&self.git_url)
            .ok()
            .and_then(|url| url.host_str().map(ToOwned::to_owned))
            .unwrap_or_default()
    }

    /// Where a repository is pushed to and looked at.
    pub(super) fn git_url(&self, repo: &RepoName) -> String {
        format!("{}/{repo}.git", self.git_url)
    }

    /// A way in for git, where there is a token. Errors: no room for temporary files.
    pub(super) fn access(&self, login: &Login) -> anyhow::Result<Option<Access>> {
        let token = self.token.as_ref();
        token
            .map(|token| Access::new(&self.git_url, login.as_str(), token))
            .transpose()
    }

    /// Whose token it is. Errors: there is none, it is not known, or the server is no GitHub.
    pub(super) async fn login(&self) -> anyhow::Result<Login> {
        if self.token.is_none() {
            bail!(
                "this needs your own token for {}: set GITHUB_TOKEN or --git-token-file (classic: scope `repo`; fine-grained, read and write: Administration and Contents to make repositories, Pull requests to comment)",
                self.host()
            );
        }
        let answer = self.call(Method::GET, "/user", None).await?;
        let body = answer.json();
        match (answer.status, body["login"].as_str()) {
            (StatusCode::OK, Some(login)) => Ok(Login::parse(login)?),
            (StatusCode::UNAUTHORIZED, _) => bail!(
                "{} does not know this token; make one in your account's settings under Developer settings",
                self.api_url
            ),
            (status, _) => bail!(
                "{} answers {status} where GitHub tells who you are; set --api-url to the API of GitHub or of a server that answers like it",
                self.api_url
            ),
        }
    }

    /// What the server shows of a repository; none where there is none for this person.
    pub(super) async fn repository(&self, repo: &RepoName) -> anyhow::Result<Option<Value>> {
        let answer = self
            .call(Method::GET, &format!("/repos/{repo}"), None)
            .await?;
        match answer.status {
            StatusCode::OK => Ok(Some(answer.json())),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(self.refused(&answer, &format!("look for {repo}"))),
        }
    }

    /// Makes an empty repository. Errors: the server's no, in its words.
    pub(super) async fn create(
        &self,
        repo: &RepoName,
        login: &Login,
        is_private: bool,
    ) -> anyhow::Result<()> {
        let path = if repo.owner().eq_ignore_ascii_case(login.as_str()) {
            "/user/repos".to_owned()
        } else {
            format!("/orgs/{}/repos", repo.owner())
        };
        let body = json!({"name": repo.name(), "private": is_private});
        let answer = self.call(Method::POST, &path, Some(&body)).await?;
        match answer.status {
            StatusCode::CREATED => Ok(()),
            StatusCode::NOT_FOUND => Err(no_organisation(repo.owner())),
            _ => Err(self.refused(&answer, &format!("make {repo}"))),
        }
    }

    /// Looks whether `owner` is this person or an organisation. Errors: it is neither.
    pub(super) async fn check_owner(&self, owner: &str, login: &Login) -> anyhow::Result<()> {
        if owner.eq_ignore_ascii_case(login.as_str()) {
            return Ok(());
        }
        let answer = self
            .call(Method::GET, &format!("/orgs/{owner}"), None)
            .await?;
        match answer.status {
            StatusCode::OK => Ok(()),
            StatusCode::NOT_FOUND => Err(no_organisation(owner)),
            _ => Err(self.refused(&answer, &format!("look for {owner}"))),
        }
    }

    /// Opens an issue; says its address. Errors: the server's no.
    pub(super) async fn open_issue(
        &self,
        repo: &RepoName,
        title: &str,
        body: &str,
    ) -> anyhow::Result<String> {
        let body = json!({"title": title, "body": body});
        let path = format!("/repos/{repo}/issues");
        let answer = self.call(Method::POST, &path, Some(&body)).await?;
        if answer.status != StatusCode::CREATED {
            return Err(self.refused(&answer, &format!("open an issue on {repo}")));
        }
        Ok(clean_line(
            answer.json()["html_url"].as_str().unwrap_or_default(),
        ))
    }

    /// Comments on a pull request or issue; says the comment's address. Errors: the server's no.
    pub(super) async fn comment(&self, on: &Numbered, text: &str) -> anyhow::Result<String> {
        let Numbered { repo, number } = on;
        let body = json!({"body": text});
        let path = format!("/repos/{repo}/issues/{number}/comments");
        let answer = self.call(Method::POST, &path, Some(&body)).await?;
        if answer.status != StatusCode::CREATED {
            return Err(self.refused(&answer, &format!("comment on {on}")));
        }
        Ok(clean_line(
            answer.json()["html_url"].as_str().unwrap_or_default(),
        ))
    }

    /// The check runs of a commit: name, state, address.
    pub(super) async fn checks(
        &self,
        repo: &RepoName,
        sha: &CommitSha,
    ) -> anyhow::Result<Vec<Value>> {
        let path = format!("/repos/{repo}/commits/{sha}/check-runs");
        let answer = self.call(Method::GET, &path, None).await?;
        if !answer.status.is_success() {
            return Err(self.refused(&answer, &format!("read the checks of {repo}")));
        }
        Ok(answer.json()["check_runs"]
            .as_array()
            .cloned()
            .unwrap_or_default())
    }

    /// The repositories of an owner that this person sees. Errors: there is no such owner.
    pub(super) async fn repositories(&self, owner: &str) -> anyhow::Result<Vec<Sight>> {
        let (mut seen, mut kind) = (Vec::new(), "orgs");
        for page in 1..=PAGES_MAX {
            let path = |kind| format!("/{kind}/{owner}/repos?per_page={PAGE}&page={page}");
            let mut answer = self.call(Method::GET, &path(kind), None).await?;
            if answer.status == StatusCode::NOT_FOUND && kind == "orgs" {
                kind = "users";
                answer = self.call(Method::GET, &path(kind), None).await?;
            }
            if !answer.status.is_success() {
                return Err(self.refused(&answer, &format!("list the repositories of {owner}")));
            }
            let body = answer.json();
            let rows = body.as_array().map(Vec::as_slice).unwrap_or_default();
            let text = |value: &Value| clean_line(value.as_str().unwrap_or_default());
            seen.extend(rows.iter().filter_map(|row| {
                Some(Sight {
                    name: RepoName::parse(row["full_name"].as_str()?).ok()?,
                    language: text(&row["language"]),
                    about: text(&row["description"]),
                })
            }));
            if rows.len() < PAGE {
                break;
            }
        }
        Ok(seen)
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        let answer = self.api.call(method, path, body).await;
        answer.map_err(|error| {
            anyhow!(
                "cannot reach {}: {}; set --api-url",
                self.api_url,
                error.root_cause()
            )
        })
    }

    fn refused(&self, answer: &Answer, what: &str) -> anyhow::Error {
        let body = answer.json();
        let said: Vec<String> = body["errors"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|error| error["message"].as_str())
            .chain(body["message"].as_str())
            .map(clean_line)
            .collect();
        let hint = match answer.status {
            StatusCode::FORBIDDEN => "; does your token have the scope `repo`?",
            _ => "",
        };
        anyhow!(
            "{} does not let you {what} ({}): {}{hint}",
            self.host(),
            answer.status.as_u16(),
            said.join(", ")
        )
    }
}

fn no_organisation(owner: &str) -> anyhow::Error {
    anyhow!(
        "there is no organisation {owner} where you may make repositories; set --git-owner to yourself or to one of yours"
    )
}
