//! What a person may do in a repository, as GitHub tells it.

use crate::github::fake::{Fake, Fault};
use bowsprit_core::name::Login;
use bowsprit_core::subject::ask::Permission;
use serde_json::json;

#[tokio::test]
async fn what_a_person_may_do_is_told_by_role_where_the_old_word_hides_it() {
    for (answer, want) in [
        (
            json!({"permission": "admin", "role_name": "admin"}),
            Permission::Admin,
        ),
        (
            json!({"permission": "write", "role_name": "maintain"}),
            Permission::Write,
        ),
        (
            json!({"permission": "write", "role_name": "write"}),
            Permission::Write,
        ),
        (
            json!({"permission": "read", "role_name": "triage"}),
            Permission::Triage,
        ),
        (
            json!({"permission": "read", "role_name": "read"}),
            Permission::Read,
        ),
        (
            json!({"permission": "read", "role_name": "a role of their own"}),
            Permission::Read,
        ),
        (json!({"permission": "read"}), Permission::Read),
        (
            json!({"permission": "none", "role_name": "none"}),
            Permission::None,
        ),
    ] {
        let fake = Fake::start().await;
        fake.fail(
            "GET /repos/o/r/collaborators",
            Fault::Instead(200, vec![], answer.clone()),
        );
        let found = fake.place().permission(&Login::parse("ada").unwrap()).await;
        assert_eq!(found, Ok(want), "{answer}");
    }
}

#[tokio::test]
async fn person_unknown_to_github_may_do_nothing() {
    let fake = Fake::start().await;
    fake.fail(
        "GET /repos/o/r/collaborators",
        Fault::Instead(404, vec![], json!({})),
    );
    let who = Login::parse("dependabot[bot]").unwrap();
    assert_eq!(fake.place().permission(&who).await, Ok(Permission::None));
    assert!(
        fake.world()
            .calls
            .last()
            .unwrap()
            .ends_with("/collaborators/dependabot%5Bbot%5D/permission")
    );
}
