//! The parameters that routes of the API take in their query.

/// Parameters of a query, each with what it means.
pub(super) type Query = &'static [(&'static str, &'static str)];

pub(super) const LIMIT: (&str, &str) = ("limit", "Rows wanted, 1 to 200; 50 where absent.");
pub(super) const BEFORE: (&str, &str) = ("before", "The `next` of the page before.");
pub(super) const RUNS: Query = &[
    ("repo", "Only of this repository, `owner/name`."),
    ("phase", "Only in this phase."),
    ("model", "Only of this model."),
    LIMIT,
    BEFORE,
];
pub(super) const STATE: Query = &[("state", "Only in this state."), LIMIT, BEFORE];
pub(super) const SUBJECT: Query = &[
    (
        "subject",
        "Only of this subject, for example `run/r0123456789ab`.",
    ),
    LIMIT,
    BEFORE,
];
pub(super) const LOG: Query = &[
    (
        "stage",
        "Id or name of the stage; the last one where absent.",
    ),
    ("offset", "Begin at this byte."),
];
pub(super) const OF_OWNER: Query = &[
    ("owner", "The organisation or person."),
    ("url", "The server, where the location has one."),
];
pub(super) const OF_URL: Query = &[("url", "The address of the repository.")];
pub(super) const LOG_OF_ENVIRONMENT: Query = &[("offset", "Begin at this byte.")];
