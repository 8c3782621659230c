//! The headers that go on to the server and those that come back.
//!
//! Source: RFC 9110 §7.6.1 (Connection), https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1

use hyper::HeaderMap;
use hyper::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, HeaderValue,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use std::net::IpAddr;

/// The release that answered.
pub(crate) const RELEASE: HeaderName = HeaderName::from_static("x-bowsprit-release");

/// The version of the model that answered.
pub(crate) const MODEL_VERSION: HeaderName = HeaderName::from_static("x-model-version");

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Makes the headers of a request fit for the server: nothing of this hop, no key, and who asked.
pub(crate) fn onward(headers: &mut HeaderMap, peer: IpAddr) {
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    }
    strip_hop(headers);
    headers.remove(AUTHORIZATION);
    headers.remove(EXPECT);
    if !headers.contains_key(HOST) {
        headers.insert(HOST, HeaderValue::from_static("localhost"));
    }
    let mut chain: Vec<String> = headers
        .get_all(FORWARDED_FOR)
        .iter()
        .filter_map(|value| value.to_str().ok().map(str::to_owned))
        .collect();
    chain.push(peer.to_string());
    if let Ok(value) = HeaderValue::from_str(&chain.join(", ")) {
        headers.insert(FORWARDED_FOR, value);
    }
    if !headers.contains_key(FORWARDED_HOST)
        && let Some(host) = headers.get(HOST).cloned()
    {
        headers.insert(FORWARDED_HOST, host);
    }
    if !headers.contains_key(FORWARDED_PROTO) {
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static("http"));
    }
}

/// Takes out what belongs to one hop alone.
pub(crate) fn strip_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in [
        CONNECTION,
        KEEP_ALIVE,
        PROXY_CONNECTION,
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ] {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_str(value).unwrap(),
                )
            })
            .collect()
    }

    #[test]
    fn what_belongs_to_a_hop_and_the_key_stay_here() {
        let mut have = headers(&[
            ("connection", "close, X-Private"),
            ("x-private", "1"),
            ("authorization", "Bearer key"),
            ("transfer-encoding", "chunked"),
            ("content-length", "3"),
            ("host", "models.example"),
            ("x-forwarded-for", "10.0.0.1"),
            ("accept", "*/*"),
        ]);
        onward(&mut have, IpAddr::from([127, 0, 0, 1]));
        let want = headers(&[
            ("host", "models.example"),
            ("x-forwarded-for", "10.0.0.1, 127.0.0.1"),
            ("accept", "*/*"),
            ("x-forwarded-host", "models.example"),
            ("x-forwarded-proto", "http"),
        ]);
        assert_eq!(have, want);
    }
}
