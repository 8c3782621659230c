//! JSON schema of the contract file, for editors.

/// The schema (draft 2020-12) of `bowsprit.yaml`.
///
/// It helps while typing; the reader alone decides.
/// Source: JSON Schema draft 2020-12, <https://json-schema.org/draft/2020-12/schema>.
pub fn schema() -> serde_json::Value {
    serde_json::from_str(include_str!("schema.json"))
        .expect("schema is constant and read by a test")
}
