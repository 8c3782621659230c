//! A backend, and an agent that plays the part that a test gives it.

use super::super::*;
use crate::hands::tests::{config, end, script};
use bowsprit_core::artifact::{self, File, media_type};
use bowsprit_core::effect::ModelFiles;
use bowsprit_core::name::{CommitSha, Digest, Repo, RepoId, RepoName, RepoPath};
use bowsprit_core::training::spec::{
    FailureKind, Outcome, Phase, RunResult, StageKind, StepSpec, Trust,
};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

/// Does what an agent does: takes the lock, says that it works, waits for its part, plays it.
const AGENT: &str = r#"
verb="$1"; dir="$3"; stage=$(basename "$dir"); part="$(dirname "$0")/parts/$stage"
[ "$verb" = run ] || exit 9
[ -e "$part.fails" ] && exit 3
exec 9>>"$dir/agent.lock"; flock -n 9 || exit 0
[ -e "$0" ] || exit 0
[ -e "$dir/result.json" ] && exit 0
echo begun >> "$dir/log.txt"
env > "$dir/env.txt"
say() { printf '%s' "$2" > "$dir/$1.new"; mv "$dir/$1.new" "$dir/$1.json"; }
say status '{"phase":"running","step":"train","started_ms":1000,"updated_ms":3000,"progress":0.5,"tail":["epoch 1"]}'
mkdir -p "$dir/outputs" "$dir/work"
while [ ! -e "$part" ]; do
  [ -e "$0" ] || exit 0
  if [ -e "$dir/cancel" ]; then
    say result "$(sed 's/succeeded/cancelled/' "$dir/success.json")"; exit 0
  fi
  sleep 0.01
done
. "$part"
"#;

pub(super) const SUCCESS: &str = r#"{"id":"ID","outcome":"succeeded","failure":null,"steps":[{"name":"train","exit_code":0,"duration_ms":1,
"peak_rss_bytes":0,"metrics":{},"searched":[]}],"outputs":[OUTPUTS],"probe":null,"runtime":null,"runtime_cached":false,
"unconfined":null,"duration_ms":5,"tail":["done"]}"#;

pub(super) struct House {
    pub(super) dir: tempfile::TempDir,
    pub(super) artifacts: Artifacts,
    pub(super) backend: Backend,
    slots: usize,
}

impl House {
    pub(super) fn new(slots: usize) -> House {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("parts")).unwrap();
        let artifacts = Artifacts::open(&dir.path().join("state")).unwrap();
        let backend = open(dir.path(), &artifacts, slots);
        House {
            dir,
            artifacts,
            backend,
            slots,
        }
    }

    /// The bot is gone and comes again.
    pub(super) fn restart(&mut self) {
        self.backend = open(self.dir.path(), &self.artifacts, self.slots);
    }

    pub(super) fn file(&self, stage: &str, name: &str) -> PathBuf {
        self.dir.path().join("state/runs").join(stage).join(name)
    }

    pub(super) async fn start(&self, stage: &str, repo: u64) {
        self.backend
            .start(&plan(stage, repo), self.snapshot(stage))
            .await
            .unwrap();
    }

    pub(super) fn snapshot(&self, stage: &str) -> Source {
        let path = self.dir.path().join(format!("{stage}.tar"));
        std::fs::write(&path, "tar").unwrap();
        Source {
            uri: path.display().to_string(),
            sha256: Digest::of(b"tar"),
        }
    }

    /// Says what the agent of a stage does next.
    pub(super) fn play(&self, stage: &str, part: &str) {
        let path = self.dir.path().join("parts").join(stage);
        std::fs::write(path.with_extension("draft"), part).unwrap();
        std::fs::rename(path.with_extension("draft"), path).unwrap();
    }

    /// The agent leaves these outputs and this list of them.
    pub(super) fn succeed(&self, stage: &str, script: &str, outputs: &str) {
        let result = SUCCESS.replace("ID", stage).replace("OUTPUTS", outputs);
        std::fs::write(self.file(stage, "success.json"), result).unwrap();
        self.play(
            stage,
            &format!(
                "cd \"$dir/outputs\"\n{script}\nsay result \"$(cat \"$dir/success.json\")\"\n"
            ),
        );
    }

    /// Tends until the stage stands as wanted, which it was told of.
    pub(super) async fn until(&self, stage: &str, is_so: impl Fn(&StageView) -> bool) -> StageView {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            self.backend.tend().await;
            let view = self.backend.view(stage);
            if is_so(&view) {
                return view;
            }
            assert!(Instant::now() < until, "{stage}: {view:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(super) async fn running(&self, stage: &str) {
        self.until(
            stage,
            |view| matches!(view, StageView::Running(status) if status.phase == Phase::Running),
        )
        .await;
    }

    pub(super) async fn done(&self, stage: &str) -> RunResult {
        match self
            .until(stage, |view| matches!(view, StageView::Done(_)))
            .await
        {
            StageView::Done(result) => *result,
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn failure(&self, stage: &str) -> (FailureKind, String) {
        let result = self.done(stage).await;
        assert_eq!(
            (result.outcome, result.outputs),
            (Outcome::Failed, Vec::new())
        );
        let failure = result.failure.unwrap();
        (failure.kind, failure.message)
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let runs = self.dir.path().join("state/runs");
        let stages = std::fs::read_dir(runs).into_iter().flatten().flatten();
        let locks: Vec<PathBuf> = stages
            .map(|stage| stage.path().join("agent.lock"))
            .collect();
        end(&self.dir.path().join("agent.sh"), &locks);
    }
}

fn open(dir: &Path, artifacts: &Artifacts, slots: usize) -> Backend {
    let program = script(&dir.join("agent.sh"), AGENT);
    let mut config = config(&dir.join("state"), slots);
    let secrets = [("KEY".to_owned(), "the value".into())];
    let of = "octo/digits-training".to_owned();
    config.secrets.insert(of, secrets.into());
    Backend::open(&config, artifacts.clone(), program, None).unwrap()
}

pub(super) fn plan(stage: &str, repo: u64) -> StagePlan {
    StagePlan {
        stage: stage.to_owned(),
        kind: StageKind::Train,
        repo: Repo {
            id: RepoId(repo),
            name: RepoName::parse("octo/digits-training").unwrap(),
        },
        sha: CommitSha::parse(&"a".repeat(40)).unwrap(),
        leave_out: Vec::new(),
        only: Vec::new(),
        runtime: None,
        trust: Trust::Trusted,
        model_trust: Trust::Trusted,
        steps: vec![StepSpec {
            name: "train".to_owned(),
            run: vec!["python".to_owned(), "train.py".to_owned()],
            image: None,
            env: BTreeMap::new(),
            timeout_s: 60,
            cpu_millis: 1_000,
            memory_bytes: 1 << 28,
            gpu: 0,
            secrets: Vec::new(),
            network: false,
            model: None,
            outputs: String::new(),
        }],
        models: Vec::new(),
        data: None,
        serve: None,
    }
}

pub(super) fn file(path: &str, body: &[u8]) -> File {
    File {
        path: RepoPath::parse(path).unwrap(),
        sha256: Digest::of(body),
        bytes: body.len() as u64,
        media_type: media_type(path).to_owned(),
    }
}

pub(super) fn listed(path: &str, body: &[u8]) -> String {
    let digest = Digest::of(body);
    format!(
        r#"{{"path":"{path}","sha256":"{digest}","bytes":{},"media_type":"text/plain"}}"#,
        body.len()
    )
}

pub(super) fn model(body: &[u8]) -> ModelFiles {
    let files = vec![file("model.onnx", body)];
    ModelFiles {
        name: "live".to_owned(),
        version: Some(7),
        digest: artifact::digest(&files),
        files,
    }
}
