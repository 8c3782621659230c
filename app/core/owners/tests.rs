//! Who may approve what, from files to names.

mod limits;

use super::*;
use proptest::prelude::*;

const ROOT: OwnersFile<'_> = OwnersFile {
    dir: "",
    text: "approvers: [Alice, '@root2']\nreviewers: [rita]\n",
};
const MODEL: OwnersFile<'_> = OwnersFile {
    dir: "model",
    text: "approvers: [bob]\nreviewers: [ron]\n",
};

fn path(text: &str) -> RepoPath {
    RepoPath::parse(text).expect("test path")
}

fn paths(texts: &[&str]) -> Vec<RepoPath> {
    texts.iter().map(|text| path(text)).collect()
}

fn logins(texts: &[&str]) -> BTreeSet<Login> {
    texts
        .iter()
        .map(|text| Login::parse(text).expect("test login"))
        .collect()
}

#[track_caller]
fn read(files: &[OwnersFile<'_>]) -> Owners {
    let owners = Owners::parse(files, None);
    assert_eq!(owners.problems(), []);
    owners
}

#[track_caller]
fn check_approvers(owners: &Owners, file: &str, expected: &[&str]) {
    assert_eq!(owners.approvers(&path(file)), logins(expected), "{file}");
}

/// What is pending, as `dir: who, who`.
#[track_caller]
fn check_pending(owners: &Owners, files: &[&str], approved_by: &[&str], expected: &[&str]) {
    let pending = owners.pending(&paths(files), &logins(approved_by));
    let shown: Vec<String> = pending
        .iter()
        .map(|one| {
            format!(
                "{}: {}",
                one.dir,
                one.approvers
                    .iter()
                    .map(Login::as_str)
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        })
        .collect();
    assert_eq!(shown, expected);
}

#[test]
fn a_mark_before_the_text_is_no_part_of_it() {
    let owners = read(&[OwnersFile {
        dir: "",
        text: "\u{feff}approvers: [alice]\n",
    }]);
    check_approvers(&owners, "a", &["alice"]);
}

#[test]
fn approvers_are_inherited_up_to_the_root() {
    let owners = read(&[ROOT, MODEL]);
    check_approvers(&owners, "README.md", &["alice", "root2"]);
    check_approvers(&owners, "model/a/b.py", &["alice", "bob", "root2"]);
    check_approvers(&owners, "modelx/a.py", &["alice", "root2"]);
    assert_eq!(owners.reviewers(&path("model/x")), logins(&["rita", "ron"]));
    assert!(!owners.is_empty() && Owners::default().is_empty());
    check_approvers(&Owners::default(), "a", &[]);
}

#[test]
fn no_parent_owners_ends_the_walk_once_somebody_is_found() {
    let text = "options: {no_parent_owners: true}\napprovers: [carol]\n";
    let owners = read(&[
        ROOT,
        OwnersFile {
            dir: "secret",
            text,
        },
    ]);
    check_approvers(&owners, "secret/a", &["carol"]);
    assert_eq!(owners.reviewers(&path("secret/a")), logins(&["rita"]));
    let text = "options: {no_parent_owners: true}\nfilters: {'\\.py$': {approvers: [carol]}}\n";
    let owners = read(&[
        ROOT,
        OwnersFile {
            dir: "secret",
            text,
        },
    ]);
    check_approvers(&owners, "secret/a.py", &["carol"]);
    check_approvers(&owners, "secret/a.md", &["alice", "root2"]);
}

#[test]
fn filters_see_the_path_below_their_folder() {
    let text = "filters:\n  '^sub/': {approvers: [carol], labels: [area/sub]}\n  '.*': {approvers: [dan], required_reviewers: [eve]}\n";
    let owners = read(&[OwnersFile { dir: "lib", text }]);
    check_approvers(&owners, "lib/sub/a", &["carol", "dan"]);
    check_approvers(&owners, "lib/a", &["dan"]);
    assert_eq!(owners.required_reviewers(&path("lib/a")), logins(&["eve"]));
    assert_eq!(
        owners.labels(&path("lib/sub/a")),
        BTreeSet::from(["area/sub".to_owned()])
    );
}

#[test]
fn aliases_stand_for_their_members_one_level_deep() {
    let aliases = "aliases:\n  Team: [Alice, bob]\n  empty:\n  nested: [team]\n";
    let files = [OwnersFile {
        dir: "",
        text: "approvers: [team, carol, nested]\n",
    }];
    let owners = Owners::parse(&files, Some(aliases));
    assert_eq!(owners.problems(), []);
    check_approvers(&owners, "a", &["alice", "bob", "carol", "team"]);
}

#[test]
fn what_is_wrong_is_told_and_the_rest_counts() {
    let files = [
        OwnersFile {
            dir: "",
            text: "approvers: [alice, org/team]\nraviewers: [bob]\n",
        },
        OwnersFile {
            dir: "a",
            text: "approvers: [\n",
        },
        OwnersFile {
            dir: "b",
            text: "filters:\n  '(': {approvers: [x]}\n  '.*': {approvers: [bob]}\n",
        },
        OwnersFile {
            dir: "c",
            text: "approvers: [carol]\nfilters: {'.*': {approvers: [mallory]}}\n",
        },
    ];
    let owners = Owners::parse(&files, Some("aliases: {team: alice}\n"));
    let problems = owners.problems();
    let told = problems.iter().map(|p| format!("{}:{}", p.path, p.line));
    let told: Vec<String> = told.collect();
    let want = "OWNERS_ALIASES:1 OWNERS:1 OWNERS:2 a/OWNERS:1 b/OWNERS:2 c/OWNERS:2";
    assert_eq!(told.join(" "), want);
    assert!(problems[2].message.contains("did you mean `reviewers`?"));
    check_approvers(&owners, "a/x", &["alice"]);
    check_approvers(&owners, "b/x", &["alice", "bob"]);
    check_approvers(&owners, "c/x", &["alice", "carol"]);
}

#[test]
fn a_broken_file_opens_nothing_to_everybody() {
    let files = [OwnersFile {
        dir: "",
        text: "approvers: [",
    }];
    let owners = Owners::parse(&files, None);
    assert_eq!(owners.problems().len(), 1);
    assert!(!owners.is_empty());
    check_pending(&owners, &["a"], &["alice"], &[": "]);
}

#[test]
fn a_file_of_owners_is_known_by_its_name() {
    let own = ["OWNERS", "a/OWNERS", "OWNERS_ALIASES"];
    for name in own.into_iter().chain(CODE_OWNERS) {
        assert!(is_owners(&path(name)), "{name}");
    }
    for name in [
        "a/OWNERS_ALIASES",
        "OWNERS.md",
        "a/CODEOWNERS",
        ".github/OWNERS_ALIASES",
    ] {
        assert!(!is_owners(&path(name)), "{name}");
    }
}

#[test]
fn every_file_needs_an_approver_of_its_own() {
    let owners = read(&[
        ROOT,
        MODEL,
        OwnersFile {
            dir: "docs",
            text: "approvers: [dora]\n",
        },
    ]);
    check_pending(
        &owners,
        &["model/a", "docs/b"],
        &[],
        &["docs: alice, dora, root2", "model: alice, bob, root2"],
    );
    check_pending(
        &owners,
        &["model/a", "docs/b"],
        &["Bob"],
        &["docs: alice, dora, root2"],
    );
    check_pending(&owners, &["model/a", "docs/b"], &["alice"], &[]);
    check_pending(&owners, &["model/a", "docs/b"], &["bob", "DORA"], &[]);
    check_pending(
        &owners,
        &["model/a"],
        &["dora"],
        &["model: alice, bob, root2"],
    );
}

#[test]
fn a_folder_above_that_is_asked_anyway_stands_for_those_below() {
    let owners = read(&[ROOT, MODEL]);
    check_pending(&owners, &["README.md", "model/a"], &[], &[": alice, root2"]);
    check_pending(
        &owners,
        &["README.md", "model/a"],
        &["bob"],
        &[": alice, root2"],
    );
    check_pending(&owners, &["README.md", "model/a"], &["root2"], &[]);
    let text = "options: {no_parent_owners: true}\napprovers: [carol]\n";
    let owners = read(&[
        ROOT,
        OwnersFile {
            dir: "secret",
            text,
        },
    ]);
    check_pending(
        &owners,
        &["README.md", "secret/a"],
        &[],
        &[": alice, root2", "secret: carol"],
    );
    check_pending(
        &owners,
        &["README.md", "secret/a"],
        &["alice"],
        &["secret: carol"],
    );
}

#[test]
fn a_filter_above_does_not_approve_what_it_does_not_match() {
    let root = OwnersFile {
        dir: "",
        text: "filters: {'\\.md$': {approvers: [alice]}}\n",
    };
    let owners = read(&[root, MODEL]);
    check_pending(
        &owners,
        &["README.md", "model/a.py"],
        &["alice"],
        &["model: bob"],
    );
    check_pending(&owners, &["setup.py"], &["alice", "bob"], &[": "]);
}

#[test]
fn unowned_subfolders_are_free_where_owners_say_so() {
    let text = "options: {auto_approve_unowned_subfolders: true}\napprovers: [carol]\n";
    let owners = read(&[
        ROOT,
        OwnersFile { dir: "lib", text },
        OwnersFile {
            dir: "lib/owned",
            text: "approvers: [dan]\n",
        },
    ]);
    check_pending(&owners, &["lib/free/a"], &[], &[]);
    check_pending(&owners, &["lib/a"], &[], &["lib: alice, carol, root2"]);
    check_pending(
        &owners,
        &["lib/owned/a"],
        &[],
        &["lib/owned: alice, carol, dan, root2"],
    );
}

#[test]
fn environments_are_approved_by_people_they_name() {
    let text = "filters:\n  '^production\\.yaml$': {approvers: [olga]}\n  '^staging\\.yaml$': {approvers: [sam, olga]}\n";
    let owners = read(&[
        ROOT,
        OwnersFile {
            dir: "environments",
            text,
        },
    ]);
    check_approvers(&owners, "environments/production.yaml", &["olga"]);
    check_approvers(&owners, "environments/staging.yaml", &["olga", "sam"]);
    check_approvers(&owners, "environments/OWNERS", &[]);
    check_approvers(&owners, "environmentsx/a", &["alice", "root2"]);
    check_approvers(&owners, "a/environments/b", &["alice", "root2"]);
    check_pending(
        &owners,
        &["README.md", "environments/production.yaml"],
        &["alice"],
        &["environments: olga"],
    );
    check_pending(
        &owners,
        &["environments/production.yaml"],
        &["sam"],
        &["environments: olga"],
    );
    check_pending(&owners, &["environments/production.yaml"], &["olga"], &[]);
}

#[test]
fn environments_without_owners_are_approved_by_nobody() {
    let open = OwnersFile {
        dir: "",
        text: "options: {auto_approve_unowned_subfolders: true}\napprovers: [alice]\n",
    };
    let owners = read(&[open]);
    check_approvers(&owners, "environments/production.yaml", &[]);
    check_pending(
        &owners,
        &["environments/production.yaml"],
        &["alice"],
        &["environments: "],
    );
    check_pending(
        &owners,
        &["environments/eu/production.yaml"],
        &["alice"],
        &["environments: "],
    );
    assert_eq!(
        owners.suggest(
            &owners.pending(&paths(&["environments/a"]), &BTreeSet::new()),
            &BTreeSet::new(),
            0
        ),
        []
    );
}

#[test]
fn the_fewest_and_nearest_people_are_suggested() {
    let owners = read(&[
        ROOT,
        MODEL,
        OwnersFile {
            dir: "docs",
            text: "approvers: [dora, both]\n",
        },
        OwnersFile {
            dir: "lib",
            text: "approvers: [zoe, both]\n",
        },
    ]);
    let check = |files: &[&str], not: &[&str], expected: &[&str]| {
        let pending = owners.pending(&paths(files), &BTreeSet::new());
        let suggested: Vec<String> = owners
            .suggest(&pending, &logins(not), 0)
            .into_iter()
            .map(String::from)
            .collect();
        assert_eq!(suggested, expected);
    };
    check(&["docs/a", "lib/a"], &[], &["both"]);
    check(&["docs/a", "lib/a"], &["Both"], &["dora", "zoe"]);
    check(&["docs/a", "lib/a", "model/a"], &[], &["both", "bob"]);
    check(&["model/a"], &["bob"], &["alice"]);
    check(&["a"], &[], &["alice"]);
    check(&["a"], &["alice", "root2"], &[]);
    let pending = owners.pending(&paths(&["a"]), &BTreeSet::new());
    let of = |seed| owners.suggest(&pending, &BTreeSet::new(), seed);
    assert_eq!(of(4), of(4), "the same for one pull request");
    assert_ne!(of(4), of(5), "another for the next");
}

#[test]
fn lgtm_is_for_approvers_and_reviewers_of_any_changed_file() {
    let owners = read(&[ROOT, MODEL]);
    let may = |login: &str, files: &[&str]| {
        owners.may_lgtm(&Login::parse(login).expect("login"), &paths(files))
    };
    assert!(may("RON", &["docs/a", "model/x"]) && may("bob", &["model/x"]) && may("rita", &["a"]));
    assert!(!may("ron", &["docs/a"]) && !may("mallory", &["model/x"]) && !may("alice", &[]));
    assert!(!may("alice", &["environments/production.yaml"]));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reading_any_file_ends_without_panic(text in "[\\PC\n]{0,120}", dir in "[a-z/]{0,9}", file in "[a-zé]{1,4}(/[a-zé]{1,4}){0,3}") {
        let owners = Owners::parse(&[OwnersFile { dir: &dir, text: &text }], Some(&text));
        let pending = owners.pending(&[path(&file)], &BTreeSet::new());
        let _ = owners.suggest(&pending, &BTreeSet::new(), 7);
    }

    #[test]
    fn whoever_is_suggested_completes_the_approval(files in prop::collection::vec("(a|b|c|environments)(/(a|b)){0,2}/[xy]", 1..5)) {
        let owners = read(&[
            ROOT,
            OwnersFile { dir: "a", text: "approvers: [bob, dan]\n" },
            OwnersFile { dir: "a/b", text: "options: {no_parent_owners: true}\napprovers: [carol, dan]\n" },
            OwnersFile { dir: "b", text: "filters: {'x$': {approvers: [erin]}}\n" },
            OwnersFile { dir: "environments", text: "approvers: [olga]\n" },
        ]);
        let files: Vec<RepoPath> = files.iter().map(|file| path(file)).collect();
        let pending = owners.pending(&files, &BTreeSet::new());
        let suggested = owners.suggest(&pending, &BTreeSet::new(), 7).into_iter().collect();
        prop_assert_eq!(owners.pending(&files, &suggested), vec![]);
    }
}
