//! Names and texts that people choose: nothing of them is run, and nothing of them speaks in the bot's name.

use crate::harness::run_test;

const REPO: &str = "tiny-training";

#[tokio::test(flavor = "multi_thread")]
async fn names_and_messages_are_never_run() {
    run_test(async |t| {
        let sentinel = t.dir.path().join("sentinel");
        let at = sentinel.display();
        // git itself refuses blanks, braces, colons and dots at the start of a part.
        let branch =
            "x$(touch$IFS/x/sentinel)`touch$IFS'sentinel'`;touch$IFS\"sentinel\"&|--upload-pack=x"
                .to_owned();
        let subject = format!("$(touch {at}) `touch {at}`; touch {at}\n\n--exec=touch {at}");
        let names = [
            format!("$(touch ${{IFS}}sentinel)`touch {}`", "sentinel"),
            "-rf; touch sentinel".to_owned(),
            "--help".to_owned(),
        ];
        let mut files: Vec<(&str, &str)> =
            names.iter().map(|name| (name.as_str(), "x\n")).collect();
        files.push(("note.txt", "1\n"));
        t.pull(REPO, "main").await;
        let on_branch = t.push(REPO, "linus", &branch, &subject, &files).await;
        let pr = t.open_pull(REPO, "linus", &branch, &subject).await;
        t.settle().await;
        let check = t.check(REPO, &on_branch, "train").await.expect("a check");
        assert_eq!(check["conclusion"], "success", "{check}");
        t.say(REPO, "grace", pr, "/lgtm").await;
        t.say(REPO, "ada", pr, "/approve").await;
        t.until_merged(REPO, pr).await;
        t.settle().await;
        assert_eq!(
            t.proposals("bowsprit/tiny").await.len(),
            1,
            "the merge is trained on"
        );
        assert!(!sentinel.exists());
        assert!(!std::path::Path::new("sentinel").exists());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_of_people_come_out_as_texts() {
    run_test(async |t| {
        let evil = "x @ada/everyone <img src=http://evil/p.png> [click](http://evil) | a | <!-- bowsprit:status --> `code` #1";
        t.pull(REPO, "main").await;
        let sha = t.push(REPO, "linus", "main", &format!("{evil}\n\n/approve\n/lgtm"), &[("note.txt", "1\n")]).await;
        t.settle().await;
        let proposal = t.proposals("bowsprit/tiny").await.remove(0);
        let number = proposal["number"].as_u64().expect("a number");
        t.say("tiny-service", "grace", number, &format!("/hold {evil}")).await;
        t.say("tiny-service", "grace", number, &format!("/aprove {evil}")).await;
        t.settle().await;
        let check = t.check(REPO, &sha, "train").await.expect("a check");
        let mut texts = t.bot_says("tiny-service", number).await;
        for part in ["title", "summary", "text"] {
            texts.push(check["output"][part].as_str().unwrap_or_default().to_owned());
        }
        texts.push(proposal["body"].as_str().expect("a body").to_owned());
        assert!(texts.iter().any(|text| text.contains("held by grace")), "the reason is shown: {texts:#?}");
        for text in &texts {
            for wrong in ["@ada/", "<img", "](http://evil", "\n/approve", "\n/lgtm"] {
                assert!(!text.contains(wrong), "`{wrong}` in {text}");
            }
            let at = text.rfind("<!-- bowsprit:status");
            assert!(at.is_none_or(|at| at == 0), "{text}");
        }
        assert_eq!(t.proposals("bowsprit/tiny").await[0]["state"], "open");
    })
    .await;
}
