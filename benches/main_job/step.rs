//! What thinking costs: one look at a pull request whose every answer is known.

use crate::Size;
use crate::table::Times;
use anyhow::Context as _;
use bowsprit_core::contract;
use bowsprit_core::gate::{Policies, shipped};
use bowsprit_core::habits::{Compatibility, Habits};
use bowsprit_core::name::{
    BranchName, CommentId, CommitSha, Digest, Login, PrNumber, Repo, RepoId, RepoName, RepoPath,
};
use bowsprit_core::owners::{Owners, OwnersFile};
use bowsprit_core::subject::ask::{
    Answer, Ask, ChangeView, Changes, Comment, CommitView, ContractAt, Permission, PullView, Query,
    RepoView, StageView,
};
use bowsprit_core::subject::pull::{self, Pull};
use bowsprit_core::subject::{Given, ROUNDS_MAX, Step};
use std::collections::BTreeMap;
use std::time::Instant;

const CONTRACT: &str = include_str!("../../tests/it/pair/service/bowsprit.yaml");
const NOW_MS: i64 = 1_795_000_000_000;
/// How much there is to think about.
#[derive(Clone, Copy)]
struct Shape {
    files: u64,
    comments: u64,
    /// OWNERS files, one a folder.
    owners: u64,
}

const USUAL: Shape = Shape {
    files: 100,
    comments: 40,
    owners: 2,
};

const GREAT: Shape = Shape {
    files: 3_000,
    comments: 1_000,
    owners: 500,
};

const ID: RepoId = RepoId(1);
const NUMBER: PrNumber = PrNumber(7);

/// The last step of a look, and all its steps as the corridor makes them.
pub(crate) fn run(size: Size) -> anyhow::Result<()> {
    measure(USUAL, size.of(3_000, 300))?;
    measure(GREAT, size.of(100, 10))
}

fn measure(shape: Shape, count: usize) -> anyhow::Result<()> {
    let Shape {
        files,
        comments,
        owners,
    } = shape;
    println!("a pull request of {files} files with {comments} comments, {owners} OWNERS files");
    let (first, rounds) = look(shape, None)?;
    println!("rounds until every answer is known: {rounds}");
    for (name, state) in [("first look", None), ("later look", Some(first))] {
        let given = given(state.clone());
        let (mut whole, mut last) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let begin = Instant::now();
            let mut ask = Ask::default();
            while let Step::Look(queries) = pull::step(&given, (ID, NUMBER), &mut ask) {
                for query in queries {
                    let answer = answer(shape, &query)?;
                    ask.learn(query, answer);
                }
            }
            whole.push(begin.elapsed());
            let begin = Instant::now();
            let step = pull::step(&given, (ID, NUMBER), &mut ask);
            last.push(begin.elapsed());
            anyhow::ensure!(matches!(step, Step::Act(_)), "every answer is known");
        }
        println!(
            "{name}, step with all answers   {}",
            Times::new(last).row_us()
        );
        println!(
            "{name}, all rounds and answers  {}",
            Times::new(whole).row_us()
        );
    }
    Ok(())
}

fn look(shape: Shape, state: Option<Pull>) -> anyhow::Result<(Pull, usize)> {
    let given = given(state);
    let mut ask = Ask::default();
    for round in 1..=ROUNDS_MAX {
        match pull::step(&given, (ID, NUMBER), &mut ask) {
            Step::Act(act) => return Ok((act.state, round)),
            Step::Nothing => anyhow::bail!("it does nothing"),
            Step::Look(queries) => {
                for query in queries {
                    let answer = answer(shape, &query)?;
                    ask.learn(query, answer);
                }
            }
        }
    }
    anyhow::bail!("it asks for ever")
}

fn given(state: Option<Pull>) -> Given<Pull> {
    Given {
        state,
        hints: Vec::new(),
        outcomes: BTreeMap::new(),
        now_ms: NOW_MS,
        since_ms: 0,
        public_url: "http://127.0.0.1:8080".to_owned(),
    }
}

fn answer(shape: Shape, query: &Query) -> anyhow::Result<Answer> {
    Ok(match query {
        Query::Repository(_) => Answer::Repository(Some(RepoView {
            repo: repo(),
            default_branch: branch("main"),
        })),
        Query::Pull(..) | Query::KeptPull(..) => Answer::Pull(Some(view())),
        Query::Comments(..) | Query::KeptComments(..) => {
            Answer::Comments((1..=shape.comments).map(comment).collect())
        }
        Query::DiffComments(..) => Answer::Comments(Vec::new()),
        Query::Reviews(..) => Answer::Reviews(Vec::new()),
        Query::Head(..) => Answer::Head(Some(sha(1))),
        Query::Changes(..) => Answer::Changes(changes(shape)),
        Query::Owners(..) => Answer::Owners(owners(shape)),
        Query::Contract(..) => Answer::Contract(match contract::parse(CONTRACT) {
            Ok(good) => ContractAt::Good(Box::new(good), Digest::of(CONTRACT.as_bytes())),
            Err(problems) => ContractAt::Broken(problems),
        }),
        Query::Policies(..) => Answer::Policies(
            Policies::new(shipped(), Vec::new()).map_err(|_| "two of one name".to_owned()),
        ),
        Query::Permission(..) => Answer::Permission(Permission::Write),
        Query::Collaborator(..) | Query::OrgMember(..) | Query::TeamMember(..) => {
            Answer::Flag(true)
        }
        Query::Labels(_) => Answer::Labels(Vec::new()),
        Query::Milestones(_) => Answer::Milestones(Vec::new()),
        Query::Contexts(..) => Answer::Contexts(Vec::new()),
        Query::Blockers(..) => Answer::Blockers(Vec::new()),
        Query::MergeQueue(..) => Answer::Flag(false),
        Query::QueueEntry(..) => Answer::QueueEntry(None),
        Query::Pool(..) => Answer::Pool(Vec::new()),
        Query::Required(..) => Answer::Required(Vec::new()),
        Query::Pause => Answer::Pause(None),
        Query::Habits(_) => Answer::Habits(Habits::of(Compatibility::Own)),
        Query::Commit(..) => Answer::Commit(Some(CommitView {
            subject: "Say more".to_owned(),
            message: "Say more".to_owned(),
            committed_ms: NOW_MS - 60_000,
            parents: vec![sha(1)],
        })),
        Query::Picked(..)
        | Query::Chain(..)
        | Query::Landed(..)
        | Query::QueueRuns(..)
        | Query::RunsOfInputs(..)
        | Query::Samples(_) => None.context("nobody asks for that here")?,
        Query::MergeTree(..) => Answer::MergeTree(Some(sha(3))),
        Query::IsAncestor(..) => Answer::Flag(true),
        Query::ServiceTree(..)
        | Query::SnapshotDigest(..)
        | Query::JudgeDigest(..)
        | Query::Inputs(..) => Answer::Digest(Digest::of(b"tree")),
        Query::Models(..) => Answer::Models(Vec::new()),
        Query::Text(..) | Query::Next(..) => Answer::Text(None),
        Query::Runs(..) | Query::BranchRuns(..) => Answer::Runs(Vec::new()),
        Query::Run(_) | Query::PassedRun(..) => Answer::Run(None),
        Query::Versions(..) | Query::StoredVersions(..) => Answer::Versions(Vec::new()),
        Query::Live(..) => Answer::Live(None),
        Query::Environment(..) => Answer::Environment(None),
        Query::Environments(_) => Answer::Environments(Vec::new()),
        Query::Stage(_) => Answer::Stage(StageView::Unknown),
        Query::RepositoryNamed(_) => Answer::Repository(None),
        Query::OpenPull(..) => Answer::Pull(None),
    })
}

fn changes(shape: Shape) -> Changes {
    Changes {
        merge_base: sha(1),
        files: (0..shape.files)
            .map(|n| {
                (
                    path(&format!("{}/part_{n}.py", folder(n % shape.owners))),
                    (Some(sha(n + 10)), Some(sha(n + 500))),
                )
            })
            .collect(),
        is_cut: false,
    }
}

/// A file of OWNERS for the root, and one for each folder that the change touches.
fn owners(shape: Shape) -> Owners {
    let text = "approvers: [ada]\nreviewers: [grace, linus]\n";
    let dirs: Vec<String> = (1..shape.owners).map(folder).collect();
    let mut files = vec![OwnersFile { dir: "", text }];
    files.extend(dirs.iter().map(|dir| OwnersFile { dir, text }));
    Owners::parse(&files, None)
}

fn folder(number: u64) -> String {
    format!("src/{}/{}", number / 25, number % 25)
}

fn view() -> PullView {
    PullView {
        number: NUMBER,
        change: Some(ChangeView {
            head: sha(2),
            branch: branch("more"),
            head_repo: Some(ID),
            base: branch("main"),
            base_sha: sha(1),
            is_draft: false,
            is_mergeable: Some(true),
            is_blocked: false,
            merged: None,
        }),
        author: login("linus"),
        is_open: true,
        title: "Say more".to_owned(),
        body: "Because less was not enough.".to_owned(),
        created_ms: NOW_MS - 3_600_000,
        is_untouched: false,
        labels: Vec::new(),
        assignees: Vec::new(),
    }
}

fn comment(number: u64) -> Comment {
    let (who, body) = match number {
        10 => ("grace", "/lgtm"),
        20 => ("ada", "Looks right to me.\n\n/approve"),
        _ => (
            "linus",
            "Measured again, **the same**:\n\n```\naccuracy 0.91\n```\n\n> /hold was meant\n",
        ),
    };
    Comment {
        id: CommentId::Comment(number),
        author: login(who),
        is_bot: false,
        body: body.to_owned(),
        created_ms: NOW_MS - 1_000_000 + i64::try_from(number).unwrap_or(0) * 1_000,
        is_edited: false,
        head: None,
    }
}

fn repo() -> Repo {
    Repo {
        id: ID,
        name: RepoName::parse("ada/tiny-service").expect("a name"),
    }
}

fn sha(number: u64) -> CommitSha {
    CommitSha::parse(&format!("{number:040x}")).expect("a commit")
}

fn branch(name: &str) -> BranchName {
    BranchName::parse(name).expect("a branch")
}

fn path(name: &str) -> RepoPath {
    RepoPath::parse(name).expect("a path")
}

fn login(name: &str) -> Login {
    Login::parse(name).expect("a login")
}
