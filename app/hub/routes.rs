//! Every route of the REST API: method, path, what the caller must be allowed, and the handler.
//!
//! Source: the permissions are those of the official REST description's pages "Permissions
//! required for GitHub Apps".

use crate::answer::Reply;
use crate::api::{
    Ctx, apps, branches, checks, comments, commits, contents, deployments, git_data, git_refs,
    graphql, hook, issues, labels, merge, milestones, people, pulls, reactions, repos, reviews,
    statuses,
};
use crate::auth::{Gate, Need};
use crate::state::Role;
use crate::text::percent_decode;
use http::Method;

/// One route.
pub(crate) struct Route {
    pub(crate) method: &'static str,
    pub(crate) pattern: &'static str,
    pub(crate) gate: Gate,
    pub(crate) handler: fn(&mut Ctx<'_>) -> Reply,
}

impl Route {
    /// The permissions of which an installation needs one.
    pub(crate) fn needs(&self) -> Option<&'static [Need]> {
        match self.gate {
            Gate::Repo(needs, _) | Gate::RepoApp(needs) | Gate::Org(needs) => Some(needs),
            Gate::Open | Gate::App | Gate::Installation | Gate::Person => None,
        }
    }
}

/// Parameters of a path, by name.
pub(crate) type Params = Vec<(&'static str, String)>;

/// Finds the route of a call.
pub(crate) fn find(method: &Method, path: &str) -> Option<(&'static Route, Params)> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    ROUTES
        .iter()
        .filter(|route| route.method == method.as_str())
        .find_map(|route| fit(route.pattern, &segments).map(|params| (route, params)))
}

/// Fits a path to a pattern; `{name}` takes one segment and `{name*}` one or more.
fn fit(pattern: &'static str, segments: &[&str]) -> Option<Params> {
    let wanted: Vec<&'static str> = pattern.trim_start_matches('/').split('/').collect();
    let star = wanted.iter().position(|part| part.ends_with("*}"));
    let Some(star) = star else {
        if wanted.len() != segments.len() {
            return None;
        }
        let mut params = Params::new();
        for (part, segment) in wanted.iter().zip(segments) {
            fit_one(part, segment, &mut params)?;
        }
        return Some(params);
    };
    let tail = wanted.len() - star - 1;
    let end = segments.len().checked_sub(tail).filter(|end| *end > star)?;
    let mut params = Params::new();
    for (part, segment) in wanted.iter().zip(segments).take(star) {
        fit_one(part, segment, &mut params)?;
    }
    let middle: Vec<String> = segments
        .get(star..end)?
        .iter()
        .map(|part| percent_decode(part))
        .collect();
    let name = wanted.get(star)?.trim_matches(['{', '}', '*']);
    params.push((name, middle.join("/")));
    for (part, segment) in wanted.iter().skip(star + 1).zip(segments.get(end..)?) {
        fit_one(part, segment, &mut params)?;
    }
    Some(params)
}

fn fit_one(part: &'static str, segment: &str, params: &mut Params) -> Option<()> {
    if part.starts_with('{') {
        let value = percent_decode(segment);
        if value.is_empty() {
            return None;
        }
        params.push((part.trim_matches(['{', '}']), value));
        return Some(());
    }
    (part == segment).then_some(())
}

const META: &[Need] = &[("metadata", "read")];
const MEMBERS: &[Need] = &[("members", "read")];
const ADMIN: &[Need] = &[("administration", "write")];
const READ: &[Need] = &[("contents", "read")];
const WRITE: &[Need] = &[("contents", "write")];
const TALK_READ: &[Need] = &[("issues", "read"), ("pull_requests", "read")];
const TALK: &[Need] = &[("issues", "write"), ("pull_requests", "write")];
const PULLS_READ: &[Need] = &[("pull_requests", "read")];
const PULLS: &[Need] = &[("pull_requests", "write")];
const CHECKS_READ: &[Need] = &[("checks", "read")];
const CHECKS: &[Need] = &[("checks", "write")];
const STATUSES_READ: &[Need] = &[("statuses", "read")];
const STATUSES: &[Need] = &[("statuses", "write")];
const DEPLOY_READ: &[Need] = &[("deployments", "read")];
const DEPLOY: &[Need] = &[("deployments", "write")];
const ENVIRONMENTS: &[Need] = &[
    ("actions", "read"),
    ("deployments", "read"),
    ("environments", "read"),
];

const fn route(
    method: &'static str,
    pattern: &'static str,
    gate: Gate,
    handler: fn(&mut Ctx<'_>) -> Reply,
) -> Route {
    Route {
        method,
        pattern,
        gate,
        handler,
    }
}

macro_rules! routes {
    ($($method:ident $pattern:literal, $gate:expr => $handler:path;)*) => {
        &[$(route(stringify!($method), $pattern, $gate, $handler)),*]
    };
}

use Gate::{App, Installation, Open, Org, Person, Repo, RepoApp};
use Role::{Admin, Read, Triage, Write};

#[rustfmt::skip]
const ROUTES: &[Route] = routes! {
    GET "/", Open => people::root;
    GET "/meta", Open => people::meta;
    GET "/rate_limit", Open => people::rate_limit;
    GET "/app", App => apps::app;
    GET "/app/installations", App => apps::installations;
    GET "/app/installations/{id}", App => apps::installation;
    POST "/app/installations/{id}/access_tokens", App => apps::create_token;
    PUT "/app/installations/{id}/suspended", App => apps::suspend;
    DELETE "/app/installations/{id}/suspended", App => apps::unsuspend;
    GET "/app/hook/config", App => hook::config;
    PATCH "/app/hook/config", App => hook::set_config;
    GET "/app/hook/deliveries", App => hook::deliveries;
    GET "/app/hook/deliveries/{id}", App => hook::delivery;
    POST "/app/hook/deliveries/{id}/attempts", App => hook::redeliver;
    GET "/apps/{slug}", Open => apps::by_slug;
    DELETE "/installation/token", Installation => apps::revoke;
    POST "/graphql", Installation => graphql::answer;
    GET "/installation/repositories", Installation => apps::repositories;
    GET "/user", Person => people::me;
    GET "/user/repos", Person => repos::of_me;
    POST "/user/repos", Person => repos::create_mine;
    GET "/users/{login}", Open => people::user;
    GET "/users/{login}/repos", Open => repos::of_person;
    GET "/users/{login}/installation", App => apps::of_account;
    GET "/orgs/{login}/installation", App => apps::of_account;
    GET "/orgs/{org}", Open => people::org;
    GET "/orgs/{org}/members/{login}", Org(MEMBERS) => people::member;
    GET "/orgs/{org}/teams/{team}/memberships/{login}", Org(MEMBERS) => people::team_member;
    GET "/orgs/{org}/repos", Open => repos::of_org;
    POST "/orgs/{org}/repos", Person => repos::create_in_org;
    GET "/repositories/{id}", Repo(META, Read) => repos::get;
    GET "/repos/{owner}/{repo}", Repo(META, Read) => repos::get;
    PATCH "/repos/{owner}/{repo}", Repo(ADMIN, Admin) => repos::update;
    DELETE "/repos/{owner}/{repo}", Repo(ADMIN, Admin) => repos::delete;
    GET "/repos/{owner}/{repo}/installation", App => apps::of_repo;
    GET "/repos/{owner}/{repo}/forks", Repo(META, Read) => repos::forks;
    POST "/repos/{owner}/{repo}/forks", Repo(ADMIN, Read) => repos::fork;
    GET "/repos/{owner}/{repo}/collaborators", Repo(META, Write) => people::collaborators;
    GET "/repos/{owner}/{repo}/collaborators/{user}", Repo(META, Read) => people::is_collaborator;
    PUT "/repos/{owner}/{repo}/collaborators/{user}", Repo(ADMIN, Admin) => people::add_collaborator;
    DELETE "/repos/{owner}/{repo}/collaborators/{user}", Repo(ADMIN, Admin) => people::remove_collaborator;
    GET "/repos/{owner}/{repo}/collaborators/{user}/permission", Repo(META, Read) => people::permission;
    GET "/repos/{owner}/{repo}/branches", Repo(READ, Read) => branches::list;
    GET "/repos/{owner}/{repo}/branches/{branch*}", Repo(READ, Read) => branches::get;
    GET "/repos/{owner}/{repo}/rules/branches/{branch*}", Repo(META, Read) => branches::rules;
    GET "/repos/{owner}/{repo}/tags", Repo(READ, Read) => branches::tags;
    GET "/repos/{owner}/{repo}/labels", Repo(TALK_READ, Read) => labels::list;
    POST "/repos/{owner}/{repo}/labels", Repo(TALK, Triage) => labels::create;
    GET "/repos/{owner}/{repo}/labels/{name}", Repo(TALK_READ, Read) => labels::get;
    PATCH "/repos/{owner}/{repo}/labels/{name}", Repo(TALK, Triage) => labels::update;
    DELETE "/repos/{owner}/{repo}/labels/{name}", Repo(TALK, Triage) => labels::delete;
    GET "/repos/{owner}/{repo}/milestones", Repo(TALK_READ, Read) => milestones::list;
    POST "/repos/{owner}/{repo}/milestones", Repo(TALK, Triage) => milestones::create;
    GET "/repos/{owner}/{repo}/milestones/{number}", Repo(TALK_READ, Read) => milestones::get;
    POST "/repos/{owner}/{repo}/git/blobs", Repo(WRITE, Write) => git_data::create_blob;
    GET "/repos/{owner}/{repo}/git/blobs/{sha}", Repo(READ, Read) => git_data::blob;
    POST "/repos/{owner}/{repo}/git/trees", Repo(WRITE, Write) => git_data::create_tree;
    GET "/repos/{owner}/{repo}/git/trees/{sha*}", Repo(READ, Read) => git_data::tree;
    POST "/repos/{owner}/{repo}/git/commits", Repo(WRITE, Write) => git_data::create_commit;
    GET "/repos/{owner}/{repo}/git/commits/{sha}", Repo(READ, Read) => git_data::commit;
    POST "/repos/{owner}/{repo}/git/tags", Repo(WRITE, Write) => git_data::create_tag;
    GET "/repos/{owner}/{repo}/git/tags/{sha}", Repo(READ, Read) => git_data::tag;
    GET "/repos/{owner}/{repo}/git/ref/{ref*}", Repo(READ, Read) => git_refs::get;
    GET "/repos/{owner}/{repo}/git/matching-refs/{ref*}", Repo(READ, Read) => git_refs::matching;
    POST "/repos/{owner}/{repo}/git/refs", Repo(WRITE, Write) => git_refs::create;
    PATCH "/repos/{owner}/{repo}/git/refs/{ref*}", Repo(WRITE, Write) => git_refs::update;
    DELETE "/repos/{owner}/{repo}/git/refs/{ref*}", Repo(WRITE, Write) => git_refs::delete;
    GET "/repos/{owner}/{repo}/commits", Repo(READ, Read) => commits::list;
    GET "/repos/{owner}/{repo}/commits/{ref*}/check-runs", Repo(CHECKS_READ, Read) => checks::runs_of;
    GET "/repos/{owner}/{repo}/commits/{ref*}/check-suites", Repo(CHECKS_READ, Read) => checks::suites_of;
    GET "/repos/{owner}/{repo}/commits/{ref*}/status", Repo(STATUSES_READ, Read) => statuses::combined;
    GET "/repos/{owner}/{repo}/commits/{ref*}/statuses", Repo(STATUSES_READ, Read) => statuses::list;
    GET "/repos/{owner}/{repo}/commits/{ref*}/pulls", Repo(PULLS_READ, Read) => commits::pulls;
    GET "/repos/{owner}/{repo}/commits/{ref*}", Repo(READ, Read) => commits::get;
    GET "/repos/{owner}/{repo}/compare/{basehead*}", Repo(READ, Read) => commits::compare;
    GET "/repos/{owner}/{repo}/contents", Repo(READ, Read) => contents::get;
    GET "/repos/{owner}/{repo}/contents/{path*}", Repo(READ, Read) => contents::get;
    PUT "/repos/{owner}/{repo}/contents/{path*}", Repo(WRITE, Write) => contents::put;
    GET "/repos/{owner}/{repo}/issues", Repo(TALK_READ, Read) => issues::list;
    POST "/repos/{owner}/{repo}/issues", Repo(&[("issues", "write")], Read) => issues::create;
    GET "/repos/{owner}/{repo}/issues/comments", Repo(TALK_READ, Read) => comments::list_all;
    GET "/repos/{owner}/{repo}/issues/comments/{id}", Repo(TALK_READ, Read) => comments::get;
    PATCH "/repos/{owner}/{repo}/issues/comments/{id}", Repo(TALK, Read) => comments::update;
    DELETE "/repos/{owner}/{repo}/issues/comments/{id}", Repo(TALK, Read) => comments::delete;
    GET "/repos/{owner}/{repo}/issues/comments/{id}/reactions", Repo(TALK_READ, Read) => reactions::of_comment;
    POST "/repos/{owner}/{repo}/issues/comments/{id}/reactions", Repo(TALK, Read) => reactions::on_comment;
    DELETE "/repos/{owner}/{repo}/issues/comments/{id}/reactions/{reaction}", Repo(TALK, Read) => reactions::off_comment;
    GET "/repos/{owner}/{repo}/issues/{number}", Repo(TALK_READ, Read) => issues::get;
    PATCH "/repos/{owner}/{repo}/issues/{number}", Repo(TALK, Read) => issues::update;
    GET "/repos/{owner}/{repo}/issues/{number}/comments", Repo(TALK_READ, Read) => comments::list;
    POST "/repos/{owner}/{repo}/issues/{number}/comments", Repo(TALK, Read) => comments::create;
    GET "/repos/{owner}/{repo}/issues/{number}/reactions", Repo(TALK_READ, Read) => reactions::of_issue;
    POST "/repos/{owner}/{repo}/issues/{number}/reactions", Repo(TALK, Read) => reactions::on_issue;
    DELETE "/repos/{owner}/{repo}/issues/{number}/reactions/{reaction}", Repo(TALK, Read) => reactions::off_issue;
    GET "/repos/{owner}/{repo}/issues/{number}/labels", Repo(TALK_READ, Read) => labels::of_issue;
    POST "/repos/{owner}/{repo}/issues/{number}/labels", Repo(TALK, Triage) => labels::add;
    PUT "/repos/{owner}/{repo}/issues/{number}/labels", Repo(TALK, Triage) => labels::set;
    DELETE "/repos/{owner}/{repo}/issues/{number}/labels", Repo(TALK, Triage) => labels::clear;
    DELETE "/repos/{owner}/{repo}/issues/{number}/labels/{name}", Repo(TALK, Triage) => labels::remove;
    POST "/repos/{owner}/{repo}/issues/{number}/assignees", Repo(TALK, Triage) => issues::assign;
    DELETE "/repos/{owner}/{repo}/issues/{number}/assignees", Repo(TALK, Triage) => issues::unassign;
    GET "/repos/{owner}/{repo}/pulls", Repo(PULLS_READ, Read) => pulls::list;
    POST "/repos/{owner}/{repo}/pulls", Repo(PULLS, Read) => pulls::create;
    GET "/repos/{owner}/{repo}/pulls/{number}", Repo(PULLS_READ, Read) => pulls::get;
    PATCH "/repos/{owner}/{repo}/pulls/{number}", Repo(PULLS, Read) => pulls::update;
    GET "/repos/{owner}/{repo}/pulls/{number}/files", Repo(PULLS_READ, Read) => pulls::files;
    GET "/repos/{owner}/{repo}/pulls/{number}/commits", Repo(PULLS_READ, Read) => pulls::commits;
    GET "/repos/{owner}/{repo}/pulls/{number}/comments", Repo(PULLS_READ, Read) => reviews::comments;
    POST "/repos/{owner}/{repo}/pulls/{number}/comments", Repo(PULLS, Read) => reviews::create_comment;
    GET "/repos/{owner}/{repo}/pulls/comments/{id}/reactions", Repo(PULLS_READ, Read) => reactions::of_diff_comment;
    POST "/repos/{owner}/{repo}/pulls/comments/{id}/reactions", Repo(PULLS, Read) => reactions::on_diff_comment;
    GET "/repos/{owner}/{repo}/pulls/{number}/reviews", Repo(PULLS_READ, Read) => reviews::list;
    POST "/repos/{owner}/{repo}/pulls/{number}/reviews", Repo(PULLS, Read) => reviews::create;
    GET "/repos/{owner}/{repo}/pulls/{number}/reviews/{review}", Repo(PULLS_READ, Read) => reviews::get;
    POST "/repos/{owner}/{repo}/pulls/{number}/reviews/{review}/events", Repo(PULLS, Read) => reviews::submit;
    PUT "/repos/{owner}/{repo}/pulls/{number}/reviews/{review}/dismissals", Repo(PULLS, Write) => reviews::dismiss;
    GET "/repos/{owner}/{repo}/pulls/{number}/requested_reviewers", Repo(PULLS_READ, Read) => reviews::requested;
    POST "/repos/{owner}/{repo}/pulls/{number}/requested_reviewers", Repo(PULLS, Triage) => reviews::request;
    DELETE "/repos/{owner}/{repo}/pulls/{number}/requested_reviewers", Repo(PULLS, Triage) => reviews::unrequest;
    GET "/repos/{owner}/{repo}/pulls/{number}/merge", Repo(READ, Read) => merge::is_merged;
    PUT "/repos/{owner}/{repo}/pulls/{number}/merge", Repo(WRITE, Write) => merge::merge;
    PUT "/repos/{owner}/{repo}/pulls/{number}/update-branch", Repo(PULLS, Write) => merge::update_branch;
    POST "/repos/{owner}/{repo}/check-runs", RepoApp(CHECKS) => checks::create;
    GET "/repos/{owner}/{repo}/check-runs/{id}", Repo(CHECKS_READ, Read) => checks::get;
    PATCH "/repos/{owner}/{repo}/check-runs/{id}", RepoApp(CHECKS) => checks::update;
    GET "/repos/{owner}/{repo}/check-runs/{id}/annotations", Repo(CHECKS_READ, Read) => checks::annotations;
    POST "/repos/{owner}/{repo}/check-runs/{id}/rerequest", Repo(CHECKS, Write) => checks::rerequest;
    GET "/repos/{owner}/{repo}/check-suites/{id}", Repo(CHECKS_READ, Read) => checks::suite;
    GET "/repos/{owner}/{repo}/check-suites/{id}/check-runs", Repo(CHECKS_READ, Read) => checks::suite_runs;
    POST "/repos/{owner}/{repo}/check-suites/{id}/rerequest", Repo(CHECKS, Write) => checks::rerequest_suite;
    POST "/repos/{owner}/{repo}/statuses/{sha}", Repo(STATUSES, Write) => statuses::create;
    GET "/repos/{owner}/{repo}/deployments", Repo(DEPLOY_READ, Read) => deployments::list;
    POST "/repos/{owner}/{repo}/deployments", Repo(DEPLOY, Write) => deployments::create;
    GET "/repos/{owner}/{repo}/deployments/{id}", Repo(DEPLOY_READ, Read) => deployments::get;
    DELETE "/repos/{owner}/{repo}/deployments/{id}", Repo(DEPLOY, Write) => deployments::delete;
    GET "/repos/{owner}/{repo}/deployments/{id}/statuses", Repo(DEPLOY_READ, Read) => deployments::statuses;
    POST "/repos/{owner}/{repo}/deployments/{id}/statuses", Repo(DEPLOY, Write) => deployments::create_status;
    GET "/repos/{owner}/{repo}/deployments/{id}/statuses/{status}", Repo(DEPLOY_READ, Read) => deployments::status;
    GET "/repos/{owner}/{repo}/environments", Repo(ENVIRONMENTS, Read) => deployments::environments;
    GET "/repos/{owner}/{repo}/environments/{name}", Repo(ENVIRONMENTS, Read) => deployments::environment;
};

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: Method, path: &str, pattern: Option<&str>) {
        let found = find(&method, path).map(|(route, _)| route.pattern);
        assert_eq!(found, pattern, "{method} {path}");
    }

    #[test]
    fn paths_find_their_route() {
        check(Method::GET, "/", Some("/"));
        check(
            Method::GET,
            "/repos/a/b/commits/feature/x/status",
            Some("/repos/{owner}/{repo}/commits/{ref*}/status"),
        );
        check(
            Method::GET,
            "/repos/a/b/git/ref/heads/feature/x",
            Some("/repos/{owner}/{repo}/git/ref/{ref*}"),
        );
        check(
            Method::GET,
            "/repos/a/b/issues/comments/4",
            Some("/repos/{owner}/{repo}/issues/comments/{id}"),
        );
        check(Method::PUT, "/repos/a/b/issues", None);
        check(Method::GET, "/nothing", None);
    }

    #[test]
    fn stars_take_what_lies_between() {
        let (_, params) =
            find(&Method::GET, "/repos/a/b/commits/f%2Fx/y/check-runs").expect("the route exists");
        assert_eq!(params.last(), Some(&("ref", "f/x/y".to_owned())));
    }
}
