//! `/promote`: a version to an environment.

use super::{Command, Entry, OnThread, Right, quoted};
use crate::name::{Slug, VersionRef};

pub(super) const ENTRY: Entry = Entry {
    name: "/promote",
    usage: "/promote <environment> [<version>]",
    who: "Reviewers of the repository; the pull request that it opens needs the environment's approvers.",
    what: "Opens the promotion of the newest verified release, or of the one with that model version; where a service has several models, `digits/v8` names one.",
    example: "/promote production 8",
    right: Right::Anybody,
    words: &["/promote"],
    any_case: true,
    is_guessed: true,
    loose: None,
    read,
};

fn read(_word: &str, rest: &str) -> Result<Command, String> {
    let words: Vec<&str> = rest.split_whitespace().collect();
    let (environment, number) = target("/promote", &words)?;
    Ok(OnThread::Promote {
        environment,
        version: number,
    }
    .into())
}

/// An environment and perhaps a version. Errors: a sentence without its full stop.
pub(super) fn target(word: &str, words: &[&str]) -> Result<(Slug, Option<VersionRef>), String> {
    let (environment, number) = match words {
        [] => return Err(format!("`{word}` needs the name of an environment")),
        [environment] => (environment, None),
        [environment, number] => (
            environment,
            Some(VersionRef::parse(number).map_err(|_| {
                format!(
                    "`{}` is not a version such as `8` or `digits/v8`",
                    quoted(number)
                )
            })?),
        ),
        [_, _, ..] => {
            return Err(format!(
                "`{word}` takes an environment and a version, nothing more"
            ));
        }
    };
    let environment = Slug::parse(environment).map_err(|_| {
        format!(
            "`{}` is not the name of an environment",
            quoted(environment)
        )
    })?;
    Ok((environment, number))
}
