//! Named secrets: a push to a protected branch has them, a pull request is told why not.

use crate::harness::run_test_with;
use crate::trust::{REPO, conclusion, push_with_secrets, train, with_key};

#[tokio::test(flavor = "multi_thread")]
async fn a_push_has_its_secrets_and_nothing_shows_them() {
    run_test_with(with_key, async |t| push_with_secrets(t).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_is_refused_its_secrets_and_an_unknown_name_too() {
    run_test_with(with_key, async |t| {
        let sha = train(t, "topic", "TINY_KEY").await;
        t.open_pull(REPO, "linus", "topic", "Use a key").await;
        let (how, told) = conclusion(t, &sha).await;
        assert_eq!(how, "failure", "{told}");
        assert!(
            told.contains("merge it and the push to `main` trains with them"),
            "{told}"
        );

        t.pull(REPO, "main").await;
        let sha = train(t, "main", "OTHER_KEY").await;
        let (how, told) = conclusion(t, &sha).await;
        assert_eq!(how, "failure", "{told}");
        assert!(told.contains("[secrets."), "{told}");
    })
    .await;
}
