//! The picker of `bowsprit create mlquickstart`, at a terminal: keys in, screen out.

use nix::pty::{Winsize, openpty};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Nothing is waited for longer.
const PATIENCE: Duration = Duration::from_secs(60);
const SIZE: Winsize = Winsize {
    ws_row: 24,
    ws_col: 110,
    ws_xpixel: 0,
    ws_ypixel: 0,
};
const DOWN: &str = "\x1b[B";
const ENTER: &str = "\r";
const ESCAPE: &str = "\x1b";

/// A program at a terminal.
struct Terminal {
    program: Child,
    keys: File,
    bytes: Receiver<Vec<u8>>,
    screen: vt100::Parser,
}

impl Terminal {
    fn start(output_dir: &Path, words: &[&str]) -> Terminal {
        let pty = openpty(&SIZE, None).expect("a terminal");
        let slave = || File::from(pty.slave.try_clone().expect("a handle"));
        let program = Command::new(env!("CARGO_BIN_EXE_bowsprit"))
            .args(["create", "mlquickstart", "--no-push", "--output-dir"])
            .arg(output_dir)
            .args(words)
            .env("TERM", "xterm-256color")
            .env("NO_COLOR", "1")
            .stdin(slave())
            .stdout(slave())
            .stderr(slave())
            .spawn()
            .expect("it starts");
        let keys = File::from(pty.master);
        let mut reader = keys.try_clone().expect("a handle");
        let (sender, bytes) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // The end of the other side is an error here.
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                let _ = sender.send(buffer.get(..count).unwrap_or_default().to_vec());
            }
        });
        Terminal {
            program,
            keys,
            bytes,
            screen: vt100::Parser::new(SIZE.ws_row, SIZE.ws_col, 0),
        }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("keys");
    }

    /// The lines of the screen, once `look` likes them.
    fn until(&mut self, what: &str, look: impl Fn(&[String]) -> bool) -> Vec<String> {
        let began = Instant::now();
        loop {
            let lines: Vec<String> = self
                .screen
                .screen()
                .contents()
                .lines()
                .map(|line| line.trim_end().to_owned())
                .collect();
            if look(&lines) {
                return lines;
            }
            let left = PATIENCE.saturating_sub(began.elapsed());
            match self.bytes.recv_timeout(left) {
                Ok(bytes) => self.screen.process(&bytes),
                Err(error) => panic!("waited in vain for {what} ({error}):\n{}", lines.join("\n")),
            }
        }
    }

    fn until_text(&mut self, text: &str) -> Vec<String> {
        self.until(text, |lines| lines.iter().any(|line| line.contains(text)))
    }

    fn end(mut self) -> bool {
        self.program.wait().expect("it ends").success()
    }
}

/// The names on the screen, in order, and the one that the cursor is at.
fn names(lines: &[String]) -> (Vec<String>, String) {
    let rows: Vec<&String> = lines.iter().filter(|line| line.contains("ML-")).collect();
    let name = |line: &str| {
        let words = line.split_whitespace();
        let mut names = words.filter(|word| word.starts_with("ML-"));
        names.next().unwrap_or_default().to_owned()
    };
    let at = rows.iter().find(|line| line.starts_with('>'));
    (
        rows.iter().map(|line| name(line)).collect(),
        at.map(|line| name(line)).unwrap_or_default(),
    )
}

#[test]
fn arrows_letters_and_enter_choose_a_half() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut t = Terminal::start(dir.path(), &["--filter", "sklearn-digits"]);
    let set = "ML-python-sklearn-digits-cpu";
    let three = [
        set.to_owned(),
        format!("{set}-service"),
        format!("{set}-training"),
    ];
    let lines = t.until_text("enter to take");
    assert_eq!(
        names(&lines),
        (three.to_vec(), set.to_owned()),
        "{lines:#?}"
    );
    // How much comes is seen where one chooses, and again before anything is made.
    let sized = |line: &String| line.contains("140 MB of packages; Reads");
    assert!(lines.iter().any(sized), "{lines:#?}");
    t.press(DOWN);
    t.until("the next line", |lines| names(lines).1 == three[1]);
    t.press("training");
    let lines = t.until("the filter", |lines| names(lines).0.len() == 1);
    assert_eq!(names(&lines).1, three[2], "{lines:#?}");
    t.press(ENTER);
    t.until_text("the first run downloads 140 MB of packages");
    t.until_text("What shall the names begin with?");
    // A name that cannot be is refused where it is typed.
    t.press(&format!("Demo{ENTER}"));
    t.until_text("lower-case letters");
    t.press(&format!("{}demo{ENTER}", "\x7f".repeat(4)));
    t.until_text("demo is made from ML-python-sklearn-digits-cpu-training.");
    assert!(t.end());
    assert!(dir.path().join("demo-training/bowsprit.yaml").is_file());
    assert!(!dir.path().join("demo-service").exists());
}

#[test]
fn who_leaves_has_made_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut t = Terminal::start(dir.path(), &[]);
    t.until_text("enter to take");
    t.press(ESCAPE);
    t.until_text("nothing was chosen, and nothing was made");
    assert!(!t.end());
    assert_eq!(std::fs::read_dir(dir.path()).expect("a folder").count(), 0);
}
