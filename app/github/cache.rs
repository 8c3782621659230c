//! Answers kept for their ETag: a 304 is free of GitHub's primary limit and sends no body.
//!
//! The key holds the installation: one installation must never see what another one may.
//! GitHub is asked each time, so what is given back is never stale.

use crate::github::client::Response;
use std::collections::{BTreeMap, HashMap};

/// An answer above this size is not kept. Units: bytes.
const ENTRY_BYTES_MAX: usize = 1 << 20;

/// The kept answers, the least recently used leaving first.
#[derive(Debug)]
pub struct Cache {
    entries_max: usize,
    bytes_max: usize,
    bytes: usize,
    clock: u64,
    kept: HashMap<Key, Entry>,
    by_use: BTreeMap<u64, Key>,
}

type Key = (u64, String);

#[derive(Debug)]
struct Entry {
    etag: String,
    answer: Response,
    used: u64,
}

impl Cache {
    /// An empty cache with these limits.
    pub fn new(entries_max: usize, bytes_max: usize) -> Cache {
        Cache {
            entries_max,
            bytes_max,
            bytes: 0,
            clock: 0,
            kept: HashMap::new(),
            by_use: BTreeMap::new(),
        }
    }

    /// The ETag and the answer kept for this address.
    pub fn get(&mut self, installation: u64, uri: &str) -> Option<(String, Response)> {
        let key = (installation, uri.to_owned());
        let entry = self.kept.get_mut(&key)?;
        self.clock += 1;
        self.by_use.remove(&entry.used);
        entry.used = self.clock;
        self.by_use.insert(self.clock, key);
        Some((entry.etag.clone(), entry.answer.clone()))
    }

    /// Keeps an answer that carries an ETag.
    pub fn put(&mut self, installation: u64, uri: &str, answer: &Response) {
        let etag = answer
            .headers
            .get(http::header::ETAG)
            .and_then(|value| value.to_str().ok());
        let Some(etag) = etag else { return };
        let key = (installation, uri.to_owned());
        self.remove(&key);
        if answer.body.len() > ENTRY_BYTES_MAX.min(self.bytes_max) {
            return;
        }
        self.clock += 1;
        self.bytes += answer.body.len();
        self.by_use.insert(self.clock, key.clone());
        self.kept.insert(
            key,
            Entry {
                etag: etag.to_owned(),
                answer: answer.clone(),
                used: self.clock,
            },
        );
        while self.kept.len() > self.entries_max || self.bytes > self.bytes_max {
            let Some((_, oldest)) = self.by_use.first_key_value() else {
                return;
            };
            let oldest = oldest.clone();
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, key: &Key) {
        if let Some(entry) = self.kept.remove(key) {
            self.bytes -= entry.answer.body.len();
            self.by_use.remove(&entry.used);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue};

    fn answer(body: &'static [u8]) -> Response {
        let mut headers = HeaderMap::new();
        headers.insert("etag", HeaderValue::from_static("\"e\""));
        Response {
            status: 200,
            headers,
            body: body.into(),
        }
    }

    #[test]
    fn least_recently_used_leaves_first() {
        let mut cache = Cache::new(2, 1_000);
        cache.put(1, "/a", &answer(b"a"));
        cache.put(1, "/b", &answer(b"b"));
        assert!(cache.get(1, "/a").is_some());
        cache.put(1, "/c", &answer(b"c"));
        assert!(cache.get(1, "/b").is_none());
        assert!(cache.get(1, "/a").is_some());
    }

    #[test]
    fn one_installation_does_not_see_another() {
        let mut cache = Cache::new(2, 1_000);
        cache.put(1, "/a", &answer(b"a"));
        assert!(cache.get(2, "/a").is_none());
    }

    #[test]
    fn bytes_are_bounded() {
        let mut cache = Cache::new(10, 4);
        cache.put(1, "/a", &answer(b"abc"));
        cache.put(1, "/b", &answer(b"de"));
        assert!(cache.get(1, "/a").is_none());
        assert_eq!(cache.bytes, 2);
        cache.put(1, "/big", &answer(b"abcdef"));
        assert!(cache.get(1, "/big").is_none());
    }
}
