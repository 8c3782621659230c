//! The cluster, as far as the rights of who asks reach.

use super::Finding;
use crate::rbac::{Place, Rule};
use std::collections::BTreeMap;

/// The oldest Kubernetes that knows all that we use. Source: policies of admission are stable since 1.30.
const VERSION_MIN: (u32, u32) = (1, 30);
/// The newest that our tests have seen.
const VERSION_TESTED: (u32, u32) = (1, 34);
/// The labels by which Pod Security is enforced. Source: Kubernetes, "Pod Security Admission".
const ENFORCE: &str = "pod-security.kubernetes.io/enforce";
const ENFORCE_VERSION: &str = "pod-security.kubernetes.io/enforce-version";
/// Rights that are told one by one; of more, only how many.
const RIGHTS_TOLD_MAX: usize = 8;

/// What was seen of a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamespaceSeen {
    /// It is there, with these labels.
    There(BTreeMap<String, String>),
    /// It is not.
    Missing,
    /// It could not be asked for; why.
    Hidden(String),
}

/// The API server's version, as it says it: `1` and `34` or `34+`. Errors: why it does not answer.
pub fn version(found: Result<(&str, &str), &str>) -> Finding {
    const ABOUT: &str = "API server";
    let (major, minor) = match found {
        Ok(found) => found,
        Err(error) => {
            return Finding::problem(
                ABOUT,
                format!("does not answer: {error}"),
                "check `cluster.kubeconfig`, or the pod's service account, and the way to the API server",
            );
        }
    };
    let number = |text: &str| text.trim_end_matches('+').parse::<u32>().ok();
    let says = format!("Kubernetes {major}.{}", minor.trim_end_matches('+'));
    match (number(major), number(minor)) {
        (Some(major), Some(minor)) if (major, minor) < VERSION_MIN => {
            let (least, of) = VERSION_MIN;
            Finding::problem(ABOUT, says, format!("needs {least}.{of} or newer"))
        }
        (Some(major), Some(minor)) if (major, minor) > VERSION_TESTED => {
            let (newest, of) = VERSION_TESTED;
            Finding::warning(
                ABOUT,
                says,
                format!("tested up to {newest}.{of}: try a run and a deployment first"),
            )
        }
        (Some(_), Some(_)) => Finding::ok(ABOUT, says),
        (_, _) => Finding::warning(ABOUT, says, "this is no version that we know"),
    }
}

/// A namespace and its Pod Security.
pub fn namespace(name: &str, place: Place, seen: &NamespaceSeen) -> Finding {
    let about = &format!("namespace {name}");
    let labels = match seen {
        NamespaceSeen::There(labels) => labels,
        NamespaceSeen::Missing => {
            return Finding::problem(
                about,
                "is not there",
                "let the chart make it (`namespaces.create`), or make it with the labels of the chart's README.md",
            );
        }
        NamespaceSeen::Hidden(why) => {
            return Finding::warning(
                about,
                format!("cannot be seen: {why}"),
                "give the bot the chart's Role in it",
            );
        }
    };
    let level = labels.get(ENFORCE).map(String::as_str).unwrap_or("none");
    let version = labels.get(ENFORCE_VERSION).map(String::as_str);
    match (place, level) {
        (Place::Builds, "restricted" | "baseline") => Finding::problem(
            about,
            format!("enforces Pod Security `{level}`, under which no image can be built"),
            format!("kubectl label --overwrite namespace {name} {ENFORCE}=privileged"),
        ),
        (Place::Builds, _) => Finding::ok(about, "may build images"),
        (_, "restricted") => match version {
            None | Some("latest") => Finding::warning(
                about,
                "enforces Pod Security `restricted` of no fixed version",
                format!("an upgrade may refuse pods: set {ENFORCE_VERSION}"),
            ),
            Some(version) => Finding::ok(about, format!("Pod Security `restricted`, {version}")),
        },
        (_, level) => Finding::problem(
            about,
            format!(
                "enforces Pod Security `{level}`: code of users is held by less than it should"
            ),
            format!("kubectl label --overwrite namespace {name} {ENFORCE}=restricted"),
        ),
    }
}

/// Rights in a namespace, or in the whole cluster where its name is empty: what was asked, and whether it may be done.
/// Errors: why nobody could say.
pub fn rights(namespace: &str, asked: Result<&[(&Rule, &str, bool)], &str>) -> Finding {
    let about = &match namespace {
        "" => "rights everywhere".to_owned(),
        name => format!("rights in {name}"),
    };
    let asked = match asked {
        Ok(asked) => asked,
        Err(error) => {
            return Finding::warning(
                about,
                format!("cannot be asked: {error}"),
                "see to the API server first",
            );
        }
    };
    let lacking: Vec<String> = asked
        .iter()
        .filter(|(_, _, may)| !may)
        .map(|(rule, verb, _)| match rule.group {
            "" => format!("{verb} {}", rule.resource),
            group => format!("{verb} {}.{group}", rule.resource),
        })
        .collect();
    if lacking.is_empty() {
        return Finding::ok(about, format!("all {}", asked.len()));
    }
    let told = match lacking.len() {
        count if count > RIGHTS_TOLD_MAX => format!(
            "{} and {} more",
            lacking[..RIGHTS_TOLD_MAX].join(", "),
            count - RIGHTS_TOLD_MAX
        ),
        _ => lacking.join(", "),
    };
    Finding::problem(
        about,
        format!("{} of {} lack: {told}", lacking.len(), asked.len()),
        "bind the chart's Role to the bot's service account (`rbac.create`)",
    )
}

/// Classes of storage or ingresses: name, and whether it is the default. `what` is the kind, `wanted` the one that is named.
/// Errors: why they cannot be seen.
pub fn classes(
    what: &str,
    found: Result<&[(String, bool)], &str>,
    wanted: Option<&str>,
) -> Finding {
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            return Finding::warning(
                what,
                format!("cannot be seen: {error}"),
                "they belong to no namespace: run `bowsprit doctor` once with an administrator's kubeconfig",
            );
        }
    };
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    let listed = match names.is_empty() {
        true => "there is none".to_owned(),
        false => names.join(", "),
    };
    match wanted {
        Some(wanted) if names.contains(&wanted) => Finding::ok(what, wanted),
        Some(wanted) => Finding::problem(
            what,
            format!("`{wanted}` is not there; {listed}"),
            "name one that is there",
        ),
        None => match found.iter().find(|(_, is_default)| *is_default) {
            Some((name, _)) => Finding::ok(what, format!("{name}, the default")),
            None => Finding::warning(
                what,
                format!("no default; {listed}"),
                "name one, or make one the default",
            ),
        },
    }
}

/// A registry, from the status of `GET /v2/`. Errors: why it does not answer.
pub fn registry(host: &str, answered: Result<u16, &str>) -> Finding {
    let about = &format!("registry {host}");
    match answered {
        Ok(200) => Finding::ok(about, "answers"),
        Ok(401) => Finding::ok(about, "answers, and asks who we are"),
        Ok(status) => Finding::problem(
            about,
            format!("answers {status} to /v2/"),
            "see that this is a registry of images",
        ),
        Err(error) => Finding::problem(
            about,
            format!("does not answer: {error}"),
            "check its name, and whether the network lets the bot and the nodes there",
        ),
    }
}

/// The registry of images, from an upload that was begun and taken back. Errors: why that could not be.
pub fn kept(host: &str, tried: Result<(), &str>) -> Finding {
    let about = &format!("images.registry {host}");
    match tried {
        Ok(()) => Finding::ok(about, "takes images"),
        Err(error) => Finding::problem(
            about,
            error.to_owned(),
            "check `images.registry`, `images.repository_prefix`, `images.insecure_registries` and the credential in `images.auth_file`",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;
    use crate::rbac;
    use Verdict::{Ok as Fine, Problem, Warning};

    #[test]
    fn a_cluster_may_be_too_old_or_newer_than_known() {
        for (found, verdict) in [
            (Ok(("1", "29")), Problem),
            (Ok(("1", "30")), Fine),
            (Ok(("1", "34+")), Fine),
            (Ok(("1", "35")), Warning),
            (Ok(("2", "0")), Warning),
            (Ok(("one", "34")), Warning),
            (Err("no route"), Problem),
        ] {
            assert_eq!(version(found).verdict, verdict, "{found:?}");
        }
    }

    fn labelled(labels: &[(&str, &str)]) -> NamespaceSeen {
        let labels = labels.iter();
        NamespaceSeen::There(
            labels
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn a_namespace_holds_code_of_users_and_lets_images_be_built() {
        let restricted = labelled(&[(ENFORCE, "restricted"), (ENFORCE_VERSION, "v1.34")]);
        let latest = labelled(&[(ENFORCE, "restricted"), (ENFORCE_VERSION, "latest")]);
        let unpinned = labelled(&[(ENFORCE, "restricted")]);
        let baseline = labelled(&[(ENFORCE, "baseline"), (ENFORCE_VERSION, "v1.34")]);
        let privileged = labelled(&[(ENFORCE, "privileged")]);
        let bare = labelled(&[]);
        for (place, seen, verdict) in [
            (Place::Runs, &restricted, Fine),
            (Place::Environments, &restricted, Fine),
            (Place::Runs, &latest, Warning),
            (Place::Runs, &unpinned, Warning),
            (Place::Runs, &baseline, Problem),
            (Place::Runs, &bare, Problem),
            (Place::Environments, &privileged, Problem),
            (Place::Builds, &restricted, Problem),
            (Place::Builds, &baseline, Problem),
            (Place::Builds, &privileged, Fine),
            (Place::Builds, &bare, Fine),
            (Place::Builds, &NamespaceSeen::Missing, Problem),
            (Place::Runs, &NamespaceSeen::Missing, Problem),
            (
                Place::Runs,
                &NamespaceSeen::Hidden("no".to_owned()),
                Warning,
            ),
        ] {
            let found = namespace("n", place, seen);
            assert_eq!(found.verdict, verdict, "{place:?} {seen:?}");
        }
    }

    #[test]
    fn rights_that_lack_are_named() {
        let all = rbac::rules(Place::Runs)
            .flat_map(|rule| rule.verbs.iter().map(move |verb| (rule, *verb, true)));
        let mut asked: Vec<_> = all.collect();
        assert_eq!(rights("training", Ok(&asked)).verdict, Fine);
        asked[0].2 = false;
        let found = rights("training", Ok(&asked));
        assert_eq!(found.verdict, Problem);
        assert!(
            found.says.ends_with("lack: create jobs.batch"),
            "{}",
            found.says
        );
        asked.iter_mut().for_each(|one| one.2 = false);
        let found = rights("", Ok(&asked));
        assert_eq!(found.about, "rights everywhere");
        let more = format!("and {} more", asked.len() - RIGHTS_TOLD_MAX);
        assert!(found.says.ends_with(&more), "{}", found.says);
        assert_eq!(rights("training", Err("refused")).verdict, Warning);
    }

    #[test]
    fn a_class_is_named_or_the_default() {
        let two = [("fast".to_owned(), false), ("slow".to_owned(), true)];
        let one = [("fast".to_owned(), false)];
        for (found, wanted, verdict) in [
            (Ok(&two[..]), None, Fine),
            (Ok(&two[..]), Some("fast"), Fine),
            (Ok(&two[..]), Some("quick"), Problem),
            (Ok(&one[..]), None, Warning),
            (Ok(&[][..]), None, Warning),
            (Ok(&[][..]), Some("fast"), Problem),
            (Err("forbidden"), Some("fast"), Warning),
        ] {
            assert_eq!(classes("storage class", found, wanted).verdict, verdict);
        }
    }

    #[test]
    fn images_can_be_kept_or_not() {
        assert_eq!(kept("r:5000", Ok(())).verdict, Fine);
        assert_eq!(kept("r:5000", Err("it refuses us (403)")).verdict, Problem);
    }

    #[test]
    fn a_registry_answers_or_asks_who_we_are() {
        for (answered, verdict) in [
            (Ok(200), Fine),
            (Ok(401), Fine),
            (Ok(404), Problem),
            (Ok(502), Problem),
            (Err("refused"), Problem),
        ] {
            assert_eq!(registry("r:5000", answered).verdict, verdict);
        }
    }
}
