//! Hours in which an environment may change.
//!
//! A window is read against the clock on the wall of its time zone; the moment to judge comes in as a value.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, Zoned};

/// Weekly hours such as `Mon-Thu 09:00-16:00 Europe/Madrid`.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    text: String,
    days: [bool; 7],
    opens_minute: i16,
    closes_minute: i16,
    zone: TimeZone,
}

const DAYS: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Monday),
    ("Tue", Weekday::Tuesday),
    ("Wed", Weekday::Wednesday),
    ("Thu", Weekday::Thursday),
    ("Fri", Weekday::Friday),
    ("Sat", Weekday::Saturday),
    ("Sun", Weekday::Sunday),
];

impl Window {
    /// Reads `<days> <from>-<to> <zone>`: days as `Mon-Thu` or `Mon,Wed`, hours as `09:00-16:00`, an IANA time zone.
    ///
    /// Hours that end before they start run past midnight. Errors: a phrase that says what is right.
    pub fn parse(text: &str) -> Result<Window, String> {
        const CHARS_MAX: usize = 100;
        let wrong = || "write a window such as `Mon-Thu 09:00-16:00 Europe/Madrid`".to_owned();
        if text.len() > CHARS_MAX {
            return Err(wrong());
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        let [days, hours, zone] = words[..] else {
            return Err(wrong());
        };
        let days = parse_days(days).ok_or_else(wrong)?;
        let (opens, closes) = hours.split_once('-').ok_or_else(wrong)?;
        let opens_minute = parse_minute(opens)
            .filter(|minute| *minute < 24 * 60)
            .ok_or_else(wrong)?;
        let closes_minute = parse_minute(closes).ok_or_else(wrong)?;
        if opens_minute == closes_minute {
            return Err("a window must not close when it opens".to_owned());
        }
        let zone = if zone == "UTC" {
            TimeZone::UTC
        } else {
            TimeZone::get(zone)
                .map_err(|_| "the time zone is not known here, write an IANA name such as `Europe/Madrid` or `UTC`".to_owned())?
        };
        Ok(Window {
            text: words.join(" "),
            days,
            opens_minute,
            closes_minute,
            zone,
        })
    }

    /// The window as it was written, blanks put in order.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the window is open. Units: milliseconds since 1970, UTC.
    pub fn is_open(&self, now_ms: i64) -> bool {
        let Some(now) = self.wall(now_ms) else {
            return false;
        };
        let minute = i16::from(now.hour()) * 60 + i16::from(now.minute());
        let today = self.is_day(now.weekday());
        if self.opens_minute < self.closes_minute {
            today && (self.opens_minute..self.closes_minute).contains(&minute)
        } else {
            (today && minute >= self.opens_minute)
                || (self.is_day(now.weekday().previous()) && minute < self.closes_minute)
        }
    }

    /// `now_ms` if the window is open, else when it opens next; `None` only for moments out of the calendar.
    ///
    /// Units: milliseconds since 1970, UTC.
    pub fn next_open_ms(&self, now_ms: i64) -> Option<i64> {
        if self.is_open(now_ms) {
            return Some(now_ms);
        }
        let today = self.wall(now_ms)?.date();
        // Eight days: the same weekday may be over for today.
        (0..8)
            .filter_map(|days| today.checked_add(days.days()).ok())
            .filter(|date| self.is_day(date.weekday()))
            .filter_map(|date| self.opening_ms(date))
            .find(|opens_ms| *opens_ms > now_ms)
    }

    fn wall(&self, now_ms: i64) -> Option<Zoned> {
        Timestamp::from_millisecond(now_ms)
            .ok()
            .map(|now| now.to_zoned(self.zone.clone()))
    }

    fn is_day(&self, day: Weekday) -> bool {
        self.days
            .get(usize::from(day.to_monday_zero_offset().unsigned_abs()))
            .copied()
            .unwrap_or(false)
    }

    fn opening_ms(&self, date: Date) -> Option<i64> {
        let (hour, minute) = (
            i8::try_from(self.opens_minute / 60).ok()?,
            i8::try_from(self.opens_minute % 60).ok()?,
        );
        let opening = date
            .at(hour, minute, 0, 0)
            .to_zoned(self.zone.clone())
            .ok()?;
        Some(opening.timestamp().as_millisecond())
    }
}

fn parse_days(text: &str) -> Option<[bool; 7]> {
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day_index(first)?, day_index(last)?);
        let mut day = first;
        loop {
            *days.get_mut(day)? = true;
            if day == last {
                break;
            }
            day = (day + 1) % DAYS.len();
        }
    }
    Some(days)
}

fn day_index(text: &str) -> Option<usize> {
    DAYS.iter()
        .position(|(name, _)| name.eq_ignore_ascii_case(text))
}

/// Minutes since midnight; `24:00` is the end of the day.
fn parse_minute(text: &str) -> Option<i16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str| {
        (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()))
            .then(|| text.parse::<i16>().ok())
            .flatten()
    };
    let minutes = number(hour)? * 60 + number(minute).filter(|minute| *minute < 60)?;
    (minutes <= 24 * 60).then_some(minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> i64 {
        text.parse::<Timestamp>()
            .expect("test moment")
            .as_millisecond()
    }

    #[track_caller]
    fn check(window: &str, now: &str, open: bool, next: &str) {
        let window = Window::parse(window).expect("test window");
        assert_eq!(window.is_open(ms(now)), open);
        assert_eq!(window.next_open_ms(ms(now)), Some(ms(next)));
    }

    #[test]
    fn a_window_opens_and_closes_by_its_own_clock() {
        // 2026-11-19 is a Thursday; Madrid is one hour ahead of UTC in winter, two in summer.
        let office = "Mon-Thu 09:00-16:00 Europe/Madrid";
        check(
            office,
            "2026-11-19T07:59:59Z",
            false,
            "2026-11-19T08:00:00Z",
        );
        check(office, "2026-11-19T08:00:00Z", true, "2026-11-19T08:00:00Z");
        check(office, "2026-11-19T14:59:59Z", true, "2026-11-19T14:59:59Z");
        check(
            office,
            "2026-11-19T15:00:00Z",
            false,
            "2026-11-23T08:00:00Z",
        );
        check(office, "2026-07-01T07:00:00Z", true, "2026-07-01T07:00:00Z");
        check(
            office,
            "2026-11-20T10:00:00Z",
            false,
            "2026-11-23T08:00:00Z",
        );
        check(
            "Thu 09:00-10:00 UTC",
            "2026-11-19T10:00:00Z",
            false,
            "2026-11-26T09:00:00Z",
        );
    }

    #[test]
    fn hours_past_midnight_belong_to_the_day_they_start() {
        let night = "Fri 22:00-02:00 UTC";
        check(night, "2026-11-20T23:00:00Z", true, "2026-11-20T23:00:00Z");
        check(night, "2026-11-21T01:59:00Z", true, "2026-11-21T01:59:00Z");
        check(night, "2026-11-20T01:00:00Z", false, "2026-11-20T22:00:00Z");
        check(
            "Sat-Mon,Wed 00:00-24:00 UTC",
            "2026-11-24T00:00:00Z",
            false,
            "2026-11-25T00:00:00Z",
        );
    }

    #[test]
    fn what_is_not_a_window_is_refused() {
        for text in [
            "",
            "Mon",
            "Mon 09:00-16:00",
            "Moon 09:00-16:00 UTC",
            "Mon 9-16 UTC",
            "Mon 09:00-25:00 UTC",
            "Mon 24:00-01:00 UTC",
            "Mon 09:60-16:00 UTC",
            "Mon 09:00-09:00 UTC",
            "Mon 09:00-16:00 Europe/Madriz",
            "Mon 09:00-16:00 ../etc/passwd",
        ] {
            assert!(Window::parse(text).is_err(), "{text}");
        }
    }
}
