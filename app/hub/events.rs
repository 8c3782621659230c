//! Turns a change into a webhook payload and puts it into the outbox.
//!
//! Every payload has a sender and the installation; repository and organisation where they
//! apply.  Source: GitHub documentation, "Webhook events and payloads".

use crate::deliver::Outgoing;
use crate::hub::Hub;
use crate::state::{AccountKind, State};
use serde_json::{Value, json};

/// One thing that happened.
pub(crate) struct Event {
    pub(crate) name: &'static str,
    pub(crate) action: Option<&'static str>,
    pub(crate) repo: Option<u64>,
    pub(crate) sender: u64,
    pub(crate) payload: Value,
}

impl Hub {
    /// Queues an event for the App, when it has a webhook and may see the repository.
    pub(crate) fn emit(&self, state: &State, event: Event) {
        let (Some(app), Some(_)) = (&state.app, &state.hook) else {
            return;
        };
        let is_lifecycle = event.name.starts_with("installation");
        if !is_lifecycle
            && !app.events.is_empty()
            && !app.events.iter().any(|name| name == event.name)
        {
            return;
        }
        let view = self.view(state);
        let mut payload = event.payload;
        if let Some(action) = event.action {
            payload["action"] = json!(action);
        }
        payload["sender"] = view.user(event.sender);
        let mut installation_id = payload["installation"]["id"].as_u64();
        if let Some(repo) = event.repo.and_then(|id| state.repos.get(&id)) {
            let Some(installation) = state.installation_of(repo) else {
                return;
            };
            if installation.suspended.is_some() {
                return;
            }
            installation_id = Some(installation.id);
            payload["installation"] = json!({
                "id": installation.id,
                "node_id": crate::text::node_id("Installation", installation.id),
            });
            if payload.get("repository").is_none() {
                payload["repository"] = view.repo(repo);
            }
            if let Some(owner) = state.accounts.get(&repo.owner)
                && owner.kind == AccountKind::Organization
            {
                payload["organization"] = view.organization(owner);
            }
        }
        self.queue(Outgoing {
            key: 0,
            guid: uuid::Uuid::new_v4().to_string(),
            event: event.name.to_owned(),
            action: event.action.map(ToOwned::to_owned),
            installation_id,
            repository_id: event.repo,
            payload: payload.to_string(),
            is_redelivery: false,
        });
    }
}
