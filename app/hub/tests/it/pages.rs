//! The web page, and acting on it.

use crate::harness::World;

#[tokio::test]
async fn pages_show_and_act() {
    let world = World::with_repo().await;
    let number = world.pull("feature").await;
    let list = world.call("GET", "/", &[], None).await.expect("a page").is(200);
    assert!(list.text.contains("alice/demo"));
    world
        .call("GET", "/alice/demo", &[], None)
        .await
        .expect("a page")
        .is(200);
    let path = format!("/alice/demo/pull/{number}");
    let page = world.call("GET", &path, &[], None).await.expect("a page").is(200);
    assert!(page.text.contains("feature.txt"), "{}", page.text);
}
