//! GitHub's own file of who owns what.

use crate::git::fixture::Fixture;

#[tokio::test]
async fn code_owners_are_read_where_there_is_no_owners_file() {
    let (fixture, _) = Fixture::with(&[("a", "1")]).await;
    let (most, more) = ("x".repeat(3 << 20), "x".repeat((3 << 20) + 1));
    for (files, want) in [
        (&[("a", "1")][..], None),
        (
            &[("CODEOWNERS", "root"), (".github/CODEOWNERS", "first")],
            Some((".github/CODEOWNERS", Ok("first"))),
        ),
        (
            &[("CODEOWNERS", "root"), ("docs/CODEOWNERS", "last")],
            Some(("CODEOWNERS", Ok("root"))),
        ),
        (
            &[("docs/CODEOWNERS", "last")],
            Some(("docs/CODEOWNERS", Ok("last"))),
        ),
        (
            &[("CODEOWNERS", "->a"), ("docs/CODEOWNERS", "last")],
            Some(("CODEOWNERS", Err("`CODEOWNERS` is a link"))),
        ),
        (
            &[("CODEOWNERS", most.as_str())],
            Some(("CODEOWNERS", Ok(most.as_str()))),
        ),
        (
            &[("CODEOWNERS", more.as_str())],
            Some((
                "CODEOWNERS",
                Err("`CODEOWNERS` is larger than 3145728 bytes"),
            )),
        ),
        (
            &[("CODEOWNERS", "root"), ("deep/OWNERS", "approvers: [a]")],
            None,
        ),
    ] {
        let at = fixture.commit(files, &[]);
        fixture.reference("refs/heads/main", &at);
        fixture.ensure(&[&at]).await.unwrap();
        let texts = fixture.mirrors.owners_files(fixture.repo.id, &at).await;
        let want = want.map(|(path, text)| (path, text.map(str::to_owned).map_err(str::to_owned)));
        let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
        assert!(texts.unwrap().code == want, "{names:?}");
    }
}
