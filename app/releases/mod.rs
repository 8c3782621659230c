//! Serving targets.
