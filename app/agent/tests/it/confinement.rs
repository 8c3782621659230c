//! A confined command reaches what it was given, and nothing else.

use crate::order::{PYTHON, any_process_in, give, me, wait_until};
use bowsprit_agent::confine::{self, Confinement, Ended, Plan, Rlimits};
use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;

/// Tries everything and says of each what came of it.
const ATTEMPTS: &str = r#"
import json, os, signal, socket, subprocess, sys
said = {}
def attempt(name, call):
    try:
        call()
        said[name] = "done"
    except BaseException as error:
        said[name] = "refused: " + type(error).__name__
def connect(port):
    socket.create_connection(("127.0.0.1", port), timeout=5)
def write(path):
    with open(path, "w") as file:
        file.write("x")
def listen(port):
    with socket.socket() as server:
        server.bind(("127.0.0.1", port))
        server.listen()
e = os.environ
attempt("secret", lambda: open(e["SECRET"]).read())
attempt("supervisor_environ", lambda: open(f"/proc/{e['SUPERVISOR']}/environ").read())
attempt("connect", lambda: connect(int(e["LISTENER"])))
attempt("listen", lambda: listen(0))
attempt("write_outside", lambda: write(e["SECRET"] + ".new"))
attempt("write_readable", lambda: write(e["READABLE"] + "/new"))
attempt("write_usr", lambda: write("/usr/new"))
attempt("kill_supervisor", lambda: os.kill(int(e["SUPERVISOR"]), signal.SIGUSR2))
attempt("list_other_runs", lambda: os.listdir(e["OTHER_RUNS"]))
attempt("shadow", lambda: open("/etc/shadow").read())
attempt("become_root", lambda: os.setuid(0) if os.getuid() else (_ for _ in ()).throw(PermissionError()))
attempt("mount", lambda: subprocess.run(["mount", "-t", "tmpfs", "x", "/mnt"], check=True, capture_output=True))
attempt("environment", lambda: e["INHERITED_SECRET"])
attempt("own_output", lambda: write(e["WRITABLE"] + "/out"))
attempt("readable", lambda: open(e["READABLE"] + "/input").read())
attempt("tmp", lambda: write("/tmp/mine"))
attempt("shm", lambda: write(f"/dev/shm/mine-{os.getpid()}"))
attempt("null", lambda: write("/dev/null"))
attempt("random", lambda: open("/dev/urandom", "rb").read(4))
attempt("own_environ", lambda: open("/proc/self/environ").read())
attempt("subprocess", lambda: subprocess.run([sys.executable, "-c", "import json, ssl"], check=True))
attempt("processors", lambda: open("/proc/cpuinfo").read())
said["uid"] = os.getuid()
said["pid"] = os.getpid()
json.dump(said, sys.stdout)
"#;

struct House {
    dir: tempfile::TempDir,
    listener: TcpListener,
}

impl House {
    fn new() -> House {
        let dir = tempfile::tempdir().unwrap();
        for part in [
            "state",
            "state/run",
            "state/run/work",
            "state/run/models",
            "state/other-run",
        ] {
            fs::create_dir(dir.path().join(part)).unwrap();
        }
        fs::write(dir.path().join("state/secret"), "key").unwrap();
        fs::write(dir.path().join("state/run/models/input"), "model").unwrap();
        fs::write(dir.path().join("attempts.py"), ATTEMPTS).unwrap();
        // As the state directory of a server is.
        fs::set_permissions(dir.path().join("state"), fs::Permissions::from_mode(0o700)).unwrap();
        House {
            dir,
            listener: TcpListener::bind("127.0.0.1:0").unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn plan(&self, argv: &[&str], confinement: Confinement) -> Plan {
        let mut uid = confinement.uid_of("story");
        if !confinement.namespaces && nix::unistd::geteuid().is_root() {
            // Root could read other processes by its capabilities: what Landlock alone holds is tried as somebody else,
            // to whom the directories are open.
            uid = Some(210_000);
            for (path, mode) in [("", 0o755), ("state", 0o755), ("state/other-run", 0o755)] {
                fs::set_permissions(self.path(path), fs::Permissions::from_mode(mode)).unwrap();
            }
        }
        let work = self.path("state/run/work");
        give(&work, uid);
        let text = |path: PathBuf| path.display().to_string();
        let env = BTreeMap::from([
            ("PATH".to_owned(), "/usr/bin:/bin".to_owned()),
            ("SECRET".to_owned(), text(self.path("state/secret"))),
            ("READABLE".to_owned(), text(self.path("state/run/models"))),
            ("WRITABLE".to_owned(), text(work.clone())),
            ("OTHER_RUNS".to_owned(), text(self.path("state/other-run"))),
            ("SUPERVISOR".to_owned(), std::process::id().to_string()),
            (
                "LISTENER".to_owned(),
                self.listener.local_addr().unwrap().port().to_string(),
            ),
        ]);
        Plan {
            argv: argv.iter().map(|word| (*word).to_owned()).collect(),
            env,
            cwd: work.clone(),
            readable: vec![self.path("attempts.py"), self.path("state/run/models")],
            writable: vec![work],
            uid,
            rlimits: Rlimits {
                data_bytes: Some(1 << 30),
                open_files: Some(256),
                processes: Some(64),
                file_bytes: Some(1 << 20),
                cpu_s: None,
            },
            network: false,
            bind_port: None,
            confinement,
        }
    }

    async fn run(&self, plan: &Plan) -> (Ended, String, String) {
        let mut started = confine::start(&me(), plan, &self.path("scratch")).unwrap();
        let (mut stdout, mut stderr) = started.output().unwrap();
        let (mut out, mut err) = (String::new(), String::new());
        let (ended, _, _) = tokio::time::timeout(Duration::from_secs(60), async {
            tokio::join!(
                started.wait(),
                stdout.read_to_string(&mut out),
                stderr.read_to_string(&mut err)
            )
        })
        .await
        .unwrap();
        (ended, out, err)
    }
}

/// Each way to confine that can be tried here: the one of this system, and the one without root.
fn ways() -> Vec<Confinement> {
    let found = confine::look();
    let mut ways = vec![found.clone()];
    if found.namespaces && found.landlock >= 6 {
        ways.push(Confinement {
            namespaces: false,
            ..found.clone()
        });
    }
    if let Some(shortfall) = &found.shortfall {
        eprintln!("NOT CONFINED HERE, asserting less: {shortfall}");
    }
    ways
}

#[tokio::test]
async fn a_confined_step_reaches_what_it_was_given_and_nothing_else() {
    for way in ways() {
        let house = House::new();
        let script = house.path("attempts.py").display().to_string();
        let (ended, out, err) = house
            .run(&house.plan(&[PYTHON, &script], way.clone()))
            .await;
        assert_eq!(ended.exit_code, Some(0), "{way:?}: {ended:?}: {err}");
        let said: BTreeMap<String, serde_json::Value> = serde_json::from_str(&out).unwrap();
        let mut refused = vec![
            "secret",
            "write_outside",
            "write_readable",
            "write_usr",
            "list_other_runs",
            "shadow",
            "environment",
            "become_root",
        ];
        let mut done = vec![
            "own_output",
            "readable",
            "shm",
            "null",
            "random",
            "own_environ",
            "subprocess",
            "processors",
        ];
        if way.namespaces || way.landlock >= 4 {
            refused.extend(["connect", "mount"]);
        }
        if way.namespaces || way.landlock >= 6 {
            refused.extend(["supervisor_environ", "kill_supervisor"]);
        }
        if way.namespaces {
            done.push("tmp");
            assert_eq!(said["uid"], serde_json::json!(way.uid_of("story")));
        }
        for name in refused {
            assert!(
                said[name].as_str().unwrap().starts_with("refused"),
                "{name} under {way:?}: {said:?}"
            );
        }
        for name in done {
            assert_eq!(said[name], "done", "{name} under {way:?}: {said:?}");
        }
        assert!(!house.path("state/secret.new").exists());
        assert!(!Path::new("/tmp/mine").exists());
        assert!(!house.path("scratch/plan.json").exists());
    }
}

#[tokio::test]
async fn a_server_may_listen_on_its_port_only() {
    for way in ways() {
        if !way.can_hold_ports() {
            eprintln!("NOT HELD HERE: the kernel's Landlock has no TCP rules");
            continue;
        }
        let house = House::new();
        let free = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let script = format!(
            "import socket\nfor port in ({free}, 0, 1234):\n  s = socket.socket()\n  try:\n    s.bind(('127.0.0.1', port)); print('bound')\n  except PermissionError: print('refused')\ntry:\n  socket.create_connection(('127.0.0.1', {})); print('connected')\nexcept PermissionError: print('refused')",
            house.listener.local_addr().unwrap().port()
        );
        let mut plan = house.plan(&[PYTHON, "-c", &script], way);
        plan.bind_port = Some(free);
        let (_, out, err) = house.run(&plan).await;
        assert_eq!(out, "bound\nrefused\nrefused\nrefused\n", "{err}");
    }
}

#[tokio::test]
async fn nothing_of_a_step_outlives_it() {
    for way in ways() {
        let house = House::new();
        let mark = house.path("state/run/work").join("alive");
        // A grandchild in a session of its own, which says who it is before the step ends.
        let script = format!(
            "(setsid sh -c 'echo > {0}; exec sleep 600') & while ! test -e {0}; do :; done; exit 3",
            mark.display()
        );
        let (ended, ..) = house
            .run(&house.plan(&["sh", "-c", &script], way.clone()))
            .await;
        assert_eq!(ended.exit_code, Some(3), "{way:?}");
        assert!(mark.exists());
        assert!(!any_process_in(&house.path("state/run/work")), "{way:?}");
    }
}

#[tokio::test]
async fn a_step_ends_when_its_supervisor_lets_go() {
    for way in ways() {
        let house = House::new();
        let mark = house.path("state/run/work").join("alive");
        let script = format!("echo > {}; exec sleep 600", mark.display());
        let started = confine::start(
            &me(),
            &house.plan(&["sh", "-c", &script], way),
            &house.path("scratch"),
        )
        .unwrap();
        wait_until(|| mark.exists());
        assert!(any_process_in(&house.path("state/run/work")));
        drop(started);
        wait_until(|| !any_process_in(&house.path("state/run/work")));
    }
}

#[tokio::test]
async fn a_kill_leaves_nothing_and_says_the_signal() {
    for way in ways() {
        let house = House::new();
        let mark = house.path("state/run/work").join("alive");
        let script = format!(
            "setsid sleep 600 & trap '' TERM; echo > {}; while :; do sleep 1; done",
            mark.display()
        );
        let mut started = confine::start(
            &me(),
            &house.plan(&["sh", "-c", &script], way),
            &house.path("scratch"),
        )
        .unwrap();
        wait_until(|| mark.exists());
        let ended = started.kill().await;
        assert_eq!(ended.signal, Some(9));
        assert!(!any_process_in(&house.path("state/run/work")));
    }
}

#[tokio::test]
async fn a_missing_program_is_told_apart_from_a_failing_one() {
    for way in ways() {
        let house = House::new();
        let (ended, _, err) = house.run(&house.plan(&["no-such-program"], way)).await;
        assert_eq!(ended.exit_code, Some(125));
        assert!(
            err.contains("cannot start `no-such-program`: No such file"),
            "{err}"
        );
    }
}
