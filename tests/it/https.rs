//! GitHub behind https with a certificate of a private authority, for the API and for git.

use crate::harness::run_test_with;
use bowsprit::config::Config;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

#[tokio::test(flavor = "multi_thread")]
async fn a_private_authority_is_trusted_where_the_configuration_names_it() {
    run_test_with(behind_tls, async |t| {
        let sha = t
            .push(
                "tiny-training",
                "linus",
                "main",
                "Train",
                &[("note.txt", "1\n")],
            )
            .await;
        t.settle().await;
        let check = t.check("tiny-training", &sha, "train").await;
        assert_eq!(check.expect("a check run")["conclusion"], "success");
        assert_eq!(t.proposals("bowsprit/tiny").await.len(), 1);
    })
    .await;
}

/// Puts a TLS end before the hub and tells the bot of it, with the authority beside.
fn behind_tls(config: &mut Config) {
    let hub = config
        .github
        .api_url
        .trim_start_matches("http://")
        .to_owned();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let signed =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let ca_file = config.state_dir.join("ca.pem");
    std::fs::write(&ca_file, signed.cert.pem()).expect("a file");
    let acceptor = acceptor(
        signed.cert.der().clone(),
        signed.signing_key.serialize_der(),
    );
    tokio::spawn(serve(listener, acceptor, hub));
    config.github.api_url = format!("https://localhost:{port}");
    config.github.git_url = format!("https://localhost:{port}");
    config.github.ca_file = Some(ca_file);
}

fn acceptor(cert: CertificateDer<'static>, key: Vec<u8>) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::try_from(key).expect("a key");
    let tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_no_client_auth()
        .with_single_cert(vec![cert], key)
        .expect("a certificate and its key");
    TlsAcceptor::from(Arc::new(tls))
}

async fn serve(listener: std::net::TcpListener, acceptor: TlsAcceptor, hub: String) {
    listener.set_nonblocking(true).expect("a socket");
    let listener = TcpListener::from_std(listener).expect("a socket");
    while let Ok((outside, _)) = listener.accept().await {
        let (acceptor, hub) = (acceptor.clone(), hub.clone());
        tokio::spawn(async move {
            // A client that goes away, or does not trust us, is its own affair.
            let Ok(mut outside) = acceptor.accept(outside).await else {
                return;
            };
            let mut inside = TcpStream::connect(hub).await.expect("the hub answers");
            let _ = copy_bidirectional(&mut outside, &mut inside).await;
        });
    }
}
