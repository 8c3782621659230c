//! The one client: octocrab as transport, our own tokens, budget, ETags and error classes around it.
//!
//! octocrab's retries, token cache and ETag cache stay off: the first repeats a POST, the second makes a token per clone,
//! the third is shared by all installations. Nothing here sleeps or repeats, but for one new token after a 401.

use crate::github::auth::{AppKey, Token, TokenKey, Tokens};
use crate::github::budget::{Budget, Limits};
use crate::github::cache::Cache;
use crate::github::error::{ApiError, PERSON_WAIT_MS, UNKNOWN_WAIT_MS, classify};
use crate::github::place::Place;
use crate::github::wire::{self, next_link};
use anyhow::Context as _;
use bowsprit_core::effect::Priority;
use bowsprit_core::name::{Login, Repo, RepoId};
use http::{HeaderMap, HeaderValue, Method, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use octocrab::{AuthState, OctoBody, Octocrab, OctocrabBuilder};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::OnceCell;

/// The version of the API that the wire types are written for.
const API_VERSION: &str = "2022-11-28";

/// Redirects followed within the API (a renamed repository gives one).
const REDIRECTS_MAX: usize = 3;

/// How to reach GitHub, and as whom.
pub struct Settings {
    /// `https://api.github.com`, or `https://<host>/api/v3`; plain http to this machine only.
    pub api_url: String,
    /// `https://github.com`.
    pub git_url: String,
    /// The App's id or client id.
    pub app_id: String,
    /// The App's private key.
    pub private_key_pem: SecretString,
    /// Certificates trusted beside those of the system.
    pub ca_pem: Option<Vec<u8>>,
    /// GitHub refuses calls without one.
    pub user_agent: String,
}

/// The client; a clone is the same client.
#[derive(Clone)]
pub struct GitHub {
    inner: Arc<Inner>,
}

struct Inner {
    transport: Octocrab,
    api_url: String,
    user_agent: HeaderValue,
    key: AppKey,
    limits: Limits,
    tokens: Tokens,
    cache: Mutex<Cache>,
    budgets: Mutex<HashMap<u64, Arc<Budget>>>,
    app: OnceCell<App>,
}

impl fmt::Debug for GitHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitHub")
            .field("api_url", &self.inner.api_url)
            .finish_non_exhaustive()
    }
}

/// An answer, whole.
#[derive(Debug, Clone)]
pub struct Response {
    /// HTTP status; 200 where GitHub said 304 to our ETag.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Response {
    /// The body as `T`. Errors: [`ApiError::Broken`].
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| ApiError::Broken(format!("unexpected answer: {error}")))
    }
}

/// Our App as GitHub knows it.
#[derive(Debug, Clone)]
pub struct App {
    /// Its id.
    pub id: u64,
    /// Its name in addresses.
    pub slug: String,
    /// Its account, `<slug>[bot]`.
    pub login: Login,
}

/// As whom a call is made.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Caller {
    /// The App itself.
    App,
    /// An installation of it.
    Installation(TokenKey),
}

/// One call.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Below the API's address, with a slash first.
    pub(crate) path: String,
    pub(crate) body: Option<Value>,
    pub(crate) priority: Priority,
}

impl Call {
    pub(crate) fn get(path: impl Into<String>) -> Call {
        Call {
            method: Method::GET,
            path: path.into(),
            body: None,
            priority: Priority::View,
        }
    }
}

impl GitHub {
    /// A client; needs a tokio runtime. Errors: an address, key or certificate that cannot be used.
    pub fn new(settings: Settings) -> anyhow::Result<GitHub> {
        GitHub::with_limits(settings, Limits::default())
    }

    /// A client with limits of one's own.
    pub fn with_limits(settings: Settings, limits: Limits) -> anyhow::Result<GitHub> {
        let api_url = checked_url(&settings.api_url)?;
        checked_url(&settings.git_url)?;
        let transport = transport(&settings, &limits, api_url.starts_with("https:"))?;
        let user_agent =
            HeaderValue::from_str(&settings.user_agent).context("cannot use the user agent")?;
        Ok(GitHub {
            inner: Arc::new(Inner {
                transport,
                api_url,
                user_agent,
                key: AppKey::parse(&settings.app_id, &settings.private_key_pem)?,
                cache: Mutex::new(Cache::new(limits.cache_entries_max, limits.cache_bytes_max)),
                limits,
                tokens: Tokens::default(),
                budgets: Mutex::default(),
                app: OnceCell::new(),
            }),
        })
    }

    /// A repository as an installation sees it.
    pub fn at(&self, installation: u64, repo: Repo) -> Place {
        Place::new(self.clone(), installation, repo)
    }

    /// Our App, read once. Errors: as of any call.
    pub async fn app(&self) -> Result<&App, ApiError> {
        self.inner
            .app
            .get_or_try_init(|| async {
                let app: wire::App = self.call(Caller::App, Call::get("/app")).await?.json()?;
                let login = Login::parse(&format!("{}[bot]", app.slug))
                    .map_err(|error| ApiError::Broken(error.to_string()))?;
                Ok(App {
                    id: app.id,
                    slug: app.slug,
                    login,
                })
            })
            .await
    }

    /// Makes a call: budget, token, ETag, one new token after a 401. Errors: [`ApiError`], classified.
    pub(crate) async fn call(&self, caller: Caller, call: Call) -> Result<Response, ApiError> {
        let installation = match caller {
            Caller::App => 0,
            Caller::Installation(key) => key.installation,
        };
        let budget = self.budget(installation);
        let _turn = budget.enter().await?;
        if installation != 0 && call.method != Method::GET {
            budget.spend(call.priority, Instant::now())?;
        }
        let bearer = self.bearer(caller).await?;
        let mut answer = self.once(installation, &call, &bearer).await;
        if matches!(answer, Err(ApiError::Unauthorized)) {
            self.forget(caller, &bearer).await;
            let bearer = self.bearer(caller).await?;
            answer = self.once(installation, &call, &bearer).await;
        }
        answer.inspect_err(|error| budget.learn(error, Instant::now()))
    }

    /// Whether an installation may make that many writes now. Errors: [`ApiError::Retry`] with the time to wait.
    pub(crate) fn check_budget(
        &self,
        installation: u64,
        writes: usize,
        priority: Priority,
    ) -> Result<(), ApiError> {
        self.budget(installation)
            .check(writes, priority, Instant::now())
    }

    /// All of a list, page by page, and whether it goes on beyond the last page read.
    ///
    /// `key` names the member that holds the list where the answer is an object.
    pub(crate) async fn pages<T: DeserializeOwned>(
        &self,
        caller: Caller,
        path: &str,
        key: Option<&str>,
    ) -> Result<(Vec<T>, bool), ApiError> {
        let mut items = Vec::new();
        let mut path = path.to_owned();
        for _ in 0..self.inner.limits.pages_max {
            let answer = self.call(caller, Call::get(path)).await?;
            items.extend(wire::list::<T>(&answer, key)?);
            match next_link(&answer.headers) {
                None => return Ok((items, false)),
                Some(next) => path = self.within(&next)?,
            }
        }
        Ok((items, true))
    }

    /// A token for an installation; kept, and made once however many ask.
    pub(crate) async fn token(&self, key: TokenKey) -> Result<SecretString, ApiError> {
        let now_ms = jiff::Timestamp::now().as_millisecond();
        self.inner.tokens.get(key, now_ms, self.mint(key)).await
    }

    async fn mint(&self, key: TokenKey) -> Result<Token, ApiError> {
        let mut body = json!({"permissions": key.access.permissions().iter().copied().collect::<HashMap<_, _>>()});
        if let Some(RepoId(id)) = key.repo {
            body["repository_ids"] = json!([id]);
        }
        let call = Call {
            method: Method::POST,
            path: format!("/app/installations/{}/access_tokens", key.installation),
            body: Some(body),
            priority: Priority::Merge,
        };
        // The call of a token needs no token, yet the compiler sees a circle.
        let answer = Box::pin(self.call(Caller::App, call)).await;
        let answer = answer.map_err(|error| match error {
            // Gone, suspended, or a new permission not accepted: that must not read as "the branch is not there".
            ApiError::NotFound | ApiError::Refused { .. } => {
                tracing::warn!(installation.id = key.installation, %error, "cannot get a token of installation {}", key.installation);
                ApiError::installation_after(PERSON_WAIT_MS)
            }
            ApiError::Retry { .. } | ApiError::Unauthorized | ApiError::Broken(_) => error,
        })?;
        let token: wire::Token = answer.json()?;
        Ok(Token {
            secret: token.token,
            expires_ms: token.expires_at.as_millisecond(),
        })
    }

    async fn bearer(&self, caller: Caller) -> Result<SecretString, ApiError> {
        match caller {
            Caller::App => self.inner.key.statement(jiff::Timestamp::now().as_second()),
            Caller::Installation(key) => self.token(key).await,
        }
    }

    async fn forget(&self, caller: Caller, refused: &SecretString) {
        match caller {
            Caller::App => self.inner.key.forget(),
            Caller::Installation(key) => self.inner.tokens.forget(key, refused).await,
        }
    }

    fn budget(&self, installation: u64) -> Arc<Budget> {
        let mut budgets = self
            .inner
            .budgets
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Budget::new(self.inner.limits.clone(), Instant::now()));
        budgets.entry(installation).or_insert_with(new).clone()
    }

    async fn once(
        &self,
        installation: u64,
        call: &Call,
        bearer: &SecretString,
    ) -> Result<Response, ApiError> {
        let is_read = call.method == Method::GET;
        let kept = match is_read {
            true => self.cache().get(installation, &call.path),
            false => None,
        };
        let started = Instant::now();
        let sent = self.exchange(call, bearer, kept.as_ref().map(|(etag, _)| etag.as_str()));
        let answer = match tokio::time::timeout(self.inner.limits.call_timeout, sent).await {
            Ok(answer) => answer?,
            Err(_) => return Err(unknown(is_read)),
        };
        tracing::debug!(
            http.method = %call.method, http.path = %call.path, http.status = answer.status,
            duration_ms = started.elapsed().as_millis(), "GitHub answered {} to {} {}", answer.status, call.method, call.path
        );
        if answer.status == 304
            && let Some((_, kept)) = kept
        {
            return Ok(kept);
        }
        if let Some(error) = classify(
            answer.status,
            &answer.headers,
            &answer.body,
            jiff::Timestamp::now().as_second(),
        ) {
            let is_server_fault = answer.status >= 500 && error == ApiError::later();
            return Err(if is_server_fault {
                unknown(is_read)
            } else {
                error
            });
        }
        if is_read && answer.status == 200 {
            self.cache().put(installation, &call.path, &answer);
        }
        Ok(answer)
    }

    /// Sends, following redirects that stay within the API.
    async fn exchange(
        &self,
        call: &Call,
        bearer: &SecretString,
        etag: Option<&str>,
    ) -> Result<Response, ApiError> {
        let mut path = call.path.clone();
        for _ in 0..=REDIRECTS_MAX {
            let answer = self.send(call, &path, bearer, etag).await?;
            let is_followed = match answer.status {
                307 | 308 => true,
                301 | 302 => call.method == Method::GET,
                _ => false,
            };
            let location = answer
                .headers
                .get(header::LOCATION)
                .and_then(|value| value.to_str().ok());
            match location {
                Some(location) if is_followed => path = self.within(location)?,
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
            .uri(format!("{}{path}", self.inner.api_url))
            .header(header::AUTHORIZATION, authorization)
            .header(header::USER_AGENT, self.inner.user_agent.clone())
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
            .inner
            .transport
            .send(request)
            .await
            .map_err(|_| unknown(is_read))?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, self.inner.limits.body_bytes_max)
            .collect()
            .await;
        let body = body.map_err(
            |error| match error.is::<http_body_util::LengthLimitError>() {
                true => ApiError::Broken(format!("the answer to `{path}` is too large")),
                false => unknown(is_read),
            },
        )?;
        Ok(Response {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: body.to_bytes(),
        })
    }

    /// The path of an address of the API's own. Errors: [`ApiError::Broken`] for any other, which would get our token.
    fn within(&self, address: &str) -> Result<String, ApiError> {
        match address.strip_prefix(&self.inner.api_url) {
            Some(path) if path.starts_with('/') => Ok(path.to_owned()),
            Some(_) | None => Err(ApiError::Broken(
                "an address leads away from the API".to_owned(),
            )),
        }
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.inner
            .cache
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// No answer: of a read no matter, of a write it may have taken place.
fn unknown(is_read: bool) -> ApiError {
    match is_read {
        true => ApiError::later(),
        false => ApiError::Retry {
            after_ms: Some(UNKNOWN_WAIT_MS),
            scope: crate::github::error::Scope::Request,
        },
    }
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

fn transport(settings: &Settings, limits: &Limits, is_tls: bool) -> anyhow::Result<Octocrab> {
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
