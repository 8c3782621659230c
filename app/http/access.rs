//! Who asks, and whether they may: tokens, sessions of the pages, and reading without either on this machine.
//!
//! A token is looked up by the digest of its text at every request, so that a revoked one ends at once.
//! A session is only a second name for a token, kept in memory; it changes nothing unless the form came from our own page.

use super::Desk;
use super::answer::No;
use crate::store::Scope;
use axum::http::{HeaderMap, Method, header};
use bowsprit_core::name::{Digest, Login};
use ring::rand::{SecureRandom as _, SystemRandom};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What every token begins with, so that scanners and people know it.
const TOKEN_PREFIX: &str = "bsp_";
/// Random bytes of a token or session.
const RANDOM_BYTES: usize = 32;
/// Longest token. Units: bytes.
const TOKEN_BYTES_MAX: usize = 200;
/// A session ends after this.
const SESSION_MAX: Duration = Duration::from_secs(12 * 60 * 60);
/// Sessions at once; the oldest gives way.
const SESSIONS_MAX: usize = 1_000;
/// The cookie where the server is reached by HTTPS, and where it is not.
const COOKIES: [&str; 2] = ["__Host-bowsprit", "bowsprit"];

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    /// The token's name; nobody's where reading is open.
    pub(super) name: Option<Login>,
    /// What they may do.
    pub(super) scope: Scope,
}

/// Sessions by the digest of their cookie.
#[derive(Default)]
pub(super) struct Sessions {
    open: Mutex<HashMap<Digest, Session>>,
}

struct Session {
    token: Digest,
    since: Instant,
}

/// A token that nobody has yet. Errors: the system gives no random bytes.
pub(super) fn new_token() -> anyhow::Result<String> {
    Ok(format!("{TOKEN_PREFIX}{}", random_text()?))
}

/// 32 random bytes as hex digits. Errors: the system gives none.
pub(super) fn random_text() -> anyhow::Result<String> {
    let mut bytes = [0_u8; RANDOM_BYTES];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| anyhow::anyhow!("cannot get random bytes from the system"))?;
    Ok(hex::encode(bytes))
}

/// Finds out who asks; `None` when nobody known does. Errors: a form from elsewhere; the store fails.
pub(super) async fn caller(
    desk: &Desk,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Option<Caller>, No> {
    if headers.contains_key(header::AUTHORIZATION) {
        return match bearer(headers) {
            Some(token) => by_token(desk, &Digest::of(token.as_bytes())).await,
            None => Ok(None),
        };
    }
    let is_reading = matches!(*method, Method::GET | Method::HEAD);
    if let Some(token) = session(desk, headers)
        && let Some(caller) = by_token(desk, &token).await?
    {
        if !is_reading && !is_own_origin(desk, headers) {
            return Err(No::FOREIGN);
        }
        return Ok(Some(caller));
    }
    let is_guest = desk.is_open && is_reading && is_own_host(desk, headers);
    Ok(is_guest.then_some(Caller {
        name: None,
        scope: Scope::Read,
    }))
}

/// The token's owner.
pub(super) async fn by_token(desk: &Desk, digest: &Digest) -> Result<Option<Caller>, No> {
    let found = desk.rooms.store.token(digest).await?;
    Ok(found.map(|row| Caller {
        name: Login::parse(&row.name).ok(),
        scope: row.scope,
    }))
}

/// The token that a request shows.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (kind, token) = text.split_once(' ')?;
    let token = token.trim();
    (kind.eq_ignore_ascii_case("bearer") && (1..=TOKEN_BYTES_MAX).contains(&token.len()))
        .then_some(token)
}

/// Whether a form was sent from our own pages: browsers say so in `Origin`, and no page can forge it.
pub(super) fn is_own_origin(desk: &Desk, headers: &HeaderMap) -> bool {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(origin) = text(header::ORIGIN) else {
        return false;
    };
    let public = desk.rooms.public_url.as_str();
    let is_public =
        url::Url::parse(public).is_ok_and(|url| url.origin().ascii_serialization() == origin);
    // On this machine the same server answers as `localhost` and by number.
    let is_host = text(header::HOST).is_some_and(|host| {
        is_own_host(desk, headers) && origin.strip_prefix("http://") == Some(host)
    });
    is_public || is_host
}

/// Whether the request names us: another site's name that leads to this machine must not read for its pages.
fn is_own_host(desk: &Desk, headers: &HeaderMap) -> bool {
    let Some(host) = headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok())
    else {
        return false;
    };
    let Ok(url) = url::Url::parse(&format!("http://{host}/")) else {
        return false;
    };
    let public = url::Url::parse(&desk.rooms.public_url).ok();
    match url.host() {
        Some(url::Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(url::Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        Some(url::Host::Domain(name)) => {
            name == "localhost" || public.is_some_and(|public| public.host_str() == Some(name))
        }
        None => false,
    }
}

fn session(desk: &Desk, headers: &HeaderMap) -> Option<Digest> {
    cookies(headers).find_map(|cookie| desk.sessions.token_of(cookie))
}

/// Values of our cookies, whichever name they came under.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let texts = headers.get_all(header::COOKIE).into_iter();
    let pairs = texts
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'));
    let named = pairs.filter_map(|pair| pair.trim().split_once('='));
    named
        .filter(|(name, _)| COOKIES.contains(name))
        .map(|(_, value)| value)
}

impl Sessions {
    /// Opens a session for a token; gives the `Set-Cookie` text. Errors: no random bytes.
    pub(super) fn open(&self, token: Digest, is_https: bool) -> anyhow::Result<String> {
        let text = random_text()?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, session| session.since.elapsed() < SESSION_MAX);
        if open.len() >= SESSIONS_MAX {
            let oldest = open
                .iter()
                .min_by_key(|(_, session)| session.since)
                .map(|(key, _)| key.clone());
            oldest.and_then(|key| open.remove(&key));
        }
        open.insert(
            Digest::of(text.as_bytes()),
            Session {
                token,
                since: Instant::now(),
            },
        );
        Ok(cookie(&text, SESSION_MAX.as_secs(), is_https))
    }

    /// Ends the sessions that a request names; gives the `Set-Cookie` text.
    pub(super) fn close(&self, headers: &HeaderMap, is_https: bool) -> String {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for value in cookies(headers) {
            open.remove(&Digest::of(value.as_bytes()));
        }
        cookie("", 0, is_https)
    }

    fn token_of(&self, cookie: &str) -> Option<Digest> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let session = open.get(&Digest::of(cookie.as_bytes()))?;
        (session.since.elapsed() < SESSION_MAX).then(|| session.token.clone())
    }
}

fn cookie(value: &str, age_s: u64, is_https: bool) -> String {
    let [secure, plain] = COOKIES;
    match is_https {
        true => {
            format!("{secure}={value}; Path=/; Max-Age={age_s}; HttpOnly; Secure; SameSite=Lax")
        }
        false => format!("{plain}={value}; Path=/; Max-Age={age_s}; HttpOnly; SameSite=Lax"),
    }
}
