//! The templates of the pages, parsed once; every value is escaped for HTML.
//!
//! A helper's name must not be a field's: the helper would win, silently.
//! Control codes are taken out and marks that turn the reading direction are shown, before anything else is done with a text.

use crate::text::{Show, register_helper};
use anyhow::Context as _;
use bowsprit_core::text::{bytes, clean_line, duration, number, signed};
use handlebars::{Context, Handlebars, Helper, HelperResult, Output, RenderContext, html_escape};
use rust_embed::RustEmbed;
use serde_json::Value;

#[derive(RustEmbed)]
#[folder = "templates/pages/"]
#[include = "*.hbs"]
struct Shipped;

/// What a template may do with a value beside showing it escaped; each gives HTML.
const HELPERS: [(&str, Show); 7] = [
    ("number", |value| or_dash(value.as_f64().map(number))),
    ("signed", |value| or_dash(value.as_f64().map(signed))),
    ("span", |value| or_dash(value.as_i64().map(duration))),
    ("size", |value| or_dash(value.as_u64().map(bytes))),
    ("short_sha", |value| cut(value, 7)),
    ("short_digest", |value| cut(value, 19)),
    // A sentence in which backticks mark code.
    ("prose", |value| marked(value.as_str().unwrap_or_default())),
];

/// The templates, parsed.
pub(in crate::http) struct Engine {
    engine: Handlebars<'static>,
}

impl Engine {
    /// Parses the templates that ship. Errors: one does not parse.
    pub(in crate::http) fn load() -> anyhow::Result<Engine> {
        let mut engine = Handlebars::new();
        engine.set_strict_mode(true);
        engine.register_escape_fn(escape);
        for (name, show) in HELPERS {
            register_helper(&mut engine, name, show);
        }
        engine.register_helper("when", Box::new(when));
        for path in Shipped::iter() {
            let file = Shipped::get(&path).with_context(|| format!("cannot read page `{path}`"))?;
            let text = std::str::from_utf8(&file.data)
                .with_context(|| format!("page `{path}` is not UTF-8"))?;
            let name = path.strip_suffix(".hbs").unwrap_or(&path);
            engine
                .register_template_string(name, text)
                .with_context(|| format!("cannot parse page `{name}`"))?;
        }
        Ok(Engine { engine })
    }

    /// Renders a page. Errors: a field is missing.
    pub(super) fn render(&self, template: &str, data: &Value) -> anyhow::Result<String> {
        self.engine
            .render(template, data)
            .with_context(|| format!("cannot render page `{template}`"))
    }
}

/// Foreign text as HTML text or the value of an attribute.
fn escape(text: &str) -> String {
    html_escape(&clean_line(text))
}

fn or_dash(shown: Option<String>) -> String {
    escape(shown.as_deref().unwrap_or("–"))
}

fn cut(value: &Value, chars: usize) -> String {
    or_dash(
        value
            .as_str()
            .map(|text| text.chars().take(chars).collect()),
    )
}

/// `{{when ms}}`: how long ago, with the moment itself for who wants it.
fn when(
    helper: &Helper<'_>,
    _: &Handlebars<'_>,
    context: &Context,
    _: &mut RenderContext<'_, '_>,
    out: &mut dyn Output,
) -> HelperResult {
    let now_ms = context
        .data()
        .pointer("/page/now_ms")
        .and_then(Value::as_i64)
        .unwrap_or_default();
    let Some(then_ms) = helper.param(0).and_then(|value| value.value().as_i64()) else {
        out.write("–")?;
        return Ok(());
    };
    let at = jiff::Timestamp::from_millisecond(then_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let at = at.strftime("%Y-%m-%dT%H:%M:%SZ");
    out.write(&format!(
        "<time datetime=\"{at}\" title=\"{at}\">{}</time>",
        ago(now_ms.saturating_sub(then_ms))
    ))?;
    Ok(())
}

/// Escaped text with what stands between backticks as code; a last one without its other stays a backtick.
fn marked(text: &str) -> String {
    let mut marked = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('`') {
        let Some((code, after)) = after.split_once('`') else {
            break;
        };
        marked.push_str(&format!("{}<code>{}</code>", escape(before), escape(code)));
        rest = after;
    }
    // A backtick is escaped as an entity, which shows as itself.
    marked + &escape(rest)
}

fn ago(ms: i64) -> String {
    match ms.max(0) / 1_000 {
        0..5 => "just now".to_owned(),
        s @ 5..60 => format!("{s} s ago"),
        s @ 60..3_600 => format!("{} min ago", s / 60),
        s @ 3_600..172_800 => format!("{} h ago", s / 3_600),
        s => format!("{} days ago", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn shipped_pages_parse() {
        assert!(Engine::load().is_ok());
    }

    #[test]
    fn hostile_text_is_only_text() {
        let mut engine = Engine::load().unwrap();
        engine
            .engine
            .register_template_string("test", "<a title=\"{{x}}\">{{x}} {{short_sha x}}</a>")
            .unwrap();
        let shown = engine
            .render("test", &json!({"x": "\"'><script>\u{1b}[31m\u{202e}"}))
            .unwrap();
        for bad in ["<script", "\"'", "\u{1b}", "\u{202e}"] {
            assert!(!shown.contains(bad), "{shown}");
        }
        assert!(shown.contains("202E") || shown.contains("202e"), "{shown}");
    }

    #[test]
    fn code_is_marked_and_still_escaped() {
        let check = |text: &str, want: &str| assert_eq!(marked(text), want, "{text}");
        check("a `b<` c", "a <code>b&lt;</code> c");
        check("`x`", "<code>x</code>");
        check("odd ` here", "odd &#x60; here");
        check("`a` and ` b", "<code>a</code> and &#x60; b");
        check("<`", "&lt;&#x60;");
    }

    #[test]
    fn a_missing_field_is_an_error() {
        let mut engine = Engine::load().unwrap();
        engine
            .engine
            .register_template_string("test", "{{number x}}")
            .unwrap();
        assert!(engine.render("test", &json!({})).is_err());
    }

    #[test]
    fn moments_are_told_in_words() {
        let check = |ms, want: &str| assert_eq!(ago(ms), want);
        check(-5, "just now");
        check(42_000, "42 s ago");
        check(7_200_000, "2 h ago");
        check(864_000_000, "10 days ago");
    }
}
