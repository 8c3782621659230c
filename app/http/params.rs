//! What a request says in its path, query and body, parsed once.
//!
//! A parameter that is not known is refused: a misspelt filter must not show everything.

use super::Desk;
use super::answer::No;
use super::routes::Route;
use bowsprit_core::name::{PrNumber, RepoName, Slug};
use bowsprit_core::subject::ask::RepoView;
use std::collections::BTreeMap;

/// Rows of a page where nobody says how many.
pub(super) const LIMIT: usize = 50;
/// Most rows of a page.
pub(super) const LIMIT_MAX: usize = 200;

/// The parameters of a query.
#[derive(Debug, Default)]
pub(super) struct Params(BTreeMap<String, String>);

impl Params {
    /// Reads a query that may name only the route's own parameters.
    pub(super) fn read(query: Option<&str>, route: &Route) -> Result<Params, No> {
        let mut known = BTreeMap::new();
        for (key, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if !route.query.iter().any(|(name, _)| *name == key) {
                return Err(No::bad(
                    "a parameter is not known here; `/openapi.json` lists them",
                ));
            }
            if known.insert(key.into_owned(), value.into_owned()).is_some() {
                return Err(No::bad("give each parameter once"));
            }
        }
        Ok(Params(known))
    }

    /// A parameter that was given and is not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|text| !text.is_empty())
    }

    /// How many rows are wanted.
    pub(super) fn limit(&self) -> Result<usize, No> {
        match self.get("limit").map(str::parse) {
            None => Ok(LIMIT),
            Some(Ok(limit)) if (1..=LIMIT_MAX).contains(&limit) => Ok(limit),
            Some(_) => Err(No::bad("`limit` is a number from 1 to 200")),
        }
    }

    /// Rows with a smaller number are wanted.
    pub(super) fn before(&self) -> Result<Option<i64>, No> {
        let parsed = self.get("before").map(str::parse).transpose();
        parsed.map_err(|_| No::bad("`before` is the `next` of the page before"))
    }
}

/// A repository by `owner` and `name`, as an installation shows it.
pub(super) async fn repository(desk: &Desk, owner: &str, name: &str) -> Result<RepoView, No> {
    const NONE: No = No::missing("no installation shows this repository; install the App on it");
    let name = RepoName::parse(&format!("{owner}/{name}")).map_err(|_| NONE)?;
    let found = desk.rooms.store.repository_named(&name).await?;
    found.map(|(view, _)| view).ok_or(NONE)
}

/// The name of a model or an environment.
pub(super) fn slug(text: &str) -> Result<Slug, No> {
    Slug::parse(text)
        .map_err(|_| No::missing("a name is lower-case letters, digits and `-`, first a letter"))
}

/// The number of a pull request.
pub(super) fn number(text: &str) -> Result<PrNumber, No> {
    let parsed = text.parse().map(PrNumber);
    parsed.map_err(|_| No::missing("a pull request is known by its number"))
}
