//! A registry that wants a name and a password.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long it may take to listen.
const BEGIN_MAX: Duration = Duration::from_secs(30);
/// Its one account, `robot` with the password `secret`.
const ACCOUNT: &str = "robot:$2b$04$qt/ijNQR4EaS.L4cVbUHceSWhzw1E6k4QWUq/pnlq/hBdZm0w8q6G\n";

pub(super) struct Registry {
    /// `host:port`.
    pub(super) host: String,
    process: Child,
}

impl Registry {
    /// Starts one on an address that pods reach; its files are in `dir`. `None`, and a loud word, without Debian's `docker-registry`.
    pub(super) async fn start(dir: &Path, address: &str) -> Option<Registry> {
        let free = std::net::TcpListener::bind((address, 0)).unwrap();
        let host = free.local_addr().unwrap().to_string();
        drop(free);
        std::fs::write(dir.join("htpasswd"), ACCOUNT).unwrap();
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {0}/images}}}}\nhttp: {{addr: \"{host}\"}}\n\
             auth: {{htpasswd: {{realm: test, path: {0}/htpasswd}}}}\n",
            dir.display()
        );
        let path = dir.join("registry.yml");
        std::fs::write(&path, config).unwrap();
        let started = Command::new("docker-registry")
            .arg("serve")
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(process) = started else {
            eprintln!(
                "SKIPPED: there is no `docker-registry`; Debian's package of that name has it"
            );
            return None;
        };
        let began = Instant::now();
        while tokio::net::TcpStream::connect(&host).await.is_err() {
            assert!(began.elapsed() < BEGIN_MAX, "no registry at {host}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Some(Registry { host, process })
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _reaped = self.process.wait();
    }
}
