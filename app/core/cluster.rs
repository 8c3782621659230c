//! What an API server and its controllers say, in words that tell a person what to do.
//!
//! Their sentences are meant for people too, and not always for those who could change something; only those that
//! every version since 1.20 has written alike are understood, and all others are passed on as they are.

/// Longest sentence of theirs that is passed on. Units: characters.
const CHARS_MAX: usize = 500;

/// Why the cluster did not take an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// A quota is used up: its name, and the resources that lack, as the server wrote them.
    Quota {
        /// The ResourceQuota.
        name: String,
        /// What was asked for, for example `requests.cpu=4`.
        requested: String,
        /// What is used already.
        used: String,
        /// What there is.
        limited: String,
    },
    /// We lack a right.
    Right {
        /// Such as `create`.
        verb: String,
        /// Such as `jobs`.
        resource: String,
        /// Such as `batch`; empty for the core.
        group: String,
        /// `None` for the whole cluster.
        namespace: Option<String>,
        /// Who asked.
        user: String,
    },
    /// Pod Security, a LimitRange or another rule of the cluster says no; nothing that waiting would change.
    Rule(String),
}

impl Refused {
    /// Understands what a server wrote about an object that it did not take.
    pub fn of(message: &str) -> Refused {
        quota(message)
            .or_else(|| right(message))
            .unwrap_or_else(|| Refused::Rule(short(message)))
    }

    /// Whether it may be taken later without anybody changing anything.
    pub fn may_pass(&self) -> bool {
        match self {
            Refused::Quota { .. } => true,
            Refused::Right { .. } | Refused::Rule(_) => false,
        }
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refused::Quota {
                name,
                requested,
                used,
                limited,
            } => write!(
                f,
                "quota `{name}` is used up: {requested} asked for, {used} used, {limited} allowed"
            ),
            Refused::Right {
                verb,
                resource,
                group,
                namespace,
                user,
            } => {
                let group = match group.as_str() {
                    "" => String::new(),
                    group => format!(" of the API group `{group}`"),
                };
                let (place, kind) = match namespace {
                    Some(namespace) => (format!(" in namespace `{namespace}`"), "Role"),
                    None => (String::new(), "ClusterRole"),
                };
                write!(
                    f,
                    "`{user}` may not `{verb}` `{resource}`{group}{place}; give it a {kind} with this verb"
                )
            }
            Refused::Rule(message) => f.write_str(message),
        }
    }
}

/// A sentence of the cluster, on one line and not too long.
pub fn short(message: &str) -> String {
    let words: Vec<&str> = message.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(CHARS_MAX) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

/// `… is forbidden: exceeded quota: NAME, requested: A, used: B, limited: C`
fn quota(message: &str) -> Option<Refused> {
    let (_, rest) = message.split_once("exceeded quota: ")?;
    let (name, rest) = rest.split_once(", requested: ")?;
    let (requested, rest) = rest.split_once(", used: ")?;
    let (used, limited) = rest.split_once(", limited: ")?;
    Some(Refused::Quota {
        name: short(name),
        requested: short(requested),
        used: short(used),
        limited: short(limited),
    })
}

/// `RESOURCES is forbidden: User "U" cannot VERB resource "R" in API group "G" in the namespace "N"`
fn right(message: &str) -> Option<Refused> {
    let (_, rest) = message.split_once("User \"")?;
    let (user, rest) = rest.split_once("\" cannot ")?;
    let (verb, rest) = rest.split_once(" resource \"")?;
    let (resource, rest) = rest.split_once("\" in API group \"")?;
    let (group, rest) = rest.split_once('"')?;
    let namespace = rest
        .split_once("in the namespace \"")
        .and_then(|(_, rest)| Some(rest.split_once('"')?.0));
    Some(Refused::Right {
        verb: short(verb),
        resource: short(resource),
        group: short(group),
        namespace: namespace.map(short),
        user: short(user),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_would_help() {
        let check = |message: &str, want: &str| assert_eq!(Refused::of(message).to_string(), want);
        check(
            "pods \"a-x7\" is forbidden: exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2",
            "quota `small` is used up: pods=1 asked for, pods=2 used, pods=2 allowed",
        );
        check(
            "Error creating: pods \"a-x7\" is forbidden: exceeded quota: q, requested: limits.memory=1Gi,requests.cpu=1, used: limits.memory=0,requests.cpu=0, limited: limits.memory=512Mi,requests.cpu=500m",
            "quota `q` is used up: limits.memory=1Gi,requests.cpu=1 asked for, limits.memory=0,requests.cpu=0 used, limits.memory=512Mi,requests.cpu=500m allowed",
        );
        check(
            "jobs.batch is forbidden: User \"system:serviceaccount:ci:bot\" cannot create resource \"jobs\" in API group \"batch\" in the namespace \"train\"",
            "`system:serviceaccount:ci:bot` may not `create` `jobs` of the API group `batch` in namespace `train`; give it a Role with this verb",
        );
        check(
            "namespaces is forbidden: User \"bot\" cannot list resource \"namespaces\" in API group \"\" at the cluster scope",
            "`bot` may not `list` `namespaces`; give it a ClusterRole with this verb",
        );
        check(
            "pods \"a\" is forbidden: violates PodSecurity \"restricted:latest\":\n  runAsNonRoot != true",
            "pods \"a\" is forbidden: violates PodSecurity \"restricted:latest\": runAsNonRoot != true",
        );
    }

    #[test]
    fn only_a_quota_frees_itself() {
        let quota = "exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1";
        assert!(Refused::of(quota).may_pass());
        assert!(!Refused::of("violates PodSecurity").may_pass());
        assert!(!Refused::of("exceeded quota: q").may_pass());
    }

    #[test]
    fn a_long_sentence_is_cut() {
        let long = "é".repeat(2 * CHARS_MAX);
        assert_eq!(short(&long).chars().count(), CHARS_MAX + 1);
        assert_eq!(short("short\n\tone"), "short one");
    }
}
