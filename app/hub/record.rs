//! Writes every call with its answer, and every delivery, into a file when the configuration names one.
//!
//! It is how tests hold the server against the official description: `tests/openapi/check.sh`.
//! The file has bodies with tokens in them, so nobody should ask for it outside a test.  It must never change an answer:
//! a line that cannot be written is an error in the log and nothing else.

use crate::answer::{Answer, Body};
use crate::deliver::Outgoing;
use crate::hub::lock;
use anyhow::Context;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

/// The open file, or nothing.
#[derive(Debug)]
pub(crate) struct Recorder(Option<Mutex<File>>);

impl Recorder {
    /// Opens the file to go on at its end.
    ///
    /// Errors: it cannot be opened.
    pub(crate) fn open(path: Option<&Path>) -> anyhow::Result<Self> {
        let open = |path: &Path| {
            File::options()
                .create(true)
                .append(true)
                .open(path)
                .with_context(|| format!("cannot open the record `{}`", path.display()))
        };
        Ok(Self(path.map(open).transpose()?.map(Mutex::new)))
    }

    /// Writes a call, as the journal has it, together with its answer.
    pub(crate) fn call(&self, entry: &Value, answer: &Answer) {
        if self.0.is_none() {
            return;
        }
        let (media, response) = match &answer.body {
            Body::Empty => (None, Value::Null),
            Body::Json(body) => (Some("application/json"), body.clone()),
            Body::Bytes(media, _) => (Some(*media), Value::Null),
        };
        let mut line = entry.clone();
        line["media"] = json!(media);
        line["response"] = response;
        self.write(&line);
    }

    /// Writes a delivery that is about to be sent.
    pub(crate) fn delivery(&self, outgoing: &Outgoing) {
        if self.0.is_none() {
            return;
        }
        let payload: Value = serde_json::from_str(&outgoing.payload).unwrap_or_default();
        self.write(&json!({
            "event": outgoing.event, "action": outgoing.action, "payload": payload,
        }));
    }

    fn write(&self, line: &Value) {
        let Some(file) = &self.0 else {
            return;
        };
        // One write a line, so that a reader never sees half of one from a server that ended well.
        if let Err(error) = lock(file).write_all(format!("{line}\n").as_bytes()) {
            tracing::error!("cannot write the record: {error}");
        }
    }
}
