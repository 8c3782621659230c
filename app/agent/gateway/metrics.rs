//! What the gateway counts, and its text for Prometheus.
//!
//! Source: Prometheus text exposition format 0.0.4, https://prometheus.io/docs/instrumenting/exposition_formats/

use hyper::StatusCode;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the latency histogram. Units: milliseconds.
const BOUNDS_MS: [u64; 12] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 5_000, 30_000];

/// Counters since the start of the gateway.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    classes: [AtomicU64; 5],
    buckets: [AtomicU64; BOUNDS_MS.len()],
    seconds_us: AtomicU64,
    answered: AtomicU64,
    at_work: AtomicU64,
    /// Switches from nothing or one server to another.
    pub(crate) switches: AtomicU64,
    /// Orders that were not switched to.
    pub(crate) failures: AtomicU64,
    /// Starts of a server that had died.
    pub(crate) revivals: AtomicU64,
    /// Requests sent once more on another connection.
    pub(crate) retries: AtomicU64,
}

impl Metrics {
    /// Counts a request as at work until the value is dropped.
    pub(crate) fn begin(self: &std::sync::Arc<Metrics>) -> AtWork {
        self.at_work.fetch_add(1, Ordering::Relaxed);
        AtWork(std::sync::Arc::clone(self))
    }

    /// Counts an answer by its class and by the time to its first byte.
    pub(crate) fn answered(&self, status: StatusCode, took: Duration) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(count) = self.classes.get(class) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        for (bound, bucket) in BOUNDS_MS.iter().zip(&self.buckets) {
            if took_us <= bound * 1_000 {
                bucket.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.seconds_us.fetch_add(took_us, Ordering::Relaxed);
        self.answered.fetch_add(1, Ordering::Relaxed);
    }

    /// The text. `queued` is how many requests wait now.
    pub(crate) fn text(&self, queued: usize) -> String {
        let mut text = String::new();
        self.requests(&mut text);
        self.figures(queued, &mut text);
        text
    }

    fn requests(&self, text: &mut String) {
        text.push_str("# HELP bowsprit_gateway_requests_total Requests answered, by class of status.\n# TYPE bowsprit_gateway_requests_total counter\n");
        for (index, count) in self.classes.iter().enumerate() {
            let _ = writeln!(
                text,
                "bowsprit_gateway_requests_total{{class=\"{}xx\"}} {}",
                index + 1,
                read(count)
            );
        }
        text.push_str("# HELP bowsprit_gateway_request_seconds Time to the first byte of an answer.\n# TYPE bowsprit_gateway_request_seconds histogram\n");
        for (bound, bucket) in BOUNDS_MS.iter().zip(&self.buckets) {
            let _ = writeln!(
                text,
                "bowsprit_gateway_request_seconds_bucket{{le=\"{}.{:03}\"}} {}",
                bound / 1_000,
                bound % 1_000,
                read(bucket)
            );
        }
        let answered = read(&self.answered);
        let total_us = read(&self.seconds_us);
        let _ = writeln!(
            text,
            "bowsprit_gateway_request_seconds_bucket{{le=\"+Inf\"}} {answered}"
        );
        let _ = writeln!(
            text,
            "bowsprit_gateway_request_seconds_sum {}.{:06}",
            total_us / 1_000_000,
            total_us % 1_000_000
        );
        let _ = writeln!(text, "bowsprit_gateway_request_seconds_count {answered}");
    }

    fn figures(&self, queued: usize, text: &mut String) {
        for (name, kind, help, value) in [
            (
                "in_flight",
                "gauge",
                "Requests at work or waiting.",
                read(&self.at_work),
            ),
            (
                "queue_depth",
                "gauge",
                "Requests waiting for their turn.",
                queued as u64,
            ),
            (
                "switches_total",
                "counter",
                "Switches to another server.",
                read(&self.switches),
            ),
            (
                "rollouts_failed_total",
                "counter",
                "Orders that were not switched to.",
                read(&self.failures),
            ),
            (
                "server_restarts_total",
                "counter",
                "Starts of a server that had died.",
                read(&self.revivals),
            ),
            (
                "retries_total",
                "counter",
                "Requests sent once more.",
                read(&self.retries),
            ),
        ] {
            let _ = writeln!(
                text,
                "# HELP bowsprit_gateway_{name} {help}\n# TYPE bowsprit_gateway_{name} {kind}\nbowsprit_gateway_{name} {value}"
            );
        }
    }
}

fn read(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

/// A request at work, counted until dropped.
#[derive(Debug)]
pub(crate) struct AtWork(std::sync::Arc<Metrics>);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.at_work.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn buckets_add_up() {
        let metrics = Arc::new(Metrics::default());
        let at_work = metrics.begin();
        metrics.answered(StatusCode::OK, Duration::from_millis(3));
        metrics.answered(StatusCode::BAD_GATEWAY, Duration::from_secs(60));
        let text = metrics.text(4);
        for line in [
            "bowsprit_gateway_requests_total{class=\"2xx\"} 1",
            "bowsprit_gateway_requests_total{class=\"5xx\"} 1",
            "bowsprit_gateway_request_seconds_bucket{le=\"0.002\"} 0",
            "bowsprit_gateway_request_seconds_bucket{le=\"0.005\"} 1",
            "bowsprit_gateway_request_seconds_bucket{le=\"+Inf\"} 2",
            "bowsprit_gateway_request_seconds_sum 60.003000",
            "bowsprit_gateway_in_flight 1",
            "bowsprit_gateway_queue_depth 4",
        ] {
            assert!(text.lines().any(|have| have == line), "{line} in\n{text}");
        }
        drop(at_work);
        assert!(metrics.text(0).contains("bowsprit_gateway_in_flight 0"));
    }
}
