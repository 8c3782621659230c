//! Bowsprit.
fn main() {}
