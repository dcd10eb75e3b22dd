//! Signing keys and tokens, good and bad.

use std::{
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Seconds since the Unix epoch.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs()
}

/// An Ed25519 key and its key id.
pub struct Key {
    pair: Ed25519KeyPair,
    id: String,
}

impl Key {
    /// A new key.
    pub fn new(id: &str) -> Key {
        Key { pair: Ed25519KeyPair::generate().expect("randomness for a key"), id: id.into() }
    }

    /// Its public part as a JWK (RFC 8037).
    pub fn jwk(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.pair.public_key());
        json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": self.id, "x": x })
    }

    /// The bare public key.
    pub fn public(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// A token of these claims.
    pub fn sign(&self, claims: &Value) -> String {
        self.sign_with(&json!({ "alg": "EdDSA", "typ": "JWT", "kid": self.id }), claims)
    }

    /// A token of this header and these claims.
    pub fn sign_with(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.pair.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// A good token of a user, for an hour.
    pub fn token(&self, user: &str) -> String {
        self.sign(&claims(user))
    }
}

/// The claims of a good token, for an hour.
pub fn claims(user: &str) -> Value {
    json!({ "sub": user, "aud": "dunlin", "iat": now(), "exp": now() + 3_600 })
}

/// The claims of a good token of a back end, for an hour.
pub fn service_claims(user: &str) -> Value {
    let mut claims = claims(user);
    claims["scope"] = json!("service");
    claims
}

/// A key set in a file.
pub struct KeySet {
    folder: TempDir,
}

impl KeySet {
    /// A file with these keys.
    pub fn of(keys: &[&Key]) -> KeySet {
        let set = KeySet { folder: tempfile::tempdir().expect("a temporary folder") };
        set.write(keys);
        set
    }

    /// Puts other keys into the file, at once and whole.
    pub fn write(&self, keys: &[&Key]) {
        let set = json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() });
        let new = self.folder.path().join("new");
        std::fs::write(&new, set.to_string()).expect("writing the key set");
        std::fs::rename(&new, self.path()).expect("moving the key set into place");
    }

    /// The file.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("jwks.json")
    }

    /// The folder that holds it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}
