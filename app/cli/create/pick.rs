//! Asking a person at a terminal: arrows, typing to filter, enter.

use super::super::table;
use anyhow::{anyhow, bail};
use bowsprit_core::catalogue::{Entry, Part, Root};
use inquire::validator::Validation;
use inquire::{InquireError, Select, Text};
use std::fmt;

/// Lines of the list that are seen at once; three make a group.
const PAGE: usize = 12;

/// One line of the list.
struct Line<'e> {
    entry: &'e Entry,
    width: usize,
    /// What fits one line of the terminal.
    columns: usize,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Entry {
            name,
            owner,
            about,
            download,
            ..
        } = self.entry;
        // The download first: a narrow terminal cuts the end.
        let about = match self.entry.part {
            Part::Set if download.is_empty() => about.clone(),
            Part::Set => format!("{download}; {about}"),
            Part::Service => "  only the half that serves".to_owned(),
            Part::Training => "  only the half that trains".to_owned(),
        };
        let line = format!("{name:width$}  {owner}  {about}", width = self.width);
        let line: String = line.chars().take(self.columns).collect();
        f.write_str(line.trim_end())
    }
}

/// Lets a person choose. Errors: they left, or there is no terminal.
pub(super) fn entry(entries: Vec<&Entry>) -> anyhow::Result<&Entry> {
    let width = entries
        .iter()
        .map(|entry| entry.name.len())
        .max()
        .unwrap_or(0);
    let columns = table::width().map_or(usize::MAX, usize::from);
    // The cursor and a blank stand before each line.
    let columns = columns.saturating_sub(3);
    let lines: Vec<Line<'_>> = entries
        .into_iter()
        .map(|entry| Line {
            entry,
            width,
            columns,
        })
        .collect();
    let chosen = Select::new("Which quickstart?", lines)
        .with_page_size(PAGE)
        .with_help_message("arrows to move, letters to filter, enter to take, esc to leave")
        .prompt()
        .map_err(left)?;
    Ok(chosen.entry)
}

/// Lets a person name the pair. Errors: as of [`entry`].
pub(super) fn root() -> anyhow::Result<Root> {
    let text = Text::new("What shall the names begin with?")
        .with_help_message("`demo` makes demo-service and demo-training")
        .with_validator(|text: &str| {
            Ok(match Root::parse(text) {
                Ok(_) => Validation::Valid,
                Err(error) => Validation::Invalid(error.into()),
            })
        })
        .prompt()
        .map_err(left)?;
    match Root::parse(&text) {
        Ok(root) => Ok(root),
        Err(error) => bail!(error),
    }
}

fn left(error: InquireError) -> anyhow::Error {
    match error {
        InquireError::OperationCanceled | InquireError::OperationInterrupted => {
            anyhow!("nothing was chosen, and nothing was made")
        }
        other => anyhow!("cannot ask here: {other}; say everything by flags and --batch"),
    }
}
