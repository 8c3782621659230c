//! Build packs from git: held by a lock, refused where they are hostile, and given without touching what is there.

use crate::create::{Ended, ended};
use crate::harness::run_test;
use bowsprit::store::Scope;
use bowsprit_core::name::Digest;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A folder with a source of packs, a repository to be taken in, and a person's own folders.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let place = Place {
            dir: tempfile::tempdir().expect("a folder"),
        };
        for name in ["packs", "iris-training", "home"] {
            std::fs::create_dir(place.at(name)).expect("a folder");
        }
        place.git(&["init", "-q", "-b", "main"]);
        place.lay("r-training/pack.yaml", PACK);
        place.lay(
            "r-training/train.R",
            "# REPLACE_ME_ROOT of REPLACE_ME_PERSON\n",
        );
        place.lay("r-training/.github/workflows/r.yaml", "name: r\n");
        place.lay("r-training/logo.bin", [0xff, 0x00, 0xfe]);
        place.lay("README.md", "packs");
        place.commit();
        place
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn lay(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let file = self.at("packs").join(path);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        std::fs::write(file, bytes).expect("a file");
    }

    /// git in the source; gives what it prints.
    fn git(&self, words: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=ada", "-c", "user.email=ada@example.org"])
            .args(words)
            .current_dir(self.at("packs"))
            .output()
            .expect("git");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {words:?}: {said}");
        String::from_utf8(output.stdout)
            .expect("text")
            .trim()
            .to_owned()
    }

    /// Commits all of the source; says the commit.
    fn commit(&self) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", "Packs"]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn url(&self) -> String {
        format!("file://{}", self.at("packs").display())
    }

    fn bowsprit(&self, words: &[&str]) -> Ended {
        let output = Command::new(env!("CARGO_BIN_EXE_bowsprit"))
            .args(words)
            .env("XDG_CONFIG_HOME", self.at("home/config"))
            .env("XDG_CACHE_HOME", self.at("home/cache"))
            .env_remove("BOWSPRIT_TOKEN")
            // As where a hook of another repository calls it.
            .env("GIT_DIR", self.at("another.git"))
            .env("GIT_WORK_TREE", self.at("another"))
            .output()
            .expect("it ends");
        Ended {
            is_good: output.status.success(),
            out: String::from_utf8(output.stdout).expect("text"),
            said: String::from_utf8(output.stderr).expect("text"),
        }
    }

    /// Takes the repository in with the source's pack, at `source`.
    fn import(&self, source: &str, more: &[&str]) -> Ended {
        let dir = self.at("iris-training");
        let mut words = vec!["import", "--owner", "ada", "--json", "--pack", "r-training"];
        words.extend(["--pack-source", source]);
        words.extend(more);
        words.push(dir.to_str().expect("text"));
        self.bowsprit(&words)
    }

    fn lock(&self) -> Value {
        let text = std::fs::read(self.at("home/config/bowsprit/packs.lock")).expect("a lock");
        serde_json::from_slice(&text).expect("JSON")
    }
}

const PACK: &str = "name: r-training\nlanguage: r\nkind: training\nabout: A training in R\n";

/// The commit of the first row that was told.
fn commit_of(ended: &Ended) -> Value {
    assert!(ended.is_good, "{}", ended.said);
    let told: Value = serde_json::from_str(&ended.out).expect("JSON");
    told[0]["source"]["commit"].clone()
}

#[test]
fn a_source_is_held_at_a_commit_until_it_is_updated() {
    let place = Place::new();
    let (source, first) = (place.url(), place.git(&["rev-parse", "HEAD"]));
    std::fs::write(place.at("iris-training/train.R"), "mine").expect("a file");
    let dry = place.import(&source, &["--dry-run"]);
    assert_eq!(commit_of(&dry), json!(first));
    assert!(!place.at("iris-training/logo.bin").exists());
    assert!(dry.said.contains("would be held at"), "{}", dry.said);
    let done = place.import(&source, &[]);
    assert_eq!(done.out, dry.out, "what is told is what is done");
    let told: Value = serde_json::from_str(&done.out).expect("JSON");
    assert_eq!(told[0]["kept"], json!(["train.R"]));
    assert_eq!(
        told[0]["added"],
        json!([".github/workflows/r.yaml", "logo.bin"])
    );
    let logo = std::fs::read(place.at("iris-training/logo.bin")).expect("a file");
    assert_eq!(logo, [0xff, 0x00, 0xfe]);
    let mine = std::fs::read_to_string(place.at("iris-training/train.R")).expect("a file");
    assert_eq!(mine, "mine");
    // The source moves on, and what is held does not.
    place.lay("r-training/NEWS", "REPLACE_ME_ROOT of REPLACE_ME_PERSON");
    let second = place.commit();
    let again = place.import(&source, &[]);
    assert_eq!(commit_of(&again), json!(first));
    assert!(!place.at("iris-training/NEWS").exists());
    // Without the cache, the held commit is fetched by its name.
    std::fs::remove_dir_all(place.at("home/cache")).expect("gone");
    assert_eq!(commit_of(&place.import(&source, &[])), json!(first));
    let moved = place.import(&source, &["--update"]);
    assert_eq!(commit_of(&moved), json!(second));
    let says = format!("is held at {}, before at {}", &second[..7], &first[..7]);
    assert!(moved.said.contains(&says), "{}", moved.said);
    let news = std::fs::read_to_string(place.at("iris-training/NEWS")).expect("a file");
    assert_eq!(news, "iris of ada");
    assert_eq!(
        place.lock(),
        json!({"version": 1, "pins": [{"source": {"url": source}, "commit": second}]})
    );
    // A lock of the repository's own, and a source at a commit.
    let (lock, at) = (place.at("packs.lock"), format!("{source}#{first}"));
    let lock = lock.to_str().expect("text");
    assert_eq!(
        commit_of(&place.import(&at, &["--pack-lock", lock])),
        json!(first)
    );
    assert!(
        std::fs::read_to_string(lock)
            .expect("a lock")
            .contains(&at[at.len() - 40..])
    );
}

#[test]
fn sources_are_kept_and_packs_are_listed_with_where_they_come_from() {
    let place = Place::new();
    let source = format!("{}#main", place.url());
    let kept = place.bowsprit(&["create", "packsource", &source]);
    assert!(kept.is_good, "{}", kept.said);
    let listed = place.bowsprit(&["get", "packsources"]);
    assert!(
        listed.out.contains("main") && listed.out.contains("here"),
        "{}",
        listed.out
    );
    let packs = place.bowsprit(&["get", "packs", "--json"]);
    let packs: Vec<Value> = serde_json::from_str(&packs.out).expect("JSON");
    assert_eq!(packs[0]["name"], "r-training");
    assert_eq!(packs[0]["source"]["ref"], "main");
    let own = packs.iter().find(|pack| pack["name"] == "python-service");
    assert_eq!(own.expect("a pack")["source"], Value::Null);
    // A pack of a source goes before this program's of the same name.
    place.lay(
        "packs/mine/pack.yaml",
        PACK.replace("r-training", "python-service"),
    );
    place.commit();
    let packs = place.bowsprit(&["get", "packs", "--update"]);
    assert_eq!(
        packs.out.matches("python-service").count(),
        1,
        "{}",
        packs.out
    );
    let gone = ["delete", "packsource", &place.url()];
    assert!(place.bowsprit(&gone).is_good);
    let again = place.bowsprit(&gone);
    assert!(
        again.said.contains("is no source of packs here"),
        "{}",
        again.said
    );
    let packs = place.bowsprit(&["get", "packs"]);
    assert!(!packs.out.contains("r-training"), "{}", packs.out);
    for (words, says) in [
        (
            &["get", "packs", "--pack-source", "acme/packs"][..],
            "is no address of packs",
        ),
        (
            &["get", "packs", "--pack-source", "ext::sh -c true"],
            "is no address of packs",
        ),
        (
            &["get", "packs", "--pack-source", "file:///nowhere"],
            "cannot fetch file:///nowhere",
        ),
        (
            &["create", "packsource", "file:///srv/packs", "--team"],
            "a folder of one machine",
        ),
    ] {
        let ended = place.bowsprit(words);
        assert!(
            !ended.is_good && ended.said.contains(says),
            "{words:?}: {}",
            ended.said
        );
    }
}

#[test]
fn what_is_hostile_is_refused_and_nothing_is_written() {
    /// Puts an entry into the index of the source that no working copy holds.
    fn entry(place: &Place, mode: &str, path: &str) {
        let of = match mode {
            "160000" => place.git(&["rev-parse", "HEAD"]),
            _ => place.git(&["rev-parse", "HEAD:README.md"]),
        };
        let info = format!("{mode},{of},{path}");
        place.git(&["update-index", "--add", "--cacheinfo", &info]);
        place.git(&["commit", "-q", "-m", "Hostile"]);
    }
    /// Makes a tree of endlessly many files, in a few objects, part of the pack.
    fn bomb(place: &Place) {
        let mut kind = ("100644 blob", place.git(&["rev-parse", "HEAD:README.md"]));
        for _ in 0..12 {
            let rows: Vec<String> = { 'a'..='j' }
                .map(|name| format!("{} {}\t{name}\n", kind.0, kind.1))
                .collect();
            let mut mktree = Command::new("git")
                .arg("mktree")
                .current_dir(place.at("packs"))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("git");
            let mut keys = mktree.stdin.take().expect("its input");
            std::io::Write::write_all(&mut keys, rows.concat().as_bytes()).expect("rows");
            drop(keys);
            let made = mktree.wait_with_output().expect("a tree").stdout;
            let made = String::from_utf8(made).expect("text").trim().to_owned();
            kind = ("040000 tree", made);
        }
        place.git(&["read-tree", "--empty"]);
        // A commit of that tree alone: an index of it would never be whole.
        let commit = place.git(&["commit-tree", "-m", "Bomb", &kind.1]);
        place.git(&["update-ref", "HEAD", &commit]);
    }
    let large = |place: &Place| {
        place.lay("r-training/large", vec![b'x'; (1 << 20) + 1]);
        place.commit();
    };
    let wrong = |place: &Place| {
        place.lay("r-training/pack.yaml", "name: R Training\n");
        place.commit();
    };
    let none = |place: &Place| {
        place.git(&["rm", "-q", "-r", "r-training"]);
        place.commit_empty();
    };
    type Case<'c> = (&'c dyn Fn(&Place), &'c str);
    let cases: [Case<'_>; 6] = [
        (
            &|place| entry(place, "120000", "r-training/OWNERS"),
            "`r-training/OWNERS` is a link",
        ),
        (
            &|place| entry(place, "160000", "r-training/sub"),
            "`r-training/sub` is a submodule",
        ),
        (&large, "`r-training/large` is larger than 1 MiB"),
        (&wrong, "`r-training`: pack.yaml"),
        (&none, "it has no pack"),
        (&bomb, "says more than"),
    ];
    for (make, says) in cases {
        let place = Place::new();
        make(&place);
        let ended = place.import(&place.url(), &[]);
        assert!(
            !ended.is_good && ended.said.contains(says),
            "{says}: {}",
            ended.said
        );
        let left = std::fs::read_dir(place.at("iris-training")).expect("a folder");
        assert_eq!(left.count(), 0, "{says}");
        assert!(
            !place.at("home/config/bowsprit/packs.lock").exists(),
            "{says}"
        );
    }
    // A link in the repository that is taken in leads nowhere.
    let place = Place::new();
    let out = place.at("outside");
    std::fs::create_dir(&out).expect("a folder");
    std::os::unix::fs::symlink(&out, place.at("iris-training/.github")).expect("a link");
    let ended = place.import(&place.url(), &[]);
    assert!(ended.said.contains("`.github` is a link"), "{}", ended.said);
    assert_eq!(std::fs::read_dir(&out).expect("a folder").count(), 0);
    assert!(
        !place.at("iris-training/train.R").exists(),
        "all or nothing"
    );
}

impl Place {
    fn commit_empty(&self) {
        self.git(&["commit", "-q", "--allow-empty", "-m", "Nothing"]);
    }
}

#[tokio::test]
async fn a_team_keeps_a_source_for_everybody() {
    run_test(async |t| {
        t.api(
            "grace",
            "POST",
            "/user/repos",
            Some(json!({"name": "packs", "private": false})),
        )
        .await;
        t.push_new(
            ("grace", "packs"),
            &[("r-training/pack.yaml", PACK), ("r-training/train.R", "x")],
        )
        .await;
        let store = &t.bot().rooms.store;
        let hash = Digest::of(b"a token of the API");
        store
            .put_token("ada", &hash, Scope::Admin)
            .await
            .expect("a token");
        let server = format!("http://{}", t.bot().address);
        let home = t.dir.path().join("home");
        let (hub, url) = (t.hub.url.clone(), format!("{}/grace/packs", t.hub.url));
        let bowsprit = async |words: &[&str]| -> Ended {
            let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_bowsprit"));
            command
                .args(words)
                .env("BOWSPRIT_SERVER", &server)
                .env("BOWSPRIT_TOKEN", "a token of the API")
                .env("XDG_CACHE_HOME", &home);
            ended(command, (&hub, "ada"), &home).await
        };
        let kept = bowsprit(&["create", "packsource", &url, "--team"]).await;
        assert!(kept.is_good, "{}", kept.said);
        let listed = bowsprit(&["get", "packsources"]).await;
        assert!(listed.out.contains("team"), "{}", listed.out);
        let into = t.dir.path().join("iris-training");
        std::fs::create_dir(&into).expect("a folder");
        let here = into.to_str().expect("text");
        let taken = bowsprit(&["import", "--owner", "ada", "--pack", "r-training", here]).await;
        assert!(taken.is_good, "{}", taken.said);
        assert!(
            taken.out.contains(&format!("r-training of {url} at ")),
            "{}",
            taken.out
        );
        assert!(into.join("train.R").is_file());
        let gone = bowsprit(&["delete", "packsource", &url, "--team"]).await;
        assert!(gone.is_good, "{}", gone.said);
        let packs = bowsprit(&["get", "packs"]).await;
        assert!(!packs.out.contains("r-training"), "{}", packs.out);
    })
    .await;
}

/// The files of this program's own packs are what they claim to be.
#[test]
fn own_packs_bring_an_image_and_a_workflow_that_are_sound() {
    let packs = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/packs");
    for pack in ["python-training", "python-service"] {
        let read = |path: &str| std::fs::read_to_string(packs.join(pack).join(path)).expect(path);
        let workflow: Value =
            serde_saphyr::from_str(&read(".github/workflows/tests.yaml")).expect("YAML");
        assert_eq!(workflow["permissions"], json!({"contents": "read"}));
        let job = &workflow["jobs"]["python"];
        assert!(job["timeout-minutes"].is_u64(), "{job}");
        for step in job["steps"].as_array().expect("steps") {
            assert!(
                step["uses"].is_string() != step["run"].is_string(),
                "{step}"
            );
        }
        let image = read("Dockerfile");
        let verbs: Vec<&str> = image
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split_once(' '))
            .map(|(verb, _)| verb)
            .collect();
        assert_eq!(verbs.first(), Some(&"FROM"), "{pack}");
        assert!(verbs.contains(&"USER"), "{pack}: not as root");
    }
}
