use super::*;
use crate::name::Login;

fn card(name: &str, language: &str, framework: &str) -> Vec<Entry> {
    let text = format!(
        "{{name: {name}, about: a, language: {language}, framework: {framework}, hardware: cpu, download: 1 MB, root: digits}}"
    );
    Card::parse(&text).expect("a card").entries("digits")
}

fn catalogue() -> Vec<Entry> {
    let mut all = card("ML-python-sklearn-digits-cpu", "Python", "scikit-learn");
    all.extend(card("ML-rust-smartcore-digits-cpu", "Rust", "smartcore"));
    // A name that begins like another's whole name.
    all.extend(card(
        "ML-python-sklearn-digits-cpu-cpu",
        "Python",
        "scikit-learn",
    ));
    all
}

fn wish(text: &str) -> Wish {
    Wish {
        text: (!text.is_empty()).then(|| text.to_owned()),
        ..Wish::default()
    }
}

#[test]
fn a_set_stands_before_its_halves() {
    let all = catalogue();
    let names: Vec<&str> = listed(&all, &wish("smartcore"))
        .iter()
        .map(|entry| entry.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "ML-rust-smartcore-digits-cpu",
            "ML-rust-smartcore-digits-cpu-service",
            "ML-rust-smartcore-digits-cpu-training"
        ]
    );
}

#[test]
fn one_entry_is_meant_or_the_answer_says_what_would_work() {
    let all = catalogue();
    let meant = |text: &str| only(&all, &wish(text)).map(|entry| entry.name.as_str());
    for (text, name) in [
        ("rust", "ML-rust-smartcore-digits-cpu"),
        ("RUST-smart", "ML-rust-smartcore-digits-cpu"),
        (
            "smartcore-digits-cpu-training",
            "ML-rust-smartcore-digits-cpu-training",
        ),
        // A whole name wins over all that it begins.
        (
            "ml-python-sklearn-digits-cpu",
            "ML-python-sklearn-digits-cpu",
        ),
    ] {
        assert_eq!(meant(text), Ok(name), "{text}");
    }
    let refused = |text: &str| meant(text).expect_err("unclear").to_string();
    assert_eq!(
        refused("python"),
        "more than one quickstart fits; write one of these names: ML-python-sklearn-digits-cpu, ML-python-sklearn-digits-cpu-cpu"
    );
    assert!(refused("fortran").starts_with("no quickstart fits; there are: ML-python-"));
    assert!(matches!(meant("-training"), Err(Unclear::Several(names)) if names.len() == 3));
}

#[test]
fn owner_language_and_framework_are_whole_words_in_any_case() {
    let all = catalogue();
    let count = |wish: &Wish| listed(&all, wish).len();
    let of = |owner: &str, language: &str, framework: &str| {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Wish {
            text: None,
            owner: given(owner),
            language: given(language),
            framework: given(framework),
        }
    };
    assert_eq!(count(&of("", "", "")), 9);
    assert_eq!(count(&of("Bowsprit", "", "")), 9);
    assert_eq!(count(&of("bows", "", "")), 0);
    assert_eq!(count(&of("", "PYTHON", "")), 6);
    assert_eq!(count(&of("", "pyth", "")), 0);
    assert_eq!(count(&of("", "", "SmartCore")), 3);
    assert_eq!(count(&of("", "python", "smartcore")), 0);
}

#[test]
fn names_tell_language_framework_and_hardware() {
    for good in [
        "ML-python-sklearn-digits-cpu",
        "ML-python-sklearn-digits-cpu-training",
        "ML-python-pytorch-gpu-service",
        "ML-rust-smartcore-0.4-cpu",
    ] {
        assert_eq!(lint(good), Vec::<String>::new(), "{good}");
    }
    for (bad, says) in [
        ("python-sklearn-cpu", "does not start with `ML-`"),
        ("ml-python-sklearn-cpu", "write `ML-python-sklearn-cpu`"),
        (
            "ML-sklearn-cpu",
            "should tell language, framework and hardware",
        ),
        ("ML-python-sklearn-digits", "should end with its hardware"),
        ("ML-python--sklearn-cpu", "empty word"),
        ("ML-python-sk_learn-cpu", "`_` in"),
    ] {
        let problems = lint(bad);
        assert!(
            problems.iter().any(|problem| problem.contains(says)),
            "{bad}: {problems:?}"
        );
    }
    assert!(lint(&format!("ML-python-{}-cpu", "x".repeat(80)))[0].contains("longer than"));
}

#[test]
fn a_location_offers_what_its_patterns_name() {
    let location = |includes: &[&str], excludes: &[&str]| Location {
        url: String::new(),
        owner: "acme".to_owned(),
        includes: includes.iter().map(|text| (*text).to_owned()).collect(),
        excludes: excludes.iter().map(|text| (*text).to_owned()).collect(),
    };
    for (includes, excludes, name, is_offered) in [
        (&[][..], &[][..], "ML-python-x-cpu", true),
        (&[], &[], "python-x", false),
        (&[], &[], "WIP-ML-x", false),
        (&["WIP-*"], &["x"], "WIP-ML-x", true),
        (&["*"], &["*-old", "a*b*c"], "anything", true),
        (&["*"], &["*-old", "a*b*c"], "thing-old", false),
        (&["*"], &["*-old", "a*b*c"], "a-b-c", false),
        (&["*"], &["*-old", "a*b*c"], "a-c-b", true),
        (&["exact"], &[], "Exact", true),
        (&["exact"], &[], "exactly", false),
        // The same letters do not count twice.
        (&["ab*ba"], &[], "aba", false),
        (&["ab*ba"], &[], "abba", true),
    ] {
        assert_eq!(
            location(includes, excludes).offers(name),
            is_offered,
            "{includes:?} {excludes:?} {name}"
        );
    }
    assert!(location(&["ML-*"], &[]).checked().is_ok());
    assert!(location(&[""], &[]).checked().is_err());
    for (url, owner) in [("ftp://x", "acme"), ("", "a b"), ("", "")] {
        let wrong = Location {
            url: url.to_owned(),
            owner: owner.to_owned(),
            ..location(&[], &[])
        };
        assert!(wrong.checked().is_err(), "{url} {owner}");
    }
}

#[test]
fn repositories_of_a_location_become_entries() {
    let location = Location {
        url: String::new(),
        owner: "acme".to_owned(),
        includes: Vec::new(),
        excludes: Vec::new(),
    };
    let sight = |name: &str, language: &str| Sight {
        name: RepoName::parse(&format!("acme/{name}")).expect("a name"),
        language: language.to_owned(),
        about: "things".to_owned(),
    };
    let seen = [
        sight("ML-python-sklearn-gpu", ""),
        sight("ML-python-sklearn-gpu-training", "Python"),
        sight("website", "HTML"),
    ];
    let found = sets(&location, &seen);
    assert_eq!(found.len(), 2);
    assert_eq!(
        (
            found[0].part,
            found[0].language.as_str(),
            found[0].framework.as_str(),
            found[0].hardware.as_str()
        ),
        (Part::Set, "python", "sklearn", "gpu")
    );
    assert!(
        found[0].makes.is_empty(),
        "its projectset tells what it makes"
    );
    assert_eq!(found[1].makes.len(), 1);
}

#[test]
fn a_projectset_is_read_in_both_spellings() {
    let json = r#"[{"Repo": "ML-x-training", "Tail": "-training"}, {"Repo": "ML-x-service", "Tail": "-service"}]"#;
    let yaml = "- repo: https://github.com/acme/ML-x-training.git\n  tail: -training\n- {repo: acme/ML-x-service, tail: -service}\n";
    for text in [json, yaml] {
        let made = projectset(text, "acme", "").expect("a set");
        let told: Vec<String> = made
            .iter()
            .map(|made| match &made.source {
                Source::Repository { name, .. } => format!("{} {name}", made.tail.as_str()),
                Source::Embedded(_) => "embedded".to_owned(),
            })
            .collect();
        assert_eq!(
            told,
            ["-service acme/ML-x-service", "-training acme/ML-x-training"]
        );
    }
    for bad in [
        "",
        "<html>not found</html>",
        "[]",
        r#"[{"Repo": "a"}]"#,
        r#"[{"Repo": "a/../b", "Tail": "-t"}, {"Repo": "a", "Tail": "-t"}]"#,
        r#"[{"Repo": "a", "Tail": "/../x"}]"#,
    ] {
        assert!(projectset(bad, "acme", "").is_err(), "{bad}");
    }
}

#[test]
fn files_take_the_new_names_and_nothing_else_changes() {
    let root = Root::parse("demo").expect("a root");
    let names = Names {
        from: "digits",
        root: &root,
        name: "demo-service",
        owner: "Acme",
        host: "github.com",
    };
    for (text, becomes) in [
        ("from: digits-training}", "from: demo-training}"),
        (
            "digits-servicedigits-service",
            "digits-servicedigits-service",
        ),
        (
            "my-digits-service digits-service's",
            "my-digits-service demo-service's",
        ),
        ("../digits-training/outputs", "../demo-training/outputs"),
        (
            "digits_service.server model: digits",
            "digits_service.server model: digits",
        ),
        (
            "image: REPLACE_ME_DOCKER_REGISTRY_ORG/REPLACE_ME_APP_NAME",
            "image: acme/demo-service",
        ),
        (
            "https://REPLACE_ME_GIT_PROVIDER/REPLACE_ME_ORG",
            "https://github.com/acme",
        ),
    ] {
        assert_eq!(filled(text, &names), becomes);
    }
    for bad in ["", "Demo", "1x", "x-", "a_b", "x-service", &"x".repeat(31)] {
        assert!(Root::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn aliases_are_kept_and_their_people_replaced() {
    let ada = Login::parse("ada").expect("a login");
    let text = owned("aliases:\n  b: [x, y]\n  a: []\n", &ada).expect("a file");
    assert_eq!(text, "aliases:\n  a:\n  - ada\n  b:\n  - ada\n");
    assert_eq!(owned("nothing", &ada), None);
}

proptest::proptest! {
    #[test]
    fn no_text_breaks_the_readers(text in ".{0,200}") {
        let _ = projectset(&text, "acme", "");
        let _ = Card::parse(&text);
        let _ = lint(&text);
        let _ = Root::parse(&text);
    }
}

/// What fits, as `pack root requirements`; `files` are parted by blanks.
fn fit(name: &str, files: &str, named: Option<&str>) -> Result<String, String> {
    let pack = |name: &str, kind| Pack {
        name: name.to_owned(),
        language: "python".to_owned(),
        kind,
        about: String::new(),
    };
    let packs = [
        pack("python-training", PackKind::Training),
        pack("python-service", PackKind::Service),
    ];
    let look = Look {
        name: name.to_owned(),
        files: files.split_whitespace().map(str::to_owned).collect(),
    };
    let found = fitting(&look, &packs, named, None)?;
    let (root, requirements) = (found.root.as_str(), &found.requirements);
    Ok(format!("{} {root} {requirements}", found.pack))
}

#[test]
fn a_pack_is_found_by_what_is_named_and_seen() {
    #[rustfmt::skip]
    let table = [
        ("demo-training", "requirements.txt", None, "python-training demo requirements.txt"),
        ("Demo-service", "setup.py train.py", None, "python-service demo requirements.lock"),
        ("demo", "train.py requirements.txt requirements.lock", None, "python-training demo requirements.lock"),
        ("demo", "score.py", None, "python-service demo requirements.lock"),
        ("demo", "", Some("python-service"), "python-service demo requirements.lock"),
        // What is named wins over what is seen.
        ("demo-training", "train.py", Some("python-service"), "python-service demo requirements.lock"),
    ];
    for (name, files, named, found) in table {
        assert_eq!(fit(name, files, named).as_deref(), Ok(found), "{name}");
    }
}

#[test]
fn a_pack_that_cannot_be_told_is_asked_for() {
    #[rustfmt::skip]
    let table = [
        ("demo", "", None, "cannot tell whether `demo` trains or serves"),
        ("demo", "train.py score.py", None, "cannot tell whether"),
        ("demo-training", "README.md", None, "cannot tell the language; say --pack, one of: python-training"),
        ("demo-training", "Cargo.toml", None, "no pack is for rust"),
        ("demo", "", Some("cobol"), "there is no pack `cobol`; there are: python-training, python-service"),
        ("my_demo-training", "train.py", None, "(say --root)"),
    ];
    for (name, files, named, says) in table {
        let error = fit(name, files, named).expect_err(name);
        assert!(error.contains(says), "{name}: {error}");
    }
}
