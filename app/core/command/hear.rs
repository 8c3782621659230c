//! Finds the lines of a comment that are commands.
//!
//! Only text that a reader sees as plain text counts, and only from the first column of its line:
//! quotes, code, HTML and its comments, links, headings, lists and tables are somebody else's words or no words at all.

use super::{Command, Entry, Heard, Misheard, Say, TABLE, near, quoted};
use crate::habits::{Habits, Switch};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use std::ops::Range;

/// Most commands that are read in one comment; further ones are not heard.
pub const COMMANDS_MAX: usize = 20;
/// Most lines with a slash in front that are looked at; a log pasted as text has thousands.
const LINES_MAX: usize = 1_000;
/// How much of a comment is read, which is more than GitHub stores. Units: bytes.
pub const BODY_BYTES_MAX: usize = 262_144;

/// Words of other bots that live in the same comments; near a word of ours or not, they are not for us.
const SILENT: [&str; 30] = [
    "/bark",
    "/build",
    "/check",
    "/check-cla",
    "/check-dco",
    "/check-required-labels",
    "/deploy",
    "/duplicate",
    "/easycla",
    "/honk",
    "/hug",
    "/joke",
    "/lint",
    "/lock",
    "/meow",
    "/merge",
    "/pony",
    "/rebase",
    "/release",
    "/release-note",
    "/release-note-none",
    "/review",
    "/rerun",
    "/run",
    "/shrug",
    "/squash",
    "/status",
    "/transfer",
    "/transfer-issue",
    "/woof",
];

/// The lines of a comment that are meant for Bowsprit, in their order, as a repository's habits take them.
pub fn hear(body: &str, habits: &Habits) -> Vec<Heard> {
    let body = cut(body);
    if !body.contains('/') {
        return Vec::new();
    }
    let found = match habits.has(Switch::RawText) {
        true => raw_lines(body),
        false => lines(body),
    };
    let heard = found
        .into_iter()
        .filter_map(|(start, text)| {
            understand(text.trim_end(), habits).map(|found| (start, text, found))
        })
        .filter(|(_, _, (entry, _))| !habits.not_ours.contains(entry.name))
        .take(COMMANDS_MAX)
        .map(|(start, text, (entry, command))| Heard {
            line: 1 + body.get(..start).unwrap_or_default().matches('\n').count(),
            text: text.trim_end().chars().take(200).collect(),
            name: entry.name,
            right: entry.right,
            command,
        });
    match habits.has(Switch::FixedOrder) {
        true => in_fixed_order(heard.collect()),
        false => heard.collect(),
    }
}

/// Within one comment giving beats taking back for lgtm, and lifting beats holding.
fn in_fixed_order(heard: Vec<Heard>) -> Vec<Heard> {
    let has = |say: fn(&Say) -> bool| {
        heard
            .iter()
            .any(|one| matches!(&one.command, Ok(Command::Say(said)) if say(said)))
    };
    let is_given = has(|say| matches!(say, Say::Lgtm));
    let is_lifted = has(|say| matches!(say, Say::Unhold));
    let is_beaten = |one: &Heard| match &one.command {
        Ok(Command::Say(Say::LgtmCancel)) => is_given,
        Ok(Command::Say(Say::Hold { .. })) => is_lifted,
        Ok(_) | Err(_) => false,
    };
    heard.into_iter().filter(|one| !is_beaten(one)).collect()
}

/// Lines of the text as it was typed that start with a slash: where, and the line.
fn raw_lines(body: &str) -> Vec<(usize, String)> {
    let mut start = 0;
    let mut found = Vec::new();
    for line in body.split_inclusive('\n') {
        if line.starts_with('/') {
            found.push((start, line.trim_end().to_owned()));
        }
        start += line.len();
    }
    found.truncate(LINES_MAX);
    found
}

fn cut(body: &str) -> &str {
    let mut end = body.len().min(BODY_BYTES_MAX);
    while !body.is_char_boundary(end) {
        end -= 1;
    }
    body.get(..end).unwrap_or_default()
}

/// Lines that start with a slash in the first column of a plain paragraph: where, and the line without hidden parts.
fn lines(body: &str) -> Vec<(usize, String)> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_GFM;
    let mut starts: Vec<usize> = Vec::new();
    let mut hidden: Vec<Range<usize>> = Vec::new();
    // How many blocks and inline spans are open around the next event, and whether the outermost is a paragraph.
    let mut depth = 0_usize;
    let mut in_paragraph = false;
    for (event, range) in Parser::new_ext(body, options).into_offset_iter() {
        match event {
            Event::Start(tag) => {
                in_paragraph = if depth == 0 {
                    matches!(tag, Tag::Paragraph)
                } else {
                    in_paragraph
                };
                depth += 1;
            }
            Event::End(TagEnd::Paragraph) if depth == 1 => (depth, in_paragraph) = (0, false),
            Event::End(_) => depth = depth.saturating_sub(1),
            Event::Text(_) if depth == 1 && in_paragraph && is_first_column(body, range.start) => {
                starts.push(range.start)
            }
            Event::InlineHtml(_) => hidden.push(range),
            Event::Text(_)
            | Event::Code(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::Html(_)
            | Event::FootnoteReference(_)
            | Event::SoftBreak
            | Event::HardBreak
            | Event::Rule
            | Event::TaskListMarker(_) => {}
        }
    }
    starts
        .into_iter()
        .take(LINES_MAX)
        .map(|start| (start, visible_line(body, start, &hidden)))
        .collect()
}

fn is_first_column(body: &str, start: usize) -> bool {
    let before = body.get(..start).unwrap_or_default();
    body.get(start..).is_some_and(|rest| rest.starts_with('/'))
        && (before.is_empty() || before.ends_with(['\n', '\r']))
}

/// The line as it was typed, so that `*` and `_` in values stay, but without HTML.
fn visible_line(body: &str, start: usize, hidden: &[Range<usize>]) -> String {
    let rest = body.get(start..).unwrap_or_default();
    let end = start + rest.find(['\n', '\r']).unwrap_or(rest.len());
    let mut line = String::new();
    let mut from = start;
    let first = hidden.partition_point(|range| range.end <= start);
    for range in hidden
        .iter()
        .skip(first)
        .take_while(|range| range.start < end)
    {
        line.push_str(body.get(from..range.start).unwrap_or_default());
        from = range.end;
    }
    line.push_str(body.get(from.min(end)..end).unwrap_or_default());
    // A backslash at the end of a line is a line break in Markdown.
    line.strip_suffix('\\')
        .map_or_else(|| line.clone(), str::to_owned)
}

/// What a line says, and of which command it is; `None` when it is not for Bowsprit.
fn understand(line: &str, habits: &Habits) -> Option<(&'static Entry, Result<Command, Misheard>)> {
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let lower = word.to_ascii_lowercase();
    let entry = TABLE
        .iter()
        .copied()
        .find(|entry| entry.words.contains(&lower.as_str()));
    let Some(entry) = entry else {
        return near_miss(&lower, habits).map(|(entry, wrong)| (entry, Err(wrong)));
    };
    if !entry.any_case && word != lower {
        let reason = format!(
            "`{}` is not a command, this one is written in lower case",
            quoted(word)
        );
        let meant = entry.words.iter().find(|known| **known == lower).copied();
        return Some((entry, Err(misheard((entry, habits), reason, meant))));
    }
    let read = entry.loose(habits).map_or(entry.read, |loose| loose.read);
    let command = read(&lower, rest.trim());
    Some((
        entry,
        command.map_err(|reason| misheard((entry, habits), reason, None)),
    ))
}

fn near_miss(word: &str, habits: &Habits) -> Option<(&'static Entry, Misheard)> {
    let is_path = word.get(1..).is_some_and(|rest| rest.contains('/'));
    let letters = word.trim_end_matches(['.', ',', ';', ':', '!', '?']);
    if is_path || SILENT.contains(&letters) {
        return None;
    }
    let words: Vec<&'static str> = TABLE
        .iter()
        .filter(|entry| entry.is_guessed)
        .flat_map(|entry| entry.words.iter().copied())
        .collect();
    let bare: Vec<&'static str> = words
        .iter()
        .map(|word| word.trim_start_matches('/'))
        .collect();
    let meant = near::nearest(word.trim_start_matches('/'), &bare)?;
    // A slip in the first letter is rare, a path or another bot's word is not.
    if meant.chars().next() != word.chars().nth(1) {
        return None;
    }
    let suggestion = words
        .into_iter()
        .find(|word| word.trim_start_matches('/') == meant)?;
    let entry = TABLE
        .iter()
        .copied()
        .find(|entry| entry.words.contains(&suggestion))?;
    let reason = format!(
        "`{}` is not a command, did you mean `{suggestion}`?",
        quoted(word)
    );
    Some((entry, misheard((entry, habits), reason, Some(suggestion))))
}

fn misheard(
    (entry, habits): (&Entry, &Habits),
    reason: String,
    suggestion: Option<&'static str>,
) -> Misheard {
    Misheard {
        reason,
        usage: entry.usage_with(habits),
        suggestion,
    }
}
