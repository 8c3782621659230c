//! `[retention]`: how long what is over is kept.

use super::read::{Reader, parse_duration};
use bowsprit_core::retention::{DAY_MS, Keep};

/// A time that can be told: the key's name, its default, its least, and why no less. Units: days.
struct Kept(&'static str, &'static str, i64, &'static str);

/// A check of a run that ended lately still leads to its page.
const RUNS: Kept = Kept(
    "retention.runs",
    "90d",
    14,
    "pages and checks still lead to them",
);
/// GitHub sends a delivery again for three days, and people ask for more than that by hand.
const DELIVERIES: Kept = Kept(
    "retention.deliveries",
    "30d",
    30,
    "what GitHub sends again is known by them",
);
/// Nobody may have looked yet.
const DEAD_LETTERS: Kept = Kept(
    "retention.dead_letters",
    "365d",
    90,
    "somebody should have looked at them",
);
/// They are the record of who did what.
const EVENTS: Kept = Kept("retention.events", "365d", 30, "they tell who did what");
/// A run that waits for a person may yet be proposed.
const ARTIFACTS_UNUSED: Kept = Kept(
    "retention.artifacts_unused",
    "30d",
    7,
    "what a run has just made may not be named yet",
);

/// Reads the section.
pub(super) fn retention(reader: &mut Reader) -> Option<Keep> {
    let runs = kept(reader, &RUNS);
    let deliveries = kept(reader, &DELIVERIES);
    let dead_letters = kept(reader, &DEAD_LETTERS);
    let events = kept(reader, &EVENTS);
    let artifacts_unused = kept(reader, &ARTIFACTS_UNUSED);
    Some(Keep {
        runs: runs?,
        deliveries: deliveries?,
        dead_letters: dead_letters?,
        events: events?,
        artifacts_unused: artifacts_unused?,
    })
}

/// `None` inside keeps for ever.
fn kept(reader: &mut Reader, Kept(key, default, least, why): &Kept) -> Option<Option<i64>> {
    let text = reader.text_or(key, default);
    if matches!(text.as_str(), "never" | "0") {
        return Some(None);
    }
    let told = parse_duration(&text).and_then(|time| i64::try_from(time.as_millis()).ok());
    let message = match told {
        Some(ms) if ms >= least * DAY_MS => return Some(Some(ms)),
        Some(_) => format!(
            "`{text}` is too short, {why}: say `{least}d` or more, or `never` to keep them for ever"
        ),
        None => format!("`{text}` is not a time such as `{default}`, nor `never`"),
    };
    reader.complain(key, message);
    None
}
