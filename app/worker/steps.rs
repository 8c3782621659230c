//! Subjects that should look: claim, ask and answer, commit as one transaction.

use super::looking::Looking;
use super::{Rooms, Trouble, now_ms, wait};
use crate::github::error::ApiError;
use crate::store::{Claim, Commit};
use bowsprit_core::effect::Intent;
use bowsprit_core::subject::ask::{Ask, Query};
use bowsprit_core::subject::{Given, ROUNDS_MAX, Step, SubjectKey, environment, model, pull, run};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Subjects at work at once.
const AT_ONCE: usize = 16;

/// Nothing is due sooner: the longest sleep.
const IDLE: Duration = Duration::from_secs(1);

pub(super) async fn run(rooms: Arc<Rooms>, stop: CancellationToken) {
    let slots = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    let tasks = TaskTracker::new();
    while !stop.is_cancelled() {
        let Ok(slot) = slots.clone().acquire_owned().await else {
            break;
        };
        match rooms.store.claim_subject(now_ms()).await {
            Ok(Some(claim)) => {
                let rooms = rooms.clone();
                tasks.spawn(async move {
                    look(&rooms, claim).await;
                    drop(slot);
                });
            }
            Ok(None) => {
                drop(slot);
                let now = now_ms();
                let due = rooms.store.next_due_ms(now).await.ok().flatten();
                let sleep = due.map_or(IDLE, |due| {
                    Duration::from_millis(u64::try_from(due - now).unwrap_or(0)).min(IDLE)
                });
                wait(
                    rooms.store.subjects_changed(),
                    sleep.max(Duration::from_millis(5)),
                    &stop,
                )
                .await;
            }
            Err(error) => {
                drop(slot);
                tracing::error!("cannot claim a subject: {error:#}");
                wait(rooms.store.subjects_changed(), IDLE, &stop).await;
            }
        }
    }
    tasks.close();
    tasks.wait().await;
}

async fn look(rooms: &Rooms, claim: Claim) {
    let key = claim.key.clone();
    let mut ask = Ask::default();
    let outcome = match &key {
        SubjectKey::Run(_) => drive(rooms, &claim, &mut ask, run::step).await,
        SubjectKey::Pull(repo, number) => {
            let at = (*repo, *number);
            drive(rooms, &claim, &mut ask, move |given, ask| {
                pull::step(given, at, ask)
            })
            .await
        }
        SubjectKey::Model(repo, name) => {
            let at = (*repo, name.clone());
            drive(rooms, &claim, &mut ask, move |given, ask| {
                model::step(given, (at.0, &at.1), ask)
            })
            .await
        }
        SubjectKey::Environment(repo, name) => {
            let at = (*repo, name.clone());
            drive(rooms, &claim, &mut ask, move |given, ask| {
                environment::step(given, (at.0, &at.1), ask)
            })
            .await
        }
    };
    let stored = match outcome {
        Ok(commit) => rooms.store.commit_step(&claim, commit).await.map(|is_ours| {
            if !is_ours {
                tracing::warn!(subject = %key, "the look at `{key}` came too late and was dropped");
            }
        }),
        Err(Failed { trouble, asked }) => {
            tracing::warn!(subject = %key, "the look at `{key}` will be tried again: {trouble}");
            let at_ms = now_ms() + trouble.retry_after_ms(claim.attempts);
            let told = match (&trouble, asked) {
                (Trouble::Api(refusal @ ApiError::Refused { .. }), Some(asked)) => {
                    word(rooms, &key, (&asked, &refusal.words()), &mut ask).await
                }
                (_, _) => None,
            };
            rooms
                .store
                .fail_step(&claim, &trouble.to_string(), at_ms, told)
                .await
        }
    };
    if let Err(error) = stored {
        tracing::error!(subject = %key, "cannot note the look at `{key}`: {error:#}");
    }
}

/// Why a look came to nothing, and the question that was not answered, where it was one.
struct Failed {
    trouble: Trouble,
    asked: Option<Query>,
}

impl From<anyhow::Error> for Failed {
    fn from(error: anyhow::Error) -> Failed {
        Failed {
            trouble: Trouble::Other(error),
            asked: None,
        }
    }
}

/// What a pull request says where GitHub refused to answer a question, as far as that can be told.
async fn word(
    rooms: &Rooms,
    key: &SubjectKey,
    refused: (&Query, &str),
    ask: &mut Ask,
) -> Option<Intent> {
    let SubjectKey::Pull(repo, number) = key else {
        return None;
    };
    let looking = Looking::new(rooms);
    for _ in 0..ROUNDS_MAX {
        match pull::unread((*repo, *number), refused, &rooms.public_url, ask) {
            Ok(told) => return told,
            Err(missing) => {
                for query in missing {
                    let answer = looking.answer(&query).await.ok()?;
                    ask.learn(query, answer);
                }
            }
        }
    }
    None
}

async fn drive<S>(
    rooms: &Rooms,
    claim: &Claim,
    ask: &mut Ask,
    step: impl Fn(&Given<S>, &mut Ask) -> Step<S>,
) -> Result<Commit, Failed>
where
    S: Serialize + DeserializeOwned,
{
    let state = match claim.state.clone() {
        None | Some(serde_json::Value::Null) => None,
        Some(value) => Some(
            serde_json::from_value(value)
                .map_err(|error| anyhow::anyhow!("cannot read the state: {error}"))?,
        ),
    };
    let given = Given {
        state,
        hints: claim.hints.iter().map(|(_, hint)| hint.clone()).collect(),
        outcomes: claim.outcomes.clone(),
        now_ms: now_ms(),
        since_ms: rooms.store.born_ms(),
        public_url: rooms.public_url.clone(),
    };
    let hints_taken: Vec<i64> = claim.hints.iter().map(|(id, _)| *id).collect();
    let looking = Looking::new(rooms);
    for _ in 0..ROUNDS_MAX {
        match step(&given, ask) {
            Step::Nothing => {
                let state = claim.state.clone().unwrap_or(serde_json::Value::Null);
                return Ok(Commit {
                    state,
                    intents: Vec::new(),
                    withdrawn: Vec::new(),
                    wakes: Vec::new(),
                    records: Vec::new(),
                    look_again_ms: None,
                    hints_taken,
                });
            }
            Step::Act(act) => {
                let state = serde_json::to_value(&act.state).map_err(anyhow::Error::from)?;
                let act = *act;
                return Ok(Commit {
                    state,
                    intents: act.intents,
                    withdrawn: act.withdrawn,
                    wakes: act.wakes,
                    records: act.records,
                    look_again_ms: act.look_again_ms,
                    hints_taken,
                });
            }
            Step::Look(queries) => {
                let answers = queries.into_iter().map(|query| async {
                    let answer = looking.answer(&query).await;
                    (query, answer)
                });
                for (query, answer) in futures_util::future::join_all(answers).await {
                    match answer {
                        Ok(answer) => ask.learn(query, answer),
                        Err(trouble) => {
                            return Err(Failed {
                                trouble,
                                asked: Some(query),
                            });
                        }
                    }
                }
            }
        }
    }
    Err(anyhow::anyhow!("it asked more than {ROUNDS_MAX} times").into())
}
