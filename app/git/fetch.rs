//! The system git as a child: a clean environment, a closed list of protocols, a deadline, a cap on what it writes.
//!
//! Source: git 2.39 `git-config`, `git-credential-store`, `git-fetch`.

use crate::group::Group;
use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

/// How often the size of a mirror is looked at while it grows.
const SIZE_EVERY: Duration = Duration::from_millis(500);

/// What is kept of git's own words. Units: bytes.
const WORDS_BYTES_MAX: u64 = 4_096;

/// Faults of old tools that do no harm to whoever reads: who, when, and a mode with a zero before it. What guards against
/// names and trees that mislead stays an error.
///
/// Source: git 2.39 `git-fsck`, "FSCK MESSAGES".
const HARMLESS: [&str; 10] = [
    "badDate",
    "badDateOverflow",
    "badEmail",
    "badName",
    "badTimezone",
    "missingEmail",
    "missingNameBeforeEmail",
    "missingSpaceBeforeDate",
    "missingSpaceBeforeEmail",
    "zeroPaddedFilemode",
];

/// What a pack is called while it is being written, by a fetch and by a repack.
const UNFINISHED: [&str; 2] = ["tmp_", ".tmp-"];

/// The limits of one fetch.
#[derive(Debug, Clone)]
pub struct FetchLimits {
    /// For a whole fetch.
    pub timeout: Duration,
    /// Of a mirror on disk. Units: bytes.
    pub bytes_max: u64,
}

impl Default for FetchLimits {
    fn default() -> FetchLimits {
        FetchLimits {
            timeout: Duration::from_secs(180),
            bytes_max: 4 << 30,
        }
    }
}

/// One fetch.
pub(crate) struct Fetch<'a> {
    pub(crate) git_dir: &'a Path,
    /// `https://host/owner/name.git`, from a checked address and a checked name.
    pub(crate) url: &'a str,
    pub(crate) refspecs: &'a [String],
    /// Whether references that went away go away here too.
    pub(crate) is_mirror: bool,
    pub(crate) ca_file: Option<&'a Path>,
    pub(crate) token: &'a SecretString,
    pub(crate) limits: &'a FetchLimits,
}

/// Fetches. Errors: git's own words, of which none can hold the token; time or size above the limit.
pub(crate) async fn fetch(fetch: &Fetch<'_>) -> anyhow::Result<()> {
    let dir = tempfile::tempdir().context("cannot make a directory for the credentials")?;
    let credentials = dir.path().join("credentials");
    write_credentials(&credentials, fetch.url, fetch.token)?;
    let mut command = git(fetch.git_dir);
    for (key, value) in configuration(fetch, &credentials)? {
        command.arg("-c").arg(format!("{key}={value}"));
    }
    for id in HARMLESS {
        command.arg("-c").arg(format!("fetch.fsck.{id}=ignore"));
    }
    let options = [
        "--quiet",
        "--force",
        "--no-tags",
        "--no-auto-gc",
        "--no-recurse-submodules",
        "--no-write-fetch-head",
    ];
    command.arg("fetch").args(options);
    if fetch.is_mirror {
        command.arg("--prune");
    }
    command.arg("--").arg(fetch.url).args(fetch.refspecs);
    let output = run(command, fetch.git_dir, fetch.limits).await;
    // The directory and the token go away here, whatever git said.
    drop(dir);
    let (is_good, words) = output?;
    anyhow::ensure!(is_good, "git fetch failed: {words}");
    Ok(())
}

/// Merges two commits as GitHub does, without a work tree; `None` where they conflict. Gives git's first line: the tree.
pub(crate) async fn merge_tree(
    git_dir: &Path,
    base: &str,
    head: &str,
    limits: &FetchLimits,
) -> anyhow::Result<Option<String>> {
    let mut command = git(git_dir);
    command.args([
        "merge-tree",
        "--write-tree",
        "--no-messages",
        "--",
        base,
        head,
    ]);
    command.stdout(Stdio::piped()).kill_on_drop(true);
    let output = tokio::time::timeout(limits.timeout, command.output()).await;
    let output = output
        .context("git merge-tree took too long")?
        .context("cannot start git")?;
    match output.status.code() {
        Some(0) => {
            let text = String::from_utf8_lossy(&output.stdout);
            Ok(text.lines().next().map(str::to_owned))
        }
        Some(1) => Ok(None),
        Some(_) | None => anyhow::bail!("git merge-tree failed: {}", words(&output.stderr)),
    }
}

/// What nothing names any more, such as a head before a force push or a merge of the queue, is kept so long.
const UNNAMED_KEPT: &str = "--cruft-expiration=90.days.ago";

/// Packs what many fetches left behind; objects that nothing has named for [`UNNAMED_KEPT`] go.
///
/// Source: git 2.37 `git-repack`, cruft packs.
pub(crate) async fn repack(git_dir: &Path, limits: &FetchLimits) -> anyhow::Result<()> {
    let mut command = git(git_dir);
    command.args(["repack", "--cruft", UNNAMED_KEPT, "-d", "-q"]);
    let (is_good, words) = run(command, git_dir, limits).await?;
    anyhow::ensure!(is_good, "git repack failed: {words}");
    Ok(())
}

/// Removes what killed fetches left of their packs; nobody else may fetch into this mirror meanwhile.
pub(crate) async fn remove_unfinished(git_dir: &Path) -> anyhow::Result<()> {
    let packs = git_dir.join("objects/pack");
    let mut entries = match tokio::fs::read_dir(&packs).await {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot list `{}`", packs.display()));
        }
    };
    while let Some(entry) = entries.next_entry().await? {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if UNFINISHED.iter().any(|start| name.starts_with(start)) {
            let path = entry.path();
            let removed = tokio::fs::remove_file(&path).await;
            removed.with_context(|| format!("cannot remove `{}`", path.display()))?;
        }
    }
    Ok(())
}

fn git(git_dir: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .env_clear()
        .env(
            "PATH",
            std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/bin:/bin")),
        )
        .env("HOME", "/nonexistent")
        .env("LC_ALL", "C")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_ATTR_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_ASKPASS", "/bin/false")
        .env("GIT_LFS_SKIP_SMUDGE", "1")
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env("GIT_DIR", git_dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    command
}

fn configuration(
    fetch: &Fetch<'_>,
    credentials: &Path,
) -> anyhow::Result<Vec<(&'static str, String)>> {
    let path = credentials
        .to_str()
        .context("the temporary directory is not UTF-8")?;
    let is_plain = fetch.url.starts_with("http:");
    let mut all = vec![
        // An empty helper first forgets those configured elsewhere. git gives the line to a shell.
        ("credential.helper", String::new()),
        (
            "credential.helper",
            format!("store --file={}", quoted(path)),
        ),
        ("credential.useHttpPath", "false".to_owned()),
        ("protocol.allow", "never".to_owned()),
        (
            if is_plain {
                "protocol.http.allow"
            } else {
                "protocol.https.allow"
            },
            "always".to_owned(),
        ),
        ("core.hooksPath", "/dev/null".to_owned()),
        ("core.askPass", "/bin/false".to_owned()),
        ("fetch.fsckObjects", "true".to_owned()),
        ("fetch.recurseSubmodules", "false".to_owned()),
        ("gc.auto", "0".to_owned()),
        ("http.lowSpeedLimit", "1000".to_owned()),
        ("http.lowSpeedTime", "30".to_owned()),
    ];
    if let Some(ca_file) = fetch.ca_file {
        let ca_file = ca_file
            .to_str()
            .context("the path of the certificates is not UTF-8")?;
        all.push(("http.sslCAInfo", ca_file.to_owned()));
    }
    Ok(all)
}

fn write_credentials(path: &Path, url: &str, token: &SecretString) -> anyhow::Result<()> {
    let (scheme, rest) = url.split_once("://").context("the address has no scheme")?;
    let host = rest.split('/').next().unwrap_or_default();
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .context("cannot write the credentials")?;
    let secret: String = token.expose_secret().bytes().map(percent).collect();
    writeln!(file, "{scheme}://x-access-token:{secret}@{host}")
        .context("cannot write the credentials")
}

fn percent(byte: u8) -> String {
    match byte.is_ascii_alphanumeric() {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    }
}

/// For a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Runs to the end. Errors: too long, too large, or git cannot be started.
async fn run(
    mut command: Command,
    git_dir: &Path,
    limits: &FetchLimits,
) -> anyhow::Result<(bool, String)> {
    let mut child = command.spawn().context("cannot start git")?;
    // git fetches with children of its own, which an end of git alone would leave behind.
    let group = Group::of(&child);
    let mut stderr = child.stderr.take().context("git has no stderr")?;
    let reader = tokio::spawn(async move {
        let mut kept = Vec::new();
        // What is beyond is read and dropped, or git would wait for a reader.
        let _ = (&mut stderr)
            .take(WORDS_BYTES_MAX)
            .read_to_end(&mut kept)
            .await;
        let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
        kept
    });
    let end = Instant::now() + limits.timeout;
    let status = loop {
        match tokio::time::timeout(SIZE_EVERY, child.wait()).await {
            Ok(status) => break status.context("cannot wait for git")?,
            Err(_) => {
                let why = match Instant::now() > end {
                    true => "git took too long",
                    false if size_of(git_dir.to_owned()).await > limits.bytes_max => {
                        "the mirror is too large"
                    }
                    false => continue,
                };
                drop(group);
                child.kill().await.context("cannot stop git")?;
                anyhow::bail!(why);
            }
        }
    };
    group.has_ended();
    let kept = reader.await.unwrap_or_default();
    Ok((status.success(), words(&kept)))
}

fn words(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let plain: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(500)
        .collect();
    plain.trim().to_owned()
}

/// Bytes of the files below, packs being written included.
async fn size_of(git_dir: PathBuf) -> u64 {
    let walk = move || crate::files::bytes_below(git_dir.join("objects"));
    tokio::task::spawn_blocking(walk).await.unwrap_or(0)
}
