//! A commit whose manifest names a version that was deleted.

use super::*;
use crate::effect::{Deleted, Version};

/// Each row: whether the named version is deleted, whether the stage had begun by then, and whether it is refused.
#[test]
fn its_service_is_tested_with_bytes_that_are_there() {
    for (is_deleted, has_begun, is_refused) in [
        (false, false, false),
        (true, false, true),
        // What has begun has its bytes.
        (true, true, false),
    ] {
        let mut world = World::pair();
        world.contract(SERVICE, '2', SERVICE_TEXT);
        let view = pull_view(SERVICE, 7, "topic", ('1', '2'));
        world.tell(Query::Pull(SERVICE, PrNumber(7)), Answer::Pull(Some(view)));
        let models = vec![model_at("digits", 1, "one")];
        world.tell(Query::Models(SERVICE, sha('2')), Answer::Models(models));
        let trigger = Trigger::Pull {
            pr: PrNumber(7),
            base: sha('1'),
            retargeted_ms: None,
        };
        let tests = cause(SERVICE, '2', What::Service, trigger);
        let begun = has_begun.then(|| wanted(&world, &tests).state);
        let deleted = is_deleted.then(|| Deleted {
            by: login("ada"),
            at_ms: NOW_MS,
        });
        let version = Version {
            deleted,
            ..version(1, "one")
        };
        let query = Query::StoredVersions(SERVICE, slug("digits"));
        world.tell(query, Answer::Versions(vec![version]));
        let hints = vec![Hint::RunWanted(tests)];
        let act = look(&world, &given(begun, hints));
        let is = act.state.phase == Phase::Failed;
        let told = told(&act);
        assert_eq!(is, is_refused, "{told}");
        let why = "`models/digits/manifest.json`: digits v1 was deleted by ada";
        assert_eq!(told.contains(why), is_refused, "{told}");
    }
}
