//! The model: loaded once at the start, asked for each request.

use serde_json::{Value, json};
use smartcore::ensemble::random_forest_classifier::RandomForestClassifier;
use smartcore::linalg::basic::matrix::DenseMatrix;
use std::path::PathBuf;

/// A forest as the training writes it to `model.json`.
type Forest = RandomForestClassifier<f32, u32, DenseMatrix<f32>, Vec<u32>>;

/// A loaded model.
pub struct Model {
    forest: Forest,
    /// What `/version` says.
    pub about: Value,
}

/// The name of the model, as the contract has it.
pub fn name() -> String {
    std::env::var("MODEL_NAME").unwrap_or_else(|_| "digits".to_owned())
}

/// Where the model is, if it is: MODEL_DIR, else MODELS_DIR/<name>.
fn path() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let folders = [variable("MODEL_DIR"), variable("MODELS_DIR").map(|folder| folder.join(name()))];
    folders.into_iter().flatten().map(|folder| folder.join("model.json")).find(|path| path.is_file())
}

impl Model {
    /// Loads it; `None` where there is no model yet. Errors: one that cannot be read.
    pub fn load() -> Result<Option<Model>, String> {
        let Some(path) = path() else {
            return Ok(None);
        };
        let told = |why: String| format!("{}: {why}", path.display());
        let text = std::fs::read_to_string(&path).map_err(|error| told(error.to_string()))?;
        let forest = serde_json::from_str(&text).map_err(|error| told(error.to_string()))?;
        let version = std::env::var("MODEL_VERSION").ok();
        let about = json!({"service": "digits-service", "model": name(), "version": version, "ready": true});
        Ok(Some(Model { forest, about }))
    }

    /// One digit a row. Errors: what the model says.
    pub fn answer(&self, rows: &Vec<Vec<f32>>) -> Result<Value, String> {
        let rows = DenseMatrix::from_2d_vec(rows).map_err(|error| error.to_string())?;
        let labels: Vec<u32> = self.forest.predict(&rows).map_err(|error| error.to_string())?;
        Ok(json!({"labels": labels}))
    }
}
