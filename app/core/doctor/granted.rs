//! What an installation of the App has granted, and what does not work without the rest.

use super::Finding;
use super::machine::holds;
use std::collections::BTreeMap;

/// What does not work where a permission was not granted.
const WITHOUT: [(&str, &str); 8] = [
    ("checks", "no verdict is shown or read"),
    ("contents", "nothing is fetched, proposed or merged"),
    ("deployments", "GitHub does not show what is live"),
    ("issues", "no comment, label or reaction is written"),
    (
        "members",
        "teams and members that a contract names are nobody",
    ),
    ("metadata", "nothing is seen at all"),
    ("pull_requests", "no pull request is read or opened"),
    ("statuses", "what other tools say of a commit is not read"),
];

/// What an installation of the App has granted, by name and level; `account` is who installed it.
pub fn granted(
    account: &str,
    found: &BTreeMap<String, String>,
    wanted: &BTreeMap<String, String>,
) -> Finding {
    let about = format!("installation of {account}");
    let lacking: Vec<String> = wanted
        .iter()
        .filter(|(name, level)| !holds(found, name, level))
        .map(|(name, level)| {
            let without = WITHOUT.iter().find(|(of, _)| of == name);
            let without = without.map_or("what needs it is refused", |(_, without)| *without);
            format!("{name}: {level} ({without})")
        })
        .collect();
    match lacking.is_empty() {
        true => Finding::ok(&about, "has granted all permissions"),
        false => Finding::problem(
            &about,
            format!("has not granted {}", lacking.join(", ")),
            "its owner accepts them in the settings of the installation at GitHub",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    fn of(all: &[(&str, &str)]) -> BTreeMap<String, String> {
        let all = all.iter();
        all.map(|(name, level)| ((*name).to_owned(), (*level).to_owned()))
            .collect()
    }

    #[test]
    fn an_installation_names_what_it_has_not_granted_and_what_that_costs() {
        let wanted = of(&[("checks", "write"), ("metadata", "read")]);
        for (found, lacks) in [
            (of(&[("checks", "write"), ("metadata", "read")]), ""),
            (
                of(&[("checks", "read"), ("metadata", "read")]),
                "checks: write (no verdict is shown or read)",
            ),
            (of(&[("checks", "write")]), "metadata: read ("),
        ] {
            let finding = granted("ada", &found, &wanted);
            assert_eq!(
                finding.verdict == Verdict::Ok,
                lacks.is_empty(),
                "{found:?}"
            );
            assert!(finding.says.contains(lacks), "{}", finding.says);
        }
    }
}
