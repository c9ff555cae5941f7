//! A connection to a registry.

use oci_client::client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, RegistryOperation};

use crate::credentials::CredentialError;
use crate::error::{Action, Context, OciError};
use crate::options::{Options, Transport};
use crate::reference::Reference;

/// A client that knows who asks, with what its errors need.
pub(crate) struct Connection<'a> {
    pub(crate) client: Client,
    pub(crate) reference: &'a Reference,
    pub(crate) authentication: RegistryAuth,
    who: String,
    protocol: &'static str,
    action: Action,
}

impl<'a> Connection<'a> {
    /// Finds the credentials and asks for a token if the registry works with tokens.
    pub(crate) async fn open(
        reference: &'a Reference,
        options: &Options,
        action: Action,
    ) -> Result<Self, OciError> {
        let authentication =
            authentication(reference, options)
                .await
                .map_err(|source| OciError::Credentials {
                    registry: reference.registry().into(),
                    source,
                })?;
        let plain = match options.transport {
            Transport::Automatic => reference.is_loopback(),
            Transport::Tls => false,
            Transport::Plain => true,
        };
        let (protocol, name) = if plain {
            (ClientProtocol::Http, "http")
        } else {
            (ClientProtocol::Https, "https")
        };
        // Without a provider of the process the client panics; whoever came first is as good.
        let _ = rustls::crypto::CryptoProvider::install_default(
            rustls::crypto::ring::default_provider(),
        );
        let configuration = ClientConfig {
            protocol,
            // One request per blob: every registry must take it, and the blob is in memory anyway.
            use_monolithic_push: true,
            extra_root_certificates: options
                .roots
                .iter()
                .map(|pem| Certificate {
                    encoding: CertificateEncoding::Pem,
                    data: pem.clone(),
                })
                .collect(),
            platform_resolver: None,
            read_timeout: Some(options.patience),
            connect_timeout: Some(options.patience),
            user_agent: concat!("hyaline/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        let client = Client::try_from(configuration).map_err(|source| OciError::Setup {
            registry: reference.registry().into(),
            source: Box::new(source),
        })?;
        let who = match &authentication {
            RegistryAuth::Basic(user, _) => format!("the user `{user}`"),
            _ => "callers without credentials".into(),
        };
        let connection = Connection {
            client,
            reference,
            authentication,
            who,
            protocol: name,
            action,
        };
        let operation = match action {
            Action::Push => RegistryOperation::Push,
            Action::Pull => RegistryOperation::Pull,
        };
        connection
            .client
            .auth(reference.inner(), &connection.authentication, operation)
            .await
            .map_err(|source| connection.error(source))?;
        Ok(connection)
    }

    /// What an error of the client means here.
    pub(crate) fn error(&self, source: oci_client::errors::OciDistributionError) -> OciError {
        Context {
            reference: self.reference,
            who: &self.who,
            protocol: self.protocol,
            action: self.action,
        }
        .error(source)
    }
}

async fn authentication(
    reference: &Reference,
    options: &Options,
) -> Result<RegistryAuth, CredentialError> {
    let credentials = options.credentials.clone();
    let reference = reference.clone();
    tokio::task::spawn_blocking(move || credentials.resolve(&reference))
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}
