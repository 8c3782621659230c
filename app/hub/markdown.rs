//! Renders the Markdown of comments to HTML that is safe to show.
//!
//! Raw HTML is shown as text, apart from a few plain tags that templates use.  Links keep only
//! harmless schemes; relative ones are made to start at the repository.

use crate::text::escape;
use pulldown_cmark::{BlockQuoteKind, CowStr, Event, Options, Parser, Tag, TagEnd, html};

/// Tags that may stand in Markdown as they are, without attributes.
const PLAIN_TAGS: [&str; 24] = [
    "details", "summary", "br", "sub", "sup", "kbd", "b", "i", "em", "strong", "code", "pre", "p",
    "ul", "ol", "li", "hr", "table", "tr", "td", "th", "thead", "tbody", "picture",
];

/// Renders a text; `base` is the repository's address for relative links.
pub(crate) fn render(text: &str, base: &str) -> String {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_GFM
        | Options::ENABLE_FOOTNOTES;
    let mut out = String::new();
    let events = joined(Parser::new_ext(text, options))
        .into_iter()
        .map(|event| safe(event, base));
    html::push_html(&mut out, events);
    out
}

/// Joins neighbouring lines of raw HTML, so that a comment over several lines is seen whole.
fn joined<'a>(events: impl Iterator<Item = Event<'a>>) -> Vec<Event<'a>> {
    let mut out: Vec<Event<'a>> = Vec::new();
    for event in events {
        match (out.last_mut(), event) {
            (Some(Event::Html(before)), Event::Html(after)) => {
                *before = CowStr::from(format!("{before}{after}"));
            }
            (_, event) => out.push(event),
        }
    }
    out
}

fn safe<'a>(event: Event<'a>, base: &str) -> Event<'a> {
    match event {
        Event::Html(raw) => Event::Html(CowStr::from(clean(&raw, base))),
        Event::InlineHtml(raw) => Event::InlineHtml(CowStr::from(clean(&raw, base))),
        Event::Start(Tag::Link {
            link_type,
            dest_url,
            title,
            id,
        }) => Event::Start(Tag::Link {
            link_type,
            dest_url: CowStr::from(address(&dest_url, base)),
            title,
            id,
        }),
        Event::Start(Tag::Image {
            link_type,
            dest_url,
            title,
            id,
        }) => Event::Start(Tag::Image {
            link_type,
            dest_url: CowStr::from(address(&dest_url, base)),
            title,
            id,
        }),
        Event::Start(Tag::BlockQuote(Some(kind))) => {
            let (class, title) = alert(kind);
            Event::Html(CowStr::from(format!(
                "<div class=\"alert {class}\"><p class=\"alert-title\">{title}</p>"
            )))
        }
        Event::End(TagEnd::BlockQuote(Some(_))) => Event::Html(CowStr::from("</div>")),
        Event::SoftBreak => Event::HardBreak,
        other => other,
    }
}

fn alert(kind: BlockQuoteKind) -> (&'static str, &'static str) {
    match kind {
        BlockQuoteKind::Note => ("note", "Note"),
        BlockQuoteKind::Tip => ("tip", "Tip"),
        BlockQuoteKind::Important => ("important", "Important"),
        BlockQuoteKind::Warning => ("warning", "Warning"),
        BlockQuoteKind::Caution => ("caution", "Caution"),
    }
}

/// An address with a harmless scheme, or `#`.
fn address(url: &str, base: &str) -> String {
    let lower = url.trim().to_ascii_lowercase();
    if lower.starts_with("http://")
        || lower.starts_with("https://")
        || lower.starts_with("mailto:")
        || lower.starts_with('#')
    {
        return url.trim().to_owned();
    }
    let before_path = lower.split(['/', '?', '#']).next().unwrap_or_default();
    if before_path.contains(':') {
        return "#".to_owned();
    }
    if lower.starts_with("//") {
        return "#".to_owned();
    }
    if lower.starts_with('/') {
        return url.trim().to_owned();
    }
    format!("{base}/{}", url.trim().trim_start_matches("./"))
}

/// Raw HTML with every tag escaped that is not a plain one.
fn clean(raw: &str, base: &str) -> String {
    let mut out = String::new();
    let mut rest = raw;
    while let Some(start) = rest.find('<') {
        let (before, from) = rest.split_at(start);
        out.push_str(&escape_text(before));
        if let Some(after) = from.strip_prefix("<!--") {
            rest = after.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        let Some(end) = from.find('>') else {
            out.push_str(&escape(from));
            return out;
        };
        let (tag, after) = from.split_at(end + 1);
        out.push_str(&clean_tag(tag, base));
        rest = after;
    }
    out.push_str(&escape_text(rest));
    out
}

/// Escapes what could open a tag, but leaves entities alone.
fn escape_text(text: &str) -> String {
    text.replace('<', "&lt;").replace('>', "&gt;")
}

fn clean_tag(tag: &str, base: &str) -> String {
    let inner = tag.trim_matches(['<', '>']);
    let closing = inner.starts_with('/');
    let inner = inner.trim_matches('/').trim();
    let name = inner
        .split(|c: char| c.is_whitespace())
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    if PLAIN_TAGS.contains(&name.as_str()) {
        let slash = if closing { "/" } else { "" };
        let open = if name == "details" && !closing && has_word(inner, "open") {
            " open"
        } else {
            ""
        };
        return format!("<{slash}{name}{open}>");
    }
    if name == "img" && !closing {
        let source = attribute(inner, "src").map(|url| address(&url, base));
        let alt = attribute(inner, "alt").unwrap_or_default();
        let width = attribute(inner, "width")
            .filter(|width| !width.is_empty() && width.bytes().all(|b| b.is_ascii_digit()));
        let width = width.map_or_else(String::new, |width| format!(" width=\"{width}\""));
        return format!(
            "<img src=\"{}\" alt=\"{}\"{width}>",
            escape(&source.unwrap_or_default()),
            escape(&alt)
        );
    }
    escape(tag)
}

fn has_word(inner: &str, word: &str) -> bool {
    inner.split_whitespace().skip(1).any(|one| one == word)
}

fn attribute(inner: &str, name: &str) -> Option<String> {
    let at = inner.find(&format!("{name}=\""))? + name.len() + 2;
    inner.get(at..)?.split('"').next().map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, has: &str, lacks: &str) {
        let html = render(text, "/a/b");
        assert!(html.contains(has), "{html}");
        assert!(lacks.is_empty() || !html.contains(lacks), "{html}");
    }

    #[test]
    fn raw_html_is_made_harmless() {
        check("<script>x</script>", "&lt;script&gt;", "<script>");
        check(
            "a <img src=\"x.png\" onerror=\"boom()\">",
            "/a/b/x.png",
            "onerror",
        );
        check("[x](javascript:boom)", "href=\"#\"", "javascript");
        check(
            "<a href=\"x\" onclick=\"y\">z</a>",
            "&lt;a",
            "<a href=\"x\"",
        );
        check("<!-- hidden -->\n\nseen", "seen", "hidden");
        check("<!-- one\nhidden -->\nseen", "seen", "hidden");
    }

    #[test]
    fn details_tables_and_alerts_are_shown() {
        check(
            "<details open><summary>s</summary>\n\n**t**\n\n</details>",
            "<details open>",
            "",
        );
        check("|a|b|\n|-|-|\n|1|2|", "<table>", "");
        check("> [!TIP]\n> good", "class=\"alert tip\"", "blockquote");
    }
}
