//! What GitHub holds of our App itself: what it may do, what it is told, and where to.

use crate::github::calls::CALLS;
use crate::github::client::{Call, Caller, GitHub};
use crate::github::error::ApiError;
use crate::github::event::EVENTS;
use crate::github::wire;
use bowsprit_core::doctor::{App, Hook};

impl GitHub {
    /// Our App with its permissions and events, asked anew each time. Errors: as of any call.
    pub async fn app_in_full(&self) -> Result<App, ApiError> {
        let found: wire::AppInFull = self.call(Caller::App, Call::get("/app")).await?.json()?;
        Ok(App {
            slug: found.slug,
            permissions: found.permissions,
            events: found.events,
        })
    }

    /// Where deliveries of our App are sent, and how; `None` where it has no webhook. Errors: as of any call.
    pub async fn webhook(&self) -> Result<Option<Hook>, ApiError> {
        let answer = self.call(Caller::App, Call::get("/app/hook/config")).await;
        match answer {
            Ok(answer) => {
                let found: wire::Hook = answer.json()?;
                let is_form = found.content_type.as_deref() == Some("form");
                Ok(found.url.map(|url| Hook { url, is_form }))
            }
            Err(ApiError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What our App needs for the calls that we make and the events that we hear.
pub fn needed() -> App {
    let mut needed = App {
        events: EVENTS.iter().map(|event| (*event).to_owned()).collect(),
        ..App::default()
    };
    for call in CALLS {
        let Some(permission) = call.permission else {
            continue;
        };
        let level = needed.permissions.entry(permission.to_owned()).or_default();
        if level != "write" {
            *level = call.level.to_owned();
        }
    }
    needed
}
