//! A run that nobody remembers.

use super::*;

#[test]
fn its_check_says_that_it_is_forgotten_and_what_to_do() {
    let trigger = Trigger::Again {
        branch: None,
        pr: None,
        nonce: "n".to_owned(),
    };
    let cause = cause(TRAINING, 'b', What::Train, trigger.clone());
    let id = "r0123456789ab";
    let hint = || {
        vec![Hint::RunForgotten {
            id: id.to_owned(),
            cause: cause.clone(),
        }]
    };
    let world = World::pair();
    let look = |state: Option<Run>| {
        drive(&world, |ask| step(&given(state.clone(), hint()), ask)).expect("an answer")
    };
    let first = look(None);
    let want = "check train Neutral: what is known of this run was removed, since it is old, and this commit is not the head of the default branch; push it again, or say `/retest` on an open pull request that has it";
    assert_eq!(told(&first), want);
    let run = first.state;
    assert!(run.is_forgotten() && run.phase.is_final());
    assert_eq!(run.id, id);
    // The button is pressed again.
    assert_eq!(told(&look(Some(run))), want);
    // One that is remembered after all goes on.
    let over = super::run(cause.clone(), Phase::Failed);
    assert_eq!(told(&look(Some(over))), "");
}
