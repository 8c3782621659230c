//! GitHub's own merge queue, which only its other API knows.

use super::refused;
use crate::github::auth::Access;
use crate::github::error::ApiError;
use crate::github::place::Place;
use bowsprit_core::effect::EffectResult;
use bowsprit_core::name::{CommitSha, PrNumber};
use bowsprit_core::subject::pull::QueueEntry;
use serde::Deserialize;
use serde_json::{Value, json};

const FIND: &str = "query($owner: String!, $name: String!, $number: Int!) {
  repository(owner: $owner, name: $name) {
    pullRequest(number: $number) { id state headRefOid mergeQueueEntry { position state } }
  }
}";

const PUT_IN: &str = "mutation($id: ID!, $head: GitObjectID!) {
  enqueuePullRequest(input: {pullRequestId: $id, expectedHeadOid: $head}) { clientMutationId }
}";

const TAKE_OUT: &str = "mutation($id: ID!) {
  dequeuePullRequest(input: {id: $id}) { clientMutationId }
}";

#[derive(Deserialize)]
struct Found {
    repository: Option<InRepository>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InRepository {
    pull_request: Option<Queued>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Queued {
    id: String,
    state: String,
    head_ref_oid: String,
    merge_queue_entry: Option<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    position: u64,
    state: String,
}

async fn find(place: &Place, access: Access, pr: PrNumber) -> Result<Queued, ApiError> {
    let name = &place.repo().name;
    let variables = json!({"owner": name.owner(), "name": name.name(), "number": pr.0});
    let found: Found = place.graphql(access, FIND, variables).await?;
    let pull = found.repository.and_then(|found| found.pull_request);
    pull.ok_or(ApiError::NotFound)
}

/// Puts this head into the queue, or takes it out; what is so already is left so.
pub(super) async fn enqueue(
    place: &Place,
    pr: PrNumber,
    head: &CommitSha,
    is_in: bool,
) -> Result<EffectResult, ApiError> {
    let pull = find(place, Access::Pushing, pr).await?;
    if pull.state == "MERGED" || pull.merge_queue_entry.is_some() == is_in {
        return Ok(EffectResult::Nothing);
    }
    if is_in && pull.state != "OPEN" {
        return Ok(refused("it is closed"));
    }
    if is_in && pull.head_ref_oid != head.as_str() {
        return Ok(refused("its head was pushed to"));
    }
    let (query, variables) = match is_in {
        true => (PUT_IN, json!({"id": pull.id, "head": head})),
        false => (TAKE_OUT, json!({"id": pull.id})),
    };
    let _: Value = place.graphql(Access::Pushing, query, variables).await?;
    Ok(EffectResult::Nothing)
}

impl Place {
    /// Where a pull request stands in the queue. Errors: as of any call.
    pub async fn queue_entry(&self, pr: PrNumber) -> Result<Option<QueueEntry>, ApiError> {
        let entry = find(self, Access::Reading, pr).await?.merge_queue_entry;
        Ok(entry.map(|entry| QueueEntry {
            position: entry.position,
            state: entry.state.chars().take(STATE_CHARS_MAX).collect(),
        }))
    }
}

/// Longest word of GitHub's that is shown. Units: characters.
const STATE_CHARS_MAX: usize = 40;
