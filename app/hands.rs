//! Starting our own executable as an agent or gateway, and what both are given: a snapshot and models.
//!
//! A process started here outlives this one, sees none of our secrets, and talks to us through its directory alone.

use crate::artifacts::Artifacts;
use crate::files;
use anyhow::Context as _;
use bowsprit_core::artifact;
use bowsprit_core::effect::ModelFiles;
use bowsprit_core::training::spec::{ModelInput, Source};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Why a stage or release was not taken.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It can never be: what is wrong, for a person.
    #[error("{0}")]
    Refused(String),
    /// It may be later.
    #[error("{0:#}")]
    Retry(#[from] anyhow::Error),
}

/// Settings of ours that an agent gets, by their beginning: it prepares runtimes from the configured index.
const PASSED_PREFIXES: &[&str] = &[
    "PIP_",
    "UV_",
    "LC_",
    "CARGO_HTTP_",
    "CARGO_NET_",
    "CARGO_REGISTRIES_",
    "CARGO_REGISTRY_",
];
/// Settings of ours that an agent gets, by their whole name.
const PASSED: &[&str] = &[
    "ALL_PROXY",
    "CARGO_HOME",
    "CURL_CA_BUNDLE",
    "HOME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "LANG",
    "NO_PROXY",
    "PATH",
    "PYENV_ROOT",
    "PYENV_VERSION",
    "REQUESTS_CA_BUNDLE",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// How our executable is started as an agent.
#[derive(Debug, Clone)]
pub(crate) struct Hands {
    program: OsString,
    args: Vec<OsString>,
}

impl Hands {
    /// `program` is the executable and what stands before the subcommand. Errors: it is empty.
    pub(crate) fn new(program: Vec<OsString>) -> anyhow::Result<Hands> {
        let mut words = program.into_iter();
        let program = words.next().context("the agent's command is empty")?;
        Ok(Hands {
            program,
            args: words.collect(),
        })
    }

    /// Starts `<program> <verb> --dir <dir>`, detached from this process's terminal and secrets.
    pub(crate) fn start(&self, verb: &str, dir: &Path) -> anyhow::Result<Child> {
        Command::new(&self.program)
            .args(&self.args)
            .arg(verb)
            .arg("--dir")
            .arg(dir)
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_passed)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start `{}`", self.program.display()))
    }
}

fn is_passed(name: &str) -> bool {
    PASSED.contains(&name)
        || PASSED_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

/// Errors: `Refused`, with the first thing that `why` says of these; the snapshot is dropped then.
pub(crate) fn refuse<'a, T: 'a>(
    snapshot: &Source,
    wanted: impl IntoIterator<Item = &'a T>,
    why: fn(&T) -> Option<String>,
) -> Result<(), StartError> {
    match wanted.into_iter().find_map(why) {
        Some(reason) => {
            drop_snapshot(snapshot);
            Err(StartError::Refused(reason))
        }
        None => Ok(()),
    }
}

/// Moves a snapshot to `path`, so that it lives and goes with what uses it.
pub(crate) fn take_snapshot(snapshot: &Source, path: &Path) -> anyhow::Result<Source> {
    let from = Path::new(&snapshot.uri);
    let moved = match std::fs::rename(from, path) {
        Err(error) if error.kind() == ErrorKind::CrossesDevices => {
            std::fs::copy(from, path).and_then(|_| files::remove_file(from))
        }
        moved => moved,
    };
    moved.with_context(|| format!("cannot take snapshot `{}`", snapshot.uri))?;
    Ok(Source {
        uri: text_of(path)?,
        sha256: snapshot.sha256.clone(),
    })
}

/// Removes a snapshot that nobody needs: its stage or release is there already.
pub(crate) fn drop_snapshot(snapshot: &Source) {
    if let Err(error) = files::remove_file(Path::new(&snapshot.uri)) {
        tracing::warn!("cannot remove snapshot `{}`: {error}", snapshot.uri);
    }
}

/// Where each file of each model is. Errors: `Refused` with the model and digest that the store does not hold.
pub(crate) async fn model_inputs(
    artifacts: &Artifacts,
    models: &[ModelFiles],
) -> Result<Vec<ModelInput>, StartError> {
    let mut inputs = Vec::with_capacity(models.len());
    for model in models {
        if artifact::digest(&model.files) != model.digest {
            return Err(StartError::Refused(format!(
                "model `{}`: its list of files does not have the digest {}",
                model.name, model.digest
            )));
        }
        let mut sources = Vec::with_capacity(model.files.len());
        for file in &model.files {
            if !artifacts.has(&file.sha256).await? {
                return Err(StartError::Refused(format!(
                    "model `{}` ({}): the artifact store does not hold its file `{}` ({})",
                    model.name, model.digest, file.path, file.sha256
                )));
            }
            sources.push(Source {
                uri: text_of(&artifacts.path_of(&file.sha256)?)?,
                sha256: file.sha256.clone(),
            });
        }
        inputs.push(ModelInput {
            name: model.name.clone(),
            version: model.version,
            files: model.files.clone(),
            sources,
        });
    }
    Ok(inputs)
}

/// A path as text, for a document. Errors: it is not UTF-8.
pub(crate) fn text_of(path: &Path) -> anyhow::Result<String> {
    path.to_str()
        .map(str::to_owned)
        .with_context(|| format!("`{}` is not UTF-8", path.display()))
}

/// The directory `name` below the state directory, made where missing, as an absolute path.
pub(crate) fn directory(state_dir: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let dir = state_dir.join(name);
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot create `{}`", dir.display()))?;
    dir.canonicalize()
        .with_context(|| format!("cannot find `{}`", dir.display()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::config;
    use std::time::Duration;

    /// A configuration that keeps everything in `state_dir`.
    pub(crate) fn config(state_dir: &Path, slots: usize) -> config::Config {
        config::Config {
            listen: ([127, 0, 0, 1], 0).into(),
            public_url: "http://127.0.0.1".to_owned(),
            open_reading: true,
            state_dir: state_dir.to_owned(),
            github: config::Github {
                api_url: String::new(),
                git_url: String::new(),
                web_url: String::new(),
                app_id: 1,
                private_key: String::new().into(),
                webhook_secrets: Vec::new(),
                ca_file: None,
            },
            runs: config::Runs {
                backend: config::Backend::Local,
                slots,
            },
            releases: config::Releases {
                backend: config::Backend::Local,
                ports: None,
                serving: config::Serving {
                    namespace: None,
                    prefix: "bowsprit".to_owned(),
                    expose: bowsprit_core::serving::objects::Expose::ClusterIp,
                    node_host: None,
                },
                gitops: None,
            },
            cluster: config::Cluster::unused(),
            clusters: std::collections::BTreeMap::new(),
            images: None,
            logs: config::Logs::default(),
            secrets: config::Secrets::new(),
            reconcile_every: Duration::from_secs(300),
            retention: bowsprit_core::retention::Keep {
                runs: None,
                deliveries: None,
                dead_letters: None,
                events: None,
                artifacts_unused: None,
            },
            store_url: String::new(),
            chatops: config::Chatops::default(),
            limits: config::Limits {
                github_unknown_wait: std::time::Duration::from_secs(300),
                bodies_at_once: 1,
                run_disk_bytes: 1 << 30,
                disk_free_percent: 0,
                disk_free_bytes: 0,
                github_writes_per_minute: 70,
                github_writes_per_hour: 450,
            },
        }
    }

    /// Ends every process of a stand-in: it looks whether its script is still there. Waits until none holds a lock.
    pub(crate) fn end(script: &Path, locks: &[PathBuf]) {
        // The test may have failed in any state: what is gone is gone.
        let _ = std::fs::remove_file(script);
        let until = std::time::Instant::now() + Duration::from_secs(5);
        while locks.iter().any(|lock| files::is_locked(lock)) && std::time::Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Writes a script that stands in for our executable, and gives the command that starts it.
    pub(crate) fn script(path: &Path, text: &str) -> Vec<OsString> {
        std::fs::write(path, text).unwrap();
        // Not the script itself: a file that a test just wrote may still be open in a fork of another test.
        ["/bin/sh".into(), path.into()].to_vec()
    }

    #[test]
    fn an_agent_gets_what_installers_need_and_no_secret() {
        for name in [
            "PATH",
            "HOME",
            "PIP_INDEX_URL",
            "UV_CACHE_DIR",
            "SSL_CERT_FILE",
            "https_proxy",
        ] {
            assert!(is_passed(name), "{name}");
        }
        for name in [
            "BOWSPRIT_GITHUB__PRIVATE_KEY_FILE",
            "AWS_SECRET_ACCESS_KEY",
            "GITHUB_TOKEN",
            "LD_PRELOAD",
            "PYTHONPATH",
            "path",
        ] {
            assert!(!is_passed(name), "{name}");
        }
    }
}
