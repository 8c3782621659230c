//! Every call that the rooms make, with the permission it needs: a test holds the App's manifest against it.

/// A call of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Called {
    /// HTTP method.
    pub method: &'static str,
    /// Path with `{}` for what varies.
    pub path: &'static str,
    /// The permission, `None` for what the App's own key opens.
    pub permission: Option<&'static str>,
    /// `read` or `write`.
    pub level: &'static str,
}

macro_rules! calls {
    ($($method:literal $path:literal $permission:expr, $level:literal;)*) => {
        &[$(Called { method: $method, path: $path, permission: $permission, level: $level }),*]
    };
}

/// The calls, by path.
#[rustfmt::skip]
pub const CALLS: &[Called] = calls! {
    "GET" "/app" None, "read";
    "GET" "/app/hook/config" None, "read";
    "GET" "/app/hook/deliveries" None, "read";
    "POST" "/app/hook/deliveries/{}/attempts" None, "write";
    "GET" "/app/installations" None, "read";
    "GET" "/app/installations/{}" None, "read";
    "POST" "/app/installations/{}/access_tokens" None, "write";
    "POST" "/graphql" Some("contents"), "write";
    "GET" "/installation/repositories" Some("metadata"), "read";
    "GET" "/orgs/{}/members/{}" Some("members"), "read";
    "GET" "/orgs/{}/teams/{}/memberships/{}" Some("members"), "read";
    "GET" "/repos/{}/{}" Some("metadata"), "read";
    "GET" "/repos/{}/{}/branches/{}" Some("contents"), "read";
    "POST" "/repos/{}/{}/check-runs" Some("checks"), "write";
    "PATCH" "/repos/{}/{}/check-runs/{}" Some("checks"), "write";
    "GET" "/repos/{}/{}/collaborators/{}" Some("metadata"), "read";
    "GET" "/repos/{}/{}/collaborators/{}/permission" Some("metadata"), "read";
    "GET" "/repos/{}/{}/commits/{}/check-runs" Some("checks"), "read";
    "GET" "/repos/{}/{}/commits/{}/status" Some("statuses"), "read";
    "GET" "/repos/{}/{}/contents/{}" Some("contents"), "read";
    "GET" "/repos/{}/{}/deployments" Some("deployments"), "read";
    "POST" "/repos/{}/{}/deployments" Some("deployments"), "write";
    "GET" "/repos/{}/{}/deployments/{}/statuses" Some("deployments"), "read";
    "POST" "/repos/{}/{}/deployments/{}/statuses" Some("deployments"), "write";
    "POST" "/repos/{}/{}/git/blobs" Some("contents"), "write";
    "POST" "/repos/{}/{}/git/commits" Some("contents"), "write";
    "GET" "/repos/{}/{}/git/commits/{}" Some("contents"), "read";
    "GET" "/repos/{}/{}/git/ref/{}" Some("contents"), "read";
    "POST" "/repos/{}/{}/git/refs" Some("contents"), "write";
    "PATCH" "/repos/{}/{}/git/refs/{}" Some("contents"), "write";
    "POST" "/repos/{}/{}/git/trees" Some("contents"), "write";
    "PATCH" "/repos/{}/{}/issues/comments/{}" Some("issues"), "write";
    "DELETE" "/repos/{}/{}/issues/comments/{}" Some("issues"), "write";
    "POST" "/repos/{}/{}/issues/comments/{}/reactions" Some("issues"), "write";
    "GET" "/repos/{}/{}/issues" Some("issues"), "read";
    "GET" "/repos/{}/{}/issues/{}" Some("issues"), "read";
    "PATCH" "/repos/{}/{}/issues/{}" Some("issues"), "write";
    "POST" "/repos/{}/{}/issues/{}/assignees" Some("issues"), "write";
    "DELETE" "/repos/{}/{}/issues/{}/assignees" Some("issues"), "write";
    "GET" "/repos/{}/{}/issues/{}/comments" Some("issues"), "read";
    "POST" "/repos/{}/{}/issues/{}/comments" Some("issues"), "write";
    "POST" "/repos/{}/{}/issues/{}/reactions" Some("issues"), "write";
    "GET" "/repos/{}/{}/issues/{}/labels" Some("issues"), "read";
    "POST" "/repos/{}/{}/issues/{}/labels" Some("issues"), "write";
    "DELETE" "/repos/{}/{}/issues/{}/labels/{}" Some("issues"), "write";
    "GET" "/repos/{}/{}/labels" Some("issues"), "read";
    "POST" "/repos/{}/{}/labels" Some("issues"), "write";
    "GET" "/repos/{}/{}/labels/{}" Some("issues"), "read";
    "GET" "/repos/{}/{}/milestones" Some("issues"), "read";
    "GET" "/repos/{}/{}/pulls" Some("pull_requests"), "read";
    "POST" "/repos/{}/{}/pulls" Some("pull_requests"), "write";
    "GET" "/repos/{}/{}/pulls/{}" Some("pull_requests"), "read";
    "POST" "/repos/{}/{}/pulls/comments/{}/reactions" Some("pull_requests"), "write";
    "PATCH" "/repos/{}/{}/pulls/{}" Some("pull_requests"), "write";
    "GET" "/repos/{}/{}/pulls/{}/comments" Some("pull_requests"), "read";
    "PUT" "/repos/{}/{}/pulls/{}/merge" Some("contents"), "write";
    "GET" "/repos/{}/{}/pulls/{}/requested_reviewers" Some("pull_requests"), "read";
    "POST" "/repos/{}/{}/pulls/{}/requested_reviewers" Some("pull_requests"), "write";
    "DELETE" "/repos/{}/{}/pulls/{}/requested_reviewers" Some("pull_requests"), "write";
    "GET" "/repos/{}/{}/pulls/{}/reviews" Some("pull_requests"), "read";
    "GET" "/repos/{}/{}/rules/branches/{}" Some("metadata"), "read";
    "POST" "/repos/{}/{}/statuses/{}" Some("statuses"), "write";
};
