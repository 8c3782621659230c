//! Whether the steps of a run may have the secrets that they name.
//!
//! Only commits that a protected branch holds get them: pushes there, and the same once more. Which branches those are is
//! read at the head of the default branch, so that no branch makes itself one.

use super::Run;
use crate::contract::{Contract, Training};
use crate::name::BranchName;
use crate::subject::ask::{Ask, ContractAt};
use crate::training::spec::Trust;

/// The first step that asks for secrets, and why it gets none; `None` inside where none asks, or all may have them.
pub(super) fn refusal(
    run: &Run,
    contract: &Training,
    ask: &mut Ask,
) -> Option<Option<(String, String)>> {
    let Some(step) = contract.steps.iter().find(|step| !step.secrets.is_empty()) else {
        return Some(None);
    };
    let names: Vec<String> = step
        .secrets
        .iter()
        .map(|name| format!("`{name}`"))
        .collect();
    let refuse = |why: String| {
        let message = format!(
            "it names secrets ({}), and nothing was run: {why}",
            names.join(", ")
        );
        Some(Some((step.name.to_string(), message)))
    };
    let Some(view) = ask.repository(run.repo.id)? else {
        return refuse("the repository cannot be seen".to_owned());
    };
    let default = view.default_branch;
    let branch = match (run.cause.trigger.pull(), run.cause.trigger.branch()) {
        (None, Some(branch)) if run.cause.trust == Trust::Trusted => branch,
        (None | Some(_), None | Some(_)) => {
            return refuse(format!(
                "a pull request's code gets none, whoever wrote it; merge it and the push to `{default}` trains with them, \
                 or write `pull_request: false` under `triggers`, so that pull requests do not train"
            ));
        }
    };
    if *branch == default || is_protected(run, branch, &default, ask)? {
        return Some(None);
    }
    refuse(format!(
        "`{branch}` is no branch that gets any; those are `{default}` and what `triggers.push` names \
         in the contract on `{default}`; name it there, or merge into one of them"
    ))
}

/// Whether the contract of the default branch trains pushes to this branch.
fn is_protected(
    run: &Run,
    branch: &BranchName,
    default: &BranchName,
    ask: &mut Ask,
) -> Option<bool> {
    let Some(head) = ask.head(run.repo.id, default)? else {
        return Some(false);
    };
    Some(match ask.contract(run.repo.id, &head)? {
        ContractAt::Good(contract, _) => match *contract {
            Contract::Training(contract) => contract.triggers.push.contains(branch),
            Contract::Service(_) => false,
        },
        ContractAt::Missing | ContractAt::Broken(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract;
    use crate::name::{CommentId, PrNumber};
    use crate::subject::run::{Trigger, What};
    use crate::subject::testing::*;

    /// What a run of `b…` is told, where its own contract trains every branch and asks for a secret.
    #[track_caller]
    fn check(trigger: Trigger, trust: Trust, refused: Option<&str>) {
        let world = World::pair();
        let text = TRAINING_TEXT
            .replace("env: {EPOCHS: '20'}", "secrets: [DATASET_KEY]")
            .replace("[main, dev]", "[main, dev, mine]");
        let Ok(Contract::Training(own)) = contract::parse(&text) else {
            panic!("a training contract")
        };
        let mut cause = cause(TRAINING, 'b', What::Train, trigger);
        cause.trust = trust;
        let run = Run::new(cause, 0);
        let mut ask = Ask::default();
        let found = loop {
            if let Some(found) = refusal(&run, &own, &mut ask) {
                break found;
            }
            for query in ask.take_missing() {
                let answer = world.answer(&query);
                ask.learn(query, answer);
            }
        };
        match (found, refused) {
            (None, None) => {}
            (Some((step, why)), Some(words)) => {
                assert_eq!(step, "train");
                assert!(
                    why.contains("`DATASET_KEY`") && why.contains(words),
                    "{why}"
                );
            }
            (found, refused) => panic!("{found:?} instead of {refused:?}"),
        }
    }

    fn push(name: &str) -> Trigger {
        Trigger::Push {
            branch: branch(name),
        }
    }

    fn again(name: Option<&str>, pr: Option<u64>) -> Trigger {
        Trigger::Again {
            branch: name.map(branch),
            pr: pr.map(|number| (PrNumber(number), sha('a'))),
            nonce: "1".to_owned(),
        }
    }

    #[test]
    fn pushes_to_protected_branches_have_their_secrets() {
        for trigger in [
            push("main"),
            push("dev"),
            again(Some("main"), None),
            again(Some("dev"), None),
        ] {
            check(trigger, Trust::Trusted, None);
        }
    }

    #[test]
    fn nothing_else_has_any() {
        let pull = Trigger::Pull {
            pr: PrNumber(7),
            base: sha('a'),
            retargeted_ms: None,
        };
        let asked = Trigger::Comment {
            pr: PrNumber(7),
            comment: CommentId::Comment(1),
            base: sha('a'),
        };
        for trigger in [pull, asked, again(None, Some(7)), again(None, None)] {
            check(trigger.clone(), Trust::Trusted, Some("merge it"));
            check(trigger, Trust::Untrusted, Some("merge it"));
        }
        check(push("main"), Trust::Untrusted, Some("merge it"));
        // A branch that names itself in its own contract.
        for trigger in [push("mine"), again(Some("mine"), None)] {
            check(trigger, Trust::Trusted, Some("`mine` is no branch"));
        }
    }
}
