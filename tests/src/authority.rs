//! A certificate authority, and the certificates that it signs, as the PEM files that nats-server and Dunlin read.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use tempfile::TempDir;

/// An authority, with its files in a folder of its own.
pub struct Authority {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate (PEM).
    pub cert: PathBuf,
    /// Its key (PEM).
    pub key: PathBuf,
}

impl Authority {
    /// A new authority, that nobody else trusts.
    pub fn new() -> Authority {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let name = format!("authority {:08x}", rand::random::<u32>());
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, new_key()).expect("an authority");
        let authority = Authority { folder, issuer };
        write_pem(&authority.ca(), "CERTIFICATE", authority.issuer.der());
        authority
    }

    /// Its own certificate (PEM), for those who trust it.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A certificate for this machine's loopback address, which a server or a client may show.
    pub fn certificate(&self, name: &str) -> Certificate {
        self.certificate_for(name, Ipv4Addr::LOCALHOST)
    }

    /// The same for another address.
    pub fn certificate_for(&self, name: &str, address: Ipv4Addr) -> Certificate {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.subject_alt_names = vec![SanType::IpAddress(IpAddr::V4(address))];
        let pair = new_key();
        let signed = params.signed_by(&pair, &self.issuer).expect("a certificate");
        let file = |what: &str| self.folder.path().join(format!("{name}-{what}.pem"));
        let certificate = Certificate { cert: file("cert"), key: file("key") };
        write_pem(&certificate.cert, "CERTIFICATE", signed.der());
        write_pem(&certificate.key, "PRIVATE KEY", pair.serialized_der());
        certificate
    }

    /// What a nats-server's configuration says, so that it has a certificate of this authority. With `verify` it asks its clients for one
    /// too.
    pub fn server_section(&self, verify: bool) -> String {
        self.server_section_for(Ipv4Addr::LOCALHOST, verify)
    }

    /// The same with a certificate for another address.
    pub fn server_section_for(&self, address: Ipv4Addr, verify: bool) -> String {
        let Certificate { cert, key } = self.certificate_for("server", address);
        format!("tls {{ cert_file: {cert:?}, key_file: {key:?}, ca_file: {:?}, verify: {verify} }}", self.ca())
    }
}

impl Default for Authority {
    fn default() -> Authority {
        Authority::new()
    }
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("randomness for a key")
}

/// The textual encoding of RFC 7468.
fn write_pem(path: &Path, label: &str, der: &[u8]) {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("base64")).collect();
    let pem = format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"));
    fs::write(path, pem).expect("writing a PEM file");
}
