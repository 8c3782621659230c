//! Reads `runtime`: the software that steps and servers run in.

use super::reader::{Fields, Problems, boolean, checked, each, list};
use super::shared::command;
use super::tree::{Node, Value};
use crate::image::recipe::Gpu;
use crate::image::reference::Pinned;
use crate::name::RepoPath;
use crate::training::spec::RuntimeSpec;

/// Most steps on a base image.
const STEPS_MAX: usize = 20;

pub(crate) const RUNTIME_KEYS: [&str; 7] = [
    "python",
    "requirements",
    "conda",
    "rust",
    "image",
    "dockerfile",
    "base",
];
pub(crate) const BASE_KEYS: [&str; 5] = ["image", "steps", "requirements", "gpu", "cuda"];
/// Keys that say everything alone.
const WHOLE_KEYS: [&str; 5] = ["conda", "rust", "image", "dockerfile", "base"];

/// The runtime, or none.
pub(crate) fn runtime(fields: &Fields<'_>, problems: &mut Problems) -> Option<RuntimeSpec> {
    let node = fields.get("runtime")?;
    let fields = match &node.value {
        Value::Map(_) => Fields::of(node, "`runtime`", &RUNTIME_KEYS, problems)?,
        Value::Null | Value::Scalar { .. } | Value::List(_) => {
            problems.add(node.at, "`runtime` must be a mapping such as `{python: \"3.11\", requirements: requirements.lock}`");
            return None;
        }
    };
    let Some(key) = WHOLE_KEYS.into_iter().find(|key| fields.get(key).is_some()) else {
        return python(&fields, problems);
    };
    let node = fields.get(key)?;
    let others = RUNTIME_KEYS.into_iter().filter(|other| *other != key);
    if others.into_iter().any(|other| fields.get(other).is_some()) {
        let message = format!("`{key}` says what is in the runtime; take it alone");
        problems.add(node.at, message);
    }
    let path =
        |problems: &mut Problems| checked(node, &format!("`{key}`"), RepoPath::parse, problems);
    match key {
        "conda" => path(problems).map(|file| RuntimeSpec::Conda { file }),
        "rust" => cargo_lock(node, problems).map(|lock| RuntimeSpec::Rust { lock }),
        "dockerfile" => path(problems).map(|file| RuntimeSpec::Dockerfile { file }),
        "image" => {
            let image = checked(node, "`image`", Pinned::parse, problems);
            image.map(|image| RuntimeSpec::Image {
                image,
                origin: None,
            })
        }
        _ => base(node, problems),
    }
}

/// The root of a workspace is where its lock is, and cargo knows a lock by its name alone.
fn cargo_lock(node: &Node, problems: &mut Problems) -> Option<RepoPath> {
    let lock = checked(node, "`rust`", RepoPath::parse, problems)?;
    let is_lock = lock.as_str().rsplit('/').next() == Some("Cargo.lock");
    if !is_lock {
        problems.add(
            node.at,
            "`rust` names the lock file of a cargo workspace, such as `Cargo.lock`",
        );
    }
    is_lock.then_some(lock)
}

fn python(fields: &Fields<'_>, problems: &mut Problems) -> Option<RuntimeSpec> {
    let minimum = fields.need(
        "python",
        "the least version, such as `python: \"3.11\"`",
        problems,
    );
    let minimum = minimum.and_then(|node| checked(node, "`python`", python_version, problems));
    let requirements = requirements(fields, problems);
    Some(RuntimeSpec::Python {
        minimum: minimum?,
        requirements,
    })
}

fn requirements(fields: &Fields<'_>, problems: &mut Problems) -> Option<RepoPath> {
    let node = fields.get("requirements")?;
    checked(node, "`requirements`", RepoPath::parse, problems)
}

fn base(node: &Node, problems: &mut Problems) -> Option<RuntimeSpec> {
    let fields = Fields::of(node, "`base`", &BASE_KEYS, problems)?;
    let image = fields.need(
        "image",
        "what it begins with, such as `image: docker.io/library/python@sha256:…`",
        problems,
    );
    let image = image.and_then(|node| checked(node, "`image`", Pinned::parse, problems));
    let steps = match fields.get("steps") {
        Some(node) => list(node, "`steps` of `base`", STEPS_MAX, problems)
            .map(|items| each(items, |item| command(item, "a step of `base`", problems))),
        None => Some(Vec::new()),
    };
    let requirements = requirements(&fields, problems);
    let gpu = gpu(&fields, problems);
    Some(RuntimeSpec::Base {
        image: image?,
        steps: steps?,
        requirements,
        gpu,
    })
}

/// `cuda` alone says `gpu: true` too.
fn gpu(fields: &Fields<'_>, problems: &mut Problems) -> Option<Gpu> {
    let is_wanted = fields
        .get("gpu")
        .and_then(|node| boolean(node, "`gpu`", problems));
    let cuda = fields.get("cuda");
    let release = cuda.and_then(|node| checked(node, "`cuda`", cuda_release, problems));
    if let (Some(false), Some(node)) = (is_wanted, cuda) {
        problems.add(
            node.at,
            "`cuda` needs a graphics processor; leave out `gpu: false`",
        );
    }
    (is_wanted == Some(true) || cuda.is_some()).then_some(Gpu { cuda: release })
}

fn cuda_release(text: &str) -> Result<String, String> {
    let is_number =
        |part: &str| (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    match text.split_once('.') {
        Some((major, minor)) if is_number(major) && is_number(minor) => Ok(text.to_owned()),
        Some(_) | None => Err("write major and minor release, such as \"12.4\"".to_owned()),
    }
}

fn python_version(text: &str) -> Result<String, String> {
    let minor = text
        .strip_prefix("3.")
        .filter(|minor| (1..=2).contains(&minor.len()));
    match minor.and_then(|minor| minor.parse::<u8>().ok()) {
        Some(minor) if minor >= 8 => Ok(format!("3.{minor}")),
        Some(_) => Err("versions before 3.8 are not supported".to_owned()),
        None => Err("write major and minor version, such as \"3.11\"".to_owned()),
    }
}
