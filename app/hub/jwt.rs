//! Checks the App's JSON Web Tokens: RS256, issuer, and the two times.
//!
//! Source: GitHub documentation, "Generating a JSON Web Token (JWT) for a GitHub App".  The
//! sentences of the refusals are the ones clients have reported.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::Value;

/// The longest life of a JWT that is accepted, in seconds.
const LIFE_MAX_S: i64 = 600;
/// How far ahead `iat` may be, in seconds, to bear with clocks that differ.
const IAT_AHEAD_MAX_S: i64 = 60;

pub(crate) const UNDECODABLE: &str = "A JSON web token could not be decoded";
const NO_APP: &str = "Integration not found";
const EXP_PAST: &str = "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires";
const EXP_FAR: &str = "'Expiration time' claim ('exp') is too far in the future";
const IAT_BAD: &str = "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued";

/// What a JWT is checked against.
pub(crate) struct Expected<'a> {
    pub(crate) app_id: u64,
    pub(crate) client_id: &'a str,
    pub(crate) public_key_pem: &'a str,
    pub(crate) now: i64,
}

/// Tells whether a bearer token has the outer form of a JWT.
pub(crate) fn looks_like_jwt(token: &str) -> bool {
    token.starts_with("ey") && token.split('.').count() == 3
}

/// Checks a JWT; the error is the sentence for the 401 answer.
pub(crate) fn verify(token: &str, expected: &Expected<'_>) -> Result<(), &'static str> {
    let (signed, signature) = token.rsplit_once('.').ok_or(UNDECODABLE)?;
    let (header, claims) = signed.split_once('.').ok_or(UNDECODABLE)?;
    let header = part(header).ok_or(UNDECODABLE)?;
    let claims = part(claims).ok_or(UNDECODABLE)?;
    if header.get("alg").and_then(Value::as_str) != Some("RS256") {
        return Err(UNDECODABLE);
    }
    let issuer = match claims.get("iss") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(_) | None => String::new(),
    };
    if issuer != expected.app_id.to_string() && issuer != expected.client_id {
        return Err(NO_APP);
    }
    let key = public_key_der(expected.public_key_pem).ok_or(UNDECODABLE)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| UNDECODABLE)?;
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key)
        .verify(signed.as_bytes(), &signature)
        .map_err(|_| UNDECODABLE)?;
    check_times(&claims, expected.now)
}

fn check_times(claims: &Value, now: i64) -> Result<(), &'static str> {
    let exp = number(claims, "exp").ok_or(EXP_PAST)?;
    if exp <= now {
        return Err(EXP_PAST);
    }
    if exp - now > LIFE_MAX_S {
        return Err(EXP_FAR);
    }
    let iat = number(claims, "iat").ok_or(IAT_BAD)?;
    if iat > now + IAT_AHEAD_MAX_S {
        return Err(IAT_BAD);
    }
    Ok(())
}

fn number(claims: &Value, name: &str) -> Option<i64> {
    let value = claims.get(name)?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "some clients send a float; its fraction does not matter"
    )]
    value
        .as_i64()
        .or_else(|| value.as_f64().map(|float| float as i64))
}

fn part(text: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?).ok()
}

/// The PKCS#1 bytes of a PEM public key in either of the two usual wrappings.
pub(crate) fn public_key_der(pem: &str) -> Option<Vec<u8>> {
    let body: String = pem
        .lines()
        .filter(|line| !line.trim_start().starts_with("-----"))
        .map(str::trim)
        .collect();
    let der = STANDARD.decode(body).ok()?;
    if !pem.contains("BEGIN PUBLIC KEY") {
        return Some(der);
    }
    // SubjectPublicKeyInfo: SEQUENCE { SEQUENCE algorithm, BIT STRING key }.
    let (outer, _) = der_item(&der, 0x30)?;
    let (_, rest) = der_item(outer, 0x30)?;
    let (bits, _) = der_item(rest, 0x03)?;
    bits.split_first().map(|(_, key)| key.to_vec())
}

/// Splits one DER item of the wanted tag off the front: its content and what follows.
fn der_item(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first != tag {
        return None;
    }
    let (&short, rest) = rest.split_first()?;
    let (length, rest) = if short < 0x80 {
        (usize::from(short), rest)
    } else {
        let count = usize::from(short & 0x7f);
        if count > 4 {
            return None;
        }
        let length = rest
            .get(..count)?
            .iter()
            .fold(0usize, |sum, &byte| (sum << 8) | usize::from(byte));
        (length, rest.get(count..)?)
    };
    Some((rest.get(..length)?, rest.get(length..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_three_part_tokens_look_like_a_jwt() {
        assert!(looks_like_jwt("eyJ.a.b"));
        assert!(!looks_like_jwt("ghs_1_a.b.c"));
        assert!(!looks_like_jwt("eyJ.a"));
    }

    #[test]
    fn times_are_checked_from_both_sides() {
        let claims = |iat: i64, exp: i64| serde_json::json!({"iat": iat, "exp": exp});
        assert_eq!(check_times(&claims(940, 1540), 1000), Ok(()));
        assert_eq!(check_times(&claims(940, 1601), 1000), Err(EXP_FAR));
        assert_eq!(check_times(&claims(940, 1000), 1000), Err(EXP_PAST));
        assert_eq!(check_times(&claims(2000, 1500), 1000), Err(IAT_BAD));
        assert_eq!(
            check_times(&serde_json::json!({"exp": 1500}), 1000),
            Err(IAT_BAD)
        );
    }
}
