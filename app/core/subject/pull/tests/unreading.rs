//! What is said where GitHub does not show what a look needs.

use super::*;
use crate::effect::{Effect, Intent};
use crate::subject::ask::{Ask, ContractAt};
use crate::subject::pull::unread;

/// What is said in this world about a question that was refused.
fn said(world: &World, id: crate::name::RepoId, query: &Query) -> Option<Intent> {
    let mut ask = Ask::default();
    loop {
        let asked = unread(
            (id, PrNumber(7)),
            (query, "Resource not accessible by integration"),
            "https://bot",
            &mut ask,
        );
        match asked {
            Ok(said) => return said,
            Err(missing) => {
                for query in missing {
                    ask.learn(query.clone(), world.answer(&query));
                }
            }
        }
    }
}

#[test]
fn an_open_pull_request_with_a_contract_says_what_it_cannot_read() {
    let change = Change::code();
    let contexts = Query::Contexts(TRAINING, sha('b'));
    let told = said(&change.world(), TRAINING, &contexts).expect("a word");
    assert_eq!(told.key, format!("status:{TRAINING}:7"));
    assert!(told.is_view);
    let Effect::StatusComment { text, .. } = told.effect else {
        panic!("{told:?}")
    };
    assert_eq!(text.data["what"], "check runs and commit statuses");
    assert_eq!(text.data["words"], "Resource not accessible by integration");

    let mut closed = Change::code();
    closed.view.is_open = false;
    assert_eq!(said(&closed.world(), TRAINING, &contexts), None);
    let mut issue = Change::code().world();
    let mut view = Change::code().view;
    view.change = None;
    issue.tell(Query::Pull(TRAINING, PrNumber(7)), Answer::Pull(Some(view)));
    assert_eq!(said(&issue, TRAINING, &contexts), None);
    let mut foreign = Change::code().world();
    foreign.tell(
        Query::Contract(TRAINING, sha('a')),
        Answer::Contract(ContractAt::Missing),
    );
    assert_eq!(said(&foreign, TRAINING, &contexts), None);
}
