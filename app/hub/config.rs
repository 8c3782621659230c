//! What the server is told at start: address, people, organisations, the App and its webhook.
//!
//! Everything here may also be created later through the admin API, since the address of the
//! webhook's receiver is often not known at start.  Seeding is idempotent: a restart with the
//! same file changes nothing.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

/// Settings of one server.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address to listen on; loopback unless told otherwise.
    #[serde(default = "loopback")]
    pub address: IpAddr,
    /// Port to listen on; 0 takes a free one.
    #[serde(default)]
    pub port: u16,
    /// Base address shown in answers, when it differs from the one listened on.
    #[serde(default)]
    pub public_url: Option<String>,
    /// Directory for repositories and state; created when missing.
    pub state_dir: PathBuf,
    /// Bearer token of the admin API.
    pub admin_token: String,
    /// Calls an authenticated client may make in an hour.
    #[serde(default = "rate_limit")]
    pub rate_limit_per_hour: u32,
    /// Calls an anonymous client may make in an hour.
    #[serde(default = "rate_limit_anonymous")]
    pub rate_limit_anonymous_per_hour: u32,
    /// People who exist at start.
    #[serde(default)]
    pub people: Vec<PersonConfig>,
    /// Organisations that exist at start.
    #[serde(default)]
    pub orgs: Vec<OrgConfig>,
    /// The App, when it is known at start.
    #[serde(default)]
    pub app: Option<AppConfig>,
    /// Where the App's events go, when it is known at start.
    #[serde(default)]
    pub webhook: Option<WebhookConfig>,
    /// Installations of the App.
    #[serde(default)]
    pub installations: Vec<InstallationConfig>,
    /// File that gets every call with its answer and every delivery, a JSON object a line; for tests only, since it holds tokens.
    #[serde(default)]
    pub record: Option<PathBuf>,
}

impl Config {
    /// Settings with defaults for everything but the directory and the admin token.
    pub fn new(state_dir: impl Into<PathBuf>, admin_token: impl Into<String>) -> Self {
        Self {
            address: loopback(),
            port: 0,
            public_url: None,
            state_dir: state_dir.into(),
            admin_token: admin_token.into(),
            rate_limit_per_hour: rate_limit(),
            rate_limit_anonymous_per_hour: rate_limit_anonymous(),
            people: Vec::new(),
            orgs: Vec::new(),
            app: None,
            webhook: None,
            installations: Vec::new(),
            record: None,
        }
    }
}

/// One person with one personal access token.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonConfig {
    /// Login name.
    pub login: String,
    /// Account id; taken from a counter when absent.
    #[serde(default)]
    pub id: Option<u64>,
    /// Display name.
    #[serde(default)]
    pub name: Option<String>,
    /// Personal access token.
    pub token: String,
}

/// One organisation.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrgConfig {
    /// Login name.
    pub login: String,
    /// Account id; taken from a counter when absent.
    #[serde(default)]
    pub id: Option<u64>,
    /// Members by login, each `admin` (owner of the organisation) or `member`.
    #[serde(default)]
    pub members: BTreeMap<String, String>,
    /// Logins of each team, by the team's name in addresses.
    #[serde(default)]
    pub teams: BTreeMap<String, Vec<String>>,
}

/// The App that acts through installations.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppConfig {
    /// App id, the usual `iss` of its JWTs.
    pub id: u64,
    /// Client id, the other accepted `iss`.
    #[serde(default)]
    pub client_id: Option<String>,
    /// Short name; its bot account is `<slug>[bot]`.
    pub slug: String,
    /// Display name; the slug when absent.
    #[serde(default)]
    pub name: Option<String>,
    /// Login of the owner; the first person or organisation when absent.
    #[serde(default)]
    pub owner: Option<String>,
    /// RSA public key, PEM, either `RSA PUBLIC KEY` or `PUBLIC KEY`.
    pub public_key: String,
    /// Permissions the App asks for; a broad default set when empty.
    #[serde(default)]
    pub permissions: BTreeMap<String, String>,
    /// Events the App listens to; all of them when empty.
    #[serde(default)]
    pub events: Vec<String>,
}

/// The App's webhook.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Plain-HTTP address of the receiver.
    pub url: String,
    /// Secret for the signature.
    #[serde(default)]
    pub secret: Option<String>,
}

/// One installation of the App.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstallationConfig {
    /// Installation id; taken from a counter when absent.
    #[serde(default)]
    pub id: Option<u64>,
    /// Login of the account it is installed on.
    pub account: String,
    /// Full names of the repositories it may reach; all of the account's when empty.
    #[serde(default)]
    pub repositories: Vec<String>,
    /// Granted permissions; the App's own when empty.
    #[serde(default)]
    pub permissions: BTreeMap<String, String>,
}

fn loopback() -> IpAddr {
    IpAddr::V4(Ipv4Addr::LOCALHOST)
}

fn rate_limit() -> u32 {
    5_000
}

fn rate_limit_anonymous() -> u32 {
    60
}
