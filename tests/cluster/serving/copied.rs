//! Secrets of the operator's in a namespace that the bot made.

use super::house::{House, Release};
use bowsprit::hands::StartError;
use bowsprit_core::serving::spec::RolloutPhase;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;
use std::collections::BTreeMap;

/// What the Secret holds: no credential, so that public images are pulled as ever.
fn auths(mark: &str) -> String {
    json!({"auths": {format!("{mark}.example"): {"auth": "eDp5"}}}).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_of_ours_has_the_secret_that_pulls_its_images() {
    let story = "a_namespace_of_ours_has_the_secret_that_pulls_its_images";
    let name = format!("pull-{:x}", uuid::Uuid::new_v4().as_fields().0);
    let more = format!("pull_secrets = \"{name}\"\ncopied_secrets = \"{name}\"");
    let Some(house) = House::open_apart_with(story, &more).await else {
        return;
    };
    let refused = house.try_deploy(1, &Release::good("r1", 10)).await;
    let Err(StartError::Refused(why)) = refused else {
        panic!("{refused:?}");
    };
    assert!(
        why.contains(&format!("there is no Secret `{name}`")),
        "{why}"
    );

    let home: Api<Secret> = Api::default_namespaced(house.client.clone());
    let source: Secret = serde_json::from_value(json!({
        "metadata": {"name": name}, "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": auths("first")}}))
    .unwrap();
    home.create(&PostParams::default(), &source).await.unwrap();
    house.deploy(2, &Release::good("r2", 20)).await;
    house.settled(2, RolloutPhase::Live).await;
    let copy = async || house.all::<Secret>().get(&name).await.unwrap();
    let holds = |text: String| {
        Some(BTreeMap::from([(
            ".dockerconfigjson".to_owned(),
            ByteString(text.into_bytes()),
        )]))
    };
    assert_eq!(copy().await.data, holds(auths("first")));
    let pods = house
        .all::<Pod>()
        .list(&ListParams::default())
        .await
        .unwrap();
    let pulls = pods.items[0]
        .spec
        .as_ref()
        .unwrap()
        .image_pull_secrets
        .as_ref();
    assert_eq!(pulls.unwrap()[0].name, name);

    let renewed = json!({"stringData": {".dockerconfigjson": auths("second")}});
    let how = PatchParams::default();
    home.patch(&name, &how, &Patch::Merge(&renewed))
        .await
        .unwrap();
    house.sweep().await;
    assert_eq!(copy().await.data, holds(auths("second")));

    // The namespace stays for what others have in it, and the credential does not.
    house.leave_something_foreign().await;
    house.remove().await;
    house.only_the_foreign_is_left().await;
    home.delete(&name, &DeleteParams::default()).await.unwrap();
}
