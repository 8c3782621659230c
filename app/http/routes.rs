//! The routes of the API: one table that the router and the OpenAPI document are made from.

use super::api::{
    environments, locations, models, packs, pause, pulls, queues, runs, start, status, tokens,
};
use super::queries::{
    LIMIT, LOG, LOG_OF_ENVIRONMENT, OF_OWNER, OF_URL, Query, RUNS, STATE, SUBJECT,
};
use super::{Desk, logs};
use crate::store::Scope;
use axum::routing::{MethodRouter, delete, get, post};
use std::sync::Arc;

/// What every path of the API begins with.
pub(super) const BASE: &str = "/api/v1";

/// How a route is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Post,
    Delete,
}

/// What a route answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gives {
    /// One thing, of this schema.
    One(&'static str),
    /// A page of things of this schema.
    List(&'static str),
    /// It will be done: 202 with this schema.
    Accepted(&'static str),
    /// Plain text.
    Text,
    /// Server-sent events.
    Stream,
}

/// One route.
pub(super) struct Route {
    pub(super) verb: Verb,
    /// Below [`BASE`].
    pub(super) path: &'static str,
    /// The least scope.
    pub(super) scope: Scope,
    pub(super) about: &'static str,
    /// Parameters of the query, each with what it means.
    pub(super) query: &'static [(&'static str, &'static str)],
    /// Schema of the body, where it takes one.
    pub(super) body: Option<&'static str>,
    pub(super) gives: Gives,
    pub(super) handler: fn() -> MethodRouter<Arc<Desk>>,
}

const fn read(
    path: &'static str,
    gives: Gives,
    about: &'static str,
    handler: fn() -> MethodRouter<Arc<Desk>>,
) -> Route {
    Route {
        verb: Verb::Get,
        path,
        scope: Scope::Read,
        about,
        query: &[],
        body: None,
        gives,
        handler,
    }
}

const fn act(
    path: &'static str,
    scope: Scope,
    about: &'static str,
    handler: fn() -> MethodRouter<Arc<Desk>>,
) -> Route {
    Route {
        verb: Verb::Post,
        scope,
        ..read(path, Gives::Accepted("Accepted"), about, handler)
    }
}

const fn with(query: Query, route: Route) -> Route {
    Route { query, ..route }
}

const fn gone(
    path: &'static str,
    gives: Gives,
    about: &'static str,
    handler: fn() -> MethodRouter<Arc<Desk>>,
) -> Route {
    Route {
        verb: Verb::Delete,
        scope: Scope::Admin,
        ..read(path, gives, about, handler)
    }
}

const RUN: Gives = Gives::One("Run");
const ENVIRONMENT: &str = "/environments/{owner}/{repo}/{name}";

/// Every route of the API.
pub(super) const ROUTES: &[Route] = &[
    with(
        RUNS,
        read("/runs", Gives::List("Run"), "Runs, newest first.", || {
            get(runs::list)
        }),
    ),
    Route {
        body: Some("Start"),
        ..act(
            "/runs",
            Scope::Run,
            "Starts a training run on the head of a branch, or on a commit of it.",
            || post(start::start),
        )
    },
    read(
        "/runs/{id}",
        RUN,
        "A run with its stages, verdicts, metrics and links.",
        || get(runs::show),
    ),
    with(
        LOG,
        read(
            "/runs/{id}/log",
            Gives::Text,
            "The log of a stage, without control codes.",
            || get(logs::of_run),
        ),
    ),
    with(
        LOG,
        read(
            "/runs/{id}/log/stream",
            Gives::Stream,
            "The log of a stage, then its lines as they come; ends with the event `done`.",
            || get(logs::stream_run),
        ),
    ),
    act("/runs/{id}/cancel", Scope::Run, "Ends a run.", || {
        post(runs::cancel)
    }),
    with(
        &[LIMIT],
        read(
            "/models",
            Gives::List("Model"),
            "Models with their newest version.",
            || get(models::list),
        ),
    ),
    read(
        "/models/{owner}/{repo}/{model}",
        Gives::One("Model"),
        "A model with every version: metrics, digest, who approved it, where it was live.",
        || get(models::show),
    ),
    gone(
        "/models/{owner}/{repo}/{model}",
        Gives::Accepted("Accepted"),
        "Deletes every version of a model, with the bytes; refused while one of them is needed.",
        || delete(models::remove),
    ),
    gone(
        "/models/{owner}/{repo}/{model}/versions/{version}",
        Gives::Accepted("Accepted"),
        "Deletes a version of a model, with its bytes; refused while something serves it or is to.",
        || delete(models::remove_version),
    ),
    with(
        &[LIMIT],
        read(
            "/environments",
            Gives::List("Environment"),
            "Environments.",
            || get(environments::list),
        ),
    ),
    read(
        ENVIRONMENT,
        Gives::One("Environment"),
        "An environment: address, what is live, history, changes.",
        || get(environments::show),
    ),
    gone(
        ENVIRONMENT,
        Gives::Accepted("Accepted"),
        "Removes a preview, or an environment that the contract no longer names.",
        || delete(environments::remove),
    ),
    act(
        "/environments/{owner}/{repo}/{name}/update",
        Scope::Run,
        "Looks at an environment again, and deploys what git wants.",
        || post(environments::update),
    ),
    Route {
        scope: Scope::Admin,
        ..read(
            "/environments/{owner}/{repo}/{name}/keys",
            Gives::One("Keys"),
            "The keys that callers of an environment use.",
            || get(environments::keys),
        )
    },
    Route {
        body: Some("Rotate"),
        gives: Gives::One("Keys"),
        ..act(
            "/environments/{owner}/{repo}/{name}/keys/rotate",
            Scope::Admin,
            "Makes one of the two keys anew; the other keeps working.",
            || post(environments::rotate),
        )
    },
    with(
        LOG_OF_ENVIRONMENT,
        read(
            "/environments/{owner}/{repo}/{name}/log",
            Gives::Text,
            "The log of an environment, without control codes.",
            || get(logs::of_environment),
        ),
    ),
    with(
        LOG_OF_ENVIRONMENT,
        read(
            "/environments/{owner}/{repo}/{name}/log/stream",
            Gives::Stream,
            "The log of an environment, then its lines as they come.",
            || get(logs::stream_environment),
        ),
    ),
    read(
        "/pulls/{owner}/{repo}/{number}",
        Gives::One("Pull"),
        "A pull request: every rule, met or not, and who can meet it.",
        || get(pulls::show),
    ),
    with(
        STATE,
        read(
            "/deliveries",
            Gives::List("Delivery"),
            "Deliveries, newest first.",
            || get(queues::deliveries),
        ),
    ),
    act(
        "/deliveries/{guid}/redrive",
        Scope::Admin,
        "Tries a delivery that was given up again.",
        || post(queues::redrive_delivery),
    ),
    act(
        "/deliveries/{guid}/discard",
        Scope::Admin,
        "Puts a delivery that was given up away.",
        || post(queues::discard_delivery),
    ),
    with(
        STATE,
        read(
            "/effects",
            Gives::List("Effect"),
            "Effects, newest first.",
            || get(queues::effects),
        ),
    ),
    act(
        "/effects/{id}/redrive",
        Scope::Admin,
        "Tries an effect that was given up again.",
        || post(queues::redrive_effect),
    ),
    act(
        "/effects/{id}/discard",
        Scope::Admin,
        "Puts an effect that was given up away; it counts as refused.",
        || post(queues::discard_effect),
    ),
    with(
        SUBJECT,
        read(
            "/events",
            Gives::List("Event"),
            "What happened, newest first.",
            || get(status::events),
        ),
    ),
    read(
        "/status",
        Gives::One("Status"),
        "How long the queues are.",
        || get(status::status),
    ),
    read(
        "/retention",
        Gives::One("Retention"),
        "What is over, old and named by nothing, and goes at the next sweep.",
        || get(status::retention),
    ),
    read(
        "/pause",
        Gives::One("Paused"),
        "Whether everything is paused, by whom and why.",
        || get(pause::show),
    ),
    Route {
        body: Some("NewPause"),
        gives: Gives::One("Paused"),
        ..act(
            "/pause",
            Scope::Admin,
            "Pauses everything: nothing merges and nothing but previews is deployed, break-glass changes apart.",
            || post(pause::begin),
        )
    },
    gone("/pause", Gives::One("Paused"), "Ends the pause.", || {
        delete(pause::end)
    }),
    read(
        "/quickstartlocations",
        Gives::List("QuickstartLocation"),
        "Whose quickstarts the team is offered.",
        || get(locations::list),
    ),
    Route {
        body: Some("QuickstartLocation"),
        gives: Gives::One("QuickstartLocation"),
        ..act(
            "/quickstartlocations",
            Scope::Admin,
            "Offers the quickstarts of one more owner; a location of the same owner and server is replaced.",
            || post(locations::put),
        )
    },
    Route {
        query: OF_OWNER,
        ..gone(
            "/quickstartlocations",
            Gives::One("QuickstartLocation"),
            "No longer offers the quickstarts of an owner.",
            || delete(locations::remove),
        )
    },
    read(
        "/packsources",
        Gives::List("PackSource"),
        "Where the team's build packs come from.",
        || get(packs::list),
    ),
    Route {
        body: Some("PackSource"),
        gives: Gives::One("PackSource"),
        ..act(
            "/packsources",
            Scope::Admin,
            "Offers the packs of one more git repository; a source of the same address is replaced.",
            || post(packs::put),
        )
    },
    Route {
        query: OF_URL,
        ..gone(
            "/packsources",
            Gives::One("PackSource"),
            "No longer offers the packs of a git repository.",
            || delete(packs::remove),
        )
    },
    Route {
        scope: Scope::Admin,
        ..read(
            "/tokens",
            Gives::List("Token"),
            "Tokens, without their secrets.",
            || get(tokens::list),
        )
    },
    Route {
        body: Some("NewToken"),
        gives: Gives::One("Secret"),
        ..act(
            "/tokens",
            Scope::Admin,
            "Makes a token and shows it, once.",
            || post(tokens::create),
        )
    },
    gone(
        "/tokens/{name}",
        Gives::One("Accepted"),
        "Takes a token away.",
        || delete(tokens::revoke),
    ),
];
