//! TLS towards NATS. What its files hold is looked at before anybody is asked, so that a wrong one is named.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
};

use async_nats::rustls::{
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
        servers: &[String],
    ) -> Result<async_nats::ConnectOptions, ConnectError> {
        if let Some(ca) = &self.ca {
            certificates("tls.ca", ca)?;
            options = options.add_root_certificates(ca.clone());
        }
        options = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => {
                let chain = certificates("tls.cert", cert)?;
                let pair = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable("tls.key", key, &error))?;
                CertifiedKey::from_der(chain, pair, &aws_lc_rs::default_provider())
                    .map_err(|error| unusable("tls.key", key, &format_args!("with {}: {error}", cert.display())))?;
                options.add_client_certificate(cert.clone(), key.clone())
            }
            (None, None) => options,
            _ => return Err(ConnectError::Options("tls.cert and tls.key go together: one of them is missing".into())),
        };
        // A cluster names its other servers without a scheme: whoever wants TLS of the first wants it of them.
        Ok(options.require_tls(self.required || by_scheme(servers)))
    }
}

/// Whether the addresses themselves ask for TLS.
pub(super) fn by_scheme(servers: &[String]) -> bool {
    servers.iter().all(|server| server.starts_with("tls://"))
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
