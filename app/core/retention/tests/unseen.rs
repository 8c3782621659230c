//! What a repository that cannot be read may name.

use super::*;
use crate::name::{Repo, RepoName};
use crate::subject::run::{Cause, Run, Trigger, What};
use crate::training::spec::Trust;

fn repo(id: u64, name: &str) -> Repo {
    Repo {
        id: RepoId(id),
        name: RepoName::parse(name).unwrap(),
    }
}

/// A run of `o/digits-training` for this service.
fn made_for(service: Option<&str>) -> Run {
    let cause = Cause {
        repo: repo(1, "o/digits-training"),
        sha: CommitSha::parse(&"a".repeat(40)).unwrap(),
        what: What::Train,
        trigger: Trigger::Push { branch: main() },
        trust: Trust::Trusted,
        params: [].into(),
        by: None,
    };
    Run {
        service: service.map(str::to_owned),
        ..Run::new(cause, NOW)
    }
}

#[test]
fn a_repository_names_what_was_made_in_it_or_for_it() {
    let versions = [Made {
        digest: Digest::of(b"x"),
        run: "r1".to_owned(),
        service: RepoId(3),
        training: RepoId(1),
        is_deleted: false,
    }];
    let may_name = |repo: Repo, service, made: &[Made]| {
        Unseen::new(vec![repo], made).may_name(&made_for(service))
    };
    let service = Some("digits-service");
    for (unseen, service, made, want) in [
        (repo(1, "o/digits-training"), None, &[][..], true),
        (repo(2, "o/digits-service"), service, &[], true),
        (repo(2, "o/digits-service"), None, &[], false),
        (repo(2, "p/digits-service"), service, &[], false),
        (repo(3, "o/other-service"), service, &[], false),
        (repo(3, "o/other-service"), service, &versions, true),
        (repo(4, "o/cats-service"), service, &versions, false),
    ] {
        let told = format!("{unseen:?} {service:?}");
        assert_eq!(may_name(unseen, service, made), want, "{told}");
    }
    let nothing = Unseen::new(Vec::new(), &versions);
    assert!(nothing.is_empty() && !nothing.may_name(&made_for(service)));
}
