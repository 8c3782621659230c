//! Texts for people, from `templates/`: comments, checks, refusals, bodies of pull requests.
//!
//! Every value is escaped for Markdown, so that no name, message or metric can mention a team, close an issue or draw a table.
//! A field that is missing is an error with the template's line; nothing is rendered half.
//! A template must not name a field like a built-in helper (`raw log len lookup eq and or not if each with`): the helper wins, silently.

use anyhow::Context as _;
use bowsprit_core::effect::Text;
use bowsprit_core::text;
use handlebars::{
    Context, Handlebars, Helper, HelperResult, Output, RenderContext, RenderErrorReason,
};
use rust_embed::RustEmbed;
use serde_json::Value;
use std::path::Path;

/// Longest text; GitHub takes 65,536 characters, and marks are added. Units: characters.
pub const TEXT_CHARS_MAX: usize = 60_000;

/// Largest template of an operator's own. Units: bytes.
const TEMPLATE_BYTES_MAX: u64 = 256 << 10;

/// Files of an operator's own, at most.
const TEMPLATES_MAX: usize = 1_000;

/// Folders of files to copy and of pages, not of Markdown.
const NOT_TEXTS: [&str; 3] = ["quickstarts/", "packs/", "pages/"];

/// Shows a value as Markdown, or on pages as HTML.
pub(crate) type Show = fn(&Value) -> String;

/// What a template may do with a value beside showing it escaped; each gives Markdown.
const HELPERS: [(&str, Show); 11] = [
    ("code", |value| text::code_span(&plain(value))),
    ("prose", |value| text::prose(&plain(value))),
    ("paragraphs", |value| text::paragraphs(&plain(value))),
    ("fence", |value| text::fence(&lines(value), "text")),
    ("path", |value| text::link_path(&plain(value))),
    ("sha", |value| short(value, "", 7)),
    ("digest", |value| short(value, "sha256:", 12)),
    ("number", |value| {
        value.as_f64().map_or_else(|| or_dash(value), text::number)
    }),
    ("signed", |value| {
        value.as_f64().map_or_else(|| or_dash(value), text::signed)
    }),
    ("bytes", |value| {
        value.as_u64().map_or_else(|| or_dash(value), text::bytes)
    }),
    ("date", date),
];

#[derive(RustEmbed)]
#[folder = "templates/"]
struct Shipped;

/// The templates, parsed.
#[derive(Debug)]
pub struct Texts {
    engine: Handlebars<'static>,
}

impl Texts {
    /// Reads the templates that ship, then those of `override_dir`, which replace them by path. Errors: one does not parse.
    pub fn load(override_dir: Option<&Path>) -> anyhow::Result<Texts> {
        let mut engine = Handlebars::new();
        engine.set_strict_mode(true);
        engine.register_escape_fn(text::escape);
        for (name, show) in HELPERS {
            register_helper(&mut engine, name, show);
        }
        engine.register_helper("ago", Box::new(ago));
        let is_text = |path: &str| {
            path.ends_with(".hbs") && !NOT_TEXTS.iter().any(|folder| path.starts_with(folder))
        };
        for path in Shipped::iter().filter(|path| is_text(path)) {
            let file =
                Shipped::get(&path).with_context(|| format!("cannot read template `{path}`"))?;
            let text = std::str::from_utf8(&file.data)
                .with_context(|| format!("template `{path}` is not UTF-8"))?;
            register(&mut engine, &path, text)?;
        }
        if let Some(dir) = override_dir {
            load_dir(&mut engine, dir)?;
        }
        Ok(Texts { engine })
    }

    /// Renders a text; members of `extra` are known to the template beside the text's own. Errors: no such template, a missing field.
    pub fn render(&self, text: &Text, extra: Value) -> anyhow::Result<String> {
        let mut data = text.data.clone();
        if let (Some(data), Value::Object(extra)) = (data.as_object_mut(), extra) {
            data.extend(extra);
        }
        let rendered = self
            .engine
            .render(&text.template, &data)
            .with_context(|| format!("cannot render template `{}`", text.template))?;
        Ok(capped(rendered))
    }

    /// The names of all templates, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.engine.get_templates().keys().cloned().collect();
        names.sort();
        names
    }
}

fn register(engine: &mut Handlebars<'static>, path: &str, text: &str) -> anyhow::Result<()> {
    let name = path.strip_suffix(".hbs").unwrap_or(path);
    engine
        .register_template_string(name, text)
        .with_context(|| format!("cannot parse template `{name}`"))
}

fn load_dir(engine: &mut Handlebars<'static>, root: &Path) -> anyhow::Result<()> {
    let mut waiting = vec![root.to_owned()];
    let mut count = 0;
    while let Some(dir) = waiting.pop() {
        let entries =
            std::fs::read_dir(&dir).with_context(|| format!("cannot list `{}`", dir.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot list `{}`", dir.display()))?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            if kind.is_dir() {
                waiting.push(path);
                continue;
            }
            if path.extension().is_none_or(|ending| ending != "hbs") {
                continue;
            }
            count += 1;
            let is_small = entry.metadata()?.len() <= TEMPLATE_BYTES_MAX;
            anyhow::ensure!(
                is_small && count <= TEMPLATES_MAX,
                "template `{}` is too large, or one too many",
                path.display()
            );
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read template `{}`", path.display()))?;
            let name = path
                .strip_prefix(root)?
                .to_str()
                .context("a template's path is not UTF-8")?;
            register(engine, name, &text)?;
        }
    }
    Ok(())
}

/// Gives templates a helper of one value. What `show` makes of it is not escaped again; a value that is missing is an error.
pub(crate) fn register_helper(engine: &mut Handlebars<'static>, name: &str, show: Show) {
    let helper = move |helper: &Helper<'_>,
                       _: &Handlebars<'_>,
                       _: &Context,
                       _: &mut RenderContext<'_, '_>,
                       out: &mut dyn Output|
          -> HelperResult {
        let value = helper.param(0).filter(|value| !value.is_value_missing());
        let value = value
            .ok_or_else(|| RenderErrorReason::Other(format!("`{}` has no value", helper.name())))?;
        out.write(&show(value.value()))?;
        Ok(())
    };
    engine.register_helper(name, Box::new(helper));
}

/// `{{ago then_ms now_ms}}`: how long ago, in words.
fn ago(
    helper: &Helper<'_>,
    _: &Handlebars<'_>,
    _: &Context,
    _: &mut RenderContext<'_, '_>,
    out: &mut dyn Output,
) -> HelperResult {
    let param = |at: usize| helper.param(at).and_then(|value| value.value().as_i64());
    let (Some(then), Some(now)) = (param(0), param(1)) else {
        return Err(
            RenderErrorReason::Other("`ago` needs two times in milliseconds".to_owned()).into(),
        );
    };
    let seconds = now.saturating_sub(then).max(0) / 1000;
    let text = match seconds {
        0..60 => "just now".to_owned(),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..172_800 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} days ago", seconds / 86_400),
    };
    out.write(&text)?;
    Ok(())
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// A text, or the lines of a list.
fn lines(value: &Value) -> String {
    match value {
        Value::Array(all) => all.iter().map(plain).collect::<Vec<_>>().join("\n"),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            plain(value)
        }
    }
}

fn or_dash(value: &Value) -> String {
    if value.is_null() {
        "–".to_owned()
    } else {
        text::escape(&plain(value))
    }
}

/// The first `chars` characters after `prefix`, as code; a dash where there is nothing.
fn short(value: &Value, prefix: &str, chars: usize) -> String {
    let text = plain(value);
    let text: String = text
        .strip_prefix(prefix)
        .unwrap_or(&text)
        .chars()
        .take(chars)
        .collect();
    if text.is_empty() {
        "–".to_owned()
    } else {
        text::code_span(&text)
    }
}

/// Milliseconds since 1970 as a minute in UTC; a dash where there is nothing.
fn date(value: &Value) -> String {
    let time = value
        .as_i64()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.map_or_else(
        || "–".to_owned(),
        |time| time.strftime("%Y-%m-%d %H:%M UTC").to_string(),
    )
}

/// The text, cut at a line and with its code block closed, where it is too long.
fn capped(text: String) -> String {
    let Some((end, _)) = text.char_indices().nth(TEXT_CHARS_MAX - 200) else {
        return text;
    };
    let kept = &text[..end];
    let kept = kept.rsplit_once('\n').map_or(kept, |(lines, _)| lines);
    let open = kept
        .lines()
        .filter_map(|line| {
            line.strip_suffix("text")
                .unwrap_or(line)
                .strip_prefix("```")
        })
        .collect::<Vec<_>>();
    let close = match open.len() % 2 {
        1 => format!("\n```{}", open.last().copied().unwrap_or_default()),
        _ => String::new(),
    };
    format!("{kept}{close}\n\n*This text was cut.*\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn render(template: &str, data: Value) -> anyhow::Result<String> {
        let mut texts = Texts::load(None)?;
        register(&mut texts.engine, "test.hbs", template)?;
        texts.render(&Text::new("test", data), json!({"commit": "abc"}))
    }

    #[track_caller]
    fn check(template: &str, data: Value, want: &str) {
        assert_eq!(render(template, data).unwrap(), want, "{template}");
    }

    #[test]
    fn shipped_templates_parse() {
        let texts = Texts::load(None).unwrap();
        assert!(texts.names().contains(&"refusal/plain".to_owned()));
    }

    #[test]
    fn values_are_disarmed() {
        let data = json!({"x": "@team <img src=x> | `a` Fixes #1\n/approve [x](https://h)"});
        for template in ["{{x}}", "{{code x}}", "{{prose x}}", "{{number x}}"] {
            let shown = render(template, data.clone()).unwrap();
            for bad in ["<img", "@team", "\n", "](https:/"] {
                assert!(!shown.contains(bad), "{template}: {shown}");
            }
        }
        let shown = render("{{fence x}}", json!({"x": "```\n/approve\u{1b}[1m"})).unwrap();
        assert!(
            shown.starts_with("````text\n```\n") && !shown.contains('\u{1b}'),
            "{shown}"
        );
        check("{{x}}", json!({"x": "a|b"}), "a\\|b");
    }

    #[test]
    fn helpers_show_figures() {
        check("{{number x}}", json!({"x": 0.97}), "0.97");
        check("{{sha x}}", json!({"x": "0123456789"}), "`0123456`");
        check("{{digest x}}", json!({"x": null}), "–");
        check("{{date x}}", json!({"x": 0}), "1970-01-01 00:00 UTC");
        check("{{ago a b}}", json!({"a": 0, "b": 7_200_000}), "2 h ago");
        check("{{commit}}", json!({}), "abc");
    }

    #[test]
    fn missing_field_is_an_error() {
        assert!(render("{{x}}", json!({})).is_err());
        assert!(render("{{code x}}", json!({})).is_err());
        assert!(render("{{> nowhere}}", json!({})).is_err());
    }

    #[test]
    fn long_text_is_cut_with_its_block_closed() {
        let text = render("{{fence x}}", json!({"x": "line\n".repeat(20_000)})).unwrap();
        assert!(text.chars().count() <= TEXT_CHARS_MAX);
        assert!(text.ends_with("line\n```\n\n*This text was cut.*\n"));
    }

    #[test]
    fn own_template_wins() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("refusal")).unwrap();
        std::fs::write(dir.path().join("refusal/plain.hbs"), "No: {{message}}").unwrap();
        let texts = Texts::load(Some(dir.path())).unwrap();
        let text = Text::new("refusal/plain", json!({"message": "m"}));
        assert_eq!(texts.render(&text, json!({})).unwrap(), "No: m");
        std::fs::write(dir.path().join("broken.hbs"), "{{#if}").unwrap();
        assert!(Texts::load(Some(dir.path())).is_err());
    }
}
