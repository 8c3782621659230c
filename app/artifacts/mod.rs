//! Bytes known by their digest.
