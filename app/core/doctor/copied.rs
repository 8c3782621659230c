//! Secrets that are copied into environments' own namespaces: whether each is where it is copied from.

use super::Finding;
use crate::serving::objects::copyable;
use k8s_openapi::api::core::v1::Secret;

/// One of `cluster.copied_secrets` in the bot's namespace; `None` where it is not there. Errors: why it cannot be read.
pub fn copied(namespace: &str, name: &str, seen: Result<Option<&Secret>, &str>) -> Finding {
    let about = &format!("copied secret {name}");
    match seen.map(|found| found.map(copyable)) {
        Ok(Some(Ok(()))) => Finding::ok(about, format!("in {namespace}")),
        Ok(Some(Err(why))) => {
            Finding::problem(about, why, "or take it out of `cluster.copied_secrets`")
        }
        Ok(None) => Finding::problem(
            about,
            format!("is not in {namespace}: no release starts in a namespace that the bot makes"),
            "make it there, or take it out of `cluster.copied_secrets`",
        ),
        Err(error) => Finding::problem(
            about,
            format!("cannot be read: {error}"),
            "bind the chart's Role for the bot's own namespace, which names it (`rbac.create`)",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn a_secret_is_there_of_a_kind_that_is_copied_and_may_be_read() {
        let of = |kind: &str| Secret {
            type_: Some(kind.to_owned()),
            ..Secret::default()
        };
        let (pull, opaque) = (of("kubernetes.io/dockerconfigjson"), of("Opaque"));
        for (seen, verdict) in [
            (Ok(Some(&pull)), Verdict::Ok),
            (Ok(Some(&opaque)), Verdict::Problem),
            (Ok(None), Verdict::Problem),
            (Err("forbidden"), Verdict::Problem),
        ] {
            let found = copied("bowsprit", "registry", seen);
            assert_eq!(found.verdict, verdict, "{seen:?}");
            assert_eq!(found.advice.is_some(), verdict != Verdict::Ok);
        }
    }
}
