//! What a failed connection is called: away, which may pass, or a refusal, with what to do about it.

use std::{error::Error, io};

use async_nats::{
    ConnectErrorKind as Kind,
    rustls::{CertificateError, Error as TlsError},
};

use super::ConnectError;

/// The failure to connect to any of `servers` as `who`, the words for the credentials that were shown.
pub(crate) fn told(servers: &[String], who: Option<&str>, error: &async_nats::ConnectError) -> ConnectError {
    let (servers, reason) = (servers.to_vec(), error.to_string());
    let advice = match (tls_error(error), error.kind()) {
        (Some(error), _) => tls_advice(error).to_owned(),
        (None, Kind::Authentication | Kind::AuthorizationViolation) => credentials_advice(who),
        (None, Kind::ServerParse) => "Is each of `servers` an address like nats://host:4222?".to_owned(),
        (None, Kind::Tls) => "Do `servers` and the TLS settings (`tls`) fit the server?".to_owned(),
        (None, Kind::Io | Kind::Dns | Kind::TimedOut | Kind::MaxReconnects) => {
            return ConnectError::Unreachable { servers, reason };
        }
    };
    ConnectError::Refused { servers, reason, advice }
}

fn credentials_advice(who: Option<&str>) -> String {
    match who {
        Some(who) => format!("Does it know {who}, and do they still hold? See `credentials`"),
        None => "It asks who we are, and no `credentials` are set".to_owned(),
    }
}

/// What TLS itself found wrong, which looks like any other failed read or write.
fn tls_error(error: &async_nats::ConnectError) -> Option<&TlsError> {
    error.source()?.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref()
}

fn tls_advice(error: &TlsError) -> &'static str {
    if let TlsError::InvalidCertificate(
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
    ) = error
    {
        "The server's certificate is for other names than `servers` has"
    } else if let TlsError::InvalidCertificate(_) = error {
        "`tls.ca` must hold the authority of the server's certificate"
    } else if let TlsError::AlertReceived(_) = error {
        "The server asks for a certificate that it trusts: see `tls.cert` and `tls.key`"
    } else if let TlsError::InvalidMessage(_) = error {
        "The server speaks no TLS, which `tls.required` or its tls:// address asks for"
    } else {
        "Do the TLS settings (`tls`) fit the server's?"
    }
}
