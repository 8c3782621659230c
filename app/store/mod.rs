//! What is remembered: SQL.
