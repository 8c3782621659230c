//! The frame around every page, its style and its one script.

use super::Page;
use crate::answer::{Answer, Body, Refusal, Reply};
use crate::state::AccountKind;
use crate::text::{escape, percent_encode};
use http::StatusCode;

/// What pages may load: nothing foreign but pictures.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' http: https:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A whole page with this title and content.
pub(super) fn page(page: &Page<'_>, title: &str, content: &str) -> Reply {
    Ok(with_status(page, StatusCode::OK, (title, content)))
}

/// A page that says why there is nothing to see.
pub(super) fn failure(page: &Page<'_>, refusal: &Refusal) -> Answer {
    let mut content = format!("<h1>{}</h1>", escape(&refusal.message));
    for error in &refusal.errors {
        let text = error
            .get("message")
            .or(Some(error))
            .and_then(serde_json::Value::as_str);
        content.push_str(&format!("<p>{}</p>", escape(text.unwrap_or_default())));
    }
    if page.viewer.is_none() {
        content.push_str("<p>Nobody is chosen; choose a person at the top to act as.</p>");
    }
    with_status(page, refusal.status, (&refusal.message, &content))
}

fn with_status(page: &Page<'_>, status: StatusCode, what: (&str, &str)) -> Answer {
    let (title, content) = what;
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
<title>{}</title><link rel=\"stylesheet\" href=\"/_page/style.css\">\
<script src=\"/_page/page.js\" defer></script></head><body>\
<header><a class=\"home\" href=\"/\">Hub</a>{}{}</header><main>{content}</main></body></html>",
        escape(title),
        trail(page),
        people(page),
    );
    Answer {
        status,
        headers: vec![
            ("content-security-policy", POLICY.into()),
            ("x-content-type-options", "nosniff".into()),
            ("referrer-policy", "same-origin".into()),
            ("cache-control", "no-store".into()),
        ],
        body: Body::Bytes("text/html; charset=utf-8", html.into_bytes()),
    }
}

fn trail(page: &Page<'_>) -> String {
    let base = page.base();
    if base.is_empty() {
        return String::new();
    }
    let base = escape(&base);
    format!(
        "<nav><a href=\"{base}\">{}</a> <a href=\"{base}/pulls\">Pull requests</a> \
<a href=\"{base}/issues\">Issues</a> <a href=\"{base}/deployments\">Deployments</a></nav>",
        base.trim_start_matches('/'),
    )
}

/// The form that chooses whom to act as.
fn people(page: &Page<'_>) -> String {
    let mut options = String::from("<option value=\"\">nobody</option>");
    for account in page.state.accounts.values() {
        if account.kind != AccountKind::User {
            continue;
        }
        let selected = if page.viewer == Some(account.id) {
            " selected"
        } else {
            ""
        };
        let login = escape(&account.login);
        options.push_str(&format!(
            "<option value=\"{login}\"{selected}>{login}</option>"
        ));
    }
    let parts: Vec<String> = page
        .segments
        .iter()
        .map(|part| percent_encode(part))
        .collect();
    let to = escape(&format!("/{}", parts.join("/")));
    format!(
        "<form class=\"who\" method=\"post\" action=\"/_page/person\">\
<input type=\"hidden\" name=\"to\" value=\"{to}\"><label>Acting as \
<select name=\"login\" data-submit>{options}</select></label><button>Choose</button></form>"
    )
}

/// Sends the form back to where it was chosen, and lets details open by their address.
pub(super) const SCRIPT: &str = r#"for (const select of document.querySelectorAll("select[data-submit]")) {
  const button = select.form.querySelector("button");
  if (button) button.hidden = true;
  select.addEventListener("change", () => select.form.submit());
}
const target = location.hash && document.getElementById(location.hash.slice(1));
if (target && target.tagName === "DETAILS") target.open = true;
"#;

/// The style of all pages, light or dark as the reader's system is.
pub(super) const STYLE: &str = r#":root { color-scheme: light dark; --line: #d0d7de; --soft: #f6f8fa; --ink: #1f2328; --paper: #fff; --link: #0969da; --mute: #59636e; --good: #1a7f37; --bad: #cf222e; --wait: #9a6700; --plus: #dafbe1; --minus: #ffebe9; --done: #8250df; }
@media (prefers-color-scheme: dark) { :root { --line: #3d444d; --soft: #151b23; --ink: #f0f6fc; --paper: #0d1117; --link: #4493f8; --mute: #9198a1; --good: #3fb950; --bad: #f85149; --wait: #d29922; --plus: #12361f; --minus: #40171c; --done: #ab7df8; } }
* { box-sizing: border-box; }
body { margin: 0; font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
a { color: var(--link); text-decoration: none; } a:hover { text-decoration: underline; }
header { display: flex; flex-wrap: wrap; gap: .5rem 1.25rem; align-items: center; padding: .6rem 1rem; background: var(--soft); border-bottom: 1px solid var(--line); }
header nav { display: flex; flex-wrap: wrap; gap: .25rem 1rem; } .home { font-weight: 700; color: var(--ink); } .who { margin-left: auto; }
main { max-width: 70rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; } .mute { color: var(--mute); }
table { border-collapse: collapse; display: block; overflow-x: auto; } th, td { border: 1px solid var(--line); padding: .3rem .6rem; text-align: left; vertical-align: top; }
pre { overflow-x: auto; background: var(--soft); padding: .75rem; border-radius: 6px; } code { font: 13px/1.45 ui-monospace, monospace; } :not(pre) > code { background: var(--soft); padding: .1em .3em; border-radius: 4px; }
img { max-width: 100%; } blockquote { margin: 0; padding-left: 1rem; border-left: 4px solid var(--line); color: var(--mute); }
.box { border: 1px solid var(--line); border-radius: 6px; margin: 1rem 0; } .box > .top { background: var(--soft); border-bottom: 1px solid var(--line); padding: .4rem .75rem; border-radius: 6px 6px 0 0; } .box > .in { padding: .25rem .9rem; overflow-wrap: anywhere; }
.list { list-style: none; padding: 0; margin: 0; border: 1px solid var(--line); border-radius: 6px; } .list > li { padding: .45rem .75rem; border-top: 1px solid var(--line); } .list > li:first-child { border-top: 0; }
.badge { display: inline-block; border: 1px solid var(--line); border-radius: 1em; padding: 0 .6em; font-size: .85em; } .good { color: var(--good); } .bad { color: var(--bad); } .wait { color: var(--wait); } .done { color: var(--done); }
.alert { border-left: 4px solid var(--line); padding: .1rem 1rem; margin: 1rem 0; } .alert-title { font-weight: 600; margin: .4rem 0; } .tip { border-color: var(--good); } .note { border-color: var(--link); } .important { border-color: var(--done); } .warning { border-color: var(--wait); } .caution { border-color: var(--bad); }
.diff { margin: 0; padding: .5rem 0; border-radius: 0 0 6px 6px; } .diff span { display: block; padding: 0 .75rem; min-height: 1.4em; } .add { background: var(--plus); } .del { background: var(--minus); } .hunk { color: var(--mute); }
textarea, input[type=text] { width: 100%; font: inherit; padding: .5rem; border: 1px solid var(--line); border-radius: 6px; background: var(--paper); color: var(--ink); } textarea { min-height: 7rem; }
button { font: inherit; padding: .25rem .9rem; border: 1px solid var(--line); border-radius: 6px; background: var(--soft); color: var(--ink); cursor: pointer; } .row { display: flex; flex-wrap: wrap; gap: .5rem; margin: .5rem 0; } form.inline { display: inline; }
"#;
