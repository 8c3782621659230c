//! Files that cannot be read, and files that mean harm.

use super::*;
use proptest::prelude::*;

#[test]
fn what_cannot_be_read_is_told_with_its_line() {
    let told = |plugins: &str, config: &str| {
        let unreadable = of(plugins, config, &[]).expect_err("it is refused");
        let lines = unreadable.iter().flat_map(|file| {
            let problems = file.problems.iter();
            problems
                .map(|one| format!("{}:{}:{}: {}", file.file, one.line, one.column, one.message))
        });
        lines.collect::<Vec<String>>().join("\n")
    };
    expect![[r#"
        plugins.yaml:1:10: this is not YAML: unclosed bracket '['
        config.yaml:1:14: `a` stands here twice, first on line 1"#]]
    .assert_eq(&told("plugins: [\n", "tide: {a: 1, a: 2}\n"));
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
    expect!["plugins.yaml:5:29: more than 100000 values"].assert_eq(&told(bomb, "{}"));
    let large = "x".repeat(FILE_BYTES_MAX + 1);
    expect!["config.yaml:1:1: the file has 4194305 bytes, at most 4194304 are read"]
        .assert_eq(&told("{}", &large));
    let deep = format!("a: {}{}", "[".repeat(40), "]".repeat(40));
    expect![[r#"
        plugins.yaml:1:35: nested deeper than 32 levels
        config.yaml:1:1: the file is empty"#]]
    .assert_eq(&told(&deep, ""));
    let found = of("{}", "{}", &[("a.yaml", "<<: {}\n"), ("b.yaml", JOBS)])
        .expect("a job file may be broken");
    assert_eq!(found.contracts.len(), 1);
    assert_eq!(found.left[0].from.file, "a.yaml");
}

#[test]
fn what_is_written_holds_what_others_wrote() {
    let nasty = "\"x\\u007f\\n]]\\\"\\\"\\\"' = \\\\ <b>|\"";
    let found = good(
        &format!(
            "plugins: {{acme: [label, {nasty}], ../..: [lgtm], acme/..: [lgtm], 'a b': [lgtm]}}\n\
             label: {{additional_labels: [{nasty}], restricted_labels: {{acme: [{{label: {nasty}, allowed_users: [bo]}}]}}}}\n{nasty}: 1\n"
        ),
        "{}",
    );
    assert!(
        habits(&found, "acme/one").labels.is_empty(),
        "our reader takes no such label"
    );
    assert_eq!(habits(&found, "acme/one").restricted.len(), 1);
    assert!(found.contracts.is_empty(), "{:?}", found.contracts);
    let rows = found.report();
    let rows: Vec<&str> = rows
        .lines()
        .filter(|line| line.starts_with("| plugins.yaml"))
        .collect();
    assert_eq!(rows.len(), found.left.len() + found.carried.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_are_told_or_read(at in 0..PLUGINS.len(), with in "[ -~\n]{0,3}") {
        let (mut plugins, mut config) = (PLUGINS.to_owned(), CONFIG.to_owned());
        plugins.insert_str(at, &with);
        config.insert_str(at.min(CONFIG.len()), &with);
        for (plugins, config) in [(plugins.as_str(), CONFIG), (PLUGINS, config.as_str())] {
            match of(plugins, config, &[]) {
                Ok(found) => {
                    let _ = habits(&found, "fjord-labs/harbour-vision");
                    let (one, other) = (untold(&found, ("plugins", plugins)), untold(&found, ("config", config)));
                    prop_assert!(one.is_empty() && other.is_empty(), "{one:?} {other:?}");
                    for part in found.contracts.values() {
                        prop_assert!(parse_part(part).is_ok(), "{part}");
                    }
                }
                Err(unreadable) => prop_assert!(unreadable.iter().all(|file| !file.problems.is_empty())),
            }
        }
    }
}
