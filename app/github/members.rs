//! Who belongs to a repository, to the organisation that owns it, and to its teams.

use crate::github::error::ApiError;
use crate::github::place::Place;
use crate::github::wire::{self, encoded};
use bowsprit_core::name::{Login, Team};
use bowsprit_core::subject::ask::Permission;

impl Place {
    /// What a person may do here; nothing, where GitHub does not know the person. Errors: as of any call.
    pub async fn permission(&self, login: &Login) -> Result<Permission, ApiError> {
        let path = format!("/collaborators/{}/permission", encoded(login.as_str()));
        let found: Option<wire::Collaborator> = self.get(&path).await?;
        let Some(found) = found else {
            return Ok(Permission::None);
        };
        // The old word for who may triage is "read"; the role alone tells them from everybody.
        Ok(
            match (found.permission.as_str(), found.role_name.as_str()) {
                ("admin", _) => Permission::Admin,
                ("write" | "maintain", _) => Permission::Write,
                ("triage", _) | ("read", "triage") => Permission::Triage,
                ("read", _) => Permission::Read,
                (_, _) => Permission::None,
            },
        )
    }

    /// Whether a person has a place in this repository: its own, by the organisation or by a team of it. What a person
    /// may do does not say so, for everybody may read a public one. Errors: as of any call.
    pub async fn is_collaborator(&self, login: &Login) -> Result<bool, ApiError> {
        self.has(&format!("/collaborators/{}", encoded(login.as_str())))
            .await
    }

    /// Whether a person is a member of the organisation that owns this repository; where a person owns it, only that one is.
    /// Errors: as of any call.
    pub async fn is_org_member(&self, login: &Login) -> Result<bool, ApiError> {
        let Some(org) = self.org().await? else {
            return Ok(self
                .repo()
                .name
                .owner()
                .eq_ignore_ascii_case(login.as_str()));
        };
        let who = encoded(login.as_str());
        let path = format!("/orgs/{}/members/{who}", encoded(&org));
        let found = self.ask_members(path).await?;
        Ok(found.is_some_and(|answer| answer.status == 204))
    }

    /// Whether a person is a member of a team of the organisation that owns this repository. Errors: as of any call.
    pub async fn is_team_member(&self, team: &Team, login: &Login) -> Result<bool, ApiError> {
        let (of, slug) = team.parts();
        let org = self.org().await?;
        let Some(org) = org.filter(|org| org.eq_ignore_ascii_case(of)) else {
            return Ok(false);
        };
        let (org, slug, who) = (encoded(&org), encoded(slug), encoded(login.as_str()));
        let path = format!("/orgs/{org}/teams/{slug}/memberships/{who}");
        match self.ask_members(path).await? {
            // Whoever is only invited has not joined yet.
            Some(answer) => Ok(answer.json::<wire::Membership>()?.state == "active"),
            None => Ok(false),
        }
    }

    /// The organisation that owns this repository; `None` where a person does.
    async fn org(&self) -> Result<Option<String>, ApiError> {
        let found: Option<wire::Repository> = self.get("").await?;
        let owner = found.and_then(|found| found.owner);
        let org = owner.filter(|owner| owner.kind == "Organization");
        Ok(org.map(|owner| owner.login))
    }
}
