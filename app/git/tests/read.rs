//! What is read of a commit, and what is not.

use crate::git::fixture::{Fixture, TOKEN};
use crate::git::snapshot::Part;
use crate::git::tree::TextAt;
use bowsprit_core::name::{CommitSha, RepoPath, Slug};
use secrecy::SecretString;
use std::collections::BTreeMap;

fn path(text: &str) -> RepoPath {
    RepoPath::parse(text).unwrap()
}

#[tokio::test]
async fn changes_are_against_the_merge_base_and_name_both_paths_of_a_rename() {
    let (fixture, start) = Fixture::with(&[("a", "1"), ("b", "2")]).await;
    let base = fixture.commit(&[("a", "1"), ("b", "3")], &[&start]);
    let head = fixture.commit(&[("moved", "1"), ("b", "2")], &[&start]);
    fixture.reference("refs/heads/main", &base);
    fixture.reference("refs/heads/topic", &head);
    fixture.ensure(&[&base, &head]).await.unwrap();
    let changes = fixture
        .mirrors
        .changes(fixture.repo.id, &base, &head)
        .await
        .unwrap();
    assert_eq!(changes.merge_base, start);
    assert!(!changes.is_cut);
    let kinds: BTreeMap<&str, (bool, bool)> = changes
        .files
        .iter()
        .map(|(path, (old, new))| (path.as_str(), (old.is_some(), new.is_some())))
        .collect();
    assert_eq!(
        kinds,
        BTreeMap::from([("a", (true, false)), ("moved", (false, true))])
    );
}

#[tokio::test]
async fn change_that_cannot_be_named_or_met_is_cut() {
    let (fixture, base) = Fixture::with(&[("a", "target")]).await;
    let odd = fixture.commit(&[("a", "target"), ("new\nline", "x")], &[&base]);
    let link = fixture.commit(&[("a", "->target")], &[&base]);
    let other = fixture.commit(&[("z", "1")], &[]);
    let names: Vec<String> = (0..3_001).map(|at| format!("f{at}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
    let many = fixture.commit(&many, &[&base]);
    for (name, sha) in [
        ("odd", &odd),
        ("link", &link),
        ("other", &other),
        ("many", &many),
    ] {
        fixture.reference(&format!("refs/heads/{name}"), sha);
        fixture.ensure(&[sha]).await.unwrap();
        let changes = fixture
            .mirrors
            .changes(fixture.repo.id, &base, sha)
            .await
            .unwrap();
        assert!(changes.is_cut, "{name}");
    }
}

#[tokio::test]
async fn merge_gives_a_tree_or_says_that_it_conflicts() {
    let (fixture, start) = Fixture::with(&[("a", "1\n"), ("b", "1\n")]).await;
    let base = fixture.commit(&[("a", "2\n"), ("b", "1\n")], &[&start]);
    let fits = fixture.commit(&[("a", "1\n"), ("b", "3\n")], &[&start]);
    let conflicts = fixture.commit(&[("a", "4\n"), ("b", "1\n")], &[&start]);
    let want = fixture.commit(&[("a", "2\n"), ("b", "3\n")], &[]);
    for (name, sha) in [
        ("main", &base),
        ("fits", &fits),
        ("conflicts", &conflicts),
        ("want", &want),
    ] {
        fixture.reference(&format!("refs/heads/{name}"), sha);
    }
    fixture
        .ensure(&[&base, &fits, &conflicts, &want])
        .await
        .unwrap();
    let (mirrors, id) = (&fixture.mirrors, fixture.repo.id);
    assert_eq!(
        mirrors.merge_tree(id, &base, &fits).await.unwrap(),
        Some(mirrors.tree_of(id, &want).await.unwrap())
    );
    assert_eq!(
        mirrors.merge_tree(id, &base, &conflicts).await.unwrap(),
        None
    );
    assert!(mirrors.is_ancestor(id, &start, &fits).await.unwrap());
    assert!(mirrors.is_ancestor(id, &fits, &fits).await.unwrap());
    assert!(!mirrors.is_ancestor(id, &fits, &start).await.unwrap());
}

#[tokio::test]
async fn texts_owners_policies_and_models_are_read() {
    let (fixture, sha) = Fixture::with(&[
        ("bowsprit.yaml", "kind: service\n"),
        ("linked.yaml", "->bowsprit.yaml"),
        ("OWNERS", "approvers: [a]\n"),
        ("OWNERS_ALIASES", "aliases: {}\n"),
        ("environments/OWNERS", "->../OWNERS"),
        (".bowsprit/policies/mine.yaml", "name: mine\n"),
        (".bowsprit/policies/deep/no.yaml", "name: no\n"),
        ("models/digits/manifest.json", "{}"),
        ("models/Bad Name/manifest.json", "{}"),
    ])
    .await;
    let (mirrors, id) = (&fixture.mirrors, fixture.repo.id);
    assert_eq!(
        mirrors.contract_text(id, &sha).await.unwrap(),
        TextAt::Text("kind: service\n".to_owned())
    );
    assert_eq!(
        mirrors
            .text(id, &sha, &path("linked.yaml"), 100)
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        mirrors
            .text(id, &sha, &path("bowsprit.yaml"), 3)
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        mirrors
            .text(id, &sha, &path("OWNERS/x"), 100)
            .await
            .unwrap(),
        None
    );
    let owners = mirrors.owners_files(id, &sha).await.unwrap();
    assert_eq!(
        owners.files[0],
        (String::new(), "approvers: [a]\n".to_owned())
    );
    assert_eq!(
        owners.files[1],
        ("environments".to_owned(), "unreadable: [".to_owned())
    );
    assert_eq!(owners.aliases.as_deref(), Some("aliases: {}\n"));
    let policies = mirrors.policy_texts(id, &sha).await.unwrap();
    assert_eq!(
        policies,
        [(
            path(".bowsprit/policies/mine.yaml"),
            TextAt::Text("name: mine\n".to_owned())
        )]
    );
    let models = mirrors.models(id, &sha).await.unwrap();
    assert_eq!(models.len(), 1);
    assert_eq!(models[0].manifest_json.as_deref(), Some("{}"));
    let commit = mirrors.commit(id, &sha).await.unwrap().unwrap();
    assert_eq!(
        (commit.subject.as_str(), commit.committed_ms),
        ("A change", 1_700_000_000_000)
    );
    let nowhere = CommitSha::parse(&"b".repeat(40)).unwrap();
    assert_eq!(mirrors.commit(id, &nowhere).await.unwrap(), None);
}

#[tokio::test]
async fn service_tree_knows_code_and_nothing_else() {
    let files = [
        ("app.py", "1"),
        ("README.md", "1"),
        ("environments/p.yaml", "1"),
        ("models/d/manifest.json", "1"),
        ("docs/x.txt", "1"),
        (".bowspritignore", "docs/\n"),
    ];
    let (fixture, first) = Fixture::with(&files).await;
    let changed = |name: &str, text: &'static str| {
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(path, old)| (*path, if *path == name { text } else { *old }))
            .collect();
        let sha = fixture.commit(&files, &[&first]);
        fixture.reference("refs/heads/x", &sha);
        sha
    };
    let id = fixture.repo.id;
    let digest = fixture.mirrors.service_tree(id, &first).await.unwrap();
    for (name, text, is_same) in [
        ("README.md", "2", true),
        ("environments/p.yaml", "2", true),
        ("models/d/manifest.json", "2", true),
        ("docs/x.txt", "2", true),
        ("app.py", "2", false),
        ("app.py", "+x", false),
    ] {
        let sha = changed(name, text);
        fixture.ensure(&[&sha]).await.unwrap();
        let other = fixture.mirrors.service_tree(id, &sha).await.unwrap();
        assert_eq!(other == digest, is_same, "{name}");
    }
}

#[tokio::test]
async fn a_judge_is_everything_at_its_paths_and_nothing_else() {
    let files = |contract: &'static str, data: &'static str, code: &'static str| {
        [
            ("bowsprit.yaml", contract),
            ("holdout/a.csv", data),
            ("holdout2", "x"),
            ("train.py", code),
        ]
    };
    let (fixture, first) = Fixture::with(&files("1", "1", "1")).await;
    let paths = [path("holdout"), path("evaluate.py")];
    let mut digests = Vec::new();
    for files in [
        files("1", "1", "1"),
        files("1", "1", "2"),
        files("1", "2", "1"),
        files("2", "1", "1"),
    ] {
        let sha = fixture.commit(&files, &[&first]);
        fixture.reference("refs/heads/x", &sha);
        fixture.ensure(&[&sha]).await.unwrap();
        digests.push(
            fixture
                .mirrors
                .judge_digest(fixture.repo.id, &sha, &paths)
                .await
                .unwrap(),
        );
    }
    assert_eq!(digests[0], digests[1]);
    assert_ne!(digests[0], digests[2]);
    assert_eq!(digests[0], digests[3]);
}

#[tokio::test]
async fn versions_come_from_tags() {
    let (fixture, first) =
        Fixture::with(&[("models/digits/manifest.json", "{\"version\": 1}")]).await;
    let second = fixture.commit(&[("x", "1")], &[&first]);
    for (name, sha) in [
        ("digits/v1", &first),
        ("digits/v10", &second),
        ("digits/v02", &second),
        ("digits/vx", &second),
        ("other/v3", &first),
    ] {
        fixture.reference(&format!("refs/tags/{name}"), sha);
    }
    let token = || async { Ok(SecretString::from(TOKEN)) };
    fixture.mirrors.refresh(&fixture.repo, token).await.unwrap();
    let found = fixture
        .mirrors
        .versions(fixture.repo.id, &Slug::parse("digits").unwrap())
        .await
        .unwrap();
    let short: Vec<_> = found
        .iter()
        .map(|one| (one.version, &one.commit, one.manifest_json.is_some()))
        .collect();
    assert_eq!(short, [(1, &first, true), (10, &second, false)]);
}

#[tokio::test]
async fn snapshot_is_the_same_each_time_and_holds_only_what_it_may() {
    let (fixture, sha) = Fixture::with(&[
        ("train.py", "print()"),
        ("run.sh", "+x"),
        ("holdout/secret.csv", "1"),
        ("holdout2/open.csv", "1"),
        ("out", "->/etc/passwd"),
        ("sub/up", "->../../x"),
        ("sub/in", "->../train.py"),
        (".bowspritignore", "*.log\nscratch/\n!keep.log\n"),
        (".gitignore", "train.py\n"),
        ("a.log", "1"),
        ("keep.log", "1"),
        ("scratch/keep.log", "1"),
        ("tab\tname", "1"),
    ])
    .await;
    let (first, second) = (fixture.path("1.tar"), fixture.path("2.tar"));
    let leave_out = [path("holdout")];
    let part = Part {
        leave_out: &leave_out,
        ..Part::default()
    };
    let one = fixture
        .mirrors
        .snapshot(fixture.repo.id, &sha, part, &first)
        .await
        .unwrap();
    let two = fixture
        .mirrors
        .snapshot(fixture.repo.id, &sha, part, &second)
        .await
        .unwrap();
    assert_eq!(one, two);
    let bytes = std::fs::read(&first).unwrap();
    assert_eq!(one.digest, bowsprit_core::name::Digest::of(&bytes));
    assert_eq!(one.dropped, 3);
    let mut archive = tar::Archive::new(&bytes[..]);
    let found: Vec<(String, u32, u64)> = archive
        .entries()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let header = entry.header();
            (
                entry.path().unwrap().display().to_string(),
                header.mode().unwrap(),
                header.mtime().unwrap(),
            )
        })
        .collect();
    let want = [
        (".bowspritignore", 0o644),
        (".gitignore", 0o644),
        ("holdout2/open.csv", 0o644),
        ("keep.log", 0o644),
        ("run.sh", 0o755),
        ("sub/in", 0o644),
        ("train.py", 0o644),
    ];
    let want: Vec<(String, u32, u64)> = want
        .iter()
        .map(|(name, mode)| ((*name).to_owned(), *mode, 0))
        .collect();
    assert_eq!(found, want);
}

#[tokio::test]
async fn a_merged_change_is_picked_or_told_why_not() {
    use bowsprit_core::subject::ask::Picked;
    let (fixture, start) = Fixture::with(&[("a", "1\n"), ("b", "2\n")]).await;
    let old = fixture.commit(&[("a", "1\n"), ("b", "old\n"), ("c", "3\n")], &[&start]);
    let head = fixture.commit(&[("a", "new\n"), ("d", "4\n")], &[&start]);
    let merged = fixture.commit(&[("a", "new\n"), ("d", "4\n")], &[&start, &head]);
    let squashed = fixture.commit(&[("a", "new\n"), ("b", "2\n")], &[&start]);
    let tool = fixture.commit(&[("a", "1\n"), ("b", "2\n"), ("t", "+x\n")], &[&start]);
    let all = [&start, &old, &merged, &squashed, &tool];
    for (at, sha) in all.iter().enumerate() {
        fixture.reference(&format!("refs/heads/r{at}"), sha);
    }
    fixture.ensure(&all).await.unwrap();
    let pick = async |merged: &CommitSha, onto: &CommitSha| {
        let picked = fixture.mirrors.picked(fixture.repo.id, merged, onto);
        picked.await.unwrap()
    };
    // `b` goes away here and is another there.
    assert_eq!(
        pick(&merged, &old).await,
        Picked::Conflict(vec!["b".to_owned()])
    );
    assert_eq!(
        pick(&squashed, &old).await,
        Picked::Files(BTreeMap::from([(path("a"), Some("new\n".to_owned()))]))
    );
    assert_eq!(
        pick(&merged, &start).await,
        Picked::Files(BTreeMap::from([
            (path("a"), Some("new\n".to_owned())),
            (path("b"), None),
            (path("d"), Some("4\n".to_owned())),
        ]))
    );
    for (merged, onto, why) in [
        (&squashed, &squashed, "has all of it already"),
        (&tool, &old, "`t` is executable"),
        (&start, &old, "first commit"),
    ] {
        let Picked::Cannot(reason) = pick(merged, onto).await else {
            panic!("picked: {why}")
        };
        assert!(reason.contains(why), "{reason}");
    }
}
