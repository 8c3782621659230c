//! A repository's chart, rendered by helm, which is shut in: it sees the chart and no network, and its time and memory end.

#[cfg(test)]
mod tests;

use super::manifests::{Files, Unread};
use crate::config::Config;
use crate::hands;
use anyhow::Context as _;
use bowsprit_agent::SelfCommand;
use bowsprit_agent::confine::{self, Confinement, Plan, Rlimits, Started};
use bowsprit_core::contract::Chart;
use bowsprit_core::name::Slug;
use bowsprit_core::serving::manifests::chart;
use bowsprit_core::text::truncate;
use bowsprit_core::training::spec::{Source, Trust};
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::{DirBuilderExt as _, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Most files of a chart, its dependencies included.
const FILES_MAX: usize = 500;
/// Most that they hold together. Units: bytes.
const CHART_BYTES_MAX: u64 = 8 << 20;
/// Most that a chart may render to. Units: bytes.
const RENDERED_BYTES_MAX: u64 = 1 << 20;
/// Most of what helm says against it. Units: bytes.
const SAID_BYTES_MAX: u64 = 16 << 10;
/// Of that, what is told. Units: characters.
const SAID_CHARS_MAX: usize = 1_000;
/// How long rendering may take.
const LIMIT: Duration = Duration::from_secs(30);
/// Private memory of helm. Units: bytes.
const MEMORY_BYTES: u64 = 1 << 30;
/// Open files, and processes and threads.
const OPEN_FILES: u64 = 256;
const PROCESSES: u64 = 128;
/// The chart's own values, where it names a file of them.
const VALUES: &str = "values.yaml";
/// The release that charts see; their names come from `fullnameOverride`.
const RELEASE: &str = "bowsprit";

/// The program that renders, if it is here.
#[derive(Debug, Clone)]
pub(super) struct Helm {
    me: SelfCommand,
    /// Where the configuration says it is; looked for in `PATH` where absent.
    program: Option<PathBuf>,
    dir: PathBuf,
}

impl Helm {
    /// `program` starts our own executable as an agent. Errors: a directory that cannot be made.
    pub(super) fn new(program: Vec<OsString>, config: &Config) -> anyhow::Result<Helm> {
        let mut words = program.into_iter();
        let program = words.next().context("the agent's command is empty")?;
        Ok(Helm {
            me: SelfCommand {
                program: program.into(),
                args: words.collect(),
            },
            program: config.cluster.helm.clone(),
            dir: hands::directory(&config.state_dir, "charts")?,
        })
    }

    /// What the chart of a snapshot renders to. Errors: `Wrong` with helm's own words, or where there is no helm.
    pub(super) async fn render(
        &self,
        (chart, trust): (&Chart, Trust),
        snapshot: &Source,
        models: Vec<Slug>,
    ) -> Result<Files, Unread> {
        let program = self.find()?;
        let confinement = tokio::task::spawn_blocking(confine::look).await;
        let confinement = confinement.context("looking at this system ended early")?;
        if confinement.shortfall.is_some() && trust == Trust::Untrusted {
            return Err(Unread::Wrong(
                "this server cannot shut helm in, so it renders charts of trusted commits alone: this one once it is merged".to_owned(),
            ));
        }
        let desk = tempfile::Builder::new()
            .prefix("chart-")
            .tempdir_in(&self.dir);
        let desk = desk.context("cannot make a directory for a chart")?;
        let (wanted, from, to) = (chart.clone(), snapshot.clone(), desk.path().to_owned());
        let laid = tokio::task::spawn_blocking(move || lay_out(&wanted, &from, &models, &to)).await;
        laid.context("unpacking the chart ended early")??;
        let plan = plan(&program, chart, desk.path(), confinement)?;
        let started = confine::start(&self.me, &plan, &desk.path().join("step"));
        let said = follow(started.context("cannot start helm")?).await?;
        Ok(chart::files(&said))
    }

    fn find(&self) -> Result<PathBuf, Unread> {
        let named = match &self.program {
            Some(program) => vec![program.clone()],
            None => {
                let path = std::env::var_os("PATH").unwrap_or_default();
                std::env::split_paths(&path)
                    .map(|dir| dir.join("helm"))
                    .collect()
            }
        };
        let found = named.into_iter().find(|program| program.is_file());
        found.and_then(|program| program.canonicalize().ok()).ok_or_else(|| {
            Unread::Wrong("the server has no `helm` to render it with; whoever runs the server can put it on its PATH or name it by `cluster.helm`, or render the chart to plain YAML in a folder and name that by `deploy.manifests`".to_owned())
        })
    }
}

/// Puts chart and values where helm reads them. Errors: `Wrong` where the commit holds something else.
fn lay_out(chart: &Chart, snapshot: &Source, models: &[Slug], to: &Path) -> Result<(), Unread> {
    let folder = to.join("chart");
    let mut maker = std::fs::DirBuilder::new();
    for dir in [&folder, &to.join("home")] {
        maker
            .mode(0o755)
            .create(dir)
            .context("cannot lay a chart out")?;
    }
    unpack(chart, snapshot, to)?;
    if !folder.join("Chart.yaml").is_file() {
        return Err(Unread::Wrong(format!(
            "there is no `{}/Chart.yaml` in the commit",
            chart.folder
        )));
    }
    if let Some(values) = &chart.values
        && !to.join(VALUES).is_file()
    {
        return Err(Unread::Wrong(format!(
            "there is no file `{values}` in the commit"
        )));
    }
    let ours = serde_json::to_vec(&chart::values(models)).context("values are JSON")?;
    std::fs::write(to.join("bowsprit.json"), ours).context("cannot lay a chart out")?;
    Ok(())
}

fn unpack(chart: &Chart, snapshot: &Source, to: &Path) -> Result<(), Unread> {
    let file = File::open(&snapshot.uri).context("cannot open the snapshot")?;
    let mut archive = tar::Archive::new(file);
    let (mut files, mut bytes) = (0, 0);
    for entry in archive.entries().context("cannot read the snapshot")? {
        let entry = entry.context("cannot read the snapshot")?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let below = path.strip_prefix(chart.folder.as_str());
        let below = below.and_then(|rest| rest.strip_prefix('/'));
        let is_values = chart
            .values
            .as_ref()
            .is_some_and(|values| values.as_str() == path);
        if below.is_none() && !is_values {
            continue;
        }
        if entry.header().entry_type().is_dir() {
            continue;
        }
        if !entry.header().entry_type().is_file() || path.split('/').any(|part| part == "..") {
            return Err(Unread::Wrong(format!("`{path}` is no plain file")));
        }
        (files, bytes) = (files + 1, bytes + entry.size());
        if files > FILES_MAX || bytes > CHART_BYTES_MAX {
            return Err(Unread::Wrong(format!(
                "it has more than {FILES_MAX} files, or more than {CHART_BYTES_MAX} bytes"
            )));
        }
        let place = below.map(|rest| to.join("chart").join(rest));
        // Under a name of ours: helm takes a comma in one for two files.
        let values = is_values.then(|| to.join(VALUES));
        write(entry, place, values).context("cannot lay a chart out")?;
    }
    Ok(())
}

fn write(
    mut entry: impl std::io::Read,
    place: Option<PathBuf>,
    values: Option<PathBuf>,
) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes)?;
    for to in place.into_iter().chain(values) {
        if let Some(dir) = to.parent() {
            std::fs::create_dir_all(dir)?;
        }
        std::fs::write(to, &bytes)?;
    }
    Ok(())
}

fn plan(
    program: &Path,
    chart: &Chart,
    desk: &Path,
    confinement: Confinement,
) -> anyhow::Result<Plan> {
    let text = |path: &Path| path.display().to_string();
    let (folder, home) = (desk.join("chart"), desk.join("home"));
    let values = chart.values.as_ref().map(|_| desk.join(VALUES));
    let ours = desk.join("bowsprit.json");
    let uid = confinement.uid_of(&text(desk));
    if uid.is_some() {
        chown(&home, uid, uid).context("cannot give helm a directory")?;
    }
    let mut argv = vec![text(program)];
    let fixed = [
        "template",
        RELEASE,
        &text(&folder),
        "--namespace",
        "${BOWSPRIT_NAMESPACE}",
    ];
    let fixed = fixed.into_iter().chain(["--skip-tests", "--no-hooks"]);
    argv.extend(fixed.map(str::to_owned));
    for file in values.iter().chain([&ours]) {
        argv.extend(["--values".to_owned(), text(file)]);
    }
    let at_home = [
        "HOME",
        "HELM_CACHE_HOME",
        "HELM_CONFIG_HOME",
        "HELM_DATA_HOME",
        "TMPDIR",
    ];
    let env = at_home.map(|name| (name.to_owned(), text(&home)));
    Ok(Plan {
        argv,
        env: env.into(),
        cwd: PathBuf::from("/"),
        readable: [program.to_owned(), folder, ours]
            .into_iter()
            .chain(values)
            .collect(),
        writable: vec![home],
        uid,
        rlimits: Rlimits {
            data_bytes: Some(MEMORY_BYTES),
            open_files: Some(OPEN_FILES),
            processes: Some(PROCESSES),
            file_bytes: Some(CHART_BYTES_MAX),
            cpu_s: Some(LIMIT.as_secs()),
        },
        network: false,
        bind_port: None,
        confinement,
    })
}

/// What it prints. Errors: `Wrong` where it fails, takes too long or prints too much.
async fn follow(mut started: Started) -> Result<String, Unread> {
    let output = started.output().context("helm has no output")?;
    let read = async {
        let (printed, said) = tokio::join!(
            text_of(output.0, RENDERED_BYTES_MAX),
            text_of(output.1, SAID_BYTES_MAX)
        );
        (printed, said, started.wait().await)
    };
    let Ok((printed, said, ended)) = tokio::time::timeout(LIMIT, read).await else {
        let _ended = started.kill().await;
        return Err(Unread::Wrong(format!(
            "helm took longer than {} s to render it",
            LIMIT.as_secs()
        )));
    };
    if let Some(error) = ended.error {
        return Err(Unread::Broken(anyhow::anyhow!("cannot run helm: {error}")));
    }
    if ended.exit_code != Some(0) {
        let said = truncate(said.trim(), SAID_CHARS_MAX);
        let said = match said.is_empty() {
            true => "helm was ended: it takes too much memory or time".to_owned(),
            false => format!("helm says: {said}"),
        };
        return Err(Unread::Wrong(said));
    }
    if printed.len() as u64 > RENDERED_BYTES_MAX {
        let why = format!("it renders to more than {RENDERED_BYTES_MAX} bytes");
        return Err(Unread::Wrong(why));
    }
    Ok(printed)
}

/// All of a pipe up to a byte beyond `max`; the rest is thrown away, so that the writer goes on.
async fn text_of(mut pipe: impl AsyncRead + Unpin, max: u64) -> String {
    let mut bytes = Vec::new();
    // A pipe that breaks has no more to say.
    let _read = (&mut pipe).take(max + 1).read_to_end(&mut bytes).await;
    let _rest = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&bytes).into_owned()
}
