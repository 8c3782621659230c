//! What went wrong with a call to the API server: its class, and what a person can do.

use bowsprit_core::cluster::{Refused, short};
use kube::core::Status;
use std::fmt;

/// What the API server says of a namespace that is being deleted. Source: Kubernetes, admission plugin NamespaceLifecycle.
const TERMINATED: &str = "because it is being terminated";

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The class, by which it is decided what to do.
    pub kind: TroubleKind,
    /// What a person reads: what is wrong and what would help.
    pub message: String,
}

/// The class of a trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TroubleKind {
    /// We lack a right; somebody must give it.
    Forbidden,
    /// A quota is used up; it may be free again later.
    Quota,
    /// A rule of the cluster says no, or the object is wrong: trying again changes nothing.
    Invalid,
    /// There is an object of that name already.
    Exists,
    /// There is none, or its namespace is not there.
    Missing,
    /// Somebody changed it meanwhile, or owns a field of it: look again.
    Conflict,
    /// The version that a watch began at is forgotten: list again.
    Gone,
    /// The API server cannot be reached or is overloaded: try again later.
    Unreachable,
}

impl Trouble {
    /// Whether the same call may work later without anybody changing anything.
    pub fn is_passing(&self) -> bool {
        match self.kind {
            TroubleKind::Quota
            | TroubleKind::Conflict
            | TroubleKind::Gone
            | TroubleKind::Unreachable => true,
            TroubleKind::Forbidden
            | TroubleKind::Invalid
            | TroubleKind::Exists
            | TroubleKind::Missing => false,
        }
    }

    /// Understands what a call ended with.
    pub fn of(error: kube::Error) -> Trouble {
        match error {
            kube::Error::Api(status) => of_status(&status),
            kube::Error::Auth(error) => Trouble {
                kind: TroubleKind::Forbidden,
                message: format!("cannot sign in at the cluster: {error}"),
            },
            kube::Error::SerdeError(_) | kube::Error::BuildRequest(_) => Trouble {
                kind: TroubleKind::Invalid,
                message: short(&format!("{error}")),
            },
            other => Trouble {
                kind: TroubleKind::Unreachable,
                message: format!(
                    "the API server cannot be reached ({}); it is tried again",
                    short(&whole(&other))
                ),
            },
        }
    }
}

/// An error with what caused it.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

fn of_status(status: &Status) -> Trouble {
    let plain = |kind| Trouble {
        kind,
        message: short(&status.message),
    };
    match (status.code, status.reason.as_str()) {
        (401, _) => Trouble {
            kind: TroubleKind::Forbidden,
            message: "the cluster does not know us: the token or certificate of `cluster.kubeconfig` is not valid (any more)".to_owned(),
        },
        (403, _) => {
            // A namespace on its way out takes nothing more, and may be made anew once it is gone.
            if status.message.contains(TERMINATED) {
                return plain(TroubleKind::Conflict);
            }
            let refused = Refused::of(&status.message);
            let kind = match &refused {
                Refused::Quota { .. } => TroubleKind::Quota,
                Refused::Right { .. } => TroubleKind::Forbidden,
                Refused::Rule(_) => TroubleKind::Invalid,
            };
            Trouble {
                kind,
                message: refused.to_string(),
            }
        }
        (404, _) => plain(TroubleKind::Missing),
        (409, "AlreadyExists") => plain(TroubleKind::Exists),
        (409, _) => plain(TroubleKind::Conflict),
        (410, _) => plain(TroubleKind::Gone),
        (408 | 429 | 500..=599, _) => Trouble {
            kind: TroubleKind::Unreachable,
            message: format!(
                "the API server cannot answer now ({} {}); it is tried again",
                status.code,
                short(&status.message)
            ),
        },
        _ => plain(TroubleKind::Invalid),
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Trouble {}

#[cfg(test)]
mod tests {
    use super::*;

    fn trouble(code: u16, reason: &str, message: &str) -> Trouble {
        let status = Status::failure(message, reason).with_code(code);
        Trouble::of(kube::Error::Api(status.boxed()))
    }

    #[test]
    fn answers_are_told_apart_by_what_is_to_be_done() {
        use TroubleKind::{
            Conflict, Exists, Forbidden, Gone, Invalid, Missing, Quota, Unreachable,
        };
        let check = |code: u16, reason: &str, message: &str, kind: TroubleKind, passes: bool| {
            let found = trouble(code, reason, message);
            assert_eq!(found.kind, kind, "{code} {reason} {message}");
            assert_eq!(found.is_passing(), passes, "{code} {reason} {message}");
        };
        let right = "jobs.batch is forbidden: User \"bot\" cannot create resource \"jobs\" in API group \"batch\" in the namespace \"n\"";
        let quota = "jobs.batch \"a\" is forbidden: exceeded quota: q, requested: count/jobs.batch=1, used: count/jobs.batch=1, limited: count/jobs.batch=1";
        check(403, "Forbidden", right, Forbidden, false);
        check(403, "Forbidden", quota, Quota, true);
        check(403, "Forbidden", "violates PodSecurity", Invalid, false);
        let ending = "serviceaccounts \"a\" is forbidden: unable to create new content in namespace n because it is being terminated";
        check(403, "Forbidden", ending, Conflict, true);
        check(401, "Unauthorized", "Unauthorized", Forbidden, false);
        check(
            404,
            "NotFound",
            "jobs.batch \"a\" not found",
            Missing,
            false,
        );
        check(409, "AlreadyExists", "it exists", Exists, false);
        check(
            409,
            "Conflict",
            "the object has been modified",
            Conflict,
            true,
        );
        check(410, "Expired", "too old resource version", Gone, true);
        check(
            422,
            "Invalid",
            "spec.template: field is immutable",
            Invalid,
            false,
        );
        check(429, "TooManyRequests", "later", Unreachable, true);
        check(
            500,
            "InternalError",
            "etcdserver: timeout",
            Unreachable,
            true,
        );
        check(
            503,
            "ServiceUnavailable",
            "apiserver not ready",
            Unreachable,
            true,
        );
    }

    #[test]
    fn a_missing_right_names_verb_and_resource() {
        let message = "jobs.batch is forbidden: User \"bot\" cannot create resource \"jobs\" in API group \"batch\" in the namespace \"n\"";
        assert_eq!(
            trouble(403, "Forbidden", message).to_string(),
            "`bot` may not `create` `jobs` of the API group `batch` in namespace `n`; give it a Role with this verb"
        );
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_tried_again() {
        let config = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
        let client = kube::Client::try_from(config).unwrap();
        let pods: kube::Api<k8s_openapi::api::core::v1::Pod> =
            kube::Api::namespaced(client, "default");
        let found = Trouble::of(pods.get("a").await.unwrap_err());
        assert_eq!(found.kind, TroubleKind::Unreachable);
        assert!(found.is_passing());
        assert!(found.message.contains("refused"), "{found}");
    }
}
