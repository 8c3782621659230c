//! bowsprit-agent
