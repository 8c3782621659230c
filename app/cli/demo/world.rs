//! What a demo keeps between starts: ports, people, secrets, all in one folder.

use anyhow::Context as _;
use bowsprit_core::name::Digest;
use bowsprit_hub::{AppConfig, InstallationConfig, PersonConfig, WebhookConfig};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use crate::cli::tour::Brief;
use crate::store::{Scope, Store};

/// The people of the demo, and what they are.
pub(super) const PEOPLE: [(&str, &str); 4] = [
    ("ada", "owns both repositories"),
    ("grace", "reviews"),
    ("linus", "trains models"),
    ("rita", "releases: approves promotions"),
];

const APP_ID: u64 = 1;
const INSTALLATION: u64 = 1;

/// A demo's folder and what is written in it.
pub(super) struct World {
    pub(super) dir: PathBuf,
    ports: Ports,
    kept: Kept,
}

/// Where both servers listen; the same at every start.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Ports {
    hub: u16,
    bot: u16,
}

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    ports: Ports,
    admin_token: String,
    webhook_secret: String,
    people: BTreeMap<String, String>,
    private_pem: String,
    public_pem: String,
    bot_token: String,
}

/// This program, as agents and gateways start it.
pub(in crate::cli) fn own_program() -> anyhow::Result<Vec<OsString>> {
    Ok(vec![
        std::env::current_exe()
            .context("cannot tell where this program is")?
            .into(),
        "agent".into(),
    ])
}

fn secret() -> String {
    format!(
        "{}{}",
        uuid::Uuid::new_v4().simple(),
        uuid::Uuid::new_v4().simple()
    )
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

impl World {
    /// The folder of a demo, made at the first start. Errors: it cannot be written.
    pub(super) fn open(state: Option<&Path>, port: Option<u16>) -> anyhow::Result<World> {
        let dir = crate::cli::state_dir(state, "demo")?;
        make_private(&dir)?;
        let file = dir.join("demo.json");
        let mut kept: Kept = match std::fs::read_to_string(&file) {
            Ok(text) => serde_json::from_str(&text)
                .with_context(|| format!("cannot understand {}", file.display()))?,
            Err(_) => {
                let key = bowsprit_hub::key::generate()?;
                Kept {
                    ports: Ports {
                        hub: free_port()?,
                        bot: free_port()?,
                    },
                    admin_token: secret(),
                    webhook_secret: secret(),
                    people: PEOPLE
                        .iter()
                        .map(|(login, _)| {
                            (
                                (*login).to_owned(),
                                format!("{login}-{}", uuid::Uuid::new_v4().simple()),
                            )
                        })
                        .collect(),
                    private_pem: key.private_pem,
                    public_pem: key.public_pem,
                    bot_token: format!("bsp_{}", secret()),
                }
            }
        };
        if let Some(port) = port {
            kept.ports.hub = port;
        }
        write_private(&file, &serde_json::to_string_pretty(&kept)?)?;
        Ok(World {
            dir,
            ports: kept.ports,
            kept,
        })
    }

    /// Where the bot listens.
    pub(super) fn bot_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports.bot).into()
    }

    /// Where the hub is found once it runs.
    pub(super) fn hub_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.hub)
    }

    /// A person's token at the hub.
    fn token(&self, login: &str) -> &str {
        self.kept.people.get(login).map_or("", String::as_str)
    }

    /// How the GitHub-compatible server is told about people and the App.
    pub(super) fn hub_config(&self) -> bowsprit_hub::Config {
        let mut config =
            bowsprit_hub::Config::new(self.dir.join("hub"), self.kept.admin_token.clone());
        config.port = self.ports.hub;
        config.people = PEOPLE
            .iter()
            .map(|(login, _)| PersonConfig {
                login: (*login).to_owned(),
                id: None,
                name: None,
                token: self.token(login).to_owned(),
            })
            .collect();
        config.app = Some(AppConfig {
            id: APP_ID,
            client_id: None,
            slug: "bowsprit".to_owned(),
            name: Some("Bowsprit".to_owned()),
            owner: Some("ada".to_owned()),
            public_key: self.kept.public_pem.clone(),
            permissions: BTreeMap::new(),
            events: Vec::new(),
        });
        config.installations = vec![InstallationConfig {
            id: Some(INSTALLATION),
            account: "ada".to_owned(),
            repositories: Vec::new(),
            permissions: BTreeMap::new(),
        }];
        config.webhook = Some(WebhookConfig {
            url: format!("http://127.0.0.1:{}/webhook", self.ports.bot),
            secret: Some(self.kept.webhook_secret.clone()),
        });
        config
    }

    /// Writes the same for `bowsprit hub`.
    pub(super) fn write_hub_config(&self) -> anyhow::Result<PathBuf> {
        let file = self.dir.join("hub.json");
        write_private(&file, &serde_json::to_string_pretty(&self.hub_config())?)?;
        Ok(file)
    }

    /// Writes the bot's configuration as a person would.
    pub(super) fn write_config(&self, hub: &str) -> anyhow::Result<PathBuf> {
        let bot = self.bot_address();
        let (key, secret) = (self.dir.join("app.pem"), self.dir.join("webhook-secret"));
        write_private(&key, &self.kept.private_pem)?;
        write_private(&secret, &self.kept.webhook_secret)?;
        let text = format!(
            "listen = \"{bot}\"\npublic_url = \"http://{bot}\"\nstate_dir = {:?}\n\n[github]\napi_url = \"{hub}\"\ngit_url = \"{hub}\"\napp_id = {APP_ID}\nprivate_key_file = {:?}\nwebhook_secret_files = [{:?}]\n\n[front]\nopen_reading = true\n\n[limits]\n# The stand-in has no limit of its own.\ngithub_writes_per_minute = 100000\ngithub_writes_per_hour = 1000000\n",
            self.dir.join("bot"),
            key,
            secret,
        );
        let file = self.dir.join("bowsprit.toml");
        write_private(&file, &text)?;
        Ok(file)
    }

    /// Makes the token of the brief known to the bot, which keeps its hash.
    pub(super) async fn put_token(&self, store: &Store) -> anyhow::Result<()> {
        store
            .put_token(
                "demo",
                &Digest::of(self.kept.bot_token.as_bytes()),
                Scope::Admin,
            )
            .await
    }

    /// What a tour is given: addresses and tokens.
    pub(super) fn brief(&self, hub: &str) -> Brief {
        Brief {
            hub: hub.to_owned(),
            bot: format!("http://{}", self.bot_address()),
            bot_token: self.kept.bot_token.clone(),
            owner: "ada".to_owned(),
            people: self.kept.people.clone(),
        }
    }

    /// Writes what a shell sets so that it is the owner of this demo: for the client verbs, for git at the hub alone,
    /// and with the tokens of the others, such as `GRACE_TOKEN`.
    pub(super) fn write_env(&self, brief: &Brief) -> anyhow::Result<PathBuf> {
        let file = self.dir.join("demo.env");
        let Brief {
            hub,
            bot,
            bot_token,
            owner,
            ..
        } = brief;
        let token = brief.token(owner);
        let credentials = self.dir.join("git-credentials");
        let host = hub.trim_start_matches("http://");
        write_private(&credentials, &format!("http://{owner}:{token}@{host}\n"))?;
        let helper = format!("store --file={}", quoted(&credentials.to_string_lossy()));
        let mut text = format!(
            "BOWSPRIT_GITHUB__API_URL={hub}\nBOWSPRIT_GITHUB__GIT_URL={hub}\nGITHUB_TOKEN={token}\nBOWSPRIT_SERVER={bot}\nBOWSPRIT_TOKEN={bot_token}\n"
        );
        for who in ["AUTHOR", "COMMITTER"] {
            text.push_str(&format!(
                "GIT_{who}_NAME={owner}\nGIT_{who}_EMAIL={owner}@users.noreply.github.com\n"
            ));
        }
        // An empty helper first: no helper of the person's own keeps a token of the demo.
        text.push_str(&format!(
            "GIT_CONFIG_COUNT=2\nGIT_CONFIG_KEY_0=credential.{hub}.helper\nGIT_CONFIG_VALUE_0=\nGIT_CONFIG_KEY_1=credential.{hub}.helper\nGIT_CONFIG_VALUE_1={}\n",
            quoted(&helper)
        ));
        for login in brief.people.keys() {
            let (name, token) = (login.to_uppercase(), brief.token(login));
            text.push_str(&format!("{name}_TOKEN={token}\n"));
        }
        write_private(&file, &text)?;
        Ok(file)
    }

    /// Writes a brief down for `bowsprit tour`.
    pub(super) fn write_brief(&self, brief: &Brief) -> anyhow::Result<PathBuf> {
        let file = self.dir.join("brief.json");
        write_private(&file, &serde_json::to_string_pretty(brief)?)?;
        Ok(file)
    }
}

/// A text as one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn make_private(dir: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("cannot create {}", dir.display()))
}

fn write_private(file: &Path, text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut opened = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file)?;
    opened
        .write_all(text.as_bytes())
        .with_context(|| format!("cannot write {}", file.display()))
}
