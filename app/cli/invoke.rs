//! `bowsprit invoke`: asks an environment for a prediction and tells status, time and answer.

use super::client::{Client, Refused};
use super::place::Named;
use super::{Remote, out, read_secret};
use anyhow::Context as _;
use clap::Args;
use http::Method;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// Largest body that is sent from a file. Units: bytes.
const DATA_BYTES_MAX: u64 = 64 << 20;

#[derive(Debug, Args)]
pub(super) struct Invoke {
    /// OWNER/REPO/NAME
    environment: Named,
    /// The request's JSON, or @FILE; @- reads standard input
    #[arg(long, value_name = "JSON")]
    data: String,
    /// The path that takes predictions
    #[arg(long, default_value = "/v1/predict")]
    path: String,
    /// A file that holds the environment's key; asked of the server (scope admin) where absent
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

/// Ends with 1 where the answer is no success.
pub(super) async fn run(args: Invoke, remote: &Remote) -> anyhow::Result<ExitCode> {
    let data = data(&args.data)?;
    let found = remote
        .client
        .get(&args.environment.path("environments"))
        .await?;
    let nowhere = || {
        format!(
            "{}/{} has no address yet: nothing was deployed there",
            args.environment.repo, args.environment.name
        )
    };
    let url = found["url"]
        .as_str()
        .with_context(nowhere)?
        .trim_end_matches('/')
        .to_owned();
    let key = match &args.key_file {
        Some(path) => read_secret(path)?,
        None => key(&args.environment, remote).await?,
    };
    let door = Client::new(&url, Some(key.into()))?;
    let began = Instant::now();
    let path = format!("/{}", args.path.trim_start_matches('/'));
    let answer = door.call(Method::POST, &path, Some(&data)).await?;
    let ms = began.elapsed().as_secs_f64() * 1_000.0;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::String(text));
    if remote.is_json {
        out::json(&json!({"status": answer.status.as_u16(), "ms": ms, "body": body}));
    } else {
        out::line(&format!("{} in {ms:.1} ms", answer.status));
        out::json(&body);
    }
    Ok(if answer.status.is_success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The environment's key, which only an admin is told.
async fn key(environment: &Named, remote: &Remote) -> anyhow::Result<String> {
    let keys = remote
        .client
        .get(&format!("{}/keys", environment.path("environments")))
        .await;
    let keys = keys.map_err(|error| match error.downcast_ref::<Refused>() {
        Some(refused) if refused.status == 403 => anyhow::anyhow!(
            "this token may not see the environment's keys: give one with --key-file"
        ),
        Some(_) | None => error,
    })?;
    Ok(keys["primary"].as_str().unwrap_or_default().to_owned())
}

fn data(text: &str) -> anyhow::Result<Value> {
    use std::io::Read as _;
    let text = match text.strip_prefix('@') {
        None => text.to_owned(),
        Some(name) => {
            let mut data = String::new();
            let read = match name {
                "-" => std::io::stdin()
                    .take(DATA_BYTES_MAX)
                    .read_to_string(&mut data),
                name => std::fs::File::open(name)
                    .and_then(|file| file.take(DATA_BYTES_MAX).read_to_string(&mut data)),
            };
            read.with_context(|| format!("cannot read {name}"))?;
            data
        }
    };
    serde_json::from_str(&text)
        .context("--data is not JSON; quote it, or put it in a file and give @FILE")
}
