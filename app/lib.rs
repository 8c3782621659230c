//! Bowsprit.
