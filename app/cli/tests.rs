//! The command line as a whole: it is well formed, and says what to do.

use super::*;
use clap::CommandFactory as _;

#[test]
fn the_line_is_well_formed() {
    Line::command().debug_assert();
}

#[test]
fn no_argument_takes_a_token() {
    fn check(command: &clap::Command) {
        for arg in command.get_arguments() {
            let name = arg.get_id().as_str();
            assert!(
                !matches!(name, "token" | "key" | "secret" | "password"),
                "{} {name}",
                command.get_name()
            );
        }
        command.get_subcommands().for_each(check);
    }
    check(&Line::command());
}

#[test]
fn places_are_read_strictly() {
    let check = |text: &str, is_good: bool| {
        assert_eq!(text.parse::<place::Named>().is_ok(), is_good, "{text}")
    };
    check("ada/digits-service/staging", true);
    check("ada/digits-service", false);
    check("ada/digits-service/Staging", false);
    check("ada/../x/staging", false);
    let pull = |text: &str| text.parse::<place::Numbered>().map(|pull| pull.path());
    assert_eq!(
        pull("ada/digits-service#7").as_deref(),
        Ok("/api/v1/pulls/ada/digits-service/7")
    );
    assert!(pull("ada/digits-service#x").is_err());
    assert_eq!(place::part("a/b c"), "a%2Fb%20c");
    assert_eq!(
        place::query(&[("a", None), ("b", Some("x y".to_owned()))]),
        "?b=x+y"
    );
}

#[test]
fn tables_hold_no_control_codes() {
    let shown = table::table(
        &["name", "n#"],
        [vec!["a\u{1b}[31mred\u{7}".to_owned(), "1".to_owned()]],
    );
    assert!(
        shown.contains("ared") && !shown.contains('\u{1b}'),
        "{shown:?}"
    );
    assert_eq!(table::table(&["name"], []), "nothing to list");
}
