//! What is known of Prow's keys and plugins, and what becomes of each: tables, one line a key.

use super::walk::{Spot, Walk};

/// What becomes of a key or plugin.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fate {
    /// It is so here as well, without being said: how.
    Same(&'static str),
    /// It is not carried over: why, and what to do instead.
    Left(&'static str, &'static str),
}

use Fate::{Left, Same};

/// One row.
pub(super) type Row = (&'static str, Fate);

const FUN: Fate = Left("commands for fun are not built", "");
const DEPLOYMENT: Fate = Left(
    "it sets up Prow's own components",
    "`docs/CONFIGURATION.md` has the keys of this server",
);
const CLUSTER: Fate = Left(
    "it says where Prow's pods run",
    "`[cluster]` of the server's file says it for all stages",
);
const WEBHOOK: Fate = Left(
    "no other program is sent webhooks",
    "give it a webhook of its own at GitHub",
);
const ISSUES: Fate = Left("no plugin for that tracker is built", "");
const NO_TEXT: Fate = Left("the texts of answers are the server's", "");
/// What is said of one merge.
const MERGING: Fate = Left(
    "texts of merges are the server's, and a method is chosen by label or contract",
    "`merge_method`, or the label",
);

/// Plugins that stand under `plugins` and `external_plugins`.
#[rustfmt::skip]
pub(super) const PLUGINS: &[Row] = &[
    ("approve", Same("`/approve` by OWNERS, always on")),
    ("lgtm", Same("`/lgtm`, always on")),
    ("hold", Same("`/hold`, always on")),
    ("assign", Same("`/assign` and `/cc`, always on")),
    ("trigger", Same("`/test`, `/retest` and `/ok-to-test`, always on")),
    ("skip", Same("`/skip`, always on")),
    ("override", Same("`/override`")),
    ("lifecycle", Same("`/close`, `/reopen` and `/lifecycle`, always on")),
    ("label", Same("`/kind`, `/area` and the other families, always on")),
    ("help", Same("`/help`")),
    ("milestone", Same("`/milestone`, for people who may write")),
    ("retitle", Same("`/retitle`, for people who may write")),
    ("wip", Same("the switch `wip_titles`")),
    ("blunderbuss", Same("`ask_reviewers`")),
    ("cherrypicker", Same("`/cherrypick`")),
    ("cherrypick", Same("`/cherrypick`")),
    ("refresh", Same("`/refresh`")),
    ("needs-rebase", Same("the rule `no conflict` of the status comment, and the label")),
    ("verify-owners", Same("the rule `OWNERS can be read`, always on; whether who is named is a collaborator is looked up when they speak")),
    ("config-updater", Left("nothing is uploaded: contracts are read from the base branch", "")),
    ("owners-label", Left("labels of OWNERS files are not put on", "put them on by `/label`")),
    ("size", Left("no labels for the size of a change are put on", "")),
    ("blockade", Left("paths cannot be blocked", "an OWNERS file with `no_parent_owners` in that folder says who may change it")),
    ("require-matching-label", Left("no label can be required", "say it in OWNERS, or with a required check")),
    ("cherry-pick-unapproved", Left("picks are not held back by a label", "OWNERS of the release branch decide")),
    ("cherry-pick-approved", Left("picks are not held back by a label", "OWNERS of the release branch decide")),
    ("welcome", NO_TEXT),
    ("release-note", Left("notes for releases are not kept", "")),
    ("stage", Left("labels of stages are not built", "")),
    ("invalidcommitmsg", Left("messages of commits are not judged", "a check can")),
    ("dco", Left("sign-offs are not judged", "use the DCO App of GitHub")),
    ("cla", Left("agreements are not judged", "use the CLA App of GitHub")),
    ("mergecommitblocker", Left("merge commits in a change are not judged", "GitHub's rule for a linear history does")),
    ("merge-method-comment", MERGING),
    ("branchcleaner", Left("head branches are not deleted", "GitHub's setting `Automatically delete head branches` does")),
    ("branch-cleaner", Left("head branches are not deleted", "GitHub's setting `Automatically delete head branches` does")),
    ("trick-or-treat", FUN),
    ("cat", FUN),
    ("dog", FUN),
    ("goose", FUN),
    ("pony", FUN),
    ("yuks", FUN),
    ("shrug", FUN),
    ("heart", FUN),
    ("golint", Left("code is not linted by the bot", "a check can")),
    ("buildifier", Left("code is not linted by the bot", "a check can")),
    ("bugzilla", ISSUES),
    ("jira", ISSUES),
    ("jira-lifecycle-plugin", ISSUES),
    ("slackevents", Left("nothing is said in Slack", "GitHub's own App for Slack")),
    ("sigmention", Left("mentions put no label on", "")),
    ("milestonestatus", Left("labels of milestones are not built", "")),
    ("milestoneapplier", Left("milestones are not set by branch", "`/milestone` sets one")),
    ("project", Left("project boards are not kept", "GitHub's own workflows of projects")),
    ("project-manager", Left("project boards are not kept", "GitHub's own workflows of projects")),
    ("transfer-issue", Left("issues are not moved", "GitHub's page of the issue moves it")),
    ("pipeline-controller", WEBHOOK),
];

/// Sections of `plugins.yaml` that are read by no code of ours.
#[rustfmt::skip]
pub(super) const PLUGIN_SECTIONS: &[Row] = &[
    ("size", Left("no labels for the size of a change are put on", "")),
    ("blockades", Left("paths cannot be blocked", "an OWNERS file with `no_parent_owners` in that folder says who may change it")),
    ("require_matching_label", Left("no label can be required", "say it in OWNERS, or with a required check")),
    ("requiresig", Left("no label can be required", "")),
    ("welcome", NO_TEXT),
    ("config_updater", Left("nothing is uploaded: contracts are read from the base branch", "")),
    ("cherry_pick_unapproved", Left("picks are not held back by a label", "OWNERS of the release branch decide")),
    ("cherry_pick_approved", Left("picks are not held back by a label", "OWNERS of the release branch decide")),
    ("repo_milestone", Left("`/milestone` is for people who may write, not for a team", "")),
    ("milestone_applier", Left("milestones are not set by branch", "`/milestone` sets one")),
    ("retitle", Left("titles of closed issues and pull requests are changed as well", "")),
    ("help", Left("what `/help` says is written by the server", "")),
    ("branch_cleaner", Left("head branches are not deleted", "GitHub's setting `Automatically delete head branches` does")),
    ("project_config", Left("project boards are not kept", "GitHub's own workflows of projects")),
    ("project_manager", Left("project boards are not kept", "GitHub's own workflows of projects")),
    ("sigmention", Left("mentions put no label on", "")),
    ("slack", Left("nothing is said in Slack", "GitHub's own App for Slack")),
    ("bugzilla", ISSUES),
    ("jira", ISSUES),
    ("dco", Left("sign-offs are not judged", "use the DCO App of GitHub")),
    ("golint", Left("code is not linted by the bot", "a check can")),
    ("goose", FUN),
    ("cat", FUN),
    ("pony", FUN),
    ("heart", FUN),
];

/// Keys of the entries of `approve`, `lgtm` and `triggers` that are no switch of ours.
#[rustfmt::skip]
pub(super) const ENTRY_KEYS: &[Row] = &[
    ("store_tree_hash", Same("an lgtm belongs to the change itself, so an equal change keeps it")),
    ("commandHelpLink", NO_TEXT),
    ("pr_process_link", NO_TEXT),
    ("join_org_url", NO_TEXT),
    ("trusted_org", Left("another organisation cannot be trusted", "invite its people, or name Apps in `trusted_apps`")),
    ("trigger_github_workflows", Left("workflows of GitHub Actions are not run again", "GitHub's page of the run does that")),
    ("elide_skipped_contexts", Same("checks that do not run are not reported")),
];

/// Keys of `blunderbuss` that `ask_reviewers` does not have.
#[rustfmt::skip]
pub(super) const BLUNDERBUSS_KEYS: &[Row] = &[
    ("file_weight_count", Left("Prow ignores it, too", "")),
    ("use_status_availability", Left("people's status at GitHub is not asked for", "name them in `ignore_authors`, or take them out of OWNERS for that time")),
    ("wait_for_status", Left("reviewers are asked at once", "")),
    ("required_reviewers", Left("people are required by OWNERS alone", "`required_reviewers` of OWNERS, with the switch `required_reviewers_block`")),
];

/// Keys of `owners`, and of `label`.
#[rustfmt::skip]
pub(super) const OTHER_KEYS: &[Row] = &[
    ("mdyamlrepos", Left("owners in the head of Markdown files do not count", "write a filter into OWNERS")),
    ("filenames", Left("the files are called `OWNERS` and `OWNERS_ALIASES`", "rename them")),
    ("labels_denylist", Left("labels of OWNERS files are not put on", "")),
    ("labels_blacklist", Left("labels of OWNERS files are not put on", "")),
    ("labels", Left("labels of OWNERS files are not put on", "")),
];

/// Sections of `config.yaml` that are read by no code of ours.
#[rustfmt::skip]
pub(super) const CONFIG_SECTIONS: &[Row] = &[
    ("branch-protection", Left("GitHub's rules of branches are obeyed and not written", "keep them at GitHub, without `tide`, which nothing reports here")),
    ("deck", DEPLOYMENT),
    ("plank", DEPLOYMENT),
    ("sinker", DEPLOYMENT),
    ("horologium", DEPLOYMENT),
    ("crier", DEPLOYMENT),
    ("gangway", DEPLOYMENT),
    ("moonraker", DEPLOYMENT),
    ("scheduler", DEPLOYMENT),
    ("push_gateway", DEPLOYMENT),
    ("log_level", DEPLOYMENT),
    ("owners_dir_denylist", Left("no folder's OWNERS files are ignored", "remove those files")),
    ("owners_dir_blacklist", Left("no folder's OWNERS files are ignored", "remove those files")),
    ("prowjob_namespace", CLUSTER),
    ("pod_namespace", CLUSTER),
    ("disabled_clusters", CLUSTER),
    ("prowjob_default_entries", CLUSTER),
    ("default_job_timeout", Left("a check ends after 30 minutes unless it says `timeout`", "write `timeout` where a check needs longer")),
    ("decorate_all_jobs", Same("every check has its log, its limits and its result")),
    ("in_repo_config", Same("checks stand in the repository: in the contract of the base branch, never of the head")),
    ("github_reporter", Same("every check reports; there is one comment a pull request")),
    ("github", DEPLOYMENT),
    ("managed_webhooks", Same("a GitHub App has one webhook for all repositories")),
    ("slack_reporter_configs", Left("nothing is said in Slack", "GitHub's own App for Slack")),
    ("status_error_link", NO_TEXT),
    ("presets", Left("no preset is laid over a job", "write what it needs into the check's script")),
    ("gerrit", Left("only GitHub is served", "")),
    ("jenkins_operators", Left("no Jenkins is driven", "")),
    ("manage_webhooks", Same("a GitHub App has one webhook for all repositories")),
];

/// Keys of `tide` beside its queries.
#[rustfmt::skip]
pub(super) const TIDE_KEYS: &[Row] = &[
    ("merge_commit_template", MERGING),
    ("batch_size_limit", Left("`merge_tests` under `chatops` has what is ready tested together, at most 64 in a test; where inputs are equal nothing is tested again only because the base moved", "")),
    ("batch_size_limit_map", Left("`merge_tests` under `chatops` has what is ready tested together, at most 64 in a test; where inputs are equal nothing is tested again only because the base moved", "")),
    ("prioritize_existing_batches", Left("`merge_tests` under `chatops` has what is ready tested together, at most 64 in a test; where inputs are equal nothing is tested again only because the base moved", "")),
    ("sync_period", Left("everything is looked at when GitHub tells of it, and at each tick", "`reconcile.every` of the server's file")),
    ("status_update_period", Same("the status comment is edited when something changes")),
    ("target_url", Same("each check links to its own page")),
    ("target_urls", Same("each check links to its own page")),
    ("pr_status_base_url", Same("each check links to its own page")),
    ("pr_status_base_urls", Same("each check links to its own page")),
    ("max_goroutines", DEPLOYMENT),
    ("cache_ttl", DEPLOYMENT),
    ("display_all_tide_queries_in_status", Same("every rule is shown")),
];

/// Keys of `context_options` that `contexts` does not have.
#[rustfmt::skip]
pub(super) const CONTEXT_KEYS: &[Row] = &[
    ("from-branch-protection", Same("what GitHub's rules of the branch require is always required")),
    ("optional-regex-contexts", Left("contexts are named, and not described by a pattern: what it matches counts as any other", "name each under `optional` of `contexts`")),
    ("overwrite-pending-contexts", Left("what others report is not written over, so what is pending is waited for", "`/override` writes over one")),
];

/// Keys of a query of tide.
#[rustfmt::skip]
pub(super) const TIDE_QUERY_KEYS: &[Row] = &[
    ("orgs", Same("what meets every rule is merged, where the base branch has a contract")),
    ("repos", Same("what meets every rule is merged, where the base branch has a contract")),
    ("excludedRepos", Left("repositories of an organisation cannot be left out by name", "leave them out of the App's installation")),
    ("includedBranches", Left("branches are not listed: each one that has a contract is served", "keep `bowsprit.yaml` on these branches alone")),
    ("excludedBranches", Left("branches are not listed: each one that has a contract is served", "keep `bowsprit.yaml` off these branches")),
    ("author", Left("rules do not differ by author", "")),
    ("milestone", Left("no milestone can be required", "")),
    ("reviewApprovedRequired", Left("an approving review is an lgtm or an approval by switches", "`review_acts_as_lgtm`, or GitHub's rules of the branch")),
];

/// Labels that must be missing there.
#[rustfmt::skip]
pub(super) const TIDE_LABELS: &[Row] = &[
    ("do-not-merge/hold", Same("the rule `not held`")),
    ("do-not-merge/work-in-progress", Same("drafts, and the switch `wip_titles`")),
    ("needs-rebase", Same("the rule `no conflict`")),
    ("needs-ok-to-test", Same("the rule `trusted head`")),
    ("do-not-merge/invalid-owners-file", Same("the rule `OWNERS can be read`")),
    ("do-not-merge/blocked-paths", Left("paths cannot be blocked", "an OWNERS file with `no_parent_owners` in that folder says who may change it")),
    ("do-not-merge/cherry-pick-not-approved", Left("picks are not held back by a label", "OWNERS of the release branch decide")),
    ("do-not-merge", Left("a label does not hold a change back", "`/hold` does")),
];

/// Keys of a job that a check does not have.
#[rustfmt::skip]
pub(super) const JOB_KEYS: &[Row] = &[
    ("agent", Same("a check runs in a pod, or a process, shut in")),
    ("decorate", Same("every check has its log, its limits and its result")),
    ("skip_report", Left("every check reports", "")),
    ("context", Left("a check reports under its own name", "change what GitHub's rules of the branch require, and what `contexts` names")),
    ("trigger", Left("`/test <name>` starts a check and nothing else does", "")),
    ("rerun_command", Left("`/test <name>` starts a check and nothing else does", "")),
    ("branches", Left("a contract is that of its branch: there is no list of branches", "write the check into the contracts of these branches alone")),
    ("skip_branches", Left("a contract is that of its branch: there is no list of branches", "leave the check out of the contracts of these branches")),
    ("cluster", CLUSTER),
    ("namespace", CLUSTER),
    ("labels", Left("a check has no labels, so no preset is laid over it", "write what the preset gives into the check's script")),
    ("annotations", Left("a check has no annotations", "")),
    ("max_concurrency", Left("stages at once are limited for the server: `runs.slots`", "")),
    ("job_queue_name", Left("stages at once are limited for the server: `runs.slots`", "")),
    ("path_alias", Left("the code lies in the working directory of the check", "change paths in its script")),
    ("clone_uri", Left("the code is that of the pull request", "")),
    ("clone_depth", Left("a check gets the files of the head, without history", "")),
    ("skip_submodules", Left("submodules are not fetched", "")),
    ("extra_refs", Left("no other repository is fetched", "have the script fetch it, where steps may use the network")),
    ("run_before_merge", Left("a check runs for the head of a pull request", "")),
    ("run_after_success", Left("a check waits for no other", "")),
    ("hidden", Left("every check is shown", "")),
    ("reporter_config", Left("nothing is said elsewhere than at GitHub", "")),
    ("error_on_eviction", Left("why a pod went decides whether its check failed", "`/retest` runs it again")),
    ("retry", Left("a check that fails is run again by `/retest`", "")),
    ("jenkins_spec", Left("no Jenkins is driven", "")),
    ("pipeline_run_spec", Left("no Tekton is driven", "")),
    ("tekton_pipeline_run_spec", Left("no Tekton is driven", "")),
    ("rerun_auth_config", Left("`/retest` is for people who may write", "")),
    ("prowjob_defaults", Left("there are no defaults for a tenant", "")),
];

/// Keys of a pod and its container that a check does not have.
#[rustfmt::skip]
pub(super) const POD_KEYS: &[Row] = &[
    ("name", Same("a check has one process, called as the check")),
    ("imagePullPolicy", Same("an image by digest is the same image always")),
    ("env", Left("a check has no variables of its own", "set them in its script")),
    ("envFrom", Left("a check has no variables of its own", "set them in its script")),
    ("volumes", Left("a check has its working directory alone", "")),
    ("volumeMounts", Left("a check has its working directory alone", "")),
    ("serviceAccountName", Left("a check has no rights in the cluster", "")),
    ("securityContext", Left("a check runs shut in, without privileges", "")),
    ("nodeSelector", CLUSTER),
    ("tolerations", CLUSTER),
    ("affinity", CLUSTER),
    ("workingDir", Left("a check begins at the root of the repository", "change the folder in its script")),
    ("ports", Left("a check cannot be reached", "")),
    ("initContainers", Left("a check is one process", "do it in its script")),
    ("restartPolicy", Same("a check is not started again by itself")),
    ("terminationGracePeriodSeconds", Left("a check that ends too late is killed", "")),
    ("dnsPolicy", CLUSTER),
    ("dnsConfig", CLUSTER),
    ("hostNetwork", Left("a check runs shut in, without privileges", "")),
    ("priorityClassName", CLUSTER),
    ("runtimeClassName", CLUSTER),
    ("imagePullSecrets", CLUSTER),
    ("automountServiceAccountToken", Same("a check has no token")),
];

/// Says what becomes of a key or plugin; one that no table has is left, too.
pub(super) fn tell(walk: &mut Walk, spot: &Spot<'_>, name: &str, table: &[Row]) {
    match table.iter().find(|(known, _)| *known == name) {
        Some((_, Same(how))) => walk.carry(spot, *how),
        Some((_, Left(why, instead))) => walk.leave(spot, *why, *instead),
        None => walk.leave(
            spot,
            "it is not known here",
            "look whether anything hangs on it",
        ),
    }
}
