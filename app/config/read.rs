//! Reads keys one by one and remembers what was wrong and what was never asked for.

use super::{ConfigProblem, problem, whole};
use bowsprit_core::contract::{Said, Setting};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;
use toml::de::{DeTable, DeValue};

/// Start of every variable of ours.
const PREFIX: &str = "BOWSPRIT_";
/// Keys outside of any section. Other variables without a section are not ours to judge: Kubernetes sets some of its own.
const TOP: [&str; 3] = ["listen", "public_url", "state_dir"];

/// No section has more parts in its name, such as `chatops.owners.acme`.
const SECTION_PARTS_MAX: usize = 3;

/// A value as it was written.
enum Value {
    Text(String),
    List(Vec<String>),
    /// A table without keys, where one means something.
    Empty,
    Other(&'static str),
}

struct Entry {
    value: Value,
    line: Option<usize>,
    /// The parts of its key: a part that a person names may hold dots itself.
    path: Vec<String>,
}

/// The keys not yet read, and the problems so far.
pub(super) struct Reader {
    entries: BTreeMap<String, Entry>,
    lines: BTreeMap<String, usize>,
    problems: Vec<ConfigProblem>,
    asked: BTreeSet<String>,
}

impl Reader {
    /// Parses the text and lays the environment over it. Errors: the text is not TOML.
    pub(super) fn new(
        text: &str,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Reader, Vec<ConfigProblem>> {
        let table = DeTable::parse(text).map_err(|error| {
            let line = error.span().map(|span| line_of(text, span.start));
            let message = error.message().to_owned();
            vec![ConfigProblem {
                line,
                ..whole(message)
            }]
        })?;
        let mut entries = BTreeMap::new();
        flatten(text, &[], table.into_inner(), &mut entries);
        let lines = entries
            .iter()
            .filter_map(|(key, e)| Some((key.clone(), e.line?)));
        let lines = lines.collect();
        for (name, value) in env {
            let Some(name) = name.strip_prefix(PREFIX) else {
                continue;
            };
            let key = name.to_ascii_lowercase().replace("__", ".");
            if key.contains('.') || TOP.contains(&key.as_str()) {
                let value = Value::Text(value);
                let (line, path) = (None, key.split('.').map(str::to_owned).collect());
                entries.insert(key, Entry { value, line, path });
            }
        }
        Ok(Reader {
            entries,
            lines,
            problems: Vec::new(),
            asked: BTreeSet::new(),
        })
    }

    /// Every problem, keys that nobody asked for included.
    pub(super) fn finish(mut self) -> Vec<ConfigProblem> {
        for (key, entry) in self.entries {
            self.problems.push(ConfigProblem {
                line: entry.line,
                ..problem(&key, "is not a key of the configuration".to_owned())
            });
        }
        self.problems.sort_by_key(|p| (p.line.is_none(), p.line));
        self.problems
    }

    /// Remembers a problem.
    pub(super) fn complain(&mut self, key: &str, message: String) {
        self.problems.push(ConfigProblem {
            line: self.lines.get(key).copied(),
            ..problem(key, message)
        });
    }

    /// A text, number or flag, as text.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        self.asked.insert(key.to_owned());
        match self.entries.remove(key)?.value {
            Value::Text(text) => Some(text),
            Value::List(_) => {
                self.complain(key, "must be a single value".to_owned());
                None
            }
            Value::Empty => {
                self.complain(key, "must be a text, not a table".to_owned());
                None
            }
            Value::Other(what) => {
                self.complain(key, format!("must be a text, not {what}"));
                None
            }
        }
    }

    pub(super) fn text_or(&mut self, key: &str, default: &str) -> String {
        self.text(key).unwrap_or_else(|| default.to_owned())
    }

    /// A text that must be there.
    pub(super) fn required(&mut self, key: &str, what: &str) -> Option<String> {
        let is_there = self.entries.contains_key(key);
        let text = self.text(key);
        if !is_there {
            self.complain(key, format!("is missing: {what}"));
        }
        text
    }

    /// A list of texts, or texts separated by commas.
    pub(super) fn list(&mut self, key: &str) -> Option<Vec<String>> {
        self.asked.insert(key.to_owned());
        let Some(entry) = self.entries.remove(key) else {
            self.complain(key, "is missing: a list of files".to_owned());
            return None;
        };
        match entry.value {
            Value::List(items) => Some(items),
            Value::Text(text) => {
                let items = text.split(',').map(|item| item.trim().to_owned());
                Some(items.filter(|item| !item.is_empty()).collect())
            }
            Value::Empty => {
                self.complain(key, "must be a list of texts, not a table".to_owned());
                None
            }
            Value::Other(what) => {
                self.complain(key, format!("must be a list of texts, not {what}"));
                None
            }
        }
    }

    pub(super) fn parsed<T: FromStr>(&mut self, key: &str, default: &str, what: &str) -> Option<T> {
        let text = self.text_or(key, default);
        let value = text.parse().ok();
        if value.is_none() {
            self.complain(key, format!("`{text}` is not {what}"));
        }
        value
    }

    pub(super) fn number(
        &mut self,
        key: &str,
        text: &str,
        range: RangeInclusive<u64>,
    ) -> Option<u64> {
        let value = text.parse().ok().filter(|value| range.contains(value));
        if value.is_none() {
            let (first, last) = range.into_inner();
            let message = format!("`{text}` is not a whole number from {first} to {last}");
            self.complain(key, message);
        }
        value
    }

    pub(super) fn number_or(
        &mut self,
        key: &str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> Option<u64> {
        let text = self.text_or(key, &default.to_string());
        self.number(key, &text, range)
    }

    /// An address of HTTP, without a slash at its end.
    pub(super) fn url(&mut self, key: &str, default: &str) -> Option<String> {
        let text = self.text_or(key, default);
        let parsed = url::Url::parse(&text).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
                && url.password().is_none()
        });
        if parsed.is_none() {
            let message = "must be an address that begins with `https://` or `http://`, without a password, `?` or `#`";
            self.complain(key, message.to_owned());
        }
        parsed.map(|_| text.trim_end_matches('/').to_owned())
    }

    /// An address that tokens are sent to: HTTPS, or HTTP that does not leave this machine.
    pub(super) fn safe_url(&mut self, key: &str, default: &str) -> Option<String> {
        let text = self.url(key, default)?;
        let url = url::Url::parse(&text).ok()?;
        let is_loopback = match url.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        if url.scheme() != "https" && !is_loopback {
            let message = "must begin with `https://`, for tokens are sent there; `http://` works to this machine only, as `http://127.0.0.1:3000`";
            self.complain(key, message.to_owned());
            return None;
        }
        Some(text)
    }

    /// A time such as `30s`, `5m` or `2h`.
    pub(super) fn duration(
        &mut self,
        key: &str,
        default: &str,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let text = self.text_or(key, default);
        let value = parse_duration(&text).filter(|value| range.contains(value));
        if value.is_none() {
            let message = format!("`{text}` is not a time such as `30s`, `5m` or `2h`");
            self.complain(key, message);
        }
        value
    }

    /// Takes every setting in sections that begin with `first` and `second`, such as `chatops` and `owners`; each with its
    /// whole key, and without those two.
    pub(super) fn settings_below(&mut self, first: &str, second: &str) -> Vec<(String, Setting)> {
        let prefix = format!("{first}.{second}.");
        let mut found = Vec::new();
        for key in self.keys_below(&prefix) {
            let Some(entry) = self.entries.remove(&key) else {
                continue;
            };
            let said = match entry.value {
                Value::Text(text) => Said::One(text),
                Value::List(items) => Said::Many(items),
                Value::Empty => Said::Empty,
                Value::Other(what) => {
                    self.complain(
                        &key,
                        format!("must be a text, a list or a table, not {what}"),
                    );
                    continue;
                }
            };
            let keys = entry.path.into_iter().skip(2).collect();
            found.push((key, Setting { keys, said }));
        }
        found
    }

    pub(super) fn keys_below(&mut self, prefix: &str) -> Vec<String> {
        self.asked.insert(prefix.to_owned());
        let keys = self.entries.keys().filter(|key| key.starts_with(prefix));
        keys.cloned().collect()
    }
}

/// Every key that was asked for, a prefix among them for keys that a person names.
#[cfg(test)]
impl Reader {
    pub(super) fn asked(&self) -> &BTreeSet<String> {
        &self.asked
    }
}

pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    let seconds = match &text[digits.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    Some(Duration::from_secs(number.checked_mul(seconds)?))
}

fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().iter().take(at);
    1 + before.filter(|byte| **byte == b'\n').count()
}

fn flatten(text: &str, above: &[String], table: DeTable<'_>, into: &mut BTreeMap<String, Entry>) {
    for (name, value) in table {
        let line = Some(line_of(text, name.span().start));
        let mut path = above.to_vec();
        path.push(name.get_ref().to_string());
        let key = path.join(".");
        let value = match value.into_inner() {
            // A section may be empty; within one of a person's naming an empty table is a value.
            DeValue::Table(table) if table.is_empty() && path.len() > SECTION_PARTS_MAX => {
                Value::Empty
            }
            DeValue::Table(table) => {
                flatten(text, &path, table, into);
                continue;
            }
            DeValue::Array(items) => list(items.iter().map(|item| item.get_ref())),
            other => scalar(&other).map_or(Value::Other("a time or fraction"), Value::Text),
        };
        into.insert(key, Entry { value, line, path });
    }
}

fn list<'a>(items: impl Iterator<Item = &'a DeValue<'a>>) -> Value {
    let items: Option<Vec<String>> = items.map(scalar).collect();
    items.map_or(Value::Other("a list of lists"), Value::List)
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().replace('_', "")),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => None,
    }
}
