//! Calls to the bot: one stage's address, its token, and patience while nobody answers.

use bowsprit_core::training::remote::{Begin, Begun, Have, ORDER_BYTES_MAX};
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, timeout};

/// How long the bot may take to accept a connection.
const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// How long it may take to answer, and to send the next piece of what it sends.
const ANSWER_WAIT: Duration = Duration::from_secs(60);
/// First wait before a call is made again; it doubles.
const RETRY_MIN: Duration = Duration::from_millis(500);
/// Longest such wait: the bot may be away for minutes.
const RETRY_MAX: Duration = Duration::from_secs(15);
/// A bot that does not know the token for this long never will: it lost what it knew.
const UNKNOWN_WAIT: Duration = Duration::from_secs(5 * 60);
/// Longest answer that is no file. Units: bytes.
const ANSWER_BYTES_MAX: usize = ORDER_BYTES_MAX;

/// Why a call has no good answer, and never will.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum No {
    /// The stage is over, is another's, or the token opens nothing: this agent ends.
    Dismissed(String),
    /// The next part must begin there.
    At(u64),
    /// What was sent is not taken.
    Refused(String),
    /// Something on our side: the disk, the address.
    Broken(String),
}

impl std::fmt::Display for No {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            No::Dismissed(why) | No::Refused(why) | No::Broken(why) => f.write_str(why),
            No::At(at) => write!(f, "the bot has {at} bytes"),
        }
    }
}

/// The way to one stage at the bot.
#[derive(Clone)]
pub(crate) struct Bot {
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    address: String,
    authorization: String,
    attempt: String,
}

impl Bot {
    /// A way to the stage at `address`. Errors: the certificate cannot be used.
    pub(crate) fn new(
        address: &str,
        token: &str,
        ca_pem: Option<&[u8]>,
        attempt: String,
    ) -> Result<Bot, String> {
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(CONNECT_WAIT));
        tcp.enforce_http(false);
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls(ca_pem)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        Ok(Bot {
            http: Client::builder(TokioExecutor::new()).build(connector),
            address: address.trim_end_matches('/').to_owned(),
            authorization: format!("Bearer {token}"),
            attempt,
        })
    }

    /// Asks for the order.
    pub(crate) async fn begin(&self) -> Result<Begun, No> {
        let begin = Begin {
            attempt: self.attempt.clone(),
        };
        let body = serde_json::to_vec(&begin).map_err(|error| No::Broken(error.to_string()))?;
        let answer = self.call(Method::POST, "begin", "", body.into()).await?;
        serde_json::from_slice(&answer)
            .map_err(|error| No::Broken(format!("the order cannot be read: {error}")))
    }

    /// Fetches a file to `path`, from the start whenever it breaks off.
    pub(crate) async fn fetch(&self, address: &str, path: &Path) -> Result<(), No> {
        // The bot names addresses of its own; anywhere else the token must not go.
        if !address.starts_with(&format!("{}/", self.address)) {
            return Err(No::Broken(format!("`{address}` is not at the bot")));
        }
        let mut patience = Patience::default();
        loop {
            let request = self.request(Method::GET, address, Bytes::new())?;
            let broken = match self.ask(request).await {
                Ok(response) if response.status().is_success() => {
                    match save(response.into_body(), path).await {
                        Ok(()) => return Ok(()),
                        Err(Saving::Disk(error)) => {
                            return Err(No::Broken(format!(
                                "cannot keep what was fetched: {error}"
                            )));
                        }
                        Err(Saving::Bot(error)) => error,
                    }
                }
                Ok(response) => patience.heed(response).await?.1,
                Err(error) => error,
            };
            patience.wait("fetching", &broken).await;
        }
    }

    /// Says what is being done.
    pub(crate) async fn status(&self, text: Vec<u8>) -> Result<(), No> {
        let query = format!("attempt={}", self.attempt);
        let answer = self.call(Method::PUT, "status", &query, text.into()).await;
        answer.map(|_| ())
    }

    /// Sends a part of the log.
    pub(crate) async fn log(&self, offset: u64, part: Bytes) -> Result<u64, No> {
        let query = format!("attempt={}&offset={offset}", self.attempt);
        have(&self.call(Method::POST, "log", &query, part).await?)
    }

    /// Sends a part of an output.
    pub(crate) async fn output(&self, path: &str, offset: u64, part: Bytes) -> Result<u64, No> {
        let query = format!(
            "attempt={}&offset={offset}&path={}",
            self.attempt,
            escaped(path)
        );
        have(&self.call(Method::POST, "outputs", &query, part).await?)
    }

    /// Says how it ended.
    pub(crate) async fn result(&self, text: Vec<u8>) -> Result<(), No> {
        let query = format!("attempt={}", self.attempt);
        let answer = self.call(Method::PUT, "result", &query, text.into()).await;
        answer.map(|_| ())
    }

    /// Makes a call until it has an answer.
    async fn call(
        &self,
        method: Method,
        what: &str,
        query: &str,
        body: Bytes,
    ) -> Result<Bytes, No> {
        let mark = if query.is_empty() { "" } else { "?" };
        let address = format!("{}/{what}{mark}{query}", self.address);
        let mut patience = Patience::default();
        loop {
            let request = self.request(method.clone(), &address, body.clone())?;
            let broken = match self.ask(request).await {
                Ok(response) => match patience.heed(response).await? {
                    (Some(answer), _) => return Ok(answer),
                    (None, broken) => broken,
                },
                Err(error) => error,
            };
            patience.wait(what, &broken).await;
        }
    }

    fn request(
        &self,
        method: Method,
        address: &str,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, No> {
        Request::builder()
            .method(method)
            .uri(address)
            .header(header::AUTHORIZATION, &self.authorization)
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .body(Full::new(body))
            .map_err(|error| No::Broken(format!("`{address}` is no address: {error}")))
    }

    async fn ask(&self, request: Request<Full<Bytes>>) -> Result<http::Response<Incoming>, String> {
        match timeout(ANSWER_WAIT, self.http.request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(match std::error::Error::source(&error) {
                Some(cause) => format!("{error}: {cause}"),
                None => error.to_string(),
            }),
            Err(_) => Err(format!("no answer within {} s", ANSWER_WAIT.as_secs())),
        }
    }
}

/// What waits while the bot is away, or cannot.
#[derive(Default)]
struct Patience {
    tries: u32,
    unknown_since: Option<Instant>,
}

impl Patience {
    /// Reads an answer: the good one, or why it has to be asked again. Errors: there will be no good one.
    async fn heed(
        &mut self,
        response: http::Response<Incoming>,
    ) -> Result<(Option<Bytes>, String), No> {
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
        let body = match timeout(ANSWER_WAIT, body.collect()).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) => return Ok((None, format!("the answer broke off: {error}"))),
            Err(_) => return Ok((None, "the answer broke off".to_owned())),
        };
        if status.is_success() {
            return Ok((Some(body), String::new()));
        }
        let text: String = String::from_utf8_lossy(&body).chars().take(500).collect();
        let told = format!("{status}: {}", text.trim());
        if status != StatusCode::UNAUTHORIZED {
            self.unknown_since = None;
        }
        match status {
            StatusCode::UNAUTHORIZED => {
                let since = *self.unknown_since.get_or_insert_with(Instant::now);
                match since.elapsed() > UNKNOWN_WAIT {
                    true => Err(No::Dismissed(told)),
                    false => Ok((None, told)),
                }
            }
            StatusCode::GONE | StatusCode::CONFLICT => Err(No::Dismissed(told)),
            StatusCode::RANGE_NOT_SATISFIABLE => Err(match have(&body) {
                Ok(at) => No::At(at),
                Err(no) => no,
            }),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Ok((None, told)),
            _ if status.is_client_error() => Err(No::Refused(told)),
            _ => Ok((None, told)),
        }
    }

    async fn wait(&mut self, what: &str, why: &str) {
        let wait = RETRY_MIN
            .saturating_mul(1 << self.tries.min(10))
            .min(RETRY_MAX);
        self.tries += 1;
        eprintln!(
            "the bot cannot be asked ({what}: {why}); again in {} ms",
            wait.as_millis()
        );
        tokio::time::sleep(wait).await;
    }
}

enum Saving {
    Disk(std::io::Error),
    Bot(String),
}

/// Writes a body to a file, whole or not at all.
async fn save(mut body: Incoming, path: &Path) -> Result<(), Saving> {
    let draft = path.with_extension("draft");
    let mut file = File::create(&draft).await.map_err(Saving::Disk)?;
    loop {
        let frame = timeout(ANSWER_WAIT, body.frame())
            .await
            .map_err(|_| Saving::Bot("nothing more came".to_owned()))?;
        let Some(frame) = frame else {
            break;
        };
        let frame = frame.map_err(|error| Saving::Bot(error.to_string()))?;
        if let Ok(bytes) = frame.into_data() {
            file.write_all(&bytes).await.map_err(Saving::Disk)?;
        }
    }
    file.flush().await.map_err(Saving::Disk)?;
    tokio::fs::rename(&draft, path).await.map_err(Saving::Disk)
}

fn have(body: &[u8]) -> Result<u64, No> {
    let have: Have = serde_json::from_slice(body)
        .map_err(|error| No::Broken(format!("an answer cannot be read: {error}")))?;
    Ok(have.bytes)
}

/// A path as a value of a query. Source: RFC 3986, section 2.3.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Trusts what the image trusts, and the certificate of the order.
fn tls(ca_pem: Option<&[u8]>) -> Result<rustls::ClientConfig, String> {
    let mut roots = rustls::RootCertStore::empty();
    // An image without certificates is good enough for a bot inside the cluster.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for certificate in ca_pem
        .iter()
        .flat_map(|pem| CertificateDer::pem_slice_iter(pem))
    {
        let certificate =
            certificate.map_err(|error| format!("the order's certificate is broken: {error}"))?;
        roots
            .add(certificate)
            .map_err(|error| format!("the order's certificate cannot be used: {error}"))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be used: {error}"))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_value() {
        assert_eq!(escaped("plots/a b&c=é.svg"), "plots/a%20b%26c%3D%C3%A9.svg");
    }

    #[tokio::test]
    async fn the_token_goes_nowhere_else() {
        let bot = Bot::new("http://bot/agent/v1/stages/a", "t", None, "p".to_owned()).unwrap();
        for address in ["http://evil/x", "http://bot/agent/v1/stages/ab/x"] {
            let fetched = bot.fetch(address, Path::new("/nowhere")).await;
            assert!(matches!(fetched, Err(No::Broken(_))), "{fetched:?}");
        }
    }
}
