//! Builds that this bot began: their context, and who may fetch it.
//!
//! A directory each, named by the key. The one-run token itself is kept nowhere; its digest is, and it opens one context.

use super::context::{self, Parts};
use anyhow::Context as _;
use bowsprit_core::name::Digest;
use bowsprit_core::training::spec::Source;
use ring::rand::{SecureRandom as _, SystemRandom};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Random part of a token. Units: bytes.
const TOKEN_BYTES: usize = 32;
/// The context's file.
const CONTEXT: &str = "context.tar";
/// A context that nobody asked about goes after this.
const KEPT_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Largest list of token digests. Units: bytes.
const TOKENS_BYTES_MAX: u64 = 16 << 10;

/// The directory of all builds.
#[derive(Debug, Clone)]
pub(super) struct Desk {
    dir: PathBuf,
}

impl Desk {
    /// Opens `builds/` of the state directory and removes what is old or was never finished.
    pub(super) fn open(state_dir: &Path) -> anyhow::Result<Desk> {
        let dir = state_dir.join("builds");
        fs::create_dir_all(&dir).with_context(|| format!("cannot create `{}`", dir.display()))?;
        let desk = Desk { dir };
        for path in desk.builds()? {
            if !path.join(CONTEXT).is_file() {
                clear(&path)?;
            }
        }
        desk.sweep(SystemTime::now())?;
        Ok(desk)
    }

    /// Lays the context of a build out; where it lies and what it hashes to.
    pub(super) fn lay_out(&self, key: &Digest, parts: &Parts) -> anyhow::Result<Source> {
        let dir = self.dir.join(key.hex());
        fs::create_dir_all(&dir).with_context(|| format!("cannot create `{}`", dir.display()))?;
        let (fresh, path) = (dir.join("context.new"), dir.join(CONTEXT));
        let sha256 = context::write(parts, &fresh)?;
        fs::rename(&fresh, &path).context("cannot put the build's context in place")?;
        Ok(Source {
            uri: path.display().to_string(),
            sha256,
        })
    }

    /// Whether this bot laid the context of this build out.
    pub(super) fn has(&self, key: &Digest) -> bool {
        self.dir.join(key.hex()).join(CONTEXT).is_file()
    }

    /// A token that opens this context from now on.
    pub(super) fn new_token(&self, key: &Digest) -> anyhow::Result<String> {
        let mut bytes = [0_u8; TOKEN_BYTES];
        SystemRandom::new()
            .fill(&mut bytes)
            .map_err(|_| anyhow::anyhow!("cannot get random bytes from the system"))?;
        let token = format!("bwi_{}", hex::encode(bytes));
        let path = self.dir.join(key.hex()).join("tokens");
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("cannot write `{}`", path.display()))?;
        writeln!(file, "{}", Digest::of(token.as_bytes()))?;
        Ok(token)
    }

    /// The context of a build, for who has its token. `key` and `token` come from outside.
    pub(super) fn context(&self, key: &str, token: &str) -> anyhow::Result<Option<File>> {
        // A key that is none leads nowhere, least of all out of the directory.
        let Ok(key) = Digest::parse(&format!("sha256:{key}")) else {
            return Ok(None);
        };
        let dir = self.dir.join(key.hex());
        let Some(known) = crate::files::read_bytes(&dir.join("tokens"), TOKENS_BYTES_MAX)? else {
            return Ok(None);
        };
        // Digests are compared, so that the time it takes tells nothing of a token.
        let shown = Digest::of(token.as_bytes());
        let mut lines = known.split(|b| *b == b'\n');
        if !lines.any(|line| line == shown.as_str().as_bytes()) {
            return Ok(None);
        }
        match File::open(dir.join(CONTEXT)) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).context("cannot open the build's context"),
        }
    }

    /// Forgets a build.
    pub(super) fn remove(&self, key: &Digest) -> anyhow::Result<()> {
        crate::files::remove_tree(&self.dir.join(key.hex()))
            .context("cannot clear the build's context")
    }

    /// Notes that somebody wants this build yet. One of another bot is none of ours.
    pub(super) fn want(&self, key: &Digest) -> anyhow::Result<()> {
        let path = self.dir.join(key.hex()).join(CONTEXT);
        let file = match OpenOptions::new().append(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error).context("cannot open the build's context"),
        };
        file.set_modified(SystemTime::now())
            .context("cannot note that a build is wanted")
    }

    /// Removes what nobody has asked about for long.
    pub(super) fn sweep(&self, now: SystemTime) -> anyhow::Result<()> {
        for path in self.builds()? {
            let context = fs::metadata(path.join(CONTEXT));
            let about = context.or_else(|_| fs::metadata(&path));
            let asked = about.and_then(|about| about.modified()).ok();
            let age = asked.and_then(|at| now.duration_since(at).ok());
            if age.is_some_and(|age| age > KEPT_MAX) {
                clear(&path)?;
            }
        }
        Ok(())
    }

    fn builds(&self) -> anyhow::Result<Vec<PathBuf>> {
        let entries = fs::read_dir(&self.dir).context("cannot read the builds")?;
        let paths: std::io::Result<Vec<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
        paths.context("cannot read the builds")
    }
}

fn clear(path: &Path) -> anyhow::Result<()> {
    crate::files::remove_tree(path).with_context(|| format!("cannot clear `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bowsprit_core::image::containerfile::Texts;

    fn parts() -> Parts {
        Parts {
            texts: Texts {
                image: "FROM x\n".to_owned(),
                test: None,
            },
            first: None,
            lock: None,
            code: None,
            models: Vec::new(),
        }
    }

    #[test]
    fn a_token_opens_its_own_context_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let desk = Desk::open(dir.path()).unwrap();
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        desk.lay_out(&one, &parts()).unwrap();
        desk.lay_out(&two, &parts()).unwrap();
        let (token, again) = (desk.new_token(&one).unwrap(), desk.new_token(&one).unwrap());
        let other = desk.new_token(&two).unwrap();
        let opens = |key: &str, token: &str| desk.context(key, token).unwrap().is_some();
        assert!(opens(one.hex(), &token) && opens(one.hex(), &again));
        let digest = Digest::of(token.as_bytes());
        for wrong in ["", "bwi_", other.as_str(), digest.as_str()] {
            assert!(!opens(one.hex(), wrong), "{wrong}");
        }
        for wrong in ["", "..", "../x", two.hex(), one.as_str()] {
            assert!(!opens(wrong, &token), "{wrong}");
        }
        let text = fs::read_to_string(dir.path().join("builds").join(one.hex()).join("tokens"));
        assert!(!text.unwrap().contains(&token));
        desk.remove(&one).unwrap();
        assert!(!opens(one.hex(), &token) && !desk.has(&one) && desk.has(&two));
    }

    #[test]
    fn what_was_never_finished_is_gone_at_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let desk = Desk::open(dir.path()).unwrap();
        let (whole, half) = (Digest::of(b"1"), Digest::of(b"2"));
        desk.lay_out(&whole, &parts()).unwrap();
        fs::create_dir(dir.path().join("builds").join(half.hex())).unwrap();
        let desk = Desk::open(dir.path()).unwrap();
        assert!(desk.has(&whole));
        assert!(!dir.path().join("builds").join(half.hex()).exists());
    }
    #[test]
    fn what_nobody_asks_about_any_more_goes() {
        let dir = tempfile::tempdir().unwrap();
        let desk = Desk::open(dir.path()).unwrap();
        let (wanted, left, other) = (Digest::of(b"1"), Digest::of(b"2"), Digest::of(b"3"));
        let builds = dir.path().join("builds");
        for key in [&wanted, &left] {
            desk.lay_out(key, &parts()).unwrap();
            let context = builds.join(key.hex()).join(CONTEXT);
            let file = OpenOptions::new().append(true).open(context).unwrap();
            file.set_modified(SystemTime::now() - KEPT_MAX).unwrap();
        }
        desk.want(&wanted).unwrap();
        desk.want(&other).unwrap();
        // One that is being laid out has no context yet.
        fs::create_dir(builds.join(other.hex())).unwrap();
        desk.sweep(SystemTime::now() + Duration::from_secs(1))
            .unwrap();
        assert!(desk.has(&wanted) && !desk.has(&left));
        assert!(!builds.join(left.hex()).exists());
        assert!(builds.join(other.hex()).exists());
        desk.sweep(SystemTime::now() + 2 * KEPT_MAX).unwrap();
        assert!(!desk.has(&wanted) && !builds.join(other.hex()).exists());
    }
}
