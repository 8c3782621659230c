//! What agents and gateways say: changed stages and environments wake their subjects.

use super::Rooms;
use bowsprit_core::effect::Wake;
use bowsprit_core::subject::SubjectKey;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Directories are looked at this often.
const EVERY: Duration = Duration::from_millis(200);

pub(super) async fn run(rooms: Arc<Rooms>, stop: CancellationToken) {
    loop {
        let mut wakes: Vec<Wake> = Vec::new();
        for stage in rooms.runs.tend().await {
            // A run's id has no dash; the name of a stage may have one.
            if let Some((run, _)) = stage.split_once('-') {
                wakes.push(Wake {
                    subject: SubjectKey::Run(run.to_owned()),
                    hint: None,
                });
            }
        }
        for (repo, name) in rooms.releases.tend().await {
            wakes.push(Wake {
                subject: SubjectKey::Environment(repo, name),
                hint: None,
            });
        }
        if !wakes.is_empty()
            && let Err(error) = rooms.store.wake(wakes).await
        {
            tracing::error!("cannot wake subjects: {error:#}");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}
