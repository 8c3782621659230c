//! What is fetched, how often, and where the token goes.

use crate::git::fetch::{Fetch, FetchLimits, repack};
use crate::git::fixture::{Fixture, TOKEN};
use crate::git::mirror::NoCommit;
use bowsprit_core::name::CommitSha;
use git2::ObjectType;
use secrecy::SecretString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

fn grep(dir: &Path, needle: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            found.extend(grep(&entry.path(), needle));
        } else if std::fs::read(entry.path())
            .unwrap()
            .windows(needle.len())
            .any(|window| window == needle)
        {
            found.push(entry.path().display().to_string());
        }
    }
    found
}

#[tokio::test]
async fn token_is_nowhere_but_in_the_header() {
    let (fixture, _) = Fixture::with(&[("a", "1")]).await;
    let log = fixture.log.lock().unwrap();
    assert_eq!(log.leaks, Vec::<String>::new());
    assert!(
        log.requests.iter().any(|line| line.ends_with("true")),
        "{:?}",
        log.requests
    );
    assert!(log.requests.iter().all(|line| !line.contains("canary")));
    assert_eq!(
        grep(&fixture.path("mirrors"), b"canary"),
        Vec::<String>::new()
    );
    assert!(TOKEN.contains("canary"));
}

#[tokio::test]
async fn commit_that_is_here_is_not_fetched_again() {
    let (fixture, sha) = Fixture::with(&[("a", "1")]).await;
    let before = fixture.log.lock().unwrap().requests.len();
    let ensured = fixture
        .mirrors
        .ensure(&fixture.repo, &[&sha], || async {
            anyhow::bail!("no token is needed")
        })
        .await;
    ensured.unwrap();
    assert_eq!(fixture.log.lock().unwrap().requests.len(), before);
}

#[tokio::test]
async fn many_who_want_one_commit_fetch_once() {
    let fixture = Fixture::start().await;
    let sha = fixture.commit(&[("a", "1")], &[]);
    fixture.reference("refs/heads/main", &sha);
    let wanted = [&sha];
    let all = futures_util::future::join_all((0..8).map(|_| fixture.ensure(&wanted))).await;
    assert!(all.iter().all(Result::is_ok));
    let log = fixture.log.lock().unwrap();
    let packs = log
        .requests
        .iter()
        .filter(|line| line.contains("GET") && line.ends_with("true"))
        .count();
    assert_eq!(packs, 1, "{:?}", log.requests);
}

#[tokio::test]
async fn head_of_a_pull_request_is_found_and_a_foreign_commit_is_not() {
    let (fixture, base) = Fixture::with(&[("a", "1")]).await;
    let head = fixture.commit(&[("a", "2")], &[&base]);
    fixture.reference("refs/pull/3/head", &head);
    fixture.ensure(&[&head]).await.unwrap();
    let foreign = CommitSha::parse(&"a".repeat(40)).unwrap();
    let error = fixture.ensure(&[&foreign]).await.unwrap_err();
    assert!(error.is::<NoCommit>());
    assert_eq!(
        format!("{error:#}"),
        format!("`o/r` has no commit {foreign}")
    );
}

#[tokio::test]
async fn refused_token_is_an_error_without_it() {
    let fixture = Fixture::start().await;
    let sha = fixture.commit(&[("a", "1")], &[]);
    fixture.reference("refs/heads/main", &sha);
    let wrong = || async { Ok(SecretString::from("wrong-canary")) };
    let error = fixture
        .mirrors
        .ensure(&fixture.repo, &[&sha], wrong)
        .await
        .unwrap_err();
    let words = format!("{error:#}");
    assert!(
        words.starts_with("cannot fetch `o/r`: git fetch failed:"),
        "{words}"
    );
    assert!(!words.contains("canary"), "{words}");
}

#[test]
fn addresses_that_are_not_https_are_refused() {
    use crate::git::mirror::{Mirrors, Settings};
    let dir = tempfile::tempdir().unwrap();
    let check = |git_url: &str| {
        Mirrors::new(Settings {
            dir: dir.path().to_owned(),
            git_url: git_url.to_owned(),
            ca_file: None,
            limits: FetchLimits::default(),
        })
        .is_ok()
    };
    for good in [
        "https://github.com",
        "http://127.0.0.1:3000",
        "http://localhost:1/x",
    ] {
        assert!(check(good), "{good}");
    }
    for bad in [
        "http://github.com",
        "ssh://git@github.com",
        "file:///tmp",
        "ext::sh -c id",
        "https://u@github.com",
        "https://h?x",
        "git",
    ] {
        assert!(!check(bad), "{bad}");
    }
}

/// Whether a process that nobody ended has this in its arguments.
fn is_running(argument: &str) -> bool {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = all.filter_map(|one| std::fs::read(one.path().join("cmdline")).ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).into_owned())
        .any(|line| line.contains("remote-http") && line.contains(argument))
}

#[tokio::test]
async fn a_fetch_that_takes_too_long_ends_with_all_that_git_started() {
    let dir = tempfile::tempdir().unwrap();
    // It takes every connection and never says a word.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let git_url = format!("http://{}", listener.local_addr().unwrap());
    let fetch = Fetch {
        git_dir: dir.path(),
        url: &format!("{git_url}/o/r.git"),
        refspecs: &["HEAD".to_owned()],
        is_mirror: false,
        ca_file: None,
        token: &SecretString::from(TOKEN),
        limits: &FetchLimits {
            timeout: Duration::ZERO,
            ..FetchLimits::default()
        },
    };
    git2::Repository::init_bare(dir.path()).unwrap();
    let error = crate::git::fetch::fetch(&fetch).await.unwrap_err();
    assert_eq!(error.to_string(), "git took too long");
    let until = Instant::now() + Duration::from_secs(10);
    while is_running(&git_url) && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!is_running(&git_url), "git goes on without its parent");
}

#[tokio::test]
async fn what_nothing_names_any_more_is_kept_for_months_and_then_goes() {
    let days = |days: u64| SystemTime::now() - Duration::from_secs(days * 24 * 3_600);
    for (age, is_kept) in [(80, true), (100, false)] {
        let (fixture, sha) = Fixture::with(&[("a", "1")]).await;
        let path = fixture.mirrors.path(fixture.repo.id);
        let limits = FetchLimits::default();
        repack(&path, &limits).await.unwrap();
        let git = git2::Repository::open_bare(&path).unwrap();
        for reference in git.references().unwrap() {
            reference.unwrap().delete().unwrap();
        }
        for pack in std::fs::read_dir(path.join("objects/pack")).unwrap() {
            let path = pack.unwrap().path();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            let file = std::fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(days(age)).unwrap();
        }
        repack(&path, &limits).await.unwrap();
        let git = git2::Repository::open_bare(&path).unwrap();
        let found = git.find_commit(git2::Oid::from_str(sha.as_str()).unwrap());
        assert_eq!(found.is_ok(), is_kept, "{age} days");
    }
}

/// A commit on `main` of one tree entry, its author's line and the entry's mode and name as given.
fn odd(fixture: &Fixture, author: &str, (mode, name): (&str, &str)) -> CommitSha {
    let blob = fixture.raw(ObjectType::Blob, b"text\n");
    let mut tree = format!("{mode} {name}\0").into_bytes();
    tree.extend(blob.as_bytes());
    let tree = fixture.raw(ObjectType::Tree, &tree);
    let text = format!(
        "tree {tree}\nauthor {author}\ncommitter a <a@example.org> 1700000000 +0000\n\nOld\n"
    );
    let commit = fixture.raw(ObjectType::Commit, text.as_bytes());
    let commit = CommitSha::parse(&commit.to_string()).unwrap();
    fixture.reference("refs/heads/main", &commit);
    commit
}

#[tokio::test]
async fn old_history_is_taken_and_what_misleads_is_not() {
    const GOOD: &str = "a <a@example.org> 1700000000 +0000";
    const FILE: (&str, &str) = ("100644", "f");
    for (author, entry, is_taken) in [
        (GOOD, FILE, true),
        ("a <a@example.org> 1700000000 +051800", FILE, true),
        ("a <a@example.org>1700000000 +0000", FILE, true),
        ("a<a@example.org> 1700000000 +0000", FILE, true),
        ("<a@example.org> 1700000000 +0000", FILE, true),
        (GOOD, ("0100644", "f"), true),
        (GOOD, ("100644", ".git"), false),
        (GOOD, ("100644", ".."), false),
        (GOOD, ("100644", "a/b"), false),
        (GOOD, ("120000", ".gitmodules"), false),
    ] {
        let fixture = Fixture::start().await;
        let sha = odd(&fixture, author, entry);
        let taken = fixture.ensure(&[&sha]).await;
        assert_eq!(taken.is_ok(), is_taken, "{author} {entry:?}: {taken:?}");
    }
}

#[tokio::test]
async fn what_a_killed_fetch_left_goes_before_the_next() {
    let (fixture, first) = Fixture::with(&[("a", "1")]).await;
    let packs = fixture.mirrors.path(fixture.repo.id).join("objects/pack");
    std::fs::create_dir_all(&packs).unwrap();
    for name in ["tmp_pack_Ab12Cd", "tmp_idx_Ab12Cd", ".tmp-7-pack-ab.pack"] {
        std::fs::write(packs.join(name), "half").unwrap();
    }
    std::fs::write(packs.join("pack-kept.keep"), "").unwrap();
    let second = fixture.commit(&[("a", "2")], &[&first]);
    fixture.reference("refs/heads/main", &second);
    fixture.ensure(&[&second]).await.unwrap();
    let left = std::fs::read_dir(&packs).unwrap().flatten();
    let left: Vec<String> = left
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with("pack-") || name == "pack-kept.keep")
        .collect();
    assert_eq!(left, ["pack-kept.keep"]);
}
