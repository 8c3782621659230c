//! Fetching a release from the bot: the order, then every file that it names, each checked against its digest.
//!
//! What is there already is not fetched again, so that a container that starts anew in its pod needs nobody.

use anyhow::{Context as _, bail, ensure};
use bowsprit_core::name::Digest;
use bowsprit_core::serving::spec::ServeSpec;
use bowsprit_core::training::spec::Source;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, HOST, HeaderValue};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use sha2::Digest as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// Largest order. Units: bytes.
const ORDER_BYTES_MAX: usize = 64 << 20;
/// A bot that does not begin to answer within this time is tried again.
const ANSWER_WAIT: Duration = Duration::from_secs(30);
/// A bot that sends nothing for this long is tried again.
const STALL_WAIT: Duration = Duration::from_secs(60);
/// Tries for each file.
const TRIES: u32 = 5;
/// Before the second try; twice as long before each further one.
const PAUSE_FIRST: Duration = Duration::from_millis(500);

/// Where a release is fetched from, and by what right.
pub(super) struct Shelf<'a> {
    /// The address of the order; files lie below it.
    pub(super) order: &'a str,
    /// The token.
    pub(super) token: &'a str,
    /// Where files are kept, by digest.
    pub(super) dir: PathBuf,
}

impl Shelf<'_> {
    /// The order with every file of its release fetched. Errors: what could not be had; it may be had later.
    pub(super) async fn order(&self) -> anyhow::Result<ServeSpec> {
        std::fs::create_dir_all(&self.dir).context("cannot make the directory of fetched files")?;
        let bytes = self
            .patiently(|| self.document())
            .await
            .context("cannot fetch the order")?;
        let mut order: ServeSpec =
            serde_json::from_slice(&bytes).context("the order is not one that this agent reads")?;
        if let Some(server) = &mut order.server {
            self.take(&mut server.snapshot)
                .await
                .context("cannot fetch the snapshot")?;
            for model in &mut server.models {
                for source in &mut model.sources {
                    let taken = self.take(source).await;
                    taken.with_context(|| format!("cannot fetch model `{}`", model.name))?;
                }
            }
        }
        Ok(order)
    }

    async fn document(&self) -> anyhow::Result<Bytes> {
        let body = self.get(self.order).await?.into_body();
        let limited = http_body_util::Limited::new(body, ORDER_BYTES_MAX);
        let collected = tokio::time::timeout(STALL_WAIT, limited.collect()).await;
        let collected = collected.context("the bot stopped sending")?;
        Ok(collected
            .map_err(|error| anyhow::anyhow!("{error}"))?
            .to_bytes())
    }

    /// Fetches a file and points the source to it.
    async fn take(&self, source: &mut Source) -> anyhow::Result<()> {
        let path = self.dir.join(source.sha256.hex());
        if !path.exists() {
            let address = format!("{}/files/{}", self.order, source.sha256.hex());
            self.patiently(|| self.file(&address, &source.sha256, &path))
                .await?;
        }
        source.uri = path.display().to_string();
        Ok(())
    }

    async fn file(&self, address: &str, wanted: &Digest, path: &Path) -> anyhow::Result<()> {
        let mut body = self.get(address).await?.into_body();
        let draft = path.with_extension("part");
        let mut file = tokio::fs::File::create(&draft)
            .await
            .context("cannot write a file")?;
        let mut hash = sha2::Sha256::new();
        loop {
            let frame = tokio::time::timeout(STALL_WAIT, body.frame()).await;
            let Some(frame) = frame.context("the bot stopped sending")? else {
                break;
            };
            if let Ok(bytes) = frame.context("the bot broke off")?.into_data() {
                hash.update(&bytes);
                file.write_all(&bytes)
                    .await
                    .context("cannot write a file")?;
            }
        }
        file.flush().await.context("cannot write a file")?;
        let found = hex::encode(hash.finalize());
        ensure!(
            found == wanted.hex(),
            "it has the digest sha256:{found} instead of {wanted}"
        );
        std::fs::rename(&draft, path).context("cannot keep a file")
    }

    async fn get(&self, address: &str) -> anyhow::Result<Response<Incoming>> {
        let uri: Uri = address.parse().context("the address of the bot is none")?;
        let Some(host) = uri.host().filter(|_| uri.scheme_str() == Some("http")) else {
            bail!("`{address}` is not an `http://` address");
        };
        let port = uri.port_u16().unwrap_or(80);
        let asked = async {
            let stream = TcpStream::connect((host, port))
                .await
                .context("cannot reach the bot")?;
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            // It ends with its one answer; a break is seen by whoever reads that.
            tokio::spawn(connection);
            let mut key = HeaderValue::from_str(&format!("Bearer {}", self.token))
                .context("the token is no token")?;
            key.set_sensitive(true);
            let path = uri.path_and_query().map_or("/", |path| path.as_str());
            let request = Request::get(path)
                .header(HOST, format!("{host}:{port}"))
                .header(AUTHORIZATION, key)
                .body(Empty::<Bytes>::new())?;
            Ok::<_, anyhow::Error>(sender.send_request(request).await?)
        };
        let answer = tokio::time::timeout(ANSWER_WAIT, asked).await;
        let answer = answer.context("the bot does not answer")??;
        ensure!(
            answer.status() == StatusCode::OK,
            "the bot answers {}",
            answer.status()
        );
        Ok(answer)
    }

    async fn patiently<T, F>(&self, attempt: impl Fn() -> F) -> anyhow::Result<T>
    where
        F: Future<Output = anyhow::Result<T>>,
    {
        let mut pause = PAUSE_FIRST;
        for _ in 1..TRIES {
            if let Ok(done) = attempt().await {
                return Ok(done);
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        attempt().await
    }
}
