//! Versions one after the other, and releases that do not start.

use crate::alike;
use crate::both;
use crate::harness::run_test;

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_version_takes_over_what_nobody_has_touched() {
    run_test(async |t| alike::a_newer_version_takes_over_what_nobody_has_touched(t).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_version_comes_back_and_goes_forward_again() {
    run_test(async |t| both::a_named_version_comes_back_and_goes_forward_again(t).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_does_not_start_leaves_the_old_one_and_goes_back() {
    run_test(async |t| {
        alike::a_release_that_does_not_start_leaves_the_old_one_and_goes_back(t).await
    })
    .await;
}
