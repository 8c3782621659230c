//! docs/TUTORIAL.md, played as a reader would: every command that stands there, in order, in an empty folder.
//!
//! A block `sh` is what is typed, the block `text` after it what is then seen: `…` stands for any text, and alone in
//! a line for any lines. A block that begins with [`APART`] is typed in a terminal of its own and stays there.

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use regex::Regex;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// How a block begins that is typed in a terminal of its own.
const APART: &str = "# in a first terminal";
/// No block takes longer: the first training installs packages, on busy machines too.
const PATIENCE: Duration = Duration::from_secs(400);
/// The demo has this long to end its environments.
const END: Duration = Duration::from_secs(30);
/// What the second terminal prints after each block.
const MARK: &str = "=== played ===";

/// What is typed, and what is then seen.
#[derive(Debug, PartialEq, Eq)]
struct Block {
    line: usize,
    script: String,
    seen: Option<String>,
}

/// The blocks of a page, in order. Panics where it has a block that nobody would play.
fn blocks(page: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            continue;
        };
        let inside: Vec<&str> = { &mut lines }
            .map(|(_, line)| line)
            .take_while(|line| *line != "```")
            .collect();
        let inside = inside.join("\n") + "\n";
        match (language, found.last_mut()) {
            ("sh", _) => found.push(Block {
                line: at + 1,
                script: inside,
                seen: None,
            }),
            ("text", Some(block)) if block.seen.is_none() => block.seen = Some(inside),
            _ => panic!(
                "line {}: `{line}` is neither typed nor seen after it",
                at + 1
            ),
        }
    }
    found
}

/// What is seen, as a pattern.
fn pattern(seen: &str) -> String {
    let lines = seen.lines().map(|line| match line {
        "…" => "(?:.*\n)*".to_owned(),
        line => regex::escape(line).replace('…', ".*") + "\n",
    });
    format!("^{}", lines.collect::<String>())
}

/// A terminal: a shell that stays while block after block is typed.
struct Terminal {
    shell: Child,
    keys: ChildStdin,
    screen: Lines<BufReader<ChildStdout>>,
    dir: PathBuf,
}

/// A shell in a folder, that knows this program by its name; both its outputs are one.
fn shell(dir: &Path) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_bowsprit"));
    let beside = program.parent().expect("a folder").display();
    let path = std::env::var("PATH").expect("PATH");
    let mut command = Command::new("bash");
    command
        .current_dir(dir)
        .env("PATH", format!("{beside}:{path}"))
        .env("XDG_CONFIG_HOME", dir.join(".config"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    command
}

impl Terminal {
    async fn open(dir: &Path) -> Terminal {
        let mut shell = shell(dir).arg("-s").spawn().expect("bash");
        let mut keys = shell.stdin.take().expect("its input");
        keys.write_all(b"exec 2>&1; set -e\n").await.expect("typed");
        let screen = BufReader::new(shell.stdout.take().expect("its output")).lines();
        let dir = dir.to_owned();
        Terminal {
            shell,
            keys,
            screen,
            dir,
        }
    }

    /// Types a block; gives what is seen. Panics where a command fails.
    async fn play(&mut self, block: &Block) -> String {
        let file = self.dir.join(format!(".block-{}.sh", block.line));
        std::fs::write(&file, &block.script).expect("a file");
        let typed = format!(". {} </dev/null; echo '{MARK}'\n", file.display());
        self.keys.write_all(typed.as_bytes()).await.expect("typed");
        let mut seen = String::new();
        while let Some(line) = self.screen.next_line().await.expect("a screen") {
            if line == MARK {
                return seen;
            }
            seen.push_str(&line);
            seen.push('\n');
        }
        let ended = self.shell.wait().await.expect("an end");
        panic!(
            "line {}: {ended}\n{}\n{seen}",
            block.line,
            block.script.trim()
        );
    }
}

/// What runs in a terminal of its own; dropped, it is interrupted and ends.
struct Apart(Child);

impl Apart {
    /// Types a block and waits until what follows it is seen.
    async fn open(dir: &Path, block: &Block) -> Apart {
        let wanted = block.seen.as_deref().expect("something to wait for");
        let wanted = Regex::new(&pattern(wanted)).expect("a pattern");
        let mut child = shell(dir)
            .args(["-c", &block.script])
            .process_group(0)
            .spawn()
            .expect("bash");
        let mut screen = BufReader::new(child.stdout.take().expect("its output")).lines();
        let apart = Apart(child);
        let mut seen = String::new();
        while !wanted.is_match(&seen) {
            let line = screen.next_line().await.expect("a screen");
            let line = line.unwrap_or_else(|| panic!("it ended:\n{seen}"));
            seen.push_str(&line);
            seen.push('\n');
        }
        // Read on, so that it never waits for a reader.
        tokio::spawn(async move { while let Ok(Some(_)) = screen.next_line().await {} });
        apart
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        let Some(group) = self.0.id().and_then(|id| i32::try_from(id).ok()) else {
            return;
        };
        // Its environments are processes that would outlive it: it is asked to end them.
        let _ = killpg(Pid::from_raw(group), Signal::SIGINT);
        let began = Instant::now();
        while began.elapsed() < END && matches!(self.0.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[tokio::test]
async fn the_tutorial_is_true() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/TUTORIAL.md");
    let page = std::fs::read_to_string(page).expect("the tutorial");
    let dir = tempfile::tempdir().expect("an empty folder");
    let mut terminal = Terminal::open(dir.path()).await;
    let mut apart = Vec::new();
    let mut wrong = Vec::new();
    for block in blocks(&page) {
        let late = format!("line {}: not done in {PATIENCE:?}", block.line);
        if block.script.starts_with(APART) {
            let opened = tokio::time::timeout(PATIENCE, Apart::open(dir.path(), &block));
            apart.push(opened.await.expect(&late));
            continue;
        }
        let seen = tokio::time::timeout(PATIENCE, terminal.play(&block));
        let seen = seen.await.expect(&late);
        let wanted = block.seen.as_deref().unwrap_or("");
        let is_so = Regex::new(&format!("{}$", pattern(wanted))).expect("a pattern");
        if !is_so.is_match(&seen) {
            wrong.push(format!(
                "line {}: {}\n--- promised\n{wanted}--- seen\n{seen}",
                block.line,
                block.script.trim()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(apart.len(), 1, "the demo is one");
}

#[test]
fn blocks_are_what_is_typed_and_what_is_seen() {
    let page = "a\n```sh\nx\n```\nb\n```text\n1 …\n…\n3\n```\n```sh\ny\n```\n";
    let found = blocks(page);
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].line, found[0].script.as_str()), (2, "x\n"));
    assert_eq!(found[1].seen, None);
    let is_so = |seen: &str| {
        let wanted = pattern(found[0].seen.as_deref().expect("text"));
        Regex::new(&format!("{wanted}$"))
            .expect("a pattern")
            .is_match(seen)
    };
    for (seen, says) in [
        ("1 a\n3\n", true),
        ("1 \n2\n2\n3\n", true),
        ("1 a\n3", false),
        ("1\n3\n", false),
        ("0\n1 a\n3\n", false),
        ("1 a\n3\n4\n", false),
    ] {
        assert_eq!(is_so(seen), says, "{seen:?}");
    }
}
