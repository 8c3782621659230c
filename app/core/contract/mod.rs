//! The contract of a repository: `bowsprit.yaml`.

/// Stand-in.
#[derive(Debug, Clone)]
pub enum Contract {}
/// Stand-in.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {}
