//! OWNERS files: who may approve what.
