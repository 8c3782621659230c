//! The wire: octocrab over our own connector, whole answers, redirects that stay within the API.
//!
//! A token is only ever sent to the API's own address.

use crate::github::budget::Limits;
use crate::github::client::{Call, Response, Settings};
use crate::github::error::{ApiError, Scope};
use crate::github::place::GRAPHQL;
use anyhow::Context as _;
use http::{HeaderValue, Method, header};
use http_body_util::{BodyExt as _, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use octocrab::{AuthState, OctoBody, Octocrab, OctocrabBuilder};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::{ExposeSecret as _, SecretString};
use std::sync::Arc;

/// The version of the API that the wire types are written for.
const API_VERSION: &str = "2022-11-28";

/// Redirects followed within the API (a renamed repository gives one).
const REDIRECTS_MAX: usize = 3;

/// The way to the API.
pub(crate) struct Transport {
    octocrab: Octocrab,
    api_url: String,
    user_agent: HeaderValue,
    body_bytes_max: usize,
    unknown_wait_ms: i64,
}

impl Transport {
    /// Errors: an address, user agent or certificate that cannot be used.
    pub(crate) fn new(settings: &Settings, limits: &Limits) -> anyhow::Result<Transport> {
        let api_url = checked_url(&settings.api_url)?;
        let user_agent = HeaderValue::from_str(&settings.user_agent);
        Ok(Transport {
            octocrab: octocrab(settings, limits, api_url.starts_with("https:"))?,
            api_url,
            user_agent: user_agent.context("cannot use the user agent")?,
            body_bytes_max: limits.body_bytes_max,
            unknown_wait_ms: i64::try_from(limits.unknown_wait.as_millis()).unwrap_or(i64::MAX),
        })
    }

    /// Sends, following redirects that stay within the API.
    pub(crate) async fn exchange(
        &self,
        call: &Call,
        bearer: &SecretString,
        etag: Option<&str>,
    ) -> Result<Response, ApiError> {
        let mut path = call.path.clone();
        for _ in 0..=REDIRECTS_MAX {
            let answer = self.send(call, &path, bearer, etag).await?;
            // A renamed repository answers so to every method, and the same is asked of the new place.
            // Source: "Follow redirects", "Best practices for using the REST API" (docs.github.com, 2026-11).
            let is_followed = matches!(answer.status, 301 | 302 | 307 | 308);
            let location = answer
                .headers
                .get(header::LOCATION)
                .and_then(|value| value.to_str().ok());
            match location {
                Some(location) if is_followed => path = self.within(&path, location)?,
                Some(_) | None => return Ok(answer),
            }
        }
        Err(ApiError::Broken("too many redirects".to_owned()))
    }

    async fn send(
        &self,
        call: &Call,
        path: &str,
        bearer: &SecretString,
        etag: Option<&str>,
    ) -> Result<Response, ApiError> {
        let broken = |_| ApiError::Broken(format!("`{path}` cannot be sent"));
        let mut authorization =
            HeaderValue::from_str(&format!("Bearer {}", bearer.expose_secret()))
                .map_err(|_| ApiError::Broken("the token cannot be sent".to_owned()))?;
        authorization.set_sensitive(true);
        let mut request = http::Request::builder()
            .method(call.method.clone())
            .uri(format!("{}{path}", self.base(path)))
            .header(header::AUTHORIZATION, authorization)
            .header(header::USER_AGENT, self.user_agent.clone())
            .header(header::ACCEPT, "application/vnd.github+json")
            .header("x-github-api-version", API_VERSION);
        if let Some(etag) = etag {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        let body = match &call.body {
            Some(value) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                OctoBody::from(value.to_string())
            }
            None => OctoBody::empty(),
        };
        let request = request.body(body).map_err(broken)?;
        let is_read = call.method == Method::GET;
        let answer = self
            .octocrab
            .send(request)
            .await
            .map_err(|_| self.unknown(is_read))?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, self.body_bytes_max).collect().await;
        let body = body.map_err(
            |error| match error.is::<http_body_util::LengthLimitError>() {
                true => ApiError::Broken(format!("the answer to `{path}` is too large")),
                false => self.unknown(is_read),
            },
        )?;
        Ok(Response {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: body.to_bytes(),
        })
    }

    /// No answer: of a read no matter, of a write it may have taken place.
    pub(crate) fn unknown(&self, is_read: bool) -> ApiError {
        match is_read {
            true => ApiError::later(),
            false => ApiError::Retry {
                after_ms: Some(self.unknown_wait_ms),
                scope: Scope::Request,
            },
        }
    }

    /// What stands before a path: a server of one's own has the other API beside `/api/v3`.
    fn base(&self, path: &str) -> &str {
        match path {
            GRAPHQL => self.api_url.strip_suffix("/v3").unwrap_or(&self.api_url),
            _ => &self.api_url,
        }
    }

    /// The path of an address of the API's own, as the answer to a call of `path` gives it: whole, or seen from there.
    /// Errors: [`ApiError::Broken`] for any other, which would get our token.
    pub(crate) fn within(&self, path: &str, address: &str) -> Result<String, ApiError> {
        within(&self.api_url, path, address)
            .ok_or_else(|| ApiError::Broken("an address leads away from the API".to_owned()))
    }
}

/// Scheme, host and port decide whether an address is ours, however they are written.
fn within(api_url: &str, path: &str, address: &str) -> Option<String> {
    let own = url::Url::parse(api_url).ok()?;
    let from = url::Url::parse(&format!("{api_url}{path}")).ok()?;
    let to = from.join(address).ok()?;
    if to.origin() != own.origin() {
        return None;
    }
    let below = to.path().strip_prefix(own.path().trim_end_matches('/'))?;
    let query = to
        .query()
        .map_or(String::new(), |query| format!("?{query}"));
    below.starts_with('/').then(|| format!("{below}{query}"))
}

/// An address without a slash at its end. Errors: no https, and not this machine.
pub(crate) fn checked_url(text: &str) -> anyhow::Result<String> {
    let url = url::Url::parse(text).with_context(|| format!("cannot read the address `{text}`"))?;
    let is_loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let is_plain_enough =
        url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    anyhow::ensure!(
        is_plain_enough && (url.scheme() == "https" || (url.scheme() == "http" && is_loopback)),
        "cannot use the address `{}`: https is needed, or http to this machine",
        url.host_str().unwrap_or_default()
    );
    Ok(text.trim_end_matches('/').to_owned())
}

fn octocrab(settings: &Settings, limits: &Limits, is_tls: bool) -> anyhow::Result<Octocrab> {
    let mut roots = rustls::RootCertStore::empty();
    if is_tls {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    for certificate in
        CertificateDer::pem_slice_iter(settings.ca_pem.as_deref().unwrap_or_default())
    {
        let certificate = certificate
            .ok()
            .context("cannot read the extra certificates")?;
        roots
            .add(certificate)
            .context("cannot trust an extra certificate")?;
    }
    anyhow::ensure!(
        !is_tls || !roots.is_empty(),
        "cannot use https: this system has no trusted certificates"
    );
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("cannot set up TLS")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut plain = HttpConnector::new();
    plain.enforce_http(false);
    plain.set_connect_timeout(Some(limits.connect_timeout));
    plain.set_nodelay(true);
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(plain);
    let client: Client<_, OctoBody> = Client::builder(TokioExecutor::new()).build(connector);
    let built = OctocrabBuilder::new_empty()
        .with_service(client)
        .with_auth(AuthState::None)
        .build();
    built.map_err(|never| match never {})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_ours_by_its_origin_and_not_by_its_spelling() {
        const API: &str = "https://ghe.example/api/v3";
        const PATH: &str = "/repos/o/r/issues?per_page=100";
        for (address, wanted) in [
            ("https://ghe.example/api/v3/x?page=2", Some("/x?page=2")),
            (
                "https://GHE.Example:443/api/v3/x?a=b%2Fc",
                Some("/x?a=b%2Fc"),
            ),
            ("/api/v3/x?page=2", Some("/x?page=2")),
            ("?page=2", Some("/repos/o/r/issues?page=2")),
            ("//ghe.example/api/v3/x", Some("/x")),
            ("http://ghe.example/api/v3/x", None),
            ("https://ghe.example:8443/api/v3/x", None),
            ("https://ghe.example.evil.example/api/v3/x", None),
            ("https://ghe.example@evil.example/api/v3/x", None),
            ("//evil.example/api/v3/x", None),
            ("https://ghe.example/api/v33/x", None),
            ("https://ghe.example/elsewhere", None),
            ("/api/v3/../../login", None),
            ("", Some("/repos/o/r/issues?per_page=100")),
        ] {
            let found = within(API, PATH, address);
            assert_eq!(found.as_deref(), wanted, "{address}");
        }
        let plain = within("http://127.0.0.1:80", "/x", "http://127.0.0.1/y?z");
        assert_eq!(plain.as_deref(), Some("/y?z"));
    }
}
