//! Who a nats-server knows: nkeys, and an operator whose JWTs say which accounts and users there are (NATS ADR-14).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use nkeys::KeyPair;
use serde_json::{Value, json};

use crate::tokens::now;

/// An operator with one account that may use JetStream, and whoever it is asked to sign.
pub struct Operator {
    key: KeyPair,
    system: KeyPair,
    account: KeyPair,
}

impl Operator {
    /// A new operator.
    pub fn new() -> Operator {
        Operator { key: KeyPair::new_operator(), system: KeyPair::new_account(), account: KeyPair::new_account() }
    }

    /// What a nats-server's configuration says that trusts this operator and knows its accounts by heart.
    pub fn server_section(&self) -> String {
        let limits = json!({
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
            "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1,
        });
        let (system, account) = (self.system.public_key(), self.account.public_key());
        let operator =
            sign(&self.key, &self.key.public_key(), None, json!({ "type": "operator", "system_account": system }));
        let with_jetstream = sign(&self.key, &account, None, json!({ "type": "account", "limits": limits }));
        let without = json!({ "subs": -1, "conn": -1, "leaf": -1, "imports": -1, "exports": -1, "data": -1, "payload": -1, "wildcards": true });
        let plain = sign(&self.key, &system, None, json!({ "type": "account", "limits": without }));
        format!(
            "operator: {operator}\nsystem_account: {system}\nresolver: MEMORY\n\
             resolver_preload {{ {system}: {plain}, {account}: {with_jetstream} }}"
        )
    }

    /// The `.creds` file of a new user of the account, whose JWT is over at `expires` (seconds since 1970).
    pub fn creds(&self, expires: Option<u64>) -> String {
        let user = KeyPair::new_user();
        creds_file(&self.user_jwt(&user, expires), &user)
    }

    /// The JWT of a user of the account.
    pub fn user_jwt(&self, user: &KeyPair, expires: Option<u64>) -> String {
        let said = json!({ "type": "user", "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1 });
        sign(&self.account, &user.public_key(), expires, said)
    }
}

impl Default for Operator {
    fn default() -> Operator {
        Operator::new()
    }
}

/// A `.creds` file: a user's JWT and seed.
pub fn creds_file(jwt: &str, user: &KeyPair) -> String {
    format!(
        "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
        seed(user)
    )
}

/// A key's secret half, as a seed file holds it.
pub fn seed(key: &KeyPair) -> String {
    key.seed().expect("a key that was made here")
}

fn sign(issuer: &KeyPair, subject: &str, expires: Option<u64>, mut said: Value) -> String {
    said["version"] = json!(2);
    let mut claims = json!({
        "jti": format!("{:032x}", rand::random::<u128>()), "iat": now(), "iss": issuer.public_key(), "sub": subject, "name": "test", "nats": said,
    });
    if let Some(expires) = expires {
        claims["exp"] = json!(expires);
    }
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&json!({ "typ": "JWT", "alg": "ed25519-nkey" })), part(&claims));
    let signature = issuer.sign(signed.as_bytes()).expect("a key that can sign");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}
