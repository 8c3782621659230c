//! Foreign text inside Markdown.
//!
//! GitHub's comments turn much into links, mentions, closings of issues and HTML; none of it may come from foreign text.
//! Source: <https://github.github.com/gfm/>, and GitHub's autolinked references, which a backslash does not stop but a zero-width space does.

use super::truncate;

/// Longest text in one inline place. Units: characters.
const INLINE_CHARS_MAX: usize = 1_000;
/// Longest line of a log. Units: characters.
const LINE_CHARS_MAX: usize = 4_000;
/// Breaks mentions, references and addresses without being seen.
const BREAK: char = '\u{200b}';

/// Foreign text as inline Markdown that shows as written: no mark-up, link, mention, reference, HTML or line break comes of it.
pub fn escape(text: &str) -> String {
    escape_part(&truncate(&one_line(text), INLINE_CHARS_MAX))
}

/// A sentence of ours with foreign words in it: as [`escape`], but what stands between backticks stays code.
///
/// A foreign backtick can end a code span too early or leave it open; what then is no code is escaped like the rest.
pub fn prose(text: &str) -> String {
    let line = truncate(&one_line(text), INLINE_CHARS_MAX);
    let mut prose = String::with_capacity(line.len() + line.len() / 4);
    let mut rest = line.as_str();
    while let Some((before, code, after)) = next_code(rest) {
        prose.push_str(&escape_part(before));
        prose.push_str(&code_span(code));
        rest = after;
    }
    prose.push_str(&escape_part(rest));
    prose
}

/// Sentences of ours parted by empty lines, each as [`prose`], so that they stay paragraphs.
pub fn paragraphs(text: &str) -> String {
    let parts = text.split("\n\n").map(prose);
    let parts: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
    parts.join("\n\n")
}

/// The path of a file as part of an address inside a Markdown link; what could end the link, or leave the folder's page, is encoded.
pub fn link_path(path: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._/".contains(&b);
    path.bytes()
        .map(|b| match is_plain(b) {
            true => char::from(b).to_string(),
            false => format!("%{b:02X}"),
        })
        .collect()
}

/// The first code span as CommonMark reads it: before it, inside it, after it.
fn next_code(text: &str) -> Option<(&str, &str, &str)> {
    let mut runs = tick_runs(text);
    while let Some((open, ticks)) = runs.next() {
        if let Some((close, _)) = runs.clone().find(|(_, other)| *other == ticks) {
            let code = text.get(open + ticks..close)?;
            return Some((text.get(..open)?, code, text.get(close + ticks..)?));
        }
    }
    None
}

/// Where backticks stand and how many of them together. Units: bytes.
fn tick_runs(text: &str) -> impl Iterator<Item = (usize, usize)> + Clone {
    let starts = text.match_indices('`').map(|(at, _)| at);
    let starts = starts.filter(|at| !text.get(..*at).is_some_and(|before| before.ends_with('`')));
    starts.map(|at| {
        let rest = text.get(at..).unwrap_or_default();
        (at, rest.len() - rest.trim_start_matches('`').len())
    })
}

/// One line of text with nothing in it that Markdown, HTML or GitHub would act on.
fn escape_part(line: &str) -> String {
    let mut escaped = String::with_capacity(line.len() + line.len() / 4);
    let mut rest = line.chars().peekable();
    let mut numbered = true;
    while let Some(c) = rest.next() {
        let is_first = escaped.is_empty();
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '/' if is_first => escaped.push_str("&#47;"),
            '@' => escaped.extend(['@', BREAK]),
            '#' => escaped.extend(['\\', '#', BREAK]),
            // `https://`, `www.` and `GH-1` become links by themselves.
            ':' if rest.peek() == Some(&'/') => escaped.extend([':', BREAK]),
            '.' if ends_with(&escaped, "www") => escaped.extend([BREAK, '.']),
            '-' if ends_with(&escaped, "gh") && rest.peek().is_some_and(char::is_ascii_digit) => {
                escaped.extend(['-', BREAK])
            }
            '|' | '`' | '*' | '_' | '[' | ']' | '!' | '~' | '\\' | '$' => escaped.extend(['\\', c]),
            '-' | '+' | '=' if is_first => escaped.extend(['\\', c]),
            '.' | ')' if numbered && !is_first => escaped.extend(['\\', c]),
            _ => escaped.push(c),
        }
        numbered &= c.is_ascii_digit();
    }
    escaped
}

fn ends_with(text: &str, word: &str) -> bool {
    let tail = text
        .len()
        .checked_sub(word.len())
        .and_then(|from| text.get(from..));
    tail.is_some_and(|tail| tail.eq_ignore_ascii_case(word))
}

/// Foreign text as inline code, in tables too.
pub fn code_span(text: &str) -> String {
    let line = truncate(&one_line(text), INLINE_CHARS_MAX);
    if line.is_empty() {
        return String::new();
    }
    if line.contains('|') {
        // A bar ends a table's cell even inside backticks, and a backslash before it shows outside of tables.
        return format!("<code>{}</code>", escape(&line));
    }
    let ticks = "`".repeat(longest_run(&line, '`') + 1);
    let pad = if line.starts_with('`') || line.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{ticks}{pad}{line}{pad}{ticks}")
}

/// Foreign lines as a code block; `info` is our own word for the language.
pub fn fence(text: &str, info: &str) -> String {
    let lines: Vec<String> = text.lines().map(clean_line).collect();
    let body = lines.join("\n");
    let ticks = "`".repeat(longest_run(&body, '`').max(2) + 1);
    let info: String = info
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect();
    format!("{ticks}{info}\n{body}\n{ticks}\n")
}

/// One line of a log as it would stand on a screen, without control codes; what hides or turns text is shown by its number.
pub fn clean_line(text: &str) -> String {
    let plain = without_codes(text);
    // A progress bar writes over its line again and again: the last state counts.
    let last = plain
        .trim_end_matches(['\r', '\n'])
        .rsplit('\r')
        .next()
        .unwrap_or_default();
    let mut line = String::with_capacity(last.len());
    for c in last.chars() {
        match c {
            '\t' | '\n' => line.push(' '),
            c if c.is_control() => {}
            c if is_deceptive(c) => line.push_str(&format!("⟨U+{:04X}⟩", u32::from(c))),
            c => line.push(c),
        }
    }
    truncate(&line, LINE_CHARS_MAX)
}

fn one_line(text: &str) -> String {
    let joined = text.replace(
        [
            '\r', '\n', '\u{2028}', '\u{2029}', '\u{b}', '\u{c}', '\u{85}',
        ],
        " ",
    );
    clean_line(&joined).trim().to_owned()
}

/// Without terminal sequences: `ESC [ … letter`, `ESC ] … BEL`, other `ESC` strings, and their one-character forms.
fn without_codes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let kind = match c {
            '\u{1b}' => match rest.next() {
                Some(kind) => kind,
                None => break,
            },
            '\u{9b}' => '[',
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => ']',
            c => {
                plain.push(c);
                continue;
            }
        };
        match kind {
            '[' => {
                while rest
                    .next()
                    .is_some_and(|c| !('\u{40}'..='\u{7e}').contains(&c))
                {}
            }
            ']' | 'P' | 'X' | '^' | '_' => skip_string(&mut rest),
            ' '..='/' => {
                rest.next();
            }
            _ => {}
        }
    }
    plain
}

/// Skips to the end of a terminal string: `BEL`, `ESC \` or its one-character form, at the latest the line's end.
fn skip_string(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while let Some(c) = rest.next_if(|c| *c != '\n') {
        match c {
            '\u{7}' | '\u{9c}' => return,
            '\u{1b}' => {
                rest.next_if_eq(&'\\');
                return;
            }
            _ => {}
        }
    }
}

/// Marks that turn the reading direction, hide, or join: they can make a line read as what it is not.
fn is_deceptive(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

fn longest_run(text: &str, wanted: char) -> usize {
    text.split(|c| c != wanted)
        .map(|run| run.len() / wanted.len_utf8())
        .max()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

    /// What GitHub reads beside plain CommonMark, and a little more.
    fn github() -> Options {
        Options::ENABLE_TABLES
            | Options::ENABLE_STRIKETHROUGH
            | Options::ENABLE_FOOTNOTES
            | Options::ENABLE_TASKLISTS
            | Options::ENABLE_HEADING_ATTRIBUTES
            | Options::ENABLE_MATH
            | Options::ENABLE_GFM
    }

    /// The events of the text put where foreign text goes: alone, and into a table's cell.
    fn only_text(markdown: &str) -> String {
        let mut text = String::new();
        for event in Parser::new_ext(markdown, github()) {
            match event {
                Event::Text(part) => text.push_str(&part),
                Event::Start(Tag::Paragraph) | Event::End(TagEnd::Paragraph) => {}
                other => panic!("{other:?} from {markdown:?}"),
            }
        }
        text
    }

    fn cells(row: &str) -> usize {
        let table = format!("| a | b |\n|---|---|\n{row}\n");
        let events: Vec<_> = Parser::new_ext(&table, Options::ENABLE_TABLES).collect();
        let in_body = events
            .iter()
            .skip_while(|e| !matches!(e, Event::End(TagEnd::TableHead)));
        in_body
            .filter(|e| matches!(e, Event::Start(Tag::TableCell)))
            .count()
    }

    #[test]
    fn escaped_text_shows_as_written_and_does_nothing() {
        let check = |text: &str, shown: &str| {
            let escaped = escape(text);
            assert_eq!(only_text(&escaped), shown, "{escaped:?}");
        };
        check("plain val_loss*", "plain val_loss*");
        check("<img src=x onerror=y>", "<img src=x onerror=y>");
        check("a | b", "a | b");
        check(
            "[x](https://evil.example)",
            "[x](https:\u{200b}//evil.example)",
        );
        check("@octo/team", "@\u{200b}octo/team");
        check("Fixes #1", "Fixes #\u{200b}1");
        check(
            "www.evil.example GH-7",
            "www\u{200b}.evil.example GH-\u{200b}7",
        );
        check("epoch-loss high-low w.x", "epoch-loss high-low w.x");
        check("# heading\n\n- list", "#\u{200b} heading  - list");
        check("- list", "- list");
        check("12. list", "12. list");
        check("    code", "code");
        check("/approve", "/approve");
        check(
            "a\u{202e}b\u{7}\u{1b}[31mred\u{1b}]0;title\u{7}!",
            "a⟨U+202E⟩bred!",
        );
        check("&amp; $x$ ~~y~~ `z` \\", "&amp; $x$ ~~y~~ `z` \\");
        assert!(!escape("/approve").starts_with('/'));
        assert!(!escape("a\n/approve").contains('\n'));
        assert!(escape(&"x".repeat(5_000)).len() <= INLINE_CHARS_MAX + 10);
    }

    #[test]
    fn prose_keeps_code_and_nothing_else() {
        let check = |text: &str, markdown: &str| assert_eq!(prose(text), markdown, "{text:?}");
        check("say `/lgtm` again", "say `/lgtm` again");
        check("`a|b` is *bad*", "<code>a\\|b</code> is \\*bad\\*");
        check("held by bo: `@team", "held by bo: \\`@\u{200b}team");
        check("``a`b`` <img>", "``a`b`` &lt;img&gt;");
        check("/approve\n`x`", "&#47;approve `x`");
        check("a`` b `c` ``", "a`` b `c` ``");
        check("", "");
        assert_eq!(
            paragraphs("use `/lgtm`\n\n/hold @x\nmore\n\n\n"),
            "use `/lgtm`\n\n&#47;hold @\u{200b}x more"
        );
    }

    #[test]
    fn a_path_cannot_end_its_link() {
        assert_eq!(
            link_path("plots/a b)|\"<é>.svg"),
            "plots/a%20b%29%7C%22%3C%C3%A9%3E.svg"
        );
        assert_eq!(
            link_path("models/digits/plots/roc-1_b.svg"),
            "models/digits/plots/roc-1_b.svg"
        );
    }

    #[test]
    fn code_keeps_its_ticks_and_its_cell() {
        assert_eq!(code_span("a`b"), "``a`b``");
        assert_eq!(code_span("`a"), "`` `a ``");
        assert_eq!(code_span("a\nb"), "`a b`");
        assert_eq!(cells(&format!("| {} | x |", code_span("a|b"))), 2);
        assert_eq!(cells(&format!("| {} | x |", escape("a|b\\|c"))), 2);
    }

    #[test]
    fn a_fence_is_longer_than_what_it_holds() {
        let block = fence("a\n````\n</details> @all\u{1b}[2J", "text\n");
        assert_eq!(block, "`````text\na\n````\n</details> @all\n`````\n");
    }

    #[test]
    fn a_log_line_is_what_the_screen_would_show() {
        let check = |text: &str, line: &str| assert_eq!(clean_line(text), line, "{text:?}");
        check("10%\r50%\r100%", "100%");
        check("a\r\n", "a");
        check("\u{1b}[1;31mred\u{1b}[0m \u{9b}4mx", "red x");
        check("\u{1b}]8;;https://x\u{1b}\\link\u{1b}]8;;\u{7}", "link");
        check("\u{1b}]0;never closed", "");
        check("a\tb\u{0}\u{85}c", "a bc");
        check("cut\u{1b}", "cut");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn nothing_that_is_escaped_becomes_markup(text in "[ -~]{0,40}|\\PC{0,20}|[\\x00-\\x20#@!<>\\[\\]()|`*_~:/.wGH\\-1-9]{0,30}") {
            let escaped = escape(&text);
            let shown = only_text(&escaped);
            prop_assert!(!shown.contains("://") && !shown.to_lowercase().contains("www."));
            let mention = shown.char_indices().any(|(i, c)| c == '@' && !shown[i + 1..].starts_with(BREAK));
            prop_assert!(!mention, "{}", shown);
            prop_assert_eq!(cells(&format!("| {escaped} | x |")), 2);
            prop_assert!(!escaped.starts_with('/') && !escaped.contains('\n'));
        }

        #[test]
        fn nothing_in_prose_becomes_more_than_code(text in "[ `|a@#<*\\\\-]{0,30}|[ -~]{0,40}|[\\x00-\\x20`#@!<>\\[\\]()|*_~:/.wGH\\-1-9]{0,30}") {
            let markdown = prose(&text);
            prop_assert_eq!(cells(&format!("| {markdown} | x |")), 2);
            prop_assert!(!markdown.starts_with('/') && !markdown.contains('\n'));
            let mut shown = String::new();
            for event in Parser::new_ext(&markdown, github()) {
                match event {
                    Event::Text(part) => shown.push_str(&part),
                    Event::Start(Tag::Paragraph) | Event::End(TagEnd::Paragraph) => {}
                    Event::Code(_) => shown.push('`'),
                    Event::InlineHtml(tag) if matches!(&*tag, "<code>" | "</code>") => shown.push('`'),
                    other => prop_assert!(false, "{:?} from {:?}", other, markdown),
                }
            }
            let mention = shown.char_indices().any(|(i, c)| c == '@' && !shown[i + 1..].starts_with(BREAK));
            prop_assert!(!mention && !shown.contains("://"), "{}", shown);
        }

        #[test]
        fn cleaned_lines_hold_no_control_codes(text in "[\\x00-\\x20\\x1b\\x7f-\\u{a0}a-c;\\[\\]]{0,40}") {
            prop_assert!(!clean_line(&text).chars().any(char::is_control));
            let fenced = fence(&text, "");
            prop_assert!(!fenced.chars().any(|c| c.is_control() && c != '\n'));
        }
    }
}
