//! Which manifests a mirror names.

use crate::git::fixture::{Fixture, TOKEN};
use secrecy::SecretString;

#[tokio::test]
async fn manifests_of_every_branch_and_tag_are_read_once() {
    let (fixture, first) =
        Fixture::with(&[("models/digits/manifest.json", "one"), ("x", "0")]).await;
    let second = fixture.commit(
        &[
            ("models/digits/manifest.json", "two"),
            ("models/card.md", "-"),
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
    let mut texts = fixture
        .mirrors
        .all_manifests(fixture.repo.id)
        .await
        .unwrap();
    texts.sort();
    assert_eq!(texts, ["one", "two"]);
}
