//! The one HTTP client of the process, and reading with a bound.

use std::sync::LazyLock;

use reqwest::{Certificate, Client, ClientBuilder, Response, redirect};

/// Why an exchange brought no body.
#[derive(Debug)]
pub enum Fault {
    /// More than the bound, after decompression.
    TooLarge,
    Transport(reqwest::Error),
}

impl From<reqwest::Error> for Fault {
    fn from(error: reqwest::Error) -> Self {
        // An address in a message helps nobody who has set it, and may be the wrong one to show.
        Self::Transport(error.without_url())
    }
}

/// Built at first use, on a runtime thread: reading the certificates takes some 20 ms.
pub fn client() -> Result<&'static Client, Fault> {
    static CLIENT: LazyLock<Result<Client, String>> =
        LazyLock::new(|| build().map_err(|error| error.to_string()));
    match &*CLIENT {
        Ok(client) => Ok(client),
        // Building again is the way to an error of one's own; it may even succeed by now.
        Err(_) => build().map(|client| &*Box::leak(Box::new(client))).map_err(Fault::from),
    }
}

fn build() -> reqwest::Result<Client> {
    let builder = || {
        extra_certificates().into_iter().fold(
            Client::builder()
                .redirect(redirect::Policy::none())
                .user_agent(concat!("stack-auth-native/", env!("CARGO_PKG_VERSION"))),
            ClientBuilder::add_root_certificate,
        )
    };
    // Slim containers have no certificates of their own, and then not even http: works.
    builder().build().or_else(|_| {
        let public = webpki_root_certs::TLS_SERVER_ROOT_CERTS;
        let public = public.iter().filter_map(|der| Certificate::from_der(der).ok());
        builder().tls_certs_merge(public).build()
    })
}

/// Node's way to name a private authority. A file that cannot be read is passed over, as in Node.
fn extra_certificates() -> Vec<Certificate> {
    std::env::var_os("NODE_EXTRA_CA_CERTS")
        .and_then(|path| std::fs::read(path).ok())
        .and_then(|pem| Certificate::from_pem_bundle(&pem).ok())
        .unwrap_or_default()
}

pub async fn body(mut response: Response, max_bytes: usize) -> Result<Vec<u8>, Fault> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > max_bytes {
            return Err(Fault::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
