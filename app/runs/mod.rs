//! Training backends.
