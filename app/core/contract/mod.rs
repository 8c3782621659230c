//! The contract of a repository: `bowsprit.yaml`.
