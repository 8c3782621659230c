//! Where releases are written, as an operator says it.

use super::*;

#[test]
fn releases_are_written_where_a_repository_is_named() {
    let dir = home();
    let image = format!("r/x@sha256:{}", "a".repeat(64));
    let kubernetes = format!(
        "[releases]\nbackend = \"kubernetes\"\n[cluster]\nbase_image = \"{image}\"\nagent_image = \"{image}\"\n"
    );
    let with = |lines: &str| format!("{}{kubernetes}[gitops]\n{lines}", good(&dir));
    let read = |lines: &str| load(&dir, &with(lines), &[]).map(|config| config.releases.gitops);
    assert_eq!(read("").unwrap(), None);
    let short = read("repository = \"ada/cluster-config\"\n")
        .unwrap()
        .unwrap();
    assert_eq!(short.repository.branch.as_str(), "main");
    assert_eq!(
        (short.repository.path, short.environments),
        (None, Vec::new())
    );
    assert_eq!(short.sync_wait, Duration::from_secs(900));
    let whole = read(
        "repository = \"ada/config\"\nbranch = \"live\"\npath = \"/clusters/eu/\"\nenvironments = \"production, preview\"\nsync_wait = \"30m\"\n",
    );
    let whole = whole.unwrap().unwrap();
    assert_eq!(whole.repository.path.unwrap().as_str(), "clusters/eu");
    assert_eq!(whole.environments.len(), 2);
    for (lines, told) in [
        (
            "path = \"eu\"\n",
            "the repository that Argo CD or Flux reads",
        ),
        ("repository = \"config\"\n", "`config` is not a"),
        ("repository = \"a/b\"\npath = \"../x\"\n", "without `..`"),
        (
            "repository = \"a/b\"\nbranch = \"-x\"\n",
            "`-x` is not a branch",
        ),
        (
            "repository = \"a/b\"\nenvironments = \"A B\"\n",
            "`A B` is not",
        ),
        (
            "repository = \"a/b\"\nsync_wait = \"1s\"\n",
            "is not a time",
        ),
    ] {
        let problems = read(lines).unwrap_err();
        assert!(
            problems.len() == 1 && problems[0].contains(told),
            "{lines}: {problems:?}"
        );
    }
    let local = format!("{}[gitops]\nrepository = \"a/b\"\n", good(&dir));
    let problems = load(&dir, &local, &[]).unwrap_err();
    assert!(problems[0].contains("`releases.backend = \"kubernetes\"`"));
}
