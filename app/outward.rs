//! The way out: HTTP clients that trust what this system trusts.

use anyhow::Context as _;
use hyper::body::{Body, Buf};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;
use std::sync::Arc;

/// A client with requests of this body; clones share its connections.
pub(crate) type Client<B> = legacy::Client<HttpsConnector<HttpConnector>, B>;

/// Whether addresses are asked that need certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Those of the system, which take time to read.
    System,
    /// None: only plain HTTP is spoken.
    Nobody,
}

/// A client of HTTP/1.1, over TLS or plain. Errors: the system's certificates cannot be read.
pub(crate) fn client<B>(trust: Trust) -> anyhow::Result<Client<B>>
where
    B: Body + Send,
    B::Data: Buf + Send,
{
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let tls = match trust {
        Trust::System => config
            .with_native_roots()
            .context("cannot read the system's certificates")?
            .with_no_client_auth(),
        Trust::Nobody => config
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth(),
    };
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .build();
    Ok(legacy::Client::builder(TokioExecutor::new()).build(https))
}
