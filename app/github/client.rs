//! The one client: octocrab as transport, our own tokens, budget, ETags and error classes around it.
//!
//! octocrab's retries, token cache and ETag cache stay off: the first repeats a POST, the second makes a token per clone,
//! the third is shared by all installations. Nothing here sleeps or repeats, but for one new token after a 401.

use crate::github::auth::{AppKey, TokenKey, Tokens};
use crate::github::budget::{Budget, Limits};
use crate::github::cache::Cache;
use crate::github::error::{ApiError, classify};
use crate::github::memory::Memory;
use crate::github::place::Place;
use crate::github::transport::Transport;
use crate::github::wire::{self, next_link};
use bowsprit_core::effect::Priority;
use bowsprit_core::name::{Login, Repo};
use http::{HeaderMap, Method};
use hyper::body::Bytes;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::OnceCell;

/// More notes of what was said once are forgotten all at once: it is said again.
const SAID_MAX: usize = 10_000;

/// How to reach GitHub, and as whom.
pub struct Settings {
    /// `https://api.github.com`, or `https://<host>/api/v3`; plain http to this machine only.
    pub api_url: String,
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
    transport: Transport,
    key: AppKey,
    limits: Limits,
    tokens: Tokens,
    cache: Mutex<Cache>,
    budgets: Mutex<HashMap<u64, Arc<Budget>>>,
    app: OnceCell<App>,
    memory: Memory,
    /// What was said once.
    said: Mutex<HashSet<String>>,
}

impl fmt::Debug for GitHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitHub").finish_non_exhaustive()
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
        Ok(GitHub {
            inner: Arc::new(Inner {
                transport: Transport::new(&settings, &limits)?,
                key: AppKey::parse(&settings.app_id, &settings.private_key_pem)?,
                cache: Mutex::new(Cache::new(limits.cache_entries_max, limits.cache_bytes_max)),
                limits,
                tokens: Tokens::default(),
                budgets: Mutex::default(),
                app: OnceCell::new(),
                memory: Memory::default(),
                said: Mutex::default(),
            }),
        })
    }

    /// A repository as an installation sees it.
    pub fn at(&self, installation: u64, repo: Repo) -> Place {
        Place::new(self.clone(), installation, repo)
    }

    /// What need not be asked again.
    pub fn memory(&self) -> &Memory {
        &self.inner.memory
    }

    /// Whether this was not said before; it counts as said from now on.
    pub(crate) fn is_first(&self, what: String) -> bool {
        let mut said = self
            .inner
            .said
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if said.len() >= SAID_MAX {
            said.clear();
        }
        said.insert(what)
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
        let is_read = call.method == Method::GET;
        if installation != 0 {
            budget.pace(is_read, call.priority).await?;
        }
        let _turn = budget.enter().await?;
        if installation != 0 && !is_read {
            budget.spend(call.priority, Instant::now())?;
        }
        let bearer = self.bearer(caller).await?;
        let mut answer = self.once(installation, &call, &bearer).await;
        if matches!(answer, Err(ApiError::Unauthorized)) {
            self.forget(caller, &bearer).await;
            let bearer = self.bearer(caller).await?;
            answer = self.once(installation, &call, &bearer).await;
        }
        answer.inspect_err(|error| {
            // What one installation does not let us do is no limit of the App, in whose name its tokens are made.
            if installation != 0 || !error.is_for_a_person() {
                budget.learn(error, Instant::now());
            }
        })
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
        let first = path;
        let mut items = Vec::new();
        let mut path = path.to_owned();
        let mut before = Bytes::new();
        for number in 1..=self.inner.limits.pages_max {
            let answer = self.call(caller, Call::get(&path)).await?;
            let found = wire::list::<T>(&answer, key)?;
            let next = match next_link(&answer.headers) {
                Some(next) => Some(self.inner.transport.within(&path, &next)?),
                // A server that gives the same page again knows no pages: it has said everything.
                None if answer.body == before => return Ok((items, false)),
                None if is_full(first, &answer.headers, found.len()) => {
                    Some(format!("{first}&page={}", number + 1))
                }
                None => None,
            };
            items.extend(found);
            match next {
                None => return Ok((items, false)),
                Some(next) => (path, before) = (next, answer.body),
            }
        }
        Ok((items, true))
    }

    /// A token for an installation; kept, and made once however many ask.
    pub(crate) async fn token(&self, key: TokenKey) -> Result<SecretString, ApiError> {
        let now_ms = jiff::Timestamp::now().as_millisecond();
        self.inner.tokens.get(key, now_ms, self.mint(key)).await
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
        let etag = kept.as_ref().map(|(etag, _)| etag.as_str());
        let sent = self.inner.transport.exchange(call, bearer, etag);
        let answer = match tokio::time::timeout(self.inner.limits.call_timeout, sent).await {
            Ok(answer) => answer?,
            Err(_) => return Err(self.inner.transport.unknown(is_read)),
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
                self.inner.transport.unknown(is_read)
            } else {
                error
            });
        }
        if is_read && answer.status == 200 {
            self.cache().put(installation, &call.path, &answer);
        }
        Ok(answer)
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.inner
            .cache
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a list may go on though no link says so: as many items came as were asked for, and not a word of pages.
fn is_full(path: &str, headers: &HeaderMap, items: usize) -> bool {
    let asked = path.split(['?', '&']).find_map(|one| {
        let number = one.strip_prefix("per_page=")?;
        number.parse::<usize>().ok()
    });
    !headers.contains_key(http::header::LINK) && asked.is_some_and(|asked| items >= asked)
}
