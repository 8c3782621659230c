//! Where words are heard: in descriptions, comments, diff comments and reviews, as they were first written.

use super::*;
use crate::name::CommentId;
use crate::subject::ask::ReviewState;

/// What is answered, and whether it is held, in this world.
fn heard(change: &Change, world: &World, state: Option<Pull>, hints: Vec<Hint>) -> (String, Pull) {
    let given = given(state, hints);
    let act = drive(world, |ask| step(&given, (change.id, PrNumber(7)), ask)).expect("an act");
    let told = told(&act);
    let lines: Vec<&str> = told
        .lines()
        .filter(|line| line.starts_with("react ") || line.starts_with("reply "))
        .collect();
    let held = act.state.rules.iter().any(|rule| rule.name == "not held");
    (format!("{} held: {held}", lines.join("; ")), act.state)
}

fn opened(change: &Change, body: &str) -> Vec<Hint> {
    let head = change.view.change.as_ref().expect("a change").head.clone();
    let at_ms = change.view.created_ms;
    let said = Hint::Said {
        id: CommentId::Description(7),
        body: body.to_owned(),
    };
    vec![Hint::Pushed { head, at_ms }, said]
}

#[test]
fn a_description_is_heard_as_it_was_opened() {
    let mut change = Change::code();
    change.view.body = "/hold".to_owned();
    let (none, _) = heard(&change, &change.world(), None, vec![]);
    assert_eq!(none, " held: false", "nobody knows whose words these are");
    change.view.is_untouched = true;
    let (polled, _) = heard(&change, &change.world(), None, vec![]);
    assert_eq!(polled, "react to description-7 held: true");
    change.view.is_untouched = false;
    change.view.created_ms = NOW_MS - 60_000;
    let (told, state) = heard(&change, &change.world(), None, opened(&change, "/hold"));
    assert_eq!(told, "react to description-7 held: true");
    change.view.body = "/approve".to_owned();
    let (again, state) = heard(&change, &change.world(), Some(state), vec![]);
    assert_eq!(again, " held: true", "an edit neither adds nor takes away");
    let (twice, _) = heard(&change, &change.world(), Some(state), opened(&change, "x"));
    assert_eq!(twice, " held: true");
}

#[test]
fn a_review_is_heard_with_its_words_and_answered() {
    let change = Change::code();
    let mut review = review(5, "rita", ReviewState::Commented, 'b');
    review.body = "Good.\n\n/lgtm\n/nothing-of-ours\n/retest".to_owned();
    let mut world = change.world();
    let reviews = |body: &str| {
        let mut review = review.clone();
        review.body = body.to_owned();
        Answer::Reviews(vec![review])
    };
    let query = Query::Reviews(TRAINING, PrNumber(7));
    world.tell(query.clone(), reviews(&review.body));
    let (told, state) = heard(&change, &world, None, opened(&change, ""));
    assert_eq!(
        told,
        "reply on #7: `/retest` is for people who may write in this repository held: false"
    );
    world.tell(query, reviews("/hold"));
    let (told, _) = heard(&change, &world, Some(state), vec![]);
    assert_eq!(told, " held: false", "somebody may have edited it");
}

#[test]
fn a_comment_on_a_line_is_heard_on_the_head_that_it_was_written_on() {
    let change = Change::code();
    let mut world = change.world();
    for (head, want) in [
        ('b', "react to diff-9 held: false"),
        (
            'c',
            "reply on #7: a push to `bbbbbbb` came too close to your word to know which was first; please say `/lgtm` again held: false",
        ),
    ] {
        let diff = Comment {
            id: CommentId::Diff(9),
            head: Some(sha(head)),
            ..comment(9, "rita", "/lgtm")
        };
        let query = Query::DiffComments(TRAINING, PrNumber(7));
        world.tell(query, Answer::Comments(vec![diff]));
        let (told, _) = heard(&change, &world, None, opened(&change, ""));
        assert_eq!(told, want);
    }
}

/// Reviews up to the limit and one more, the first of which is by `rita`: what each says, and what it was edited to.
#[test]
fn beyond_the_limit_nothing_new_is_heard_and_nothing_is_forgotten() {
    let change = Change::code();
    let query = Query::Reviews(TRAINING, PrNumber(7));
    let reviews = |first: &str, count: usize, last: &str| {
        let of = |(at, body): (usize, &str)| crate::subject::ask::Review {
            id: CommentId::Review(at as u64),
            body: body.to_owned(),
            ..review(at as u64, "rita", ReviewState::Commented, 'b')
        };
        let mut bodies = vec!["Good."; count];
        (bodies[0], bodies[count - 1]) = (first, last);
        Answer::Reviews(bodies.into_iter().enumerate().map(of).collect())
    };
    let mut world = change.world();
    let is_said = |world: &World, state| {
        let given = given(state, opened(&change, ""));
        let act = drive(world, |ask| step(&given, (change.id, PrNumber(7)), ask)).expect("an act");
        let said = act.intents.iter().any(|one| match &one.effect {
            crate::effect::Effect::StatusComment { text, .. } => {
                text.data["unheard_beyond"] == ORIGINALS_MAX
            }
            _ => false,
        });
        (said, act.state)
    };
    let held = |state: &Pull| state.rules.iter().any(|rule| rule.name == "not held");
    // The description takes a place of its own: it was told of.
    world.tell(query.clone(), reviews("Good.", ORIGINALS_MAX - 2, "Good."));
    let (said, state) = is_said(&world, None);
    assert!(!said && !held(&state));
    world.tell(query.clone(), reviews("Good.", ORIGINALS_MAX - 1, "Good."));
    let (said, state) = is_said(&world, Some(state));
    assert!(said, "it is full");
    let more = reviews("/hold", ORIGINALS_MAX, "/hold");
    world.tell(query, more);
    let (_, state) = is_said(&world, Some(state));
    assert!(!held(&state), "an edit is not what was first written");
    assert_eq!(state.originals.len(), ORIGINALS_MAX);
    let (_, state) = is_said(&world, Some(state));
    assert!(!held(&state));
}

#[test]
fn ids_of_each_kind_are_kept_apart() {
    let all = [
        (CommentId::Comment(7), "7"),
        (CommentId::Review(7), "\"review-7\""),
        (CommentId::Diff(7), "\"diff-7\""),
        (CommentId::Description(7), "\"description-7\""),
    ];
    for (id, text) in all {
        assert_eq!(serde_json::to_string(&id).expect("it is text"), text);
        assert_eq!(
            serde_json::from_str::<CommentId>(text).expect("it is an id"),
            id
        );
    }
    for wrong in ["\"7\"", "\"review-\"", "\"moon-7\"", "-1", "null"] {
        assert!(serde_json::from_str::<CommentId>(wrong).is_err(), "{wrong}");
    }
}
