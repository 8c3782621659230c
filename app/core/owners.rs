//! OWNERS files: who may approve what.

/// Stand-in.
#[derive(Debug, Clone)]
pub struct Owners;
