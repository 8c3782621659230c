//! Who we are to GitHub: the App's signed statement (JWT), and tokens of installations made with it.
//!
//! A token is opaque, is made for one repository with as few permissions as its use needs,
//! and is made once however many ask for it at the same time. None is ever printed.
//! Source: "Generating a JSON Web Token (JWT) for a GitHub App" (docs.github.com, 2026-11).

use crate::github::error::ApiError;
use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bowsprit_core::name::RepoId;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Life of a statement; GitHub takes ten minutes at most, and its clock may differ. Units: seconds.
const STATEMENT_LIFE_S: i64 = 540;

/// A statement begins this much earlier, for the same reason. Units: seconds.
const BACKDATE_S: i64 = 60;

/// A statement or token with less life than this is made anew. Units: milliseconds.
const RENEW_BEFORE_MS: i64 = 300_000;

/// A failure to make a token is the answer to all who ask within this time.
const FAILURE_KEPT: Duration = Duration::from_secs(2);

/// More token slots than this are forgotten all at once; they are cheap to make again.
const SLOTS_MAX: usize = 10_000;

/// What a token is for; it gets these permissions and no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// The list of repositories.
    Listing,
    /// `git fetch`.
    Fetching,
    /// Looking.
    Reading,
    /// Comments, labels, checks, deployments.
    Writing,
    /// Branches, tags, pull requests, merges.
    Pushing,
    /// Who belongs to an organisation and its teams; apart, since an owner may not have granted it yet.
    Members,
}

impl Access {
    /// Names and levels as in an App's manifest.
    pub const fn permissions(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Access::Listing => &[("metadata", "read")],
            Access::Fetching => &[("metadata", "read"), ("contents", "read")],
            Access::Reading => &[
                ("metadata", "read"),
                ("contents", "read"),
                ("pull_requests", "read"),
                ("issues", "read"),
                ("checks", "read"),
                ("statuses", "read"),
                ("deployments", "read"),
            ],
            Access::Writing => &[
                ("metadata", "read"),
                ("contents", "read"),
                ("pull_requests", "write"),
                ("issues", "write"),
                ("checks", "write"),
                ("statuses", "write"),
                ("deployments", "write"),
            ],
            Access::Pushing => &[
                ("metadata", "read"),
                ("contents", "write"),
                ("pull_requests", "write"),
            ],
            Access::Members => &[("metadata", "read"), ("members", "read")],
        }
    }
}

/// The App's private key, and the statement last signed with it.
pub(crate) struct AppKey {
    app_id: String,
    pair: RsaKeyPair,
    signed: Mutex<Option<(SecretString, i64)>>,
}

impl fmt::Debug for AppKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppKey")
            .field("app_id", &self.app_id)
            .finish_non_exhaustive()
    }
}

impl AppKey {
    /// Reads a key as GitHub gives it. Errors: the text is no RSA key of 2048 bits or more.
    pub(crate) fn parse(app_id: &str, pem: &SecretString) -> anyhow::Result<AppKey> {
        let key = PrivateKeyDer::from_pem_slice(pem.expose_secret().as_bytes())
            .ok()
            .context("cannot read the private key of the App: it is not PEM")?;
        let pair = match &key {
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            _ => anyhow::bail!("cannot use the private key of the App: it is not an RSA key"),
        };
        let pair = pair.ok().context(
            "cannot use the private key of the App: it is not an RSA key of 2048 bits or more",
        )?;
        Ok(AppKey {
            app_id: app_id.to_owned(),
            pair,
            signed: Mutex::new(None),
        })
    }

    /// The statement to send now. Errors: [`ApiError::Broken`] when signing fails.
    pub(crate) fn statement(&self, now_s: i64) -> Result<SecretString, ApiError> {
        let mut signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((statement, end_s)) = signed.as_ref()
            && end_s - now_s > BACKDATE_S
            && end_s - now_s <= STATEMENT_LIFE_S
        {
            return Ok(statement.clone());
        }
        let statement = self.sign(now_s)?;
        *signed = Some((statement.clone(), now_s + STATEMENT_LIFE_S));
        Ok(statement)
    }

    /// Drops the kept statement.
    pub(crate) fn forget(&self) {
        *self.signed.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn sign(&self, now_s: i64) -> Result<SecretString, ApiError> {
        let claims = json!({
            "iss": self.app_id,
            "iat": now_s - BACKDATE_S,
            "exp": now_s + STATEMENT_LIFE_S,
        });
        let text = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"JWT"}"#),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let mut signature = vec![0; self.pair.public().modulus_len()];
        self.pair
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                text.as_bytes(),
                &mut signature,
            )
            .map_err(|_| ApiError::Broken("the App's key does not sign".to_owned()))?;
        Ok(SecretString::from(format!(
            "{text}.{}",
            URL_SAFE_NO_PAD.encode(signature)
        )))
    }
}

/// Which token: of which installation, for which repository, with which permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TokenKey {
    pub(crate) installation: u64,
    pub(crate) repo: Option<RepoId>,
    pub(crate) access: Access,
}

/// A token with its end.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) secret: SecretString,
    pub(crate) expires_ms: i64,
}

/// The tokens in use.
#[derive(Default)]
pub(crate) struct Tokens {
    slots: Mutex<HashMap<TokenKey, Arc<tokio::sync::Mutex<Slot>>>>,
}

#[derive(Default)]
struct Slot {
    token: Option<Token>,
    failure: Option<(ApiError, Instant)>,
}

impl Tokens {
    /// The token for this key; `mint` makes one where none is fresh, and all others wait for it.
    pub(crate) async fn get(
        &self,
        key: TokenKey,
        now_ms: i64,
        mint: impl Future<Output = Result<Token, ApiError>>,
    ) -> Result<SecretString, ApiError> {
        let slot = self.slot(key);
        let mut slot = slot.lock().await;
        if let Some(token) = &slot.token
            && token.expires_ms - now_ms > RENEW_BEFORE_MS
        {
            return Ok(token.secret.clone());
        }
        if let Some((error, at)) = &slot.failure
            && at.elapsed() < FAILURE_KEPT
        {
            return Err(error.clone());
        }
        match mint.await {
            Ok(token) => {
                let secret = token.secret.clone();
                *slot = Slot {
                    token: Some(token),
                    failure: None,
                };
                Ok(secret)
            }
            Err(error) => {
                slot.failure = Some((error.clone(), Instant::now()));
                Err(error)
            }
        }
    }

    /// Drops this token, unless another has taken its place meanwhile.
    pub(crate) async fn forget(&self, key: TokenKey, refused: &SecretString) {
        let slot = self.slot(key);
        let mut slot = slot.lock().await;
        let is_same = |token: &Token| token.secret.expose_secret() == refused.expose_secret();
        if slot.token.as_ref().is_some_and(is_same) {
            slot.token = None;
        }
    }

    fn slot(&self, key: TokenKey) -> Arc<tokio::sync::Mutex<Slot>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() > SLOTS_MAX {
            slots.clear();
        }
        slots.entry(key).or_default().clone()
    }
}
