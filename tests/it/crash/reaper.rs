//! Kills the bot, a process of its own, at the moments that a story names, and starts it again each time.

use crate::harness::World;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How often the store's file is looked at: a commit takes about as long.
const GLANCE: Duration = Duration::from_millis(1);

/// A store that was not written for this long is at rest.
const REST: Duration = Duration::from_millis(100);

/// The bot as a process that is killed and started again.
pub(crate) struct Mortal {
    config_file: PathBuf,
    log: PathBuf,
}

/// A life; killed when dropped, so that a story that fails leaves none behind.
struct Life(Child);

impl Drop for Life {
    fn drop(&mut self) {
        // It may have ended by itself, which the story will have noticed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Mortal {
    /// On the state of the world, with the hub at another address.
    pub(crate) fn new(t: &World, hub: &str) -> Mortal {
        let text = std::fs::read_to_string(&t.config_file).expect("a configuration");
        let (old, new) = (
            format!("api_url = \"{}\"", t.hub.url),
            format!("api_url = \"{hub}\""),
        );
        assert!(text.contains(&old), "{text}");
        let config_file = t.dir.path().join("mortal.toml");
        std::fs::write(&config_file, text.replace(&old, &new)).expect("a file");
        let log = t.dir.path().join("bot.log");
        Mortal { config_file, log }
    }

    /// Kills the bot whenever `moment` comes, until the story has ended; says how often.
    pub(crate) async fn lives(
        &self,
        story: impl Future<Output = ()>,
        mut moment: impl AsyncFnMut(),
    ) -> usize {
        let mut deaths = 0;
        let mut life = self.start();
        let mut story = std::pin::pin!(story);
        loop {
            tokio::select! {
                () = &mut story => break,
                () = moment() => deaths += 1,
            }
            drop(life);
            life = self.start();
        }
        drop(life);
        deaths
    }

    fn start(&self) -> Life {
        let mut options = std::fs::File::options();
        let log = options.create(true).append(true).open(&self.log);
        let mut command = Command::new(env!("CARGO_BIN_EXE_bowsprit"));
        command
            .args(["server", "--config"])
            .arg(&self.config_file)
            .env_clear()
            .envs(
                ["PATH", "HOME"]
                    .iter()
                    .filter_map(|name| Some((name, std::env::var_os(name)?))),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.expect("a log"));
        Life(command.spawn().expect("the bot starts"))
    }
}

/// Returns when the store's journal was written `count` times, and `then` a little later.
pub(crate) async fn writes_of_store(journal: &Path, count: u64, then: Duration) {
    let look = || {
        let about = std::fs::metadata(journal).ok()?;
        Some((about.len(), about.modified().ok()?))
    };
    let (mut last, mut seen) = (look(), 0);
    while seen < count {
        tokio::time::sleep(GLANCE).await;
        let now = look();
        if now != last {
            (last, seen) = (now, seen + 1);
        }
    }
    tokio::time::sleep(then).await;
}

/// Returns when the store's journal has not been written for a while: all but what is held has come to rest.
pub(crate) async fn rest_of_store(journal: &Path) {
    let rest = async {
        while tokio::time::timeout(REST, writes_of_store(journal, 1, Duration::ZERO))
            .await
            .is_ok()
        {}
    };
    // A bot that never rests may die at work, too.
    let _ = tokio::time::timeout(REST * 10, rest).await;
}

/// Numbers that look like chance and are the same in every run. SplitMix64.
pub(crate) struct Chance(pub(super) u64);

impl Chance {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}
