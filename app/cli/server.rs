//! Server.
pub(crate) async fn interrupted() {
    let _ = tokio::signal::ctrl_c().await;
}
