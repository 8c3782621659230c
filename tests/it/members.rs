//! A repository of an organisation: what its members bring runs, and what its collaborators bring waits for a member.

use crate::harness::{World, run_test};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const CONTRACT: &str = "kind: training
model: tools
service: tools-service
steps: [{name: train, run: [python3, train.py]}]
evaluate: self
checks: [{name: unit, run: [python3, -c, pass]}]
triggers: {push: [release], pull_request: false}
chatops:
  only_org_members: true
  sticky_lgtm: [guild/core]
";

/// `guild/tools`: `ada` owns the organisation, `linus` is a member, and `grace` a collaborator from outside.
async fn guild(t: &World) {
    let members = json!({"ada": "admin", "linus": "member"});
    let org = json!({"login": "guild", "members": members, "teams": {"core": ["linus"]}});
    t.admin("POST", "/_hub/orgs", Some(org)).await;
    let installation = json!({"account": "guild"});
    t.admin("POST", "/_hub/installations", Some(installation))
        .await;
    let repo = json!({"name": "tools", "auto_init": true});
    t.api("ada", "POST", "/orgs/guild/repos", Some(repo)).await;
    for who in ["linus", "grace"] {
        let path = format!("/repos/guild/tools/collaborators/{who}");
        t.api("ada", "PUT", &path, Some(json!({"permission": "push"})))
            .await;
    }
    write(t, "ada", "main", ("bowsprit.yaml", CONTRACT)).await;
}

/// One commit on a branch; says its id.
async fn write(t: &World, who: &str, branch: &str, (path, text): (&str, &str)) -> String {
    let at = format!("/repos/guild/tools/contents/{path}");
    let content = STANDARD.encode(text);
    let file = json!({"message": "Say more", "content": content, "branch": branch});
    let made = t.api(who, "PUT", &at, Some(file)).await;
    text_of(&made["commit"]["sha"])
}

fn text_of(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// A pull request of somebody's from a branch of the repository; says its number and head.
async fn offer(t: &World, who: &str) -> (u64, String) {
    let main = t
        .api(who, "GET", "/repos/guild/tools/git/ref/heads/main", None)
        .await;
    let branch = json!({"ref": format!("refs/heads/{who}"), "sha": main["object"]["sha"]});
    t.api(who, "POST", "/repos/guild/tools/git/refs", Some(branch))
        .await;
    let file = format!("{who}.txt");
    let head = write(t, who, who, (&file, "more\n")).await;
    let pull = json!({"title": "More", "head": who, "base": "main"});
    let pull = t
        .api(who, "POST", "/repos/guild/tools/pulls", Some(pull))
        .await;
    (pull["number"].as_u64().expect("a number"), head)
}

async fn say(t: &World, who: &str, pr: u64, body: &str) {
    let path = format!("/repos/guild/tools/issues/{pr}/comments");
    t.api(who, "POST", &path, Some(json!({"body": body}))).await;
    t.settle().await;
}

/// Everything that the bot wrote.
async fn said(t: &World, pr: u64) -> String {
    let path = format!("/repos/guild/tools/issues/{pr}/comments");
    let all = t.api("ada", "GET", &path, None).await;
    let ours = all.as_array().expect("a list").iter();
    let ours = ours.filter(|one| one["user"]["login"] == "bowsprit[bot]");
    ours.map(|one| text_of(&one["body"])).collect()
}

/// Whether the check has begun for a head.
async fn has_run(t: &World, head: &str) -> bool {
    let path = format!("/repos/guild/tools/commits/{head}/check-runs");
    let all = t.api("ada", "GET", &path, None).await;
    let runs = all["check_runs"].as_array().expect("a list");
    runs.iter().any(|run| run["name"] == "unit")
}

#[tokio::test(flavor = "multi_thread")]
async fn code_of_collaborators_waits_for_a_member() {
    run_test(async |t| {
        guild(t).await;
        let (_, of_member) = offer(t, "linus").await;
        let (pr, head) = offer(t, "grace").await;
        t.settle().await;
        assert!(has_run(t, &of_member).await, "a member's code runs");
        assert!(!has_run(t, &head).await);
        let told = said(t, pr).await;
        assert!(told.contains("by a member of the organisation"), "{told}");
        let words = format!("/ok-to-test {head}");
        say(t, "grace", pr, &words).await;
        assert!(!has_run(t, &head).await);
        let told = said(t, pr).await;
        assert!(
            told.contains("is for members of the organisation"),
            "{told}"
        );
        say(t, "linus", pr, &words).await;
        assert!(has_run(t, &head).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_lgtm_for_somebody_of_the_team_stays_over_a_push() {
    run_test(async |t| {
        guild(t).await;
        for (who, by, stays) in [("linus", "grace", true), ("grace", "linus", false)] {
            let (pr, _) = offer(t, who).await;
            t.settle().await;
            say(t, by, pr, "/lgtm\n/hold").await;
            t.next_second().await;
            write(t, who, who, ("again.txt", who)).await;
            t.settle().await;
            let told = said(t, pr).await;
            let is_void = told.contains("the change is another since");
            assert_eq!(is_void, !stays, "{who}: {told}");
        }
    })
    .await;
}
