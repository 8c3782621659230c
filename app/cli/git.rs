//! The system's git in a person's working copies, as that person has set it up.

use crate::group::Group;
use anyhow::{Context as _, bail, ensure};
use secrecy::{ExposeSecret as _, SecretString};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Output, Stdio};
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

/// A person's way into one git server: a file that only this program and its git read, gone when this is dropped.
pub(super) struct Access {
    dir: TempDir,
}

impl Access {
    /// Writes the file. Errors: there is no room for temporary files, or `git_url` is no address.
    pub(super) fn new(git_url: &str, login: &str, token: &SecretString) -> anyhow::Result<Access> {
        let mut url = url::Url::parse(git_url)
            .with_context(|| format!("`{git_url}` is not an address such as https://github.com"))?;
        let set = url.set_username(login).is_ok()
            && url.set_password(Some(token.expose_secret())).is_ok();
        ensure!(set, "`{git_url}` takes no login; use an https address");
        url.set_path("");
        let dir = TempDir::new().context("cannot make a temporary folder")?;
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(dir.path().join("credentials"))
            .context("cannot write the credentials")?;
        writeln!(file, "{}", url.as_str().trim_end_matches('/'))
            .context("cannot write the credentials")?;
        Ok(Access { dir })
    }

    /// Configuration by environment: it names the file alone, and nobody else's helper keeps the token.
    fn env(&self) -> Vec<(String, String)> {
        let file = self.dir.path().join("credentials");
        let helper = format!("store --file='{}'", file.display());
        [
            ("credential.helper", String::new()),
            ("credential.helper", helper),
        ]
        .into_iter()
        .enumerate()
        .flat_map(|(at, (key, value))| {
            [
                (format!("GIT_CONFIG_KEY_{at}"), key.to_owned()),
                (format!("GIT_CONFIG_VALUE_{at}"), value),
            ]
        })
        .chain([("GIT_CONFIG_COUNT".to_owned(), "2".to_owned())])
        .collect()
    }
}

/// What would have git work on another repository than that of its folder, as where this program is called by a hook.
///
/// Source: `git rev-parse --local-env-vars`, git 2.39, without what is configuration.
const ELSEWHERE: [&str; 12] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

/// git in `dir`, that asks nobody and says its words in English.
fn command(dir: &Path, words: &[&str]) -> Command {
    let mut command = Command::new("git");
    for name in ELSEWHERE {
        command.env_remove(name);
    }
    command
        .args(words)
        .current_dir(dir)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// Runs git in `dir` and gives what it printed. Errors: it is missing or failed, with its last words.
pub(super) async fn git(
    dir: &Path,
    words: &[&str],
    access: Option<&Access>,
) -> anyhow::Result<String> {
    let output = command(dir, words)
        .envs(access.map(Access::env).unwrap_or_default())
        .output()
        .await
        .context("cannot run git; is it installed?")?;
    said(&output, words)
}

/// As [`git`], and dropping it ends what git has started, too; so does a person who asks for the end.
pub(super) async fn git_whole(dir: &Path, words: &[&str]) -> anyhow::Result<String> {
    let child = command(dir, words)
        .process_group(0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run git; is it installed?")?;
    let group = Group::of(&child);
    tokio::select! {
        output = child.wait_with_output() => {
            group.has_ended();
            said(&output.context("cannot wait for git")?, words)
        }
        () = super::server::interrupted() => bail!("git {} was ended", verb(words)),
    }
}

fn said(output: &Output, words: &[&str]) -> anyhow::Result<String> {
    if !output.status.success() {
        bail!(
            "git {} failed: {}",
            verb(words),
            bowsprit_core::text::clean_line(String::from_utf8_lossy(&output.stderr).trim())
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// What git is asked for, its own options apart.
fn verb<'w>(words: &[&'w str]) -> &'w str {
    let verb = words.iter().find(|word| !word.starts_with('-'));
    verb.copied().unwrap_or_default()
}

/// Runs git in `dir` and gives the bytes that it printed. Errors: as of [`git`], or they are more than `max`.
pub(super) async fn git_bytes(dir: &Path, words: &[&str], max: u64) -> anyhow::Result<Vec<u8>> {
    let mut child = command(dir, words)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot run git; is it installed?")?;
    let mut bytes = Vec::new();
    if let Some(out) = child.stdout.take() {
        out.take(max.saturating_add(1))
            .read_to_end(&mut bytes)
            .await
            .context("cannot read what git says")?;
    }
    let shown = verb(words);
    // A git that has more to say is ended as `child` is dropped.
    ensure!(
        bytes.len() as u64 <= max,
        "git {shown} says more than {max} bytes"
    );
    let ended = child.wait().await.context("cannot run git")?;
    ensure!(ended.success(), "git {shown} failed");
    Ok(bytes)
}

/// Commits everything in `dir`; `login` stands for a person whose git knows no name. Errors: git failed.
pub(super) async fn commit_all(dir: &Path, login: &str, message: &str) -> anyhow::Result<()> {
    git(dir, &["add", "-A"], None).await?;
    let name = format!("user.name={login}");
    let email = format!("user.email={login}@users.noreply.github.com");
    let mut words = Vec::new();
    if git(dir, &["config", "user.email"], None).await.is_err() {
        words.extend(["-c", name.as_str(), "-c", email.as_str()]);
    }
    words.extend(["commit", "-q", "-m", message]);
    git(dir, &words, None).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[tokio::test]
    async fn dropping_it_ends_all_that_git_has_started() {
        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().join("pid");
        let alias = format!(
            "alias.long=!sh -c 'echo $$ >{0}.new; mv {0}.new {0}; sleep 600'",
            mark.display()
        );
        let words = ["-c", &alias, "long"];
        let mut running = Box::pin(git_whole(dir.path(), &words));
        let begun = async {
            loop {
                if let Ok(pid) = std::fs::read_to_string(&mark) {
                    return pid;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let pid = tokio::select! {
            ended = &mut running => panic!("{ended:?}"),
            pid = begun => pid,
        };
        drop(running);
        // Who has no parent left may stay as a name until somebody asks for its end.
        let is_there = || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
            stat.is_ok_and(|stat| !stat.contains(") Z "))
        };
        let until = Instant::now() + Duration::from_secs(10);
        while is_there() && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(!is_there(), "{pid} goes on");
    }
}
