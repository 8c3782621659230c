//! Pages for people (in progress).
pub(super) struct Engine;
impl Engine {
    pub(super) fn load() -> anyhow::Result<Engine> {
        Ok(Engine)
    }
}
pub(super) fn router(_desk: &std::sync::Arc<super::Desk>) -> axum::Router {
    axum::Router::new()
}
