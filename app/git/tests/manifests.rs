//! Which manifests a mirror names.

use crate::git::fixture::{Fixture, TOKEN};
use secrecy::SecretString;
use std::collections::BTreeSet;

#[tokio::test]
async fn what_manifests_of_every_branch_and_tag_name_is_read() {
    let [one, two, three] = ["1", "2", "3"].map(|digit| digit.repeat(64));
    let (fixture, first) =
        Fixture::with(&[("models/digits/manifest.json", &one), ("x", "0")]).await;
    let second = fixture.commit(
        &[
            ("models/digits/manifest.json", &two),
            ("models/card.md", "-"),
            // Nobody reads these as a model's.
            ("models/digits/old/manifest.json", &three),
            ("models/Digits/manifest.json", &three),
        ],
        &[&first],
    );
    let bare = fixture.commit(&[("x", "1")], &[]);
    for (name, sha) in [
        ("tags/digits/v1", &first),
        ("tags/digits/again", &first),
        ("heads/other", &second),
        ("heads/bare", &bare),
    ] {
        fixture.reference(&format!("refs/{name}"), sha);
    }
    let token = || async { Ok(SecretString::from(TOKEN)) };
    fixture.mirrors.refresh(&fixture.repo, token).await.unwrap();
    let mirrored = fixture.mirrors.mirrored().await.unwrap();
    assert_eq!(mirrored, [fixture.repo.id]);
    let named = fixture
        .mirrors
        .named_by_manifests(fixture.repo.id, BTreeSet::new());
    assert_eq!(named.await.unwrap(), BTreeSet::from([one, two]));
}

#[tokio::test]
async fn manifests_of_a_model_that_is_left_out_name_nothing() {
    let [digest, file, other] = ["1", "2", "3"].map(|digit| digit.repeat(64));
    let manifest =
        |digest: &str| format!("{{\"digest\": \"sha256:{digest}\", \"files\": [\"{file}\"]}}");
    let (fixture, _) = Fixture::with(&[
        ("models/digits/manifest.json", &manifest(&digest)),
        ("models/cats/manifest.json", &manifest(&other)),
    ])
    .await;
    let named = async |except: &str| {
        let except = BTreeSet::from([except.to_owned()]);
        let named = fixture.mirrors.named_by_manifests(fixture.repo.id, except);
        named.await.unwrap()
    };
    let all = BTreeSet::from([digest.clone(), file.clone(), other.clone()]);
    assert_eq!(named("none").await, all);
    assert_eq!(named(&digest).await, BTreeSet::from([file, other]));
}
