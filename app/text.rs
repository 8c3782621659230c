//! Texts from templates.
