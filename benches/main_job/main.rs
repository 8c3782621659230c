//! What the main job costs: from a delivery at the door to a merge, a run and an answer of a model.
//!
//! `cargo bench --bench main_job -- [PART…] [--quick]`; without a part, all of them. Loopback only, bounded in count and time.
//! Nothing here fails by being slow: the tables say what was measured, docs/PERFORMANCE.md says what was aimed at.

mod burst;
mod door;
mod gateway;
mod github;
#[path = "../../tests/it/harness.rs"]
#[expect(dead_code, reason = "the stories use all of it, the figures some")]
mod harness;
mod line;
mod payload;
mod process;
mod server;
mod step;
mod story;
mod table;
#[path = "../../tests/it/unrest.rs"]
mod unrest;

use std::process::ExitCode;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    is_quick: bool,
}

impl Size {
    /// The count of a full measurement, or of a quick one.
    pub(crate) fn of(self, full: usize, quick: usize) -> usize {
        if self.is_quick { quick } else { full }
    }
}

const PARTS: [&str; 8] = [
    "parse", "door", "step", "approve", "train", "gateway", "server", "burst",
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.first().map(String::as_str) {
        Some("child:door") => door::child(&args),
        Some("child:ceiling") => door::ceiling(&args),
        Some(_) | None => measure(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(args: &[String]) -> anyhow::Result<()> {
    // `cargo bench` adds `--bench`.
    let size = Size {
        is_quick: args.iter().any(|arg| arg == "--quick"),
    };
    let named: Vec<&str> = args
        .iter()
        .map(String::as_str)
        .filter(|arg| !arg.starts_with("--"))
        .collect();
    if let Some(unknown) = named.iter().find(|name| !PARTS.contains(name)) {
        anyhow::bail!("no part `{unknown}`; there are {}", PARTS.join(", "));
    }
    let runtime = tokio::runtime::Runtime::new()?;
    for part in PARTS {
        if !named.is_empty() && !named.contains(&part) {
            continue;
        }
        println!("\n## {part} (load {})", process::load());
        runtime.block_on(async {
            match part {
                "parse" => door::parse(size).await,
                "door" => door::run(size).await,
                "step" => step::run(size),
                "approve" => story::approve(size).await,
                "train" => story::train(size).await,
                "gateway" => gateway::run(size).await,
                "server" => server::run(size).await,
                _ => burst::run(size).await,
            }
        })?;
    }
    Ok(())
}
