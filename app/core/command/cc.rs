//! `/cc` and `/uncc`: who is asked for a review.

use super::{Command, Entry, OnChange, Right, people, quoted};
use crate::name::Slug;

pub(super) const ENTRY: Entry = Entry {
    name: "/cc",
    usage: "/cc [@<login>|@<org>/<team>...]",
    who: "Anybody; GitHub decides who can be asked.",
    what: "Asks the named people and teams, or the speaker, for a review. `/uncc` takes that back.",
    example: "/cc @grace",
    right: Right::Anybody,
    words: &["/cc", "/uncc"],
    any_case: true,
    is_guessed: false,
    loose: None,
    read,
};

fn read(word: &str, rest: &str) -> Result<Command, String> {
    let (teams, names): (Vec<&str>, Vec<&str>) =
        rest.split_whitespace().partition(|name| name.contains('/'));
    let logins = people(word, &names.join(" "))?;
    let mut slugs = Vec::new();
    for team in teams {
        let name = team.trim_start_matches('@').split_once('/');
        let slug = name.and_then(|(_, team)| Slug::parse(&team.to_ascii_lowercase()).ok());
        slugs.push(slug.ok_or_else(|| format!("`{}` is not a team", quoted(team)))?);
    }
    Ok(OnChange::Cc {
        add: word == "/cc",
        logins,
        teams: slugs,
    }
    .into())
}
