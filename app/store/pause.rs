//! The pause of everything: kept with who began it and who ended it.

use super::Store;
use super::accounts::put_value;
use super::records::write_record;
use super::subjects::{RINGS_SUBJECTS, wake_all};
use anyhow::Context as _;
use bowsprit_core::effect::{Record, Wake};
use bowsprit_core::name::Login;
use bowsprit_core::subject::SubjectKey;
use bowsprit_core::subject::pause::Pause;

/// Under which name it is kept, and as whose the events of it are listed.
const PAUSE: &str = "pause";

impl Store {
    /// The pause of everything, if there is one.
    pub async fn pause(&self) -> anyhow::Result<Option<Pause>> {
        let text = self.kv(PAUSE).await?;
        let pause = text.map_or(Ok(None), |text| serde_json::from_str(&text));
        pause.context("cannot read the pause")
    }

    /// Begins a pause, and has every open pull request and environment looked at.
    pub async fn begin_pause(&self, pause: &Pause) -> anyhow::Result<()> {
        let event = Record::Event {
            who: Some(pause.by.clone()),
            what: "everything paused".to_owned(),
            sha: None,
            why: pause.why.clone(),
        };
        self.put_pause(Some(pause), event, pause.at_ms).await
    }

    /// Ends the pause, and has the same looked at.
    pub async fn end_pause(&self, by: Option<Login>, now_ms: i64) -> anyhow::Result<()> {
        let event = Record::Event {
            who: by,
            what: "everything goes on".to_owned(),
            sha: None,
            why: String::new(),
        };
        self.put_pause(None, event, now_ms).await
    }

    async fn put_pause(
        &self,
        pause: Option<&Pause>,
        event: Record,
        now_ms: i64,
    ) -> anyhow::Result<()> {
        let text = serde_json::to_string(&pause)?;
        let wakes = self.everybody_waiting().await?;
        let work = self.write(RINGS_SUBJECTS, move |conn| {
            Box::pin(async move {
                put_value(conn, PAUSE, &text).await?;
                write_record(conn, PAUSE, &event, now_ms).await?;
                wake_all(conn, &wakes).await
            })
        });
        Ok(work.await?)
    }

    /// Open pull requests and environments of every repository.
    async fn everybody_waiting(&self) -> anyhow::Result<Vec<Wake>> {
        let mut subjects = Vec::new();
        for (view, _) in self.repositories().await? {
            let id = view.repo.id;
            let pulls = self.open_pulls(id).await?;
            subjects.extend(pulls.into_iter().map(|pr| SubjectKey::Pull(id, pr)));
            let environments = self.environments(id).await?;
            let there = environments.into_iter().filter(|e| !e.is_gone);
            subjects.extend(there.map(|e| SubjectKey::Environment(id, e.name)));
        }
        let wake = |subject| Wake {
            subject,
            hint: None,
        };
        Ok(subjects.into_iter().map(wake).collect())
    }
}
