//! Whose commands count no more.

use super::*;

#[test]
fn who_is_no_collaborator_any_more_supersedes_nothing() {
    let mut world = world(&passed('a', "two"), &[version(1, "one")]);
    let state = proposed(&mut world, 'c');
    world.tell(
        Query::Comments(SERVICE, PrNumber(1)),
        Answer::Comments(vec![comment(1, "grace", "nice")]),
    );
    world.left(SERVICE, "grace");
    check(
        &world,
        Some(state),
        vec![supersede("grace")],
        expect![[r#"
        reply on #1: `/supersede` is for approvers of `models/digits/`
        wake pull/2/1"#]],
    );
}
