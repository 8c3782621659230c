//! What of a commit helm gets to see, and what is refused before it is asked.

use super::*;
use bowsprit_core::name::{Digest, RepoPath};
use tar::EntryType;

/// A snapshot of files and links: name, kind, text or target.
fn snapshot(dir: &Path, entries: &[(&str, EntryType, &str)]) -> Source {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, kind, text) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        if kind.is_symlink() {
            header.set_size(0);
            archive.append_link(&mut header, name, text).unwrap();
        } else {
            header.set_size(text.len() as u64);
            archive
                .append_data(&mut header, name, text.as_bytes())
                .unwrap();
        }
    }
    let bytes = archive.into_inner().unwrap();
    let path = dir.join("snapshot.tar");
    std::fs::write(&path, &bytes).unwrap();
    Source {
        uri: path.display().to_string(),
        sha256: Digest::of(&bytes),
    }
}

fn chart(values: Option<&str>) -> Chart {
    let path = |text: &str| RepoPath::parse(text).unwrap();
    Chart {
        folder: path("charts/digits"),
        values: values.map(path),
    }
}

const YAML: (&str, EntryType, &str) = (
    "charts/digits/Chart.yaml",
    EntryType::Regular,
    "name: digits\n",
);

#[test]
fn helm_sees_the_chart_its_values_and_ours_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let entries = [
        YAML,
        (
            "charts/digits/templates/a.yaml",
            EntryType::Regular,
            "kind: A\n",
        ),
        ("charts/digits2/Chart.yaml", EntryType::Regular, "another\n"),
        ("charts/digits/live.yaml", EntryType::Regular, "a: 1\n"),
        ("deploy/live.yaml", EntryType::Regular, "b: 2\n"),
        ("charts/digits/a,/etc/passwd", EntryType::Regular, "c: 3\n"),
        ("secret", EntryType::Regular, "x"),
        ("charts/link", EntryType::Symlink, "/etc/passwd"),
    ];
    let source = snapshot(dir.path(), &entries);
    for (values, text) in [
        ("charts/digits/live.yaml", "a: 1\n"),
        ("deploy/live.yaml", "b: 2\n"),
        ("charts/digits/a,/etc/passwd", "c: 3\n"),
    ] {
        let desk = tempfile::tempdir().unwrap();
        let chart = chart(Some(values));
        let models = [Slug::parse("digits").unwrap()];
        assert!(lay_out(&chart, &source, &models, desk.path()).is_ok());
        let at = |name: &str| std::fs::read_to_string(desk.path().join(name)).ok();
        assert_eq!(at("chart/templates/a.yaml").as_deref(), Some("kind: A\n"));
        assert_eq!(at(VALUES).unwrap(), text);
        assert!(
            at("bowsprit.json")
                .unwrap()
                .contains("${BOWSPRIT_MODEL_VERSION_DIGITS}")
        );
        assert_eq!((at("secret"), at("chart/link")), (None, None));
    }
}

#[test]
fn what_is_no_chart_is_told() {
    let many: Vec<String> = (0..=FILES_MAX)
        .map(|n| format!("charts/digits/{n}"))
        .collect();
    let many: Vec<_> = many
        .iter()
        .map(|name| (name.as_str(), EntryType::Regular, ""))
        .collect();
    let cases: [(&[_], Option<&str>, &str); 5] = [
        (
            &[("charts/Chart.yaml", EntryType::Regular, "")],
            None,
            "there is no `charts/digits/Chart.yaml`",
        ),
        (
            &[YAML],
            Some("deploy/live.yaml"),
            "there is no file `deploy/live.yaml`",
        ),
        (
            &[YAML, ("charts/digits/x", EntryType::Symlink, "/etc/passwd")],
            None,
            "`charts/digits/x` is no plain file",
        ),
        (
            &[YAML, ("live", EntryType::Symlink, "/etc/passwd")],
            Some("live"),
            "`live` is no plain file",
        ),
        (&many, None, "more than 500 files"),
    ];
    for (entries, values, why) in cases {
        let (dir, desk) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let source = snapshot(dir.path(), entries);
        let Err(Unread::Wrong(told)) = lay_out(&chart(values), &source, &[], desk.path()) else {
            panic!("{why}: it is taken");
        };
        assert!(told.contains(why), "{told}");
    }
}

#[test]
fn a_server_without_helm_says_what_would_work() {
    let dir = tempfile::tempdir().unwrap();
    let helm = |program: &str| Helm {
        me: SelfCommand {
            program: "bowsprit".into(),
            args: Vec::new(),
        },
        program: Some(program.into()),
        dir: dir.path().to_owned(),
    };
    let Err(Unread::Wrong(told)) = helm("/nowhere/helm").find() else {
        panic!("there is one");
    };
    assert!(
        told.contains("`cluster.helm`") && told.contains("`deploy.manifests`"),
        "{told}"
    );
    assert!(helm("/bin/sh").find().is_ok());
}
