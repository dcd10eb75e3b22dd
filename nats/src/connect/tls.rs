//! TLS towards NATS. What its files hold is looked at before anybody is asked, so that a wrong one is named.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_nats::rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use serde::{Deserialize, Serialize};

use super::ConnectError;

/// TLS towards NATS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// Certificate authorities to trust in place of the system's (PEM).
    pub ca: Option<PathBuf>,
    /// This process's certificate (PEM); goes with `key`.
    pub cert: Option<PathBuf>,
    /// The certificate's key (PEM).
    pub key: Option<PathBuf>,
    /// Whether to refuse a server without TLS.
    pub required: bool,
}

impl Tls {
    /// Adds it to what is asked for. Errors: a file can't be used.
    pub(super) fn add_to(
        &self,
        mut options: async_nats::ConnectOptions,
    ) -> Result<async_nats::ConnectOptions, ConnectError> {
        if let Some(ca) = &self.ca {
            certificates("tls.ca", ca)?;
            options = options.add_root_certificates(ca.clone());
        }
        if let Some((cert, key)) = self.pair()? {
            let (chain, pair) = (certificates("tls.cert", cert)?, private(key)?);
            CertifiedKey::from_der(chain, pair, &aws_lc_rs::default_provider())
                .map_err(|error| unusable("tls.key", key, &format_args!("with {}: {error}", cert.display())))?;
            options = options.add_client_certificate(cert.clone(), key.clone());
        }
        Ok(options)
    }

    /// As rustls takes it. Errors: a file can't be used.
    pub(crate) fn config(&self) -> Result<ClientConfig, ConnectError> {
        let mut roots = RootCertStore::empty();
        match &self.ca {
            Some(ca) => {
                for certificate in certificates("tls.ca", ca)? {
                    roots.add(certificate).map_err(|error| unusable("tls.ca", ca, &error))?;
                }
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder =
            builder.with_safe_default_protocol_versions().expect("the provider has ciphers for TLS 1.2 and 1.3");
        let builder = builder.with_root_certificates(roots);
        match self.pair()? {
            Some((cert, key)) => builder
                .with_client_auth_cert(certificates("tls.cert", cert)?, private(key)?)
                .map_err(|error| unusable("tls.key", key, &error)),
            None => Ok(builder.with_no_client_auth()),
        }
    }

    fn pair(&self) -> Result<Option<(&PathBuf, &PathBuf)>, ConnectError> {
        match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => Ok(Some((cert, key))),
            (None, None) => Ok(None),
            _ => Err(ConnectError::Options("tls.cert and tls.key go together: one of them is missing".into())),
        }
    }
}

/// Whether the addresses themselves ask for TLS.
pub(super) fn by_scheme(servers: &[String]) -> bool {
    servers.iter().all(|server| server.starts_with("tls://"))
}

fn private(key: &Path) -> Result<PrivateKeyDer<'static>, ConnectError> {
    PrivateKeyDer::from_pem_file(key).map_err(|error| unusable("tls.key", key, &error))
}

fn certificates(setting: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, ConnectError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if found.is_empty() => Err(unusable(setting, path, &"it holds no certificate")),
        Ok(found) => Ok(found),
        Err(error) => Err(unusable(setting, path, &error)),
    }
}

fn unusable(setting: &str, path: &Path, why: &impl Display) -> ConnectError {
    ConnectError::Options(format!("`{setting}`: {} can't be used: {why}", path.display()))
}
