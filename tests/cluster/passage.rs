//! What stands between the bot and the API server: it passes bytes on, until a story closes it or cuts what is open.

use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// The passage.
pub(crate) struct Passage {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    to: Option<String>,
    is_open: bool,
    /// Ends the connections of now.
    cut: CancellationToken,
}

impl Passage {
    /// Open, and leading nowhere yet.
    pub(crate) async fn open() -> Passage {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State {
            to: None,
            is_open: true,
            cut: CancellationToken::new(),
        }));
        tokio::spawn(serve(listener, Arc::clone(&state)));
        Passage { address, state }
    }

    /// Leads to the server of this address; says by which address it is reached.
    fn lead_to(&self, server: &str) -> String {
        let url = url::Url::parse(server).expect("an address");
        let host = url.host_str().expect("a host");
        let port = url.port_or_known_default().expect("a port");
        self.state.lock().expect("no panic").to = Some(format!("{host}:{port}"));
        format!("https://{}", self.address)
    }

    /// Leads to the cluster of the stories; gives a kubeconfig by which the bearer of a token goes this way.
    pub(crate) fn kubeconfig(&self, token: &str) -> Value {
        let whole = kube::config::Kubeconfig::read().expect("a kubeconfig");
        let of = whole.clusters[0].cluster.as_ref().expect("a cluster");
        let server = of.server.clone().expect("an address");
        let ca = of
            .certificate_authority_data
            .clone()
            .expect("a certificate in the kubeconfig");
        let local = self.lead_to(&server);
        let host = url::Url::parse(&server).expect("an address");
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "story",
            "clusters": [{"name": "story", "cluster": {"server": local, "certificate-authority-data": ca,
                "tls-server-name": host.host_str().expect("a host")}}],
            "users": [{"name": "story", "user": {"token": token}}],
            "contexts": [{"name": "story", "context": {"cluster": "story", "user": "story"}}],
        })
    }

    /// Cuts what is open; who comes again is let through.
    pub(crate) fn cut(&self) {
        let mut state = self.state.lock().expect("no panic");
        std::mem::take(&mut state.cut).cancel();
    }

    /// Closes: the API server is away, as the bot sees it.
    pub(crate) fn close(&self) {
        self.state.lock().expect("no panic").is_open = false;
        self.cut();
    }

    /// Opens again.
    pub(crate) fn reopen(&self) {
        self.state.lock().expect("no panic").is_open = true;
    }
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    while let Ok((mut from, _)) = listener.accept().await {
        let (to, is_open, cut) = {
            let state = state.lock().expect("no panic");
            (state.to.clone(), state.is_open, state.cut.clone())
        };
        let Some(to) = to.filter(|_| is_open) else {
            continue;
        };
        tokio::spawn(async move {
            let passed = async {
                let mut to = TcpStream::connect(to).await?;
                tokio::io::copy_bidirectional(&mut from, &mut to).await
            };
            // Either side may end it, and a story may.
            let _ = cut.run_until_cancelled(passed).await;
        });
    }
}
