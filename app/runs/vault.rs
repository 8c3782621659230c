//! Named secrets on this side of an agent: who may have which, and the files that hand them over.
//!
//! Values leave memory only as files of this user's own in the directory of a stage that names them. The agent takes them
//! from there at its start; what it did not take goes when the stage ends, whoever finds that.

use crate::config::Secrets;
use crate::files;
use crate::hands::StartError;
use anyhow::Context as _;
use bowsprit_core::effect::StagePlan;
use bowsprit_core::training::spec::{StageKind, Trust};
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// The values that the steps of a stage name.
pub(super) type Values = BTreeMap<String, SecretString>;

/// What the steps of a stage name. Errors: `Refused` where the server maps no such name, or the stage may have none.
pub(super) fn values(secrets: &Secrets, plan: &StagePlan) -> Result<Values, StartError> {
    let repository = plan.repo.name.as_str();
    let of_repository = secrets.get(&repository.to_ascii_lowercase());
    let mut values = Values::new();
    for step in &plan.steps {
        for name in &step.secrets {
            if plan.kind != StageKind::Train || plan.trust != Trust::Trusted {
                return Err(StartError::Refused(format!(
                    "step `{}` names the secret `{name}`; only training of trusted commits gets any",
                    step.name
                )));
            }
            let value = of_repository.and_then(|values| values.get(name)).ok_or_else(|| {
                StartError::Refused(format!(
                    "step `{}` names the secret `{name}`, which this server does not know; its operator adds \
                     `{name} = \"/path/to/file\"` under `[secrets.\"{repository}\"]` and restarts the server",
                    step.name
                ))
            })?;
            values.insert(name.clone(), value.clone());
        }
    }
    Ok(values)
}

/// Writes the values as files of this user's own. Errors: the file system's.
pub(super) fn lay_out(dir: &Path, values: &Values) -> anyhow::Result<()> {
    files::remove_tree(dir).with_context(|| format!("cannot clear `{}`", dir.display()))?;
    if values.is_empty() {
        return Ok(());
    }
    write(dir, values).with_context(|| format!("cannot write secrets to `{}`", dir.display()))
}

fn write(dir: &Path, values: &Values) -> std::io::Result<()> {
    DirBuilder::new().mode(0o700).create(dir)?;
    for (name, value) in values {
        let mut file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(dir.join(name))?;
        file.write_all(value.expose_secret().as_bytes())?;
        file.sync_all()?;
    }
    File::open(dir)?.sync_all()
}
