//! From a push to production and back, with stages as Jobs and environments as Deployments.

use crate::both;
use crate::place::run_whole;

#[tokio::test(flavor = "multi_thread")]
async fn a_named_version_comes_back_and_goes_forward_again() {
    run_whole("a_named_version_comes_back", async |t, _| {
        both::a_named_version_comes_back_and_goes_forward_again(t).await;
    })
    .await;
}
