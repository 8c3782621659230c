//! Reads the contract of a repository that serves.

use super::reader::{Fields, Problems, checked, each, entries, list, whole};
use super::tree::{Key, Mark, Node, Value};
use super::{
    Environment, ModelSource, Role, Serve, Service, Window, deploy, runtime, shared, units,
};
use crate::name::{BranchName, RepoPath, Slug};
use crate::serving::score;
use crate::serving::spec::Replicas;
use std::collections::BTreeMap;

const ENVIRONMENTS_MAX: usize = 10;
const WINDOWS_MAX: usize = 20;
const APPROVALS_MAX: u32 = 10;
const QUEUE_DEFAULT: u32 = 10;
const QUEUE_MAX: u32 = 10_000;
const CONCURRENCY_DEFAULT: u32 = 8;
const CONCURRENCY_MAX: u32 = 1_000;
const REPLICAS_MAX: u32 = 50;
const READY_TIMEOUT_S_DEFAULT: u64 = 60;
/// Most models of one service.
const MODELS_MAX: usize = 16;
/// Longest preview life and soak. Units: seconds.
const SPAN_S_MAX: u64 = 90 * 86_400;
/// The name that the environment of pull requests has.
const PREVIEW: &str = "preview";

pub(crate) const KEYS: [&str; 11] = [
    "kind",
    "models",
    "runtime",
    "serve",
    "deploy",
    "environments",
    "checks",
    "ignore",
    "logs",
    "telemetry",
    "chatops",
];
pub(crate) const SERVE_KEYS: [&str; 8] = [
    "run",
    "ready",
    "predict",
    "test",
    "resources",
    "env",
    "ready_timeout",
    "score",
];
pub(crate) const ENVIRONMENT_KEYS: [&str; 14] = [
    "ttl",
    "tracks",
    "after",
    "approvals",
    "soak",
    "windows",
    "cluster",
    "env",
    "auth",
    "queue",
    "concurrency",
    "replicas",
    "replicas_max",
    "allow_self_reported",
];
pub(crate) const MODEL_KEYS: [&str; 2] = ["from", "predict"];

/// The contract at `root`; `None` after a problem.
pub(crate) fn read(root: &Node, problems: &mut Problems) -> Option<Service> {
    let fields = Fields::of(root, "the service contract", &KEYS, problems)?;
    let models = models(&fields, problems);
    let runtime = runtime::runtime(&fields, problems);
    let serve = serve(&fields, problems);
    let deploy = deploy::deploy(&fields, problems);
    let environments = environments(&fields, problems);
    let checks = shared::checks(&fields, problems);
    let chatops = super::chatops::chatops(&fields, problems);
    let ignore = shared::globs(&fields, "ignore", problems);
    let logs = fields.flag("logs", false, problems);
    let telemetry = fields.flag("telemetry", true, problems);
    Some(Service {
        models: models?,
        runtime,
        serve: serve?,
        deploy,
        environments,
        checks,
        chatops,
        ignore,
        logs: logs?,
        telemetry: telemetry?,
    })
}

fn models(fields: &Fields<'_>, problems: &mut Problems) -> Option<BTreeMap<Slug, ModelSource>> {
    let node = fields.need(
        "models",
        "the model to serve, such as `digits: {from: digits-training}`",
        problems,
    )?;
    let entries = entries(node, "`models`", problems)?;
    if entries.is_empty() {
        problems.add(
            node.at,
            "`models` needs a model, such as `digits: {from: digits-training}`",
        );
    }
    if let Some((first_extra, _)) = entries.get(MODELS_MAX) {
        problems.add(
            first_extra.at,
            format!("`models` takes at most {MODELS_MAX} models; divide the service"),
        );
    }
    let read = |(key, node): &(Key, Node)| {
        let name = slug(key, "the name of a model", problems);
        let fields = Fields::of(node, "a model", &MODEL_KEYS, problems)?;
        let from = fields.need(
            "from",
            "the repository that trains it, such as `from: digits-training`",
            problems,
        );
        let from = from.and_then(|node| shared::repository(node, "`from`", problems));
        let predict = fields
            .get("predict")
            .map(|_| url_path(&fields, "predict", "/v1/predict", problems));
        let source = ModelSource {
            from: from?,
            predict: predict.flatten(),
        };
        Some((name?, source))
    };
    Some(entries.iter().filter_map(read).collect())
}

fn slug(key: &Key, what: &str, problems: &mut Problems) -> Option<Slug> {
    match Slug::parse(&key.text) {
        Ok(slug) => Some(slug),
        Err(error) => {
            problems.add(key.at, format!("{what}: {error}"));
            None
        }
    }
}

fn serve(fields: &Fields<'_>, problems: &mut Problems) -> Option<Serve> {
    let node = fields.need(
        "serve",
        "how to start the server, such as `serve: {run: [python, -m, app]}`",
        problems,
    )?;
    let fields = Fields::of(node, "`serve`", &SERVE_KEYS, problems)?;
    let ready = url_path(&fields, "ready", "/readyz", problems);
    let predict = url_path(&fields, "predict", "/v1/predict", problems);
    let run = run(&fields, (ready.as_deref(), predict.as_deref()), problems);
    let test = fields
        .get("test")
        .and_then(|node| shared::command(node, "`test` of `serve`", problems));
    let resources = shared::server_resources(&fields, problems);
    let env = shared::env(&fields, problems);
    let ready_timeout_s =
        shared::timeout_s(&fields, "ready_timeout", READY_TIMEOUT_S_DEFAULT, problems);
    Some(Serve {
        run: run?,
        ready: ready?,
        predict: predict?,
        test,
        resources: resources?,
        env: env?,
        ready_timeout_s: ready_timeout_s?,
    })
}

/// The command that listens: the contract's own, or ours around its scoring file.
fn run(
    fields: &Fields<'_>,
    (ready, predict): (Option<&str>, Option<&str>),
    problems: &mut Problems,
) -> Option<Vec<String>> {
    let Some(file) = fields.get("score") else {
        let hint =
            "the command that listens on `PORT`, such as `[python, -m, app]`, or `score: score.py`";
        let run = fields.need("run", hint, problems)?;
        return shared::command(run, "`run` of `serve`", problems);
    };
    if fields.get("run").is_some() {
        problems.add(file.at, "`run` and `score` are two ways to serve; take one");
    }
    let check = |text: &str| match RepoPath::parse(text) {
        Ok(path) if text.ends_with(".py") => Ok(path),
        Ok(_) | Err(_) => {
            Err("name a Python file of the repository, such as `score.py`".to_owned())
        }
    };
    let file = checked(file, "`score`", check, problems)?;
    Some(score::command(&file, ready?, predict?))
}

fn url_path(
    fields: &Fields<'_>,
    key: &str,
    default: &str,
    problems: &mut Problems,
) -> Option<String> {
    const PATH_BYTES_MAX: usize = 200;
    let Some(node) = fields.get(key) else {
        return Some(default.to_owned());
    };
    let check = |text: &str| {
        let is_path = text.starts_with('/')
            && !text.starts_with("//")
            && text.len() <= PATH_BYTES_MAX
            && text
                .bytes()
                .all(|b| b.is_ascii_graphic() && !b"\"#<>\\?`{}'$;&|()".contains(&b));
        if !is_path {
            Err(format!("write the path of an address, such as `{default}`"))
        } else if text == "/.bowsprit" || text.starts_with("/.bowsprit/") {
            Err("`/.bowsprit` belongs to the gateway".to_owned())
        } else {
            Ok(text.to_owned())
        }
    };
    checked(node, &format!("`{key}`"), check, problems)
}

fn environments(fields: &Fields<'_>, problems: &mut Problems) -> Vec<Environment> {
    let hint = "where the service runs, such as `{preview: {ttl: 72h}, staging: {tracks: main}}`";
    let Some(node) = fields.need("environments", hint, problems) else {
        return Vec::new();
    };
    let Some(entries) = entries(node, "`environments`", problems) else {
        return Vec::new();
    };
    if entries.is_empty() || entries.len() > ENVIRONMENTS_MAX {
        problems.add(
            node.at,
            format!("`environments` needs 1 to {ENVIRONMENTS_MAX} entries"),
        );
        return Vec::new();
    }
    let mut earlier: Vec<&str> = Vec::new();
    let mut read = Vec::new();
    for (key, node) in entries {
        read.extend(environment(key, node, &earlier, problems));
        earlier.push(&key.text);
    }
    read
}

fn environment(
    key: &Key,
    node: &Node,
    earlier: &[&str],
    problems: &mut Problems,
) -> Option<Environment> {
    let name = slug(key, "the name of an environment", problems);
    let what = format!("the environment `{}`", super::tree::shown(&key.text));
    let fields = Fields::of(node, &what, &ENVIRONMENT_KEYS, problems)?;
    let role = role(key, &fields, earlier, problems);
    let env = shared::env(&fields, problems);
    let auth = fields.flag("auth", true, problems);
    let allow_self_reported = fields.flag("allow_self_reported", false, problems);
    let count = |key: &str, default: u32, bounds, problems: &mut Problems| {
        let value = fields.get(key).map_or(Some(default), |node| {
            whole(node, &format!("`{key}`"), bounds, problems)
        });
        value.and_then(|value| usize::try_from(value).ok())
    };
    let queue = count("queue", QUEUE_DEFAULT, (0, QUEUE_MAX), problems);
    let concurrency = count(
        "concurrency",
        CONCURRENCY_DEFAULT,
        (1, CONCURRENCY_MAX),
        problems,
    );
    let replicas = replicas(&fields, problems);
    let cluster = match fields.get("cluster") {
        Some(node) => checked(node, "`cluster`", Slug::parse, problems).map(Some),
        None => Some(None),
    };
    Some(Environment {
        name: name?,
        role: role?,
        env: env?,
        auth: auth?,
        queue: queue?,
        concurrency: concurrency?,
        replicas: replicas?,
        cluster: cluster?,
        allow_self_reported: allow_self_reported?,
    })
}

fn replicas(fields: &Fields<'_>, problems: &mut Problems) -> Option<Replicas> {
    let min = fields.get("replicas").map_or(Some(1), |node| {
        whole(node, "`replicas`", (1, REPLICAS_MAX), problems)
    })?;
    let Some(node) = fields.get("replicas_max") else {
        return Some(Replicas { min, max: min });
    };
    let max = whole(node, "`replicas_max`", (1, REPLICAS_MAX), problems)?;
    if max < min {
        let message = format!("`replicas_max` must be at least `replicas`, which is {min}");
        problems.add(node.at, message);
        return None;
    }
    Some(Replicas { min, max })
}

fn role(key: &Key, fields: &Fields<'_>, earlier: &[&str], problems: &mut Problems) -> Option<Role> {
    let one_of = "it needs exactly one of `ttl` (preview), `tracks` (a branch) and `after` (another environment)";
    let found = (fields.get("ttl"), fields.get("tracks"), fields.get("after"));
    if found.2.is_none() {
        for extra in ["approvals", "soak", "windows"] {
            if let Some(node) = fields.get(extra) {
                problems.add(
                    node.at,
                    format!("`{extra}` needs `after` in {}", fields.what),
                );
            }
        }
    }
    let is_preview = key.text == PREVIEW;
    match found {
        (Some(ttl), None, None) if is_preview => {
            let ttl_ms = span_ms(ttl, "`ttl`", problems)?;
            if ttl_ms == 0 {
                problems.add(ttl.at, "`ttl` must not be zero");
            }
            Some(Role::Preview { ttl_ms })
        }
        (Some(ttl), None, None) => {
            problems.add(
                ttl.at,
                format!("`ttl` is for the environment `{PREVIEW}`; {one_of}"),
            );
            None
        }
        (None, Some(_), None) | (None, None, Some(_)) if is_preview => {
            problems.add(key.at, format!("`{PREVIEW}` is the environment of pull requests and has `ttl`, such as `{{ttl: 72h}}`"));
            None
        }
        (None, Some(branch), None) => checked(branch, "`tracks`", BranchName::parse, problems)
            .map(|branch| Role::Tracks { branch }),
        (None, None, Some(after)) => after_role(after, fields, earlier, problems),
        (None, None, None)
        | (Some(_), Some(_), _)
        | (Some(_), _, Some(_))
        | (None, Some(_), Some(_)) => {
            problems.add(key.at, format!("{}: {one_of}", fields.what));
            None
        }
    }
}

fn after_role(
    after: &Node,
    fields: &Fields<'_>,
    earlier: &[&str],
    problems: &mut Problems,
) -> Option<Role> {
    let environment = checked(after, "`after`", Slug::parse, problems)
        .filter(|name| is_earlier(name, after.at, earlier, problems));
    let approvals = fields.get("approvals").map_or(Some(1), |node| {
        whole(node, "`approvals`", (0, APPROVALS_MAX), problems)
    });
    let soak_ms = fields
        .get("soak")
        .map_or(Some(0), |node| span_ms(node, "`soak`", problems));
    let windows = fields
        .get("windows")
        .map_or(Some(Vec::new()), |node| windows(node, problems));
    Some(Role::After {
        environment: environment?,
        approvals: approvals?,
        soak_ms: soak_ms?,
        windows: windows?,
    })
}

fn is_earlier(name: &Slug, at: Mark, earlier: &[&str], problems: &mut Problems) -> bool {
    if name.as_str() == PREVIEW {
        problems.add(
            at,
            "`after` cannot be `preview`, which belongs to pull requests",
        );
        return false;
    }
    let is_known = earlier.contains(&name.as_str());
    if !is_known {
        problems.add(
            at,
            format!("`after` must name an environment that stands above, `{name}` does not"),
        );
    }
    is_known
}

fn span_ms(node: &Node, what: &str, problems: &mut Problems) -> Option<i64> {
    let seconds = checked(node, what, units::duration_s, problems)?;
    if seconds > SPAN_S_MAX {
        problems.add(node.at, format!("{what} must be at most 90d"));
        return None;
    }
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| seconds.checked_mul(1_000))
}

fn windows(node: &Node, problems: &mut Problems) -> Option<Vec<Window>> {
    let items = match &node.value {
        Value::Scalar { .. } => std::slice::from_ref(node),
        Value::Null | Value::List(_) | Value::Map(_) => {
            list(node, "`windows`", WINDOWS_MAX, problems)?
        }
    };
    Some(each(items, |item| {
        checked(item, "`windows`", Window::parse, problems)
    }))
}
