//! Accounts: installations and their repositories, API tokens, and small values by name.
//!
//! A token is known here by its digest alone.

use super::writer::Shape;
use super::{LIST_MAX, Store, clock_ms, rust_id, sql_id, sql_limit};
use anyhow::{Context, bail};
use bowsprit_core::name::{BranchName, Digest, Repo, RepoId, RepoName};
use bowsprit_core::subject::ask::RepoView;
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

/// What a token may do; each may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Look.
    Read,
    /// Start and cancel runs.
    Run,
    /// Everything.
    Admin,
}

/// A token without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TokenRow {
    /// What it is called.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
    /// Units: milliseconds since 1970, UTC.
    pub created_ms: i64,
}

/// An installation of the App.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InstallationRow {
    /// GitHub's id.
    pub id: u64,
    /// The account it belongs to.
    pub account: String,
    /// Whether it may do nothing for now.
    pub is_suspended: bool,
}

const ONE: Shape = Shape {
    is_single: true,
    rings: &[],
};

type RepositoryCells = (i64, String, String, i64);

impl Store {
    /// Stores an installation.
    pub async fn put_installation(
        &self,
        id: u64,
        account: &str,
        is_suspended: bool,
    ) -> anyhow::Result<()> {
        let account = account.to_owned();
        let work = self.write(ONE, move |conn| {
            Box::pin(async move {
                sqlx::query(
                    "INSERT INTO installation (id, account, is_suspended) VALUES ($1, $2, $3)
                    ON CONFLICT (id) DO UPDATE SET account = excluded.account, is_suspended = excluded.is_suspended",
                )
                .bind(sql_id(id))
                .bind(account)
                .bind(i64::from(is_suspended))
                .execute(conn)
                .await
                .context("cannot store installation")
            })
        });
        work.await?;
        Ok(())
    }

    /// Forgets an installation and its repositories.
    pub async fn remove_installation(&self, id: u64) -> anyhow::Result<()> {
        let shape = Shape {
            is_single: false,
            rings: &[],
        };
        let work = self.write(shape, move |conn| {
            Box::pin(async move {
                for sql in [
                    "DELETE FROM repository WHERE installation = $1",
                    "DELETE FROM installation WHERE id = $1",
                ] {
                    let done = sqlx::query(sql).bind(sql_id(id)).execute(&mut *conn).await;
                    done.context("cannot remove installation")?;
                }
                Ok(())
            })
        });
        Ok(work.await?)
    }

    /// Installations, by account.
    pub async fn installations(&self) -> anyhow::Result<Vec<InstallationRow>> {
        let rows: Vec<(i64, String, i64)> = sqlx::query_as(
            "SELECT id, account, is_suspended FROM installation ORDER BY account, id LIMIT $1",
        )
        .bind(sql_limit(LIST_MAX))
        .fetch_all(self.reads())
        .await
        .context("cannot list installations")?;
        let row = |(id, account, is_suspended)| InstallationRow {
            id: rust_id(id),
            account,
            is_suspended: is_suspended == 1,
        };
        Ok(rows.into_iter().map(row).collect())
    }

    /// Stores a repository of an installation, under its present name.
    pub async fn put_repository(&self, view: &RepoView, installation: u64) -> anyhow::Result<()> {
        let view = view.clone();
        let work = self.write(ONE, move |conn| {
            Box::pin(async move {
                sqlx::query(
                    "INSERT INTO repository (id, name, name_key, default_branch, installation, updated_ms)
                    VALUES ($1, $2, $3, $4, $5, $6)
                    ON CONFLICT (id) DO UPDATE SET name = excluded.name, name_key = excluded.name_key,
                        default_branch = excluded.default_branch, installation = excluded.installation,
                        updated_ms = excluded.updated_ms",
                )
                .bind(sql_id(view.repo.id.0))
                .bind(view.repo.name.as_str())
                .bind(view.repo.name.as_str().to_ascii_lowercase())
                .bind(view.default_branch.as_str())
                .bind(sql_id(installation))
                .bind(clock_ms())
                .execute(conn)
                .await
                .context("cannot store repository")
            })
        });
        work.await?;
        Ok(())
    }

    /// Forgets a repository.
    pub async fn remove_repository(&self, id: RepoId) -> anyhow::Result<()> {
        let work = self.write(ONE, move |conn| {
            Box::pin(async move {
                sqlx::query("DELETE FROM repository WHERE id = $1")
                    .bind(sql_id(id.0))
                    .execute(conn)
                    .await
                    .context("cannot remove repository")
            })
        });
        work.await?;
        Ok(())
    }

    /// A repository and its installation.
    pub async fn repository(&self, id: RepoId) -> anyhow::Result<Option<(RepoView, u64)>> {
        let row: Option<RepositoryCells> = sqlx::query_as(
            "SELECT id, name, default_branch, installation FROM repository WHERE id = $1",
        )
        .bind(sql_id(id.0))
        .fetch_optional(self.reads())
        .await
        .with_context(|| format!("cannot read repository {id}"))?;
        row.map(repository_row).transpose()
    }

    /// A repository and its installation, by its present name; GitHub compares names without case.
    pub async fn repository_named(
        &self,
        name: &RepoName,
    ) -> anyhow::Result<Option<(RepoView, u64)>> {
        // After a rename two rows may bear a name until both were heard of: the newest is right.
        let row: Option<RepositoryCells> = sqlx::query_as(
            "SELECT id, name, default_branch, installation FROM repository
            WHERE name_key = $1 ORDER BY updated_ms DESC, id DESC LIMIT 1",
        )
        .bind(name.as_str().to_ascii_lowercase())
        .fetch_optional(self.reads())
        .await
        .with_context(|| format!("cannot read repository `{name}`"))?;
        row.map(repository_row).transpose()
    }

    /// Repositories and their installations, by name.
    pub async fn repositories(&self) -> anyhow::Result<Vec<(RepoView, u64)>> {
        let rows: Vec<RepositoryCells> = sqlx::query_as(
            "SELECT id, name, default_branch, installation FROM repository ORDER BY name_key, id LIMIT $1",
        )
        .bind(REPOSITORIES_MAX)
        .fetch_all(self.reads())
        .await
        .context("cannot list repositories")?;
        rows.into_iter().map(repository_row).collect()
    }

    /// Stores an API token by the digest of its text; a token of the same name is replaced.
    pub async fn put_token(&self, name: &str, digest: &Digest, scope: Scope) -> anyhow::Result<()> {
        let (name, digest) = (name.to_owned(), digest.to_string());
        let work = self.write(ONE, move |conn| {
            Box::pin(async move {
                sqlx::query(
                    "INSERT INTO token (name, digest, scope, created_ms) VALUES ($1, $2, $3, $4)
                    ON CONFLICT (name) DO UPDATE SET digest = excluded.digest, scope = excluded.scope,
                        created_ms = excluded.created_ms",
                )
                .bind(name)
                .bind(digest)
                .bind(scope_word(scope))
                .bind(clock_ms())
                .execute(conn)
                .await
                .context("cannot store token")
            })
        });
        work.await?;
        Ok(())
    }

    /// API tokens, by name.
    pub async fn tokens(&self) -> anyhow::Result<Vec<TokenRow>> {
        let rows: Vec<(String, String, i64)> =
            sqlx::query_as("SELECT name, scope, created_ms FROM token ORDER BY name LIMIT $1")
                .bind(sql_limit(LIST_MAX))
                .fetch_all(self.reads())
                .await
                .context("cannot list tokens")?;
        rows.into_iter()
            .map(|(name, scope, created_ms)| {
                let scope = parse_scope(&scope)?;
                Ok(TokenRow {
                    name,
                    scope,
                    created_ms,
                })
            })
            .collect()
    }

    /// Takes an API token away. `false`: there was none.
    pub async fn revoke_token(&self, name: &str) -> anyhow::Result<bool> {
        let name = name.to_owned();
        let work = self.write(ONE, move |conn| {
            Box::pin(async move {
                let done = sqlx::query("DELETE FROM token WHERE name = $1")
                    .bind(name)
                    .execute(conn)
                    .await;
                Ok(done.context("cannot revoke token")?.rows_affected() > 0)
            })
        });
        Ok(work.await?)
    }

    /// The token of this digest.
    pub async fn token(&self, digest: &Digest) -> anyhow::Result<Option<TokenRow>> {
        let row: Option<(String, String, i64)> =
            sqlx::query_as("SELECT name, scope, created_ms FROM token WHERE digest = $1")
                .bind(digest.as_str())
                .fetch_optional(self.reads())
                .await
                .context("cannot read token")?;
        row.map(|(name, scope, created_ms)| {
            let scope = parse_scope(&scope)?;
            Ok(TokenRow {
                name,
                scope,
                created_ms,
            })
        })
        .transpose()
    }

    /// What the token of this digest may do.
    pub async fn token_scope(&self, digest: &Digest) -> anyhow::Result<Option<Scope>> {
        let row: Option<(String,)> = sqlx::query_as("SELECT scope FROM token WHERE digest = $1")
            .bind(digest.as_str())
            .fetch_optional(self.reads())
            .await
            .context("cannot read token")?;
        row.map(|(scope,)| parse_scope(&scope)).transpose()
    }

    /// A small value by name.
    pub async fn kv(&self, key: &str) -> anyhow::Result<Option<String>> {
        let row: Option<(String,)> = sqlx::query_as("SELECT value FROM kv WHERE key = $1")
            .bind(key)
            .fetch_optional(self.reads())
            .await
            .with_context(|| format!("cannot read value `{key}`"))?;
        Ok(row.map(|(value,)| value))
    }

    /// Stores a small value by name.
    pub async fn put_kv(&self, key: &str, value: &str) -> anyhow::Result<()> {
        let (key, value) = (key.to_owned(), value.to_owned());
        let work = self.write(ONE, move |conn| {
            Box::pin(async move { put_value(conn, &key, &value).await })
        });
        Ok(work.await?)
    }
}

/// Stores a small value inside the caller's transaction.
pub(super) async fn put_value(
    conn: &mut SqliteConnection,
    key: &str,
    value: &str,
) -> anyhow::Result<()> {
    sqlx::query(
        "INSERT INTO kv (key, value) VALUES ($1, $2)
        ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    )
    .bind(key)
    .bind(value)
    .execute(conn)
    .await
    .context("cannot store value")?;
    Ok(())
}

/// Most repositories listed at once.
const REPOSITORIES_MAX: i64 = 10_000;

fn repository_row(cells: RepositoryCells) -> anyhow::Result<(RepoView, u64)> {
    let (id, name, branch, installation) = cells;
    let view = RepoView {
        repo: Repo {
            id: RepoId(rust_id(id)),
            name: RepoName::parse(&name)?,
        },
        default_branch: BranchName::parse(&branch)?,
    };
    Ok((view, rust_id(installation)))
}

fn scope_word(scope: Scope) -> &'static str {
    match scope {
        Scope::Read => "read",
        Scope::Run => "run",
        Scope::Admin => "admin",
    }
}

fn parse_scope(word: &str) -> anyhow::Result<Scope> {
    match word {
        "read" => Ok(Scope::Read),
        "run" => Ok(Scope::Run),
        "admin" => Ok(Scope::Admin),
        other => bail!("`{other}` is not a scope"),
    }
}
