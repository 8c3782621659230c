//! What the stories share: orders, run directories, and the agent's executable.

use bowsprit_agent::SelfCommand;
use bowsprit_core::artifact::{File, media_type};
use bowsprit_core::name::{Digest, RepoPath};
use bowsprit_core::training::spec::{
    Limits, ModelInput, Outcome, RunResult, RunSpec, RuntimeSpec, Source, StageKind, Status,
    StepSpec, Trust,
};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The system's own interpreter, present wherever these stories run.
pub(crate) const PYTHON: &str = "/usr/bin/python3";
/// No story takes longer.
const STORY_WAIT: Duration = Duration::from_secs(60);

/// The agent under test.
pub(crate) fn me() -> SelfCommand {
    SelfCommand {
        program: PathBuf::from(env!("CARGO_BIN_EXE_bowsprit-agent")),
        args: Vec::new(),
    }
}

/// Gives a directory to a user, as the supervisor does.
pub(crate) fn give(path: &Path, uid: Option<u32>) {
    if uid.is_some() {
        std::os::unix::fs::chown(path, uid, uid).unwrap();
    }
}

/// A run directory with an order in the making.
pub(crate) struct Order {
    home: tempfile::TempDir,
    pub(crate) spec: RunSpec,
}

impl Order {
    /// An order whose snapshot holds these files.
    pub(crate) fn new(files: &[(&str, &str)]) -> Order {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        Order::of_archive(&tar.into_inner().unwrap())
    }

    /// An order whose snapshot is this archive.
    pub(crate) fn of_archive(archive: &[u8]) -> Order {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("run")).unwrap();
        let spec = RunSpec {
            id: "r-1".to_owned(),
            kind: StageKind::Train,
            snapshot: stored(home.path(), archive),
            runtime: None,
            trust: Trust::Trusted,
            model_trust: Trust::Trusted,
            steps: Vec::new(),
            models: Vec::new(),
            data: None,
            serve: None,
            limits: Limits::default(),
            cache_dir: home.path().join("cache").display().to_string(),
        };
        Order { home, spec }
    }

    /// Adds a step.
    pub(crate) fn step(mut self, run: &[&str]) -> Order {
        let number = self.spec.steps.len() + 1;
        self.spec.steps.push(StepSpec {
            name: format!("step-{number}"),
            run: run.iter().map(|word| (*word).to_owned()).collect(),
            image: None,
            env: BTreeMap::new(),
            timeout_s: 60,
            cpu_millis: 1_500,
            memory_bytes: 1 << 30,
            gpu: 0,
            secrets: Vec::new(),
            network: false,
            model: None,
            outputs: String::new(),
        });
        self
    }

    /// Adds a model of one file.
    pub(crate) fn model(mut self, name: &str, bytes: &[u8]) -> Order {
        let source = stored(self.home.path(), bytes);
        self.spec.models.push(ModelInput {
            name: name.to_owned(),
            version: Some(7),
            files: vec![File {
                path: RepoPath::parse("weights.json").unwrap(),
                sha256: Digest::of(bytes),
                bytes: bytes.len() as u64,
                media_type: media_type("weights.json").to_owned(),
            }],
            sources: vec![source],
        });
        self
    }

    /// Asks for a bare Python runtime.
    pub(crate) fn python(mut self) -> Order {
        self.spec.runtime = Some(RuntimeSpec::Python {
            minimum: "3.9".to_owned(),
            requirements: None,
        });
        self
    }

    /// Hands over a secret as the server does, and has the last step name it.
    pub(crate) fn secret(mut self, name: &str, value: &str) -> Order {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = self.path("secrets");
        fs::create_dir_all(&dir).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(dir.join(name), value).unwrap();
        self.last().secrets.push(name.to_owned());
        self
    }

    /// The last step, to change it.
    pub(crate) fn last(&mut self) -> &mut StepSpec {
        self.spec.steps.last_mut().unwrap()
    }

    /// A path in the run directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join("run").join(name)
    }

    /// Starts an agent on the order.
    pub(crate) fn start(&self) -> Agent {
        self.write();
        self.start_again()
    }

    /// Starts an agent on a part of the order.
    pub(crate) fn start_part(&self, number: usize) -> Agent {
        self.write();
        self.spawn(&["--part", &number.to_string()])
    }

    /// Starts an agent on whatever the directory holds.
    pub(crate) fn start_again(&self) -> Agent {
        self.spawn(&[])
    }

    fn write(&self) {
        let text = serde_json::to_vec(&self.spec).unwrap();
        fs::write(self.path("spec.json"), text).unwrap();
    }

    fn spawn(&self, words: &[&str]) -> Agent {
        let child = Command::new(me().program)
            .args(["run", "--dir"])
            .arg(self.home.path().join("run"))
            .args(words)
            .env("PLANTED_SECRET", "canary")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Agent(child)
    }

    /// Executes the order to its end.
    pub(crate) fn run(&self) -> RunResult {
        self.start().end();
        self.result()
    }

    /// `result.json`.
    pub(crate) fn result(&self) -> RunResult {
        serde_json::from_slice(&fs::read(self.path("result.json")).unwrap()).unwrap()
    }

    /// `status.json`, once there is one.
    pub(crate) fn status(&self) -> Option<Status> {
        serde_json::from_slice(&fs::read(self.path("status.json")).ok()?).ok()
    }

    /// `log.txt`.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log.txt")).unwrap()
    }
}

/// An agent at work, ended with the story.
pub(crate) struct Agent(Child);

impl Agent {
    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Waits for its end; returns what it said.
    pub(crate) fn end(mut self) -> String {
        let mut code = None;
        wait_until(|| {
            code = self.0.try_wait().unwrap();
            code.is_some()
        });
        let mut said = String::new();
        std::io::Read::read_to_string(&mut self.0.stderr.take().unwrap(), &mut said).unwrap();
        assert!(code.unwrap().success(), "{said}");
        said
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Polls until it is so.
pub(crate) fn wait_until(mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < STORY_WAIT, "it did not come to pass");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Whether a process has its working directory there.
pub(crate) fn any_process_in(dir: &Path) -> bool {
    let mut entries = fs::read_dir("/proc").unwrap().flatten();
    entries.any(|entry| fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == dir))
}

/// Asserts success and shows everything where there is none.
pub(crate) fn assert_succeeded(order: &Order, result: &RunResult) {
    assert_eq!(
        result.outcome,
        Outcome::Succeeded,
        "{result:#?}\n{}",
        order.log()
    );
}

fn stored(dir: &Path, bytes: &[u8]) -> Source {
    let sha256 = Digest::of(bytes);
    let path = dir.join(sha256.hex());
    fs::write(&path, bytes).unwrap();
    Source {
        uri: path.display().to_string(),
        sha256,
    }
}
