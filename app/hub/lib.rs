//! bowsprit-hub
