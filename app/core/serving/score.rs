//! `serve.score`: a scoring file behind a server of ours, for whoever does not want to write one.

use crate::name::RepoPath;

/// Serves a scoring file, with Python's standard library alone.
const SERVER: &str = include_str!("score_server.py");

/// The command that listens on `PORT` and answers with the file's `run`.
pub fn command(file: &RepoPath, ready: &str, predict: &str) -> Vec<String> {
    ["python", "-c", SERVER, file.as_str(), ready, predict]
        .map(str::to_owned)
        .to_vec()
}

/// The file that a command serves, where it is one of [`command`].
pub fn file_of(command: &[String]) -> Option<&str> {
    match command {
        [_, _, server, file, ..] if server == SERVER => Some(file),
        _ => None,
    }
}
