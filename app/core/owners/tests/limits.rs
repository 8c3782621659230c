//! How much is read, and what holds beyond.

use super::*;

/// Folders with a file each, and the text of the last: within the limits somebody owns it, beyond them nobody owns
/// anything, for what is left out could name other people than the root does.
#[test]
fn beyond_the_limits_nobody_owns_anything() {
    let filters = |count: usize| {
        let lines: Vec<String> = (0..count)
            .map(|at| format!("  'f{at}': {{approvers: [a]}}\n"))
            .collect();
        format!(
            "options: {{no_parent_owners: true}}\nfilters:\n{}",
            lines.concat()
        )
    };
    let plain = || "approvers: [a]".to_owned();
    let few = PATTERNS_MAX / file::FILTERS_MAX;
    let rows: [(&str, Vec<String>, bool); 6] = [
        ("as many files", vec![plain(); FILES_MAX], true),
        ("a file more", vec![plain(); FILES_MAX + 1], false),
        (
            "as many filters",
            vec![filters(file::FILTERS_MAX); few],
            true,
        ),
        (
            "a filter more",
            vec![filters(file::FILTERS_MAX); few + 1],
            false,
        ),
        ("as many in a file", vec![filters(file::FILTERS_MAX)], true),
        (
            "one more in a file",
            vec![filters(file::FILTERS_MAX + 1)],
            false,
        ),
    ];
    for (rule, texts, is_owned) in rows {
        let mut files: Vec<(String, String)> = Vec::new();
        let folders = texts.into_iter().enumerate();
        files.extend(folders.map(|(at, text)| {
            (
                if at == 0 {
                    String::new()
                } else {
                    format!("d{at}")
                },
                text,
            )
        }));
        let last = files.last().expect("a file").0.clone();
        let files: Vec<OwnersFile<'_>> = files
            .iter()
            .map(|(dir, text)| OwnersFile { dir, text })
            .collect();
        let owners = Owners::parse(&files, None);
        assert_eq!(owners.is_beyond(), !is_owned, "{rule}");
        assert_eq!(owners.problems().len(), usize::from(!is_owned), "{rule}");
        assert!(!owners.is_empty(), "{rule}");
        let all: &[&str] = if is_owned { &["a"] } else { &[] };
        let path = format!("{last}/f0");
        check_approvers(&owners, path.trim_start_matches('/'), all);
    }
    let none = Owners::beyond(5);
    assert_eq!((none.is_empty(), none.problems().len()), (false, 1));
    check_approvers(&none, "a", &[]);
}

/// Aliases that are not known whole: the root names an alias that is among the first, and a login.
#[test]
fn without_all_aliases_nobody_owns_anything() {
    let aliases = |count: usize| {
        let lines: Vec<String> = (0..count).map(|at| format!("  t{at}: [p{at}]\n")).collect();
        format!("aliases:\n{}", lines.concat())
    };
    let padded = |bytes: usize| {
        let text = aliases(1);
        let more = bytes - text.len() - 1;
        format!("{text}#{}", "x".repeat(more))
    };
    let most = file::ALIASES_MAX;
    for (rule, text, is_read) in [
        ("as many", aliases(most), true),
        ("one more", aliases(most + 1), false),
        ("as long", padded(FILE_BYTES_MAX), true),
        ("longer", padded(FILE_BYTES_MAX + 1), false),
        ("no YAML", format!("{}  broken: [", aliases(1)), false),
        ("no map", "- t0\n".to_owned(), false),
        ("another key", "alias:\n  t0: [p0]\n".to_owned(), false),
        ("no map of aliases", "aliases: [t0]\n".to_owned(), false),
    ] {
        let root = OwnersFile {
            dir: "",
            text: "approvers: [t0, ada]",
        };
        let owners = Owners::parse(&[root], Some(&text));
        assert_eq!(owners.is_beyond(), !is_read, "{rule}");
        let all: &[&str] = if is_read { &["ada", "p0"] } else { &[] };
        check_approvers(&owners, "x", all);
        let none = Owners::parse(&[], Some(&text));
        assert!(none.is_empty() && !none.is_beyond(), "{rule}");
    }
}

/// GitHub's file that is not known whole could name other people than what is known of it; one that is read is no OWNERS.
#[test]
fn without_all_code_owners_nobody_owns_anything() {
    let lines = |count: usize| "* @ada\n".repeat(count);
    let most = codeowners::LINES_MAX;
    for (rule, owners, problem) in [
        ("as many", Owners::of_code("CODEOWNERS", &lines(most)), None),
        (
            "one more",
            Owners::of_code("docs/CODEOWNERS", &lines(most + 1)),
            Some("docs/CODEOWNERS:10001: it has more than 10000 patterns"),
        ),
        (
            "a link",
            Owners::of_unreadable_code("CODEOWNERS", "`CODEOWNERS` is a link"),
            Some("CODEOWNERS:1: `CODEOWNERS` is a link"),
        ),
    ] {
        let is_read = problem.is_none();
        assert_eq!(owners.is_beyond(), !is_read, "{rule}");
        assert_eq!(owners.is_empty(), is_read, "{rule}");
        assert_eq!(owners.code_owner(&path("x")).is_some(), is_read, "{rule}");
        check_approvers(&owners, "x", &[]);
        let told = owners.problems().iter().map(|one| {
            let why = one.message.split(", so nobody can approve; ").next();
            format!("{}:{}: {}", one.path, one.line, why.unwrap_or_default())
        });
        let told: Vec<String> = told.collect();
        assert_eq!(told.first().map(String::as_str), problem, "{rule}");
        let pending = owners.pending(&paths(&["x"]), &logins(&["ada"]));
        assert_eq!(pending.len(), 1, "{rule}");
    }
}
