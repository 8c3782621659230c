//! Folders of a repository that a syncer reads, written at a real git server beside other writers.

use crate::harness::{World, run_test};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bowsprit::hands::StartError;
use bowsprit_core::name::{BranchName, RepoName, RepoPath};
use bowsprit_core::serving::gitops::{Committed, FolderCommit};
use serde_json::json;
use std::collections::BTreeMap;

const REPO: &str = "ada/cluster-config";

fn folder(environment: &str, files: &[(&str, &str)]) -> FolderCommit {
    FolderCommit {
        repository: RepoName::parse(REPO).expect("a name"),
        branch: BranchName::parse("main").expect("a branch"),
        folder: RepoPath::parse(&format!("eu/ns/ada-tiny/{environment}")).expect("a path"),
        files: files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect::<BTreeMap<_, _>>(),
        message: format!("Write {environment}\n"),
    }
}

async fn write(t: &World, wanted: FolderCommit) -> Result<Committed, StartError> {
    let rooms = &t.bot().rooms;
    let commit = bowsprit::worker::gitops::committer(rooms.store.clone(), rooms.github.clone());
    commit(wanted).await
}

/// A person's commit of one file.
async fn keep(t: &World, path: &str) {
    let at = format!("/repos/{REPO}/contents/{path}");
    let file = json!({"message": format!("Keep {path}"), "content": STANDARD.encode("mine\n")});
    t.api("ada", "PUT", &at, Some(file)).await;
}

/// Every file of the branch's head, and how many commits led there.
async fn state(t: &World) -> (Vec<String>, usize) {
    let path = format!("/repos/{REPO}/git/trees/main?recursive=1");
    let tree = t.api("ada", "GET", &path, None).await;
    let entries = tree["tree"].as_array().expect("entries").iter();
    let files = entries.filter(|entry| entry["type"] == "blob");
    let files = files.map(|entry| entry["path"].as_str().unwrap_or_default().to_owned());
    let path = format!("/repos/{REPO}/commits?per_page=100");
    let commits = t.api("ada", "GET", &path, None).await;
    (files.collect(), commits.as_array().expect("a list").len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_one_signed_commit_beside_those_of_others() {
    run_test(async |t| {
        let first = folder(
            "env-1",
            &[("deployment.yaml", "1\n"), ("service.yaml", "s\n")],
        );
        let Err(StartError::Refused(told)) = write(t, first.clone()).await else {
            panic!("nobody shows the repository");
        };
        assert!(told.contains("install the App there"), "{told}");

        let made = json!({"name": "cluster-config", "auto_init": true});
        t.api("ada", "POST", "/user/repos", Some(made)).await;
        keep(t, "eu/ns/ada-tiny/env-1/kustomization.yaml").await;
        t.settle().await;
        let done = write(t, first.clone()).await.expect("it is written");
        assert!(done.is_new);
        let path = format!("/repos/{REPO}/commits/{}", done.commit);
        let commit = t.api("ada", "GET", &path, None).await;
        assert_eq!(commit["commit"]["verification"]["verified"], true);
        assert_eq!(commit["commit"]["message"], "Write env-1");
        assert_eq!(commit["files"].as_array().map(Vec::len), Some(2));

        // The same again is no commit, and of what differs only that is in one.
        let (_, before) = state(t).await;
        let again = write(t, first).await.expect("it is as it should be");
        assert_eq!((again.is_new, &again.commit), (false, &done.commit));
        assert_eq!(state(t).await.1, before);
        let second = folder(
            "env-1",
            &[("deployment.yaml", "2\n"), ("service.yaml", "s\n")],
        );
        let done = write(t, second).await.expect("it is written");
        let path = format!("/repos/{REPO}/commits/{}", done.commit);
        let commit = t.api("ada", "GET", &path, None).await;
        assert_eq!(commit["files"].as_array().map(Vec::len), Some(1));

        // Several at once, with a person among them: each lands on top of the other, and none is lost.
        let (_, before) = state(t).await;
        let of = |name| write(t, folder(name, &[("deployment.yaml", "1\n")]));
        let (a, b, c, ()) =
            tokio::join!(of("env-2"), of("env-3"), of("env-4"), keep(t, "README.txt"));
        for done in [a, b, c] {
            assert!(done.expect("it is written").is_new);
        }
        let (files, after) = state(t).await;
        assert_eq!(after, before + 4, "{files:?}");
        for name in ["env-2", "env-3", "env-4"] {
            let path = format!("eu/ns/ada-tiny/{name}/deployment.yaml");
            assert!(files.contains(&path), "{files:?}");
        }

        // The end of an environment takes its files and no others.
        write(t, folder("env-1", &[])).await.expect("it is gone");
        let (files, _) = state(t).await;
        let left: Vec<&String> = files.iter().filter(|path| path.contains("env-1")).collect();
        assert_eq!(left, ["eu/ns/ada-tiny/env-1/kustomization.yaml"]);
        assert!(
            !write(t, folder("env-1", &[]))
                .await
                .expect("it is gone")
                .is_new
        );

        let elsewhere = FolderCommit {
            branch: BranchName::parse("production").expect("a branch"),
            ..folder("env-5", &[("service.yaml", "s\n")])
        };
        let Err(StartError::Refused(told)) = write(t, elsewhere).await else {
            panic!("a branch that is not there");
        };
        assert!(told.contains("there is no branch `production`"), "{told}");
        let file = folder("env-4/deployment.yaml", &[("service.yaml", "s\n")]);
        let Err(StartError::Refused(told)) = write(t, file).await else {
            panic!("a file where the folder should be");
        };
        assert!(told.contains("is no folder"), "{told}");
    })
    .await;
}
