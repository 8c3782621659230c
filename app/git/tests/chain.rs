//! Heads merged one after the other, and what of them landed.

use crate::git::fixture::Fixture;
use bowsprit_core::name::CommitSha;

/// A start of three files, and a head that changes each.
async fn heads() -> (Fixture, CommitSha, [CommitSha; 3]) {
    let (fixture, start) = Fixture::with(&[("a", "0\n"), ("b", "0\n"), ("c", "0\n")]).await;
    let a = fixture.commit(&[("a", "1\n"), ("b", "0\n"), ("c", "0\n")], &[&start]);
    let b = fixture.commit(&[("a", "0\n"), ("b", "1\n"), ("c", "0\n")], &[&start]);
    let odd = fixture.commit(&[("a", "2\n"), ("b", "0\n"), ("c", "0\n")], &[&start]);
    for (name, head) in [("a", &a), ("b", &b), ("odd", &odd)] {
        fixture.reference(&format!("refs/heads/{name}"), head);
    }
    fixture.ensure(&[&a, &b, &odd]).await.unwrap();
    (fixture, start, [a, b, odd])
}

#[tokio::test]
async fn the_same_heads_are_the_same_commit_and_what_conflicts_is_left_out() {
    let (fixture, start, [a, b, odd]) = heads().await;
    let chain = async |heads: &[&CommitSha]| {
        let heads: Vec<CommitSha> = heads.iter().map(|head| (*head).clone()).collect();
        let made = fixture.mirrors.chain(fixture.repo.id, &start, &heads).await;
        made.unwrap()
    };
    let both = chain(&[&a, &b]).await;
    assert_eq!(both.conflicts, Vec::<usize>::new());
    assert_eq!(chain(&[&a, &b]).await, both);
    assert_eq!(chain(&[&a, &odd, &b]).await.conflicts, [1]);
    assert_eq!(chain(&[&a, &odd, &b]).await.commit, both.commit);
    assert_eq!(chain(&[&odd, &a]).await.conflicts, [1]);
    assert_eq!(chain(&[]).await.commit, start);
    let tree = fixture.mirrors.tree_of(fixture.repo.id, &both.commit).await;
    let other = chain(&[&b, &a]).await.commit;
    let other_tree = fixture.mirrors.tree_of(fixture.repo.id, &other).await;
    assert_ne!(other, both.commit);
    assert_eq!(tree.unwrap(), other_tree.unwrap());
}

#[tokio::test]
async fn a_landing_is_told_by_its_tree_however_it_was_merged() {
    let (fixture, start, [a, b, odd]) = heads().await;
    let with_a = [("a", "1\n"), ("b", "0\n"), ("c", "0\n")];
    let with_both = [("a", "1\n"), ("b", "1\n"), ("c", "0\n")];
    let evil = [("a", "1\n"), ("b", "0\n"), ("c", "9\n")];
    let merged = fixture.commit(&with_a, &[&start, &a]);
    let squashed = fixture.commit(&with_both, &[&merged]);
    let half = fixture.commit(&[("a", "1\n"), ("b", "half\n"), ("c", "0\n")], &[&merged]);
    let rebased = fixture.commit(&with_both, &[&half]);
    let foreign = fixture.commit(&evil, &[&merged]);
    let after = fixture.commit(&[("a", "1\n"), ("b", "1\n"), ("c", "9\n")], &[&foreign, &b]);
    let changed = fixture.commit(&evil, &[&start, &a]);
    for (now, wanted) in [
        (&start, vec![]),
        (&merged, vec![(&start, &a)]),
        (&squashed, vec![(&start, &a), (&merged, &b)]),
        (&rebased, vec![(&start, &a), (&merged, &b)]),
        (&foreign, vec![]),
        (&after, vec![(&foreign, &b)]),
        (&changed, vec![]),
    ] {
        fixture.reference("refs/heads/main", now);
        fixture.ensure(&[now]).await.unwrap();
        let heads = [a.clone(), odd.clone(), b.clone()];
        let since = [start.clone()];
        let landed = fixture.mirrors.landed(fixture.repo.id, &since, now, &heads);
        let landed = landed.await.unwrap();
        let pairs: Vec<_> = landed.iter().map(|one| (&one.onto, &one.head)).collect();
        assert_eq!(pairs, wanted);
        let unknown = [odd.clone()];
        let none = fixture
            .mirrors
            .landed(fixture.repo.id, &unknown, now, &heads);
        assert_eq!(none.await.unwrap(), []);
    }
}

#[tokio::test]
async fn inputs_are_all_files_but_those_named() {
    let (fixture, start) = Fixture::with(&[("a.py", "1"), ("doc.md", "1")]).await;
    let docs = fixture.commit(&[("a.py", "1"), ("doc.md", "2")], &[&start]);
    let code = fixture.commit(&[("a.py", "2"), ("doc.md", "1")], &[&start]);
    for (name, sha) in [("docs", &docs), ("code", &code)] {
        fixture.reference(&format!("refs/heads/{name}"), sha);
        fixture.ensure(&[sha]).await.unwrap();
    }
    let inputs = async |sha: &CommitSha, except: &[&str]| {
        let except: Vec<String> = except.iter().map(|one| (*one).to_owned()).collect();
        let found = fixture.mirrors.inputs(fixture.repo.id, sha, &except).await;
        found.unwrap()
    };
    let all = inputs(&start, &[]).await;
    assert_ne!(inputs(&docs, &[]).await, all);
    let but = inputs(&start, &["**.md"]).await;
    assert_eq!(inputs(&docs, &["**.md"]).await, but);
    assert_ne!(inputs(&code, &["**.md"]).await, but);
}
