//! A fresh RSA key pair for an App, as GitHub gives one to download.
//!
//! Only made, never used for private operations here: signing is the App's business, with its own library.

use rsa::pkcs1::EncodeRsaPrivateKey as _;
use rsa::pkcs8::{EncodePublicKey as _, LineEnding};

/// Size of the key. Units: bits.
const BITS: usize = 2048;

/// Both halves, as PEM.
#[derive(Debug, Clone)]
pub struct KeyPair {
    /// `RSA PRIVATE KEY`, PKCS#1, as GitHub hands it out.
    pub private_pem: String,
    /// `PUBLIC KEY`, SPKI.
    pub public_pem: String,
}

/// Makes a key pair. Errors: the system has no randomness to give.
pub fn generate() -> anyhow::Result<KeyPair> {
    let private = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, BITS)?;
    Ok(KeyPair {
        private_pem: private.to_pkcs1_pem(LineEnding::LF)?.to_string(),
        public_pem: private.to_public_key().to_public_key_pem(LineEnding::LF)?,
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn both_halves_are_pem() {
        let pair = super::generate().expect("the system has randomness");
        assert!(
            pair.private_pem
                .starts_with("-----BEGIN RSA PRIVATE KEY-----")
        );
        assert!(pair.public_pem.starts_with("-----BEGIN PUBLIC KEY-----"));
    }
}
