//! What every story needs: a hub with people and a pair, the bot, and a way to tell when all is quiet.

use bowsprit::app::{self, Running};
use bowsprit::config::Config;
use bowsprit_core::subject::environment::Environment;
use bowsprit_hub::{AppConfig, InstallationConfig, PersonConfig, WebhookConfig};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// No story waits longer than this for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
/// How often the world is asked whether it is quiet.
pub(crate) const POLL: Duration = Duration::from_millis(25);
const ADMIN: &str = "hub-admin";
pub(crate) const SECRET: &str = "a webhook secret of the stories";
const PEOPLE: [&str; 5] = ["ada", "grace", "linus", "rita", "mallory"];

/// The world of one story.
pub(crate) struct World {
    pub(crate) hub: bowsprit_hub::Running,
    pub(crate) bot: Option<Running>,
    pub(crate) dir: TempDir,
    pub(crate) client: Client<HttpConnector, Full<Bytes>>,
    pub(crate) config_file: PathBuf,
    pub(crate) tune: fn(&mut Config),
    pub(crate) patience: Duration,
}

/// Changes a configuration, given the address that the bot listens on.
pub(crate) type Amend = dyn Fn(String, &str) -> String;

/// Where a story plays.
pub(crate) struct Place {
    /// The address that the bot listens on.
    pub(crate) host: String,
    /// The bot's configuration, after the usual one was written.
    pub(crate) amend: Box<Amend>,
    /// How long the story waits for anything.
    pub(crate) patience: Duration,
}

impl Place {
    /// This machine, and nothing else.
    pub(crate) fn here() -> Place {
        Place {
            host: "127.0.0.1".to_owned(),
            amend: Box::new(|text, _| text),
            patience: PATIENCE,
        }
    }
}

fn key() -> &'static bowsprit_hub::key::KeyPair {
    static KEY: OnceLock<bowsprit_hub::key::KeyPair> = OnceLock::new();
    KEY.get_or_init(|| bowsprit_hub::key::generate().expect("a key"))
}

/// Plays a story in a world of its own, and holds at its end that nothing was left over.
pub(crate) async fn run_test(story: impl AsyncFnOnce(&mut World)) {
    run_test_with(|_| {}, story).await;
}

/// As [`run_test`], with another configuration.
pub(crate) async fn run_test_with(tune: fn(&mut Config), story: impl AsyncFnOnce(&mut World)) {
    run_test_at(Place::here(), tune, story).await;
}

/// As [`run_test_with`], elsewhere.
pub(crate) async fn run_test_at(
    place: Place,
    tune: fn(&mut Config),
    story: impl AsyncFnOnce(&mut World),
) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("BOWSPRIT_LOG")
        .unwrap_or_else(|_| "error".into());
    // Another story of this process may have started the log already.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_test_writer()
        .try_init();
    let mut world = World::new(place, tune).await;
    story(&mut world).await;
    world.settle().await;
    let unknown = world.admin("GET", "/_hub/unknown", None).await;
    assert_eq!(
        unknown,
        json!([]),
        "the bot made calls that the hub does not know"
    );
    let store = &world.bot().rooms.store;
    let dead = store.dead_effects(10).await.expect("a list");
    assert!(dead.is_empty(), "dead effects: {dead:#?}");
    world.stop().await;
}

impl World {
    async fn new(place: Place, tune: fn(&mut Config)) -> World {
        let dir = TempDir::new().expect("a directory");
        let listener = TcpListener::bind((place.host.as_str(), 0)).await;
        let listener = listener.expect("a port");
        let bot = listener.local_addr().expect("an address");
        let hub = bowsprit_hub::start(hub_config(dir.path(), &format!("http://{bot}")))
            .await
            .expect("a hub");
        let config_file = write_config(dir.path(), &hub.url, &format!("{bot}"), &place.amend);
        let client = Client::builder(TokioExecutor::new()).build_http();
        let mut world = World {
            hub,
            bot: None,
            dir,
            client,
            config_file,
            tune,
            patience: place.patience,
        };
        for repo in ["tiny-service", "tiny-training"] {
            world.create(repo).await;
        }
        world
            .push_folder("tiny-service", "ada", "service", "Start")
            .await;
        world
            .push_folder("tiny-training", "ada", "training", "Start [skip train]")
            .await;
        world.start_on(listener).await;
        world.settle().await;
        world
    }

    /// The bot, while it runs.
    pub(crate) fn bot(&self) -> &Running {
        self.bot.as_ref().expect("the bot runs")
    }

    async fn start_on(&mut self, listener: TcpListener) {
        let mut config =
            Config::load(Some(&self.config_file), std::iter::empty()).expect("a configuration");
        (self.tune)(&mut config);
        let program: Vec<OsString> = vec![env!("CARGO_BIN_EXE_bowsprit").into(), "agent".into()];
        self.bot = Some(
            app::start_on(listener, config, program)
                .await
                .expect("a bot"),
        );
    }

    /// Stops the bot and starts it again where it was.
    pub(crate) async fn restart(&mut self) {
        let address = self.halt().await;
        self.resume(address).await;
    }

    /// Stops the bot; says where it listened.
    pub(crate) async fn halt(&mut self) -> SocketAddr {
        let bot = self.bot.take().expect("the bot runs");
        let address = bot.address;
        bot.stop().await.expect("it stops");
        address
    }

    /// Starts the bot again where it was.
    pub(crate) async fn resume(&mut self, address: SocketAddr) {
        let listener = TcpListener::bind(address)
            .await
            .expect("the port is free again");
        self.start_on(listener).await;
    }

    async fn stop(&mut self) {
        if let Some(bot) = self.bot.take() {
            let releases = bot.rooms.releases.clone();
            bot.stop().await.expect("it stops");
            releases.pause().await;
        }
    }

    /// Waits until no delivery, look, effect, stage or rollout is under way.
    pub(crate) async fn settle(&self) {
        let began = Instant::now();
        let mut quiet = 0;
        while quiet < 4 {
            assert!(
                began.elapsed() < self.patience,
                "the world does not become quiet: {}",
                self.unrest().await
            );
            quiet = if self.is_quiet().await { quiet + 1 } else { 0 };
            tokio::time::sleep(POLL).await;
        }
    }

    async fn is_quiet(&self) -> bool {
        let pending = self.admin("GET", "/_hub/pending", None).await;
        let rooms = &self.bot().rooms;
        let is_settled = rooms
            .store
            .settled(bowsprit::worker::now_ms())
            .await
            .expect("an answer");
        pending["pending"] == 0 && is_settled && self.running().await.is_empty()
    }

    /// Waits until `look` finds something.
    pub(crate) async fn until<T>(
        &self,
        what: &str,
        mut look: impl AsyncFnMut(&World) -> Option<T>,
    ) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = look(self).await {
                return found;
            }
            assert!(
                began.elapsed() < self.patience,
                "waited in vain for {what}: {}",
                self.unrest().await
            );
            // What takes minutes is looked at less often: an hour of GitHub has 5,000 calls for a person.
            tokio::time::sleep(POLL.max(began.elapsed() / 100)).await;
        }
    }

    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        token: &str,
        body: Option<Value>,
    ) -> (u16, Value) {
        let request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.hub.url))
            .header("user-agent", "story")
            .header("authorization", format!("Bearer {token}"))
            .body(Full::new(Bytes::from(
                body.map(|b| b.to_string()).unwrap_or_default(),
            )))
            .expect("a request");
        let answer = self.client.request(request).await.expect("an answer");
        let status = answer.status().as_u16();
        let bytes = answer
            .into_body()
            .collect()
            .await
            .expect("a body")
            .to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// The hub's own knobs.
    pub(crate) async fn admin(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (status, value) = self.call(method, path, ADMIN, body).await;
        assert!(status < 300, "{method} {path}: {status} {value}");
        value
    }

    /// A person's call of the API.
    pub(crate) async fn api(
        &self,
        who: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Value {
        let (status, value) = self.call(method, path, &format!("{who}-token"), body).await;
        assert!(status < 300, "{who}: {method} {path}: {status} {value}");
        value
    }

    async fn create(&self, repo: &str) {
        self.api("ada", "POST", "/user/repos", Some(json!({"name": repo})))
            .await;
        for who in ["grace", "linus", "rita"] {
            self.api(
                "ada",
                "PUT",
                &format!("/repos/ada/{repo}/collaborators/{who}"),
                Some(json!({"permission": "push"})),
            )
            .await;
        }
    }

    /// The working copy of a repository.
    pub(crate) fn copy(&self, repo: &str) -> PathBuf {
        self.dir.path().join("copies").join(repo)
    }

    /// Makes another repository, from a folder of the test pair.
    pub(crate) async fn add_repository(&self, repo: &str, folder: &str) {
        self.create(repo).await;
        self.push_folder(repo, "ada", folder, "Start [skip train]")
            .await;
    }

    /// Lays a folder of the test pair into a repository and pushes it.
    async fn push_folder(&self, repo: &str, who: &str, folder: &str, message: &str) {
        let copy = self.copy(repo);
        std::fs::create_dir_all(&copy).expect("a folder");
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/it/pair")
            .join(folder);
        let cp = std::process::Command::new("cp")
            .arg("-r")
            .arg(format!("{}/.", source.display()))
            .arg(&copy)
            .status();
        assert!(cp.expect("cp").success());
        git(&copy, &["init", "-q", "-b", "main"]);
        self.push(repo, who, "main", message, &[]).await;
    }

    /// Pushes the first commit of somebody's repository, of these files.
    pub(crate) async fn push_new(&self, (owner, repo): (&str, &str), files: &[(&str, &str)]) {
        std::fs::create_dir_all(self.copy(repo)).expect("a folder");
        git(&self.copy(repo), &["init", "-q", "-b", "main"]);
        self.push_to((owner, repo), owner, "main", "Start", files)
            .await;
    }

    /// Writes files, commits and pushes; says the commit.
    #[expect(
        clippy::too_many_arguments,
        reason = "where, who, what: each story names them all"
    )]
    pub(crate) async fn push(
        &self,
        repo: &str,
        who: &str,
        branch: &str,
        message: &str,
        files: &[(&str, &str)],
    ) -> String {
        self.push_to(("ada", repo), who, branch, message, files)
            .await
    }

    /// As [`World::push`], from the same working copy to the repository of another owner.
    #[expect(clippy::too_many_arguments, reason = "each is a word of the story")]
    pub(crate) async fn push_to(
        &self,
        (owner, repo): (&str, &str),
        who: &str,
        branch: &str,
        message: &str,
        files: &[(&str, &str)],
    ) -> String {
        let copy = self.copy(repo);
        for (path, text) in files {
            let path = copy.join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            std::fs::write(path, text).expect("a file");
        }
        git(&copy, &["add", "-A"]);
        git(
            &copy,
            &[
                "-c",
                &format!("user.name={who}"),
                "-c",
                &format!("user.email={who}@localhost"),
                "commit",
                "-q",
                "--allow-empty",
                "-m",
                message,
            ],
        );
        let host = self.hub.url.trim_start_matches("http://");
        let url = format!("http://{who}:{who}-token@{host}/{owner}/{repo}.git");
        let (to, dir) = (format!("HEAD:refs/heads/{branch}"), copy.clone());
        tokio::task::spawn_blocking(move || git(&dir, &["push", "-q", "-f", &url, &to]))
            .await
            .expect("a push");
        git(&copy, &["rev-parse", "HEAD"])
    }

    /// Takes over what landed on a branch.
    pub(crate) async fn pull(&self, repo: &str, branch: &str) -> String {
        let host = self.hub.url.trim_start_matches("http://");
        let (url, dir, from) = (
            format!("http://ada:ada-token@{host}/ada/{repo}.git"),
            self.copy(repo),
            branch.to_owned(),
        );
        tokio::task::spawn_blocking(move || {
            git(&dir, &["fetch", "-q", &url, &from]);
            git(&dir, &["reset", "-q", "--hard", "FETCH_HEAD"]);
            git(&dir, &["rev-parse", "HEAD"])
        })
        .await
        .expect("a pull")
    }

    /// What stands in a working copy.
    pub(crate) fn read(&self, repo: &str, path: &str) -> String {
        std::fs::read_to_string(self.copy(repo).join(path)).unwrap_or_default()
    }

    /// Opens a pull request; says its number.
    pub(crate) async fn open_pull(&self, repo: &str, who: &str, branch: &str, title: &str) -> u64 {
        let body = json!({"title": title, "head": branch, "base": "main"});
        self.api(who, "POST", &format!("/repos/ada/{repo}/pulls"), Some(body))
            .await["number"]
            .as_u64()
            .expect("a number")
    }

    /// Comments; says the comment's id.
    pub(crate) async fn say(&self, repo: &str, who: &str, number: u64, words: &str) -> u64 {
        let path = format!("/repos/ada/{repo}/issues/{number}/comments");
        self.api(who, "POST", &path, Some(json!({"body": words})))
            .await["id"]
            .as_u64()
            .expect("an id")
    }

    /// The bodies of the bot's comments, oldest first.
    pub(crate) async fn bot_says(&self, repo: &str, number: u64) -> Vec<String> {
        let comments = self
            .api(
                "ada",
                "GET",
                &format!("/repos/ada/{repo}/issues/{number}/comments?per_page=100"),
                None,
            )
            .await;
        let of_bot = comments
            .as_array()
            .expect("a list")
            .iter()
            .filter(|c| c["user"]["login"] == "bowsprit[bot]");
        of_bot
            .map(|c| c["body"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// The check run of a name on a commit.
    pub(crate) async fn check(&self, repo: &str, sha: &str, name: &str) -> Option<Value> {
        let found = self
            .api(
                "ada",
                "GET",
                &format!("/repos/ada/{repo}/commits/{sha}/check-runs"),
                None,
            )
            .await;
        found["check_runs"]
            .as_array()
            .expect("a list")
            .iter()
            .find(|run| run["name"] == name)
            .cloned()
    }

    /// Open pull requests of the bot, by branch.
    pub(crate) async fn proposals(&self, branch: &str) -> Vec<Value> {
        let pulls = self
            .api(
                "ada",
                "GET",
                "/repos/ada/tiny-service/pulls?state=all&per_page=100",
                None,
            )
            .await;
        pulls
            .as_array()
            .expect("a list")
            .iter()
            .filter(|pull| pull["head"]["ref"] == branch)
            .cloned()
            .collect()
    }

    /// An environment as the bot sees it.
    pub(crate) async fn environment(&self, name: &str) -> Environment {
        self.find_environment(name)
            .await
            .unwrap_or_else(|| panic!("no environment {name}"))
    }

    /// An environment as the bot sees it, unless it is gone.
    pub(crate) async fn find_environment(&self, name: &str) -> Option<Environment> {
        let all = self
            .bot()
            .rooms
            .store
            .list_environments(50)
            .await
            .expect("a list");
        all.into_iter()
            .find(|e| e.name.as_str() == name && !e.is_gone)
    }
}

/// What git says in a folder.
pub(crate) fn git(dir: &Path, words: &[&str]) -> String {
    let output = std::process::Command::new("git")
        .args(words)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .output()
        .expect("git runs");
    assert!(
        output.status.success(),
        "git {words:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The hub of a story, whose App sends to the bot at `bot`.
pub(crate) fn hub_config(dir: &Path, bot: &str) -> bowsprit_hub::Config {
    let mut config = bowsprit_hub::Config::new(dir.join("hub"), ADMIN);
    config.people = PEOPLE
        .map(|login| PersonConfig {
            login: login.to_owned(),
            id: None,
            name: None,
            token: format!("{login}-token"),
        })
        .to_vec();
    config.app = Some(AppConfig {
        id: 7,
        client_id: None,
        slug: "bowsprit".to_owned(),
        name: None,
        owner: Some("ada".to_owned()),
        public_key: key().public_pem.clone(),
        permissions: BTreeMap::new(),
        events: Vec::new(),
    });
    config.installations = vec![InstallationConfig {
        id: Some(3),
        account: "ada".to_owned(),
        repositories: Vec::new(),
        permissions: BTreeMap::new(),
    }];
    config.webhook = Some(WebhookConfig {
        url: format!("{bot}/webhook"),
        secret: Some(SECRET.to_owned()),
    });
    config.record = record_file();
    config
}

/// Where this story's traffic goes when `tests/openapi/check.sh` wants it: a file with the story's name.
fn record_file() -> Option<PathBuf> {
    let dir = PathBuf::from(std::env::var_os("BOWSPRIT_RECORD_DIR")?);
    let story = std::thread::current()
        .name()
        .expect("a story has a name")
        .replace("::", "-");
    Some(dir.join(format!("{story}.jsonl")))
}

/// Writes the bot's configuration, as amended, and its secrets; says where.
pub(crate) fn write_config(dir: &Path, hub: &str, bot: &str, amend: &Amend) -> PathBuf {
    std::fs::write(dir.join("app.pem"), &key().private_pem).expect("a file");
    std::fs::write(dir.join("secret"), SECRET).expect("a file");
    let file = dir.join("bowsprit.toml");
    let text = format!(
        "listen = \"{bot}\"\nstate_dir = {:?}\n[github]\napi_url = \"{hub}\"\ngit_url = \"{hub}\"\napp_id = 7\nprivate_key_file = {:?}\nwebhook_secret_files = [{:?}]\n[runs]\nslots = 2\n[limits]\ngithub_writes_per_minute = 100000\ngithub_writes_per_hour = 1000000\ngithub_unknown_wait = \"1s\"\n",
        dir.join("bot"),
        dir.join("app.pem"),
        dir.join("secret"),
    );
    std::fs::write(&file, amend(text, bot)).expect("a file");
    file
}
