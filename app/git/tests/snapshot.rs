//! What a snapshot is known by.

use crate::git::fixture::Fixture;
use bowsprit_core::name::RepoPath;

fn path(text: &str) -> RepoPath {
    RepoPath::parse(text).unwrap()
}

#[tokio::test]
async fn a_snapshots_digest_covers_what_the_snapshot_holds_and_nothing_else() {
    let usual = [
        (".bowspritignore", "*.log"),
        ("a.log", "1"),
        ("evaluate.py", "1"),
        ("holdout/a.csv", "1"),
        ("scoring.py", "1"),
        ("train.py", "1"),
    ];
    let (fixture, first) = Fixture::with(&usual).await;
    let narrow = [path("evaluate.py"), path("holdout")];
    let digests = async |files: &[(&str, &str)]| {
        let sha = fixture.commit(files, &[&first]);
        fixture.reference("refs/heads/x", &sha);
        fixture.ensure(&[&sha]).await.unwrap();
        let digest = async |only: &[RepoPath]| {
            let found = fixture.mirrors.snapshot_digest(fixture.repo.id, &sha, only);
            found.await.unwrap()
        };
        [digest(&[]).await, digest(&narrow).await]
    };
    let before = digests(&usual).await;
    for (name, moves) in [
        (".bowspritignore", [true, false]),
        ("a.log", [false, false]),
        ("evaluate.py", [true, true]),
        ("holdout/a.csv", [true, true]),
        ("scoring.py", [true, false]),
        ("train.py", [true, false]),
    ] {
        let changed = usual.map(|(path, text)| (path, if path == name { "*.log\n" } else { text }));
        let after = digests(&changed).await;
        let moved = [before[0] != after[0], before[1] != after[1]];
        assert_eq!(moved, moves, "{name}");
    }
    let easier = usual.map(|(path, text)| match path {
        ".bowspritignore" => (path, "*.log\nholdout/a.csv"),
        _ => (path, text),
    });
    assert_ne!(
        digests(&easier).await[1],
        before[1],
        "rows that are ignored"
    );
}
