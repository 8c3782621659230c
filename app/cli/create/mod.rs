//! `bowsprit create`: new repositories from the catalogue.

mod half;
mod pick;
mod report;

use super::git_host::GitHost;
use super::quickstarts::Quickstarts;
use super::{Remote, catalogue, locations, out, pack_sources};
use anyhow::{anyhow, bail};
use bowsprit_core::catalogue::{Entry, Root, Wish, listed, only};
use bowsprit_core::name::Login;
use clap::{Args, Subcommand};
use half::{Half, Reached, Standing};
use report::{Bar, Report};
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Who owns what no server knows of: no GitHub login can begin with `_`, so that nobody is given rights by chance.
const NOBODY: &str = "_set_your_login";

#[derive(Debug, Subcommand)]
pub(super) enum Create {
    /// Make a pair of repositories, or one half, from a quickstart for machine learning
    #[command(visible_alias = "mlqs")]
    Mlquickstart(Box<Mlquickstart>),
    /// Offer the quickstarts of an organisation from now on
    #[command(visible_alias = "qsloc")]
    Quickstartlocation(locations::NewLocation),
    /// Offer the build packs of a git repository from now on
    Packsource(pack_sources::Source),
}

/// Which quickstart, and what it becomes.
#[derive(Debug, Args)]
pub(super) struct Mlquickstart {
    #[command(flatten)]
    among: Quickstarts,
    /// Only quickstarts of this framework
    #[arg(long)]
    framework: Option<String>,
    /// Only quickstarts in this programming language
    #[arg(short, long)]
    language: Option<String>,
    /// Only quickstarts that this owner offers
    #[arg(long)]
    owner: Option<String>,
    /// What the names begin with: `demo` makes `demo-service` and `demo-training`
    #[arg(short, long, value_name = "NAME")]
    root: Option<String>,
    /// The folder in which the new ones are made
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    output_dir: PathBuf,
    /// The organisation or person to own the new repositories; you unless given
    #[arg(long, value_name = "NAME")]
    git_owner: Option<String>,
    /// Make private repositories
    #[arg(long)]
    private: bool,
    /// Make the folders and their first commits, and nothing on any server
    #[arg(long)]
    no_push: bool,
    /// Ask nothing: what is not given must be clear, or is an error
    #[arg(short, long)]
    batch: bool,
    /// How long the App's first checks are waited for
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    wait: u64,
}

/// Does what was asked. Errors: what stands in the way, and what would work.
pub(super) async fn run(create: Create, remote: &Remote) -> anyhow::Result<ExitCode> {
    match create {
        Create::Mlquickstart(args) => mlquickstart(*args, remote).await,
        Create::Quickstartlocation(args) => locations::create(args, remote).await,
        Create::Packsource(args) => pack_sources::create(args, remote).await,
    }
}

async fn mlquickstart(args: Mlquickstart, remote: &Remote) -> anyhow::Result<ExitCode> {
    let is_json = remote.is_json;
    let is_asked = !args.batch && !is_json && std::io::stdin().is_terminal();
    let host = args.among.host.open()?;
    let login = match (args.no_push, &args.git_owner) {
        (false, _) => {
            let login = host.login().await;
            login.map_err(|error| anyhow!("{error:#}; or use --no-push"))?
        }
        (true, Some(owner)) => Login::parse(owner)?,
        (true, None) => Login::parse(NOBODY)?,
    };
    let entries = args.among.offered(&host, remote).await?;
    let entry = chosen(&args, &entries, is_asked)?.clone();
    // Before a name is asked for: who does not want that much can still leave.
    if !is_json && !entry.download.is_empty() {
        out::note(&format!(
            "{}: the first run downloads {}",
            entry.name, entry.download
        ));
    }
    let entry = catalogue::completed(entry, &host, &login).await?;
    let root = rooted(&args, is_asked)?;
    let owner = args.git_owner.as_deref().unwrap_or(login.as_str());
    let halves: Vec<Half> = entry
        .makes
        .iter()
        .map(|made| Half::new(&entry, made, &root, owner, &args.output_dir))
        .collect::<anyhow::Result<_>>()?;
    // Everything is looked at before anything is made.
    if !args.no_push {
        host.check_owner(owner, &login).await?;
    }
    for half in &halves {
        half.check(&host, !args.no_push).await?;
    }
    let mut bar = Bar::start(&halves, args.no_push, is_json);
    let mut made = Vec::new();
    let outcome = make(&args, &host, &login, &halves, (&mut made, &mut bar)).await;
    bar.end();
    let report = Report {
        entry: &entry,
        root: &root,
        halves: &halves,
        made,
        is_pushed: !args.no_push,
    };
    match outcome {
        Ok(()) => report.tell(&host, is_json),
        Err(error) => {
            report.tell_broken(&host, &error, is_json);
            return Err(error.context(format!(
                "{} is not whole yet; when the cause is away, the same command goes on from here",
                root.as_str()
            )));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn chosen<'e>(
    args: &Mlquickstart,
    entries: &'e [Entry],
    is_asked: bool,
) -> anyhow::Result<&'e Entry> {
    let wish = Wish {
        text: args.among.filter.clone(),
        owner: args.owner.clone(),
        language: args.language.clone(),
        framework: args.framework.clone(),
    };
    match only(entries, &wish) {
        Ok(entry) if !is_asked => Ok(entry),
        Err(unclear) if !is_asked => bail!("{unclear} (with --filter)"),
        Err(unclear @ bowsprit_core::catalogue::Unclear::Nothing(_)) => bail!("{unclear}"),
        _ => pick::entry(listed(entries, &wish)),
    }
}

fn rooted(args: &Mlquickstart, is_asked: bool) -> anyhow::Result<Root> {
    match &args.root {
        Some(root) => Root::parse(root).map_err(|error| anyhow!(error)),
        None if is_asked => pick::root(),
        None => bail!(
            "say what the new names begin with: --root demo makes demo-service and demo-training"
        ),
    }
}

/// All that is local is made before anything on a server; `made` says how far each half came, the first halves of all.
async fn make(
    args: &Mlquickstart,
    host: &GitHost,
    login: &Login,
    halves: &[Half],
    (made, bar): (&mut Vec<Standing>, &mut Bar),
) -> anyhow::Result<()> {
    let access = match args.no_push {
        true => None,
        false => host.access(login)?,
    };
    for half in halves {
        bar.step(&format!("writing {}", half.name()));
        made.push(half.lay(host, login, access.as_ref()).await?);
    }
    if args.no_push {
        return Ok(());
    }
    for (half, stands) in halves.iter().zip(made.iter_mut()) {
        bar.step(&format!("making {} on {}", half.repo(), host.host()));
        stands.reached = stands.reached.max(Reached::Asked);
        half.create(host, login, args.private).await?;
        stands.reached = stands.reached.max(Reached::Repository);
        bar.step(&format!("pushing {}", half.name()));
        half.push(host, access.as_ref()).await?;
        stands.reached = Reached::Pushed;
    }
    // The training comes last and is asked for first: a service has nothing to check before its first model.
    let mut until = Instant::now() + Duration::from_secs(args.wait);
    for (half, stands) in halves.iter().zip(made).rev() {
        bar.step(&format!("waiting for the App to see {}", half.name()));
        stands.check = report::first_check(host, (half.repo(), &stands.commit), until).await;
        if stands.check.is_some() {
            until = Instant::now();
        }
    }
    Ok(())
}
