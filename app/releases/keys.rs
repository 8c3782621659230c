//! The two keys of an environment: made at random, kept for their owner, known to the gateway by their digests alone.
//!
//! Two, so that one can be replaced while clients still use the other. Nothing prints them by accident.

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bowsprit_core::name::Digest;
use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

/// Random bytes of a key.
const KEY_BYTES: usize = 32;

/// How every key begins, so that scanners for leaked secrets can find it.
const KEY_PREFIX: &str = "bowsprit_";

/// The keys that an environment accepts as bearer tokens.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The one to use.
    pub primary: SecretString,
    /// The other, for the time of a change.
    pub secondary: SecretString,
}

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Which {
    /// The one to use.
    Primary,
    /// The other.
    Secondary,
}

/// The keys as they are kept: `keys.json`, mode 0600.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    primary: String,
    secondary: String,
}

impl Keys {
    /// Two new keys. Errors: the system gives no random numbers.
    pub(super) fn generate() -> anyhow::Result<Keys> {
        Ok(Keys {
            primary: random()?,
            secondary: random()?,
        })
    }

    /// The same keys with one replaced by a new one. Errors: the system gives no random numbers.
    pub(super) fn rotated(self, which: Which) -> anyhow::Result<Keys> {
        Ok(match which {
            Which::Primary => Keys {
                primary: random()?,
                ..self
            },
            Which::Secondary => Keys {
                secondary: random()?,
                ..self
            },
        })
    }

    /// What the gateway is told of them.
    pub(super) fn digests(&self) -> Vec<Digest> {
        [&self.primary, &self.secondary]
            .map(|key| Digest::of(key.expose_secret().as_bytes()))
            .to_vec()
    }

    /// As they are kept.
    pub(super) fn kept(&self) -> Kept {
        Kept {
            primary: self.primary.expose_secret().to_owned(),
            secondary: self.secondary.expose_secret().to_owned(),
        }
    }
}

impl From<Kept> for Keys {
    fn from(kept: Kept) -> Keys {
        Keys {
            primary: kept.primary.into(),
            secondary: kept.secondary.into(),
        }
    }
}

/// A random text that nobody can guess. Errors: the system gives no random numbers.
pub(super) fn random() -> anyhow::Result<SecretString> {
    let mut bytes = [0; KEY_BYTES];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.ok().context("the system gives no random numbers")?;
    Ok(format!("{KEY_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)).into())
}
