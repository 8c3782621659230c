//! Medians and p99 of what was measured.

use std::time::Duration;

/// What was measured, in order of size.
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn new(mut times: Vec<Duration>) -> Times {
        times.sort();
        Times(times)
    }

    /// The time that this share of all stays below. Units: per mille; milliseconds.
    pub(crate) fn ms(&self, per_mille: usize) -> f64 {
        let last = self.0.len().saturating_sub(1);
        let at = (self.0.len() * per_mille / 1_000).min(last);
        self.0.get(at).map_or(0.0, Duration::as_secs_f64) * 1_000.0
    }

    /// Median, p99 and worst as the end of a row. Units: milliseconds.
    pub(crate) fn row(&self) -> String {
        format!(
            "n {:6}  p50 {:8.3} ms  p99 {:8.3} ms  max {:8.3} ms",
            self.0.len(),
            self.ms(500),
            self.ms(990),
            self.ms(1_000)
        )
    }

    /// The same in microseconds.
    pub(crate) fn row_us(&self) -> String {
        let us = |share| self.ms(share) * 1_000.0;
        format!(
            "n {:6}  p50 {:8.1} us  p99 {:8.1} us",
            self.0.len(),
            us(500),
            us(990)
        )
    }
}
