//! A client of registries: is there an image of this name, which bytes is it, and might we write one?
//!
//! Nothing that a registry answers is believed but the bytes of a manifest, which are hashed here.
//! Source: OCI Distribution 1.1, "Pulling manifests"; Distribution, "Token Authentication Specification", v2.8.

use super::credentials::{Challenge, Credentials};
use crate::outward;
use anyhow::{Context as _, anyhow, bail};
use bowsprit_core::image::reference::{Pinned, Place, Tagged};
use bowsprit_core::name::Digest;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use serde::Deserialize;
use std::time::Duration;

/// One question to a registry may take this long, its token included.
const CALL_MAX: Duration = Duration::from_secs(20);
/// Largest manifest. Units: bytes. Source: OCI Distribution 1.1, "Pushing manifests": registries take 4 MiB at least.
const MANIFEST_BYTES_MAX: usize = 4 << 20;
/// Largest answer of a token server. Units: bytes.
const TOKEN_BYTES_MAX: usize = 64 << 10;
/// Kinds of manifest that are an image.
const KINDS: [&str; 4] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// A client; clones share its connections.
#[derive(Clone)]
pub struct Client {
    http: outward::Client<Empty<Bytes>>,
    credentials: Credentials,
    insecure: Vec<String>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(alias = "access_token")]
    token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u32,
}

impl Client {
    /// A client that speaks plain HTTP with the registries of `insecure` alone. Errors: the system's certificates cannot be read.
    pub fn new(credentials: Credentials, insecure: Vec<String>) -> anyhow::Result<Client> {
        Ok(Client {
            http: outward::client(outward::Trust::System)?,
            credentials,
            insecure,
        })
    }

    /// The image that carries this tag now, by the digest of the bytes that came.
    ///
    /// Errors: the registry cannot be reached, refuses us, or answers something that is no manifest.
    pub async fn find(&self, image: &Tagged) -> anyhow::Result<Option<Pinned>> {
        let found = self.manifest(&image.place, image.tag()).await?;
        Ok(found.map(|bytes| image.place.at(Digest::of(&bytes))))
    }

    /// Whether the registry holds the image of this digest. Errors: as of [`Client::find`]; other bytes came.
    pub async fn holds(&self, image: &Pinned) -> anyhow::Result<bool> {
        let found = self.manifest(&image.place, image.digest.as_str()).await?;
        match found {
            None => Ok(false),
            Some(bytes) if Digest::of(&bytes) == image.digest => Ok(true),
            Some(_) => bail!(
                "`{}` gave other bytes for `{image}`",
                image.place.registry()
            ),
        }
    }

    /// Begins to write there and takes it back; nothing is left. Errors: we may not, or it cannot be asked.
    ///
    /// Source: OCI Distribution 1.1, "Pushing blobs".
    pub async fn try_to_write(&self, place: &Place) -> anyhow::Result<()> {
        let registry = place.registry();
        in_time(registry, self.begin_upload(place))
            .await?
            .with_context(|| format!("cannot write to `{}` there", place.path()))
    }

    async fn begin_upload(&self, place: &Place) -> anyhow::Result<()> {
        let base = format!("{}://{}", self.scheme(place.registry()), place.registry());
        let url = format!("{base}/v2/{}/blobs/uploads/", place.path());
        let (response, authorization) = self.call_as_asked(Method::POST, &url, place).await?;
        match response.status() {
            StatusCode::ACCEPTED => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => bail!(
                "it refuses us ({}); `images.auth_file` needs a credential that may write there",
                response.status().as_u16()
            ),
            status => bail!("it answers {}", status.as_u16()),
        }
        let location = response.headers().get(header::LOCATION);
        let location = location
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let upload = url::Url::parse(&base).and_then(|base| base.join(location));
        // An upload that nobody goes on with is forgotten by the registry sooner or later; nowhere else is it taken back.
        if let Ok(upload) = upload.map(String::from)
            && upload.starts_with(&format!("{base}/"))
        {
            let _ = self
                .call(Method::DELETE, &upload, "*/*", authorization.as_deref())
                .await;
        }
        Ok(())
    }

    /// Calls, and again with what the answer asks for; then also the value of `Authorization`.
    async fn call_as_asked(
        &self,
        method: Method,
        url: &str,
        place: &Place,
    ) -> anyhow::Result<(Response<Incoming>, Option<String>)> {
        let accept = KINDS.join(", ");
        let response = self.call(method.clone(), url, &accept, None).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok((response, None));
        }
        let actions = if method == Method::GET {
            "pull"
        } else {
            "pull,push"
        };
        let authorization = self.authorize(place, actions, &response).await?;
        let response = self
            .call(method, url, &accept, Some(&authorization))
            .await?;
        Ok((response, Some(authorization)))
    }

    async fn manifest(&self, place: &Place, which: &str) -> anyhow::Result<Option<Bytes>> {
        let registry = place.registry();
        in_time(registry, self.ask(place, which))
            .await?
            .with_context(|| format!("cannot ask registry `{registry}` for `{}`", place.path()))
    }

    async fn ask(&self, place: &Place, which: &str) -> anyhow::Result<Option<Bytes>> {
        let registry = place.registry();
        let scheme = self.scheme(registry);
        let url = format!(
            "{scheme}://{registry}/v2/{}/manifests/{which}",
            place.path()
        );
        let (response, _) = self.call_as_asked(Method::GET, &url, place).await?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => bail!(
                "it refuses us ({}); `images.auth_file` needs a credential that may read there",
                response.status().as_u16()
            ),
            status => bail!("it answers {}", status.as_u16()),
        }
        let bytes = body(response, MANIFEST_BYTES_MAX).await?;
        match serde_json::from_slice::<Manifest>(&bytes) {
            Ok(Manifest { schema_version: 2 }) => Ok(Some(bytes)),
            Ok(_) | Err(_) => bail!("it answers something that is no manifest"),
        }
    }

    /// The value of `Authorization` that an answer asks for.
    async fn authorize(
        &self,
        place: &Place,
        actions: &str,
        response: &Response<Incoming>,
    ) -> anyhow::Result<String> {
        let registry = place.registry();
        let headers = response.headers().get_all(header::WWW_AUTHENTICATE);
        let challenge = headers
            .iter()
            .filter_map(|value| value.to_str().ok())
            .find_map(Challenge::parse)
            .context("it asks for a kind of credential that we do not know")?;
        let basic = self.credentials.basic(registry);
        match challenge {
            Challenge::Basic => basic.context(
                "it asks for a name and a password, and `images.auth_file` has none for it",
            ),
            Challenge::Bearer {
                realm,
                service,
                scope,
            } => {
                let scope =
                    scope.unwrap_or_else(|| format!("repository:{}:{actions}", place.path()));
                let url = self.token_url(registry, &realm, service.as_deref(), &scope)?;
                let answer = self
                    .call(
                        Method::GET,
                        url.as_str(),
                        "application/json",
                        basic.as_deref(),
                    )
                    .await?;
                if !answer.status().is_success() {
                    bail!("its token server answers {}", answer.status().as_u16());
                }
                let bytes = body(answer, TOKEN_BYTES_MAX).await?;
                let Ok(answer) = serde_json::from_slice::<TokenAnswer>(&bytes) else {
                    bail!("its token server answers something that is no token");
                };
                Ok(format!("Bearer {}", answer.token))
            }
        }
    }

    /// A password is shown to nobody over plain HTTP, except where the registry itself is configured so.
    fn token_url(
        &self,
        registry: &str,
        realm: &str,
        service: Option<&str>,
        scope: &str,
    ) -> anyhow::Result<url::Url> {
        let mut url =
            url::Url::parse(realm).map_err(|_| anyhow!("its token server is no address"))?;
        let is_plain = url.scheme() == "http" && self.scheme(registry) == "http";
        if url.scheme() != "https" && !is_plain {
            bail!("its token server does not speak HTTPS");
        }
        url.query_pairs_mut()
            .extend_pairs(service.map(|service| ("service", service)))
            .append_pair("scope", scope);
        Ok(url)
    }

    fn scheme(&self, registry: &str) -> &'static str {
        let is_plain = self.insecure.iter().any(|plain| plain == registry);
        if is_plain { "http" } else { "https" }
    }

    async fn call(
        &self,
        method: Method,
        url: &str,
        accept: &str,
        authorization: Option<&str>,
    ) -> anyhow::Result<Response<Incoming>> {
        let mut request = Request::builder()
            .method(method)
            .uri(url)
            .header(header::ACCEPT, accept)
            .header(header::USER_AGENT, "bowsprit");
        if let Some(authorization) = authorization {
            let mut value = http::HeaderValue::from_str(authorization)
                .map_err(|_| anyhow!("its token is no header"))?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        let request = request
            .body(Empty::new())
            .map_err(|_| anyhow!("its address is none"))?;
        self.http
            .request(request)
            .await
            .map_err(|error| anyhow!("it cannot be reached: {}", root(&error)))
    }
}

async fn in_time<T>(registry: &str, work: impl Future<Output = T>) -> anyhow::Result<T> {
    let late = || {
        format!(
            "registry `{registry}` does not answer within {} s",
            CALL_MAX.as_secs()
        )
    };
    tokio::time::timeout(CALL_MAX, work)
        .await
        .with_context(late)
}

/// What is at the bottom of an error.
fn root(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

async fn body(response: Response<Incoming>, max: usize) -> anyhow::Result<Bytes> {
    let whole = Limited::new(response.into_body(), max).collect().await;
    let whole =
        whole.map_err(|_| anyhow!("its answer breaks off or is larger than {max} bytes"))?;
    Ok(whole.to_bytes())
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
