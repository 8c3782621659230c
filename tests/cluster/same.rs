//! The stories of this machine, in a cluster.

use crate::alike;
use crate::place::{run_on_cluster, run_whole};

#[tokio::test(flavor = "multi_thread")]
async fn a_good_model_is_proposed_and_a_weak_one_refused() {
    run_on_cluster("a_weak_model_is_refused", async |t, _| {
        alike::a_good_model_is_proposed_and_a_weak_one_refused(t).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_version_takes_over_what_nobody_has_touched() {
    run_on_cluster("a_newer_version_takes_over", async |t, _| {
        alike::a_newer_version_takes_over_what_nobody_has_touched(t).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_that_softens_its_judge_is_judged_by_the_old_one() {
    run_on_cluster("a_change_that_softens_its_judge", async |t, _| {
        alike::a_pull_request_that_softens_its_judge_is_judged_by_the_old_one(t).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_does_not_start_leaves_the_old_one_and_goes_back() {
    run_whole("a_release_that_does_not_start", async |t, _| {
        alike::a_release_that_does_not_start_leaves_the_old_one_and_goes_back(t).await;
    })
    .await;
}
