//! Tokens good, bad and forged, of every algorithm that is taken.

use aws_lc_rs::{
    encoding::AsDer,
    hmac,
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::*;
use crate::config::KeySource;

const NOW: Millis = Millis(1_800_000_000_000);

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A key of one of the three algorithms.
enum Pair {
    Ed(Ed25519KeyPair),
    Ec(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl Pair {
    fn ed() -> Pair {
        Pair::Ed(Ed25519KeyPair::generate().unwrap())
    }

    fn ec() -> Pair {
        Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    fn rsa() -> Pair {
        Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Pair::Ed(_) => "EdDSA",
            Pair::Ec(_) => "ES256",
            Pair::Rsa(_) => "RS256",
        }
    }

    fn public(&self) -> Vec<u8> {
        match self {
            Pair::Ed(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Ec(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Rsa(pair) => pair.public_key().as_der().unwrap().as_ref().to_vec(),
        }
    }

    fn jwk(&self, kid: &str) -> Value {
        match self {
            Pair::Ed(_) => json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": encoded(&self.public()) }),
            Pair::Ec(_) => {
                let (x, y) = (encoded(&self.public()[1..33]), encoded(&self.public()[33..]));
                json!({ "kty": "EC", "crv": "P-256", "kid": kid, "x": x, "y": y })
            }
            Pair::Rsa(pair) => {
                let (n, e) = (pair.public_key().modulus(), pair.public_key().exponent());
                let (n, e) =
                    (encoded(n.big_endian_without_leading_zero()), encoded(e.big_endian_without_leading_zero()));
                json!({ "kty": "RSA", "kid": kid, "n": n, "e": e, "alg": "RS256", "use": "sig" })
            }
        }
    }

    fn signature(&self, signed: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Pair::Ed(pair) => pair.sign(signed).as_ref().to_vec(),
            Pair::Ec(pair) => pair.sign(&random, signed).unwrap().as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, signed, &mut signature).unwrap();
                signature
            }
        }
    }

    fn token(&self, kid: &str, claims: &Value) -> String {
        token(&json!({ "alg": self.algorithm(), "kid": kid }), claims, |signed| self.signature(signed))
    }
}

fn token(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let signed = format!("{}.{}", encoded(header.to_string().as_bytes()), encoded(claims.to_string().as_bytes()));
    let signature = encoded(&sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn settings() -> Tokens {
    Tokens {
        keys: KeySource::File("unused".into()),
        audience: "dunlin".into(),
        issuer: Some("https://id.example".into()),
        refresh: Millis(1_000),
    }
}

fn keys(set: &[(&str, &Pair)]) -> Keys {
    let set: Vec<_> = set.iter().map(|(kid, pair)| pair.jwk(kid)).collect();
    Keys::parse(json!({ "keys": set }).to_string().as_bytes(), &settings()).unwrap_or_else(|why| panic!("{why}"))
}

fn claims() -> Value {
    json!({ "sub": "bob", "aud": "dunlin", "iss": "https://id.example", "exp": NOW.0 / 1_000 + 60 })
}

fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut claims = claims();
    change(&mut claims);
    claims
}

#[test]
fn each_algorithm_says_who_is_there() {
    let (ed, ec, rsa) = (Pair::ed(), Pair::ec(), Pair::rsa());
    let keys = keys(&[("ed", &ed), ("ec", &ec), ("rsa", &rsa)]);
    let user = UserName::new("bob").unwrap();
    for (kid, pair) in [("ed", &ed), ("ec", &ec), ("rsa", &rsa)] {
        let expected = Identity { user: user.clone(), device: None, until: Millis(NOW.0 + 60_000) };
        assert_eq!(keys.verify(&pair.token(kid, &claims()), NOW), Ok(expected), "{kid}");
    }
    let pinned = changed(|claims| {
        claims["dev"] = json!("phone");
        claims["exp"] = json!(NOW.0 as f64 / 1_000.0 + 0.25);
        claims["aud"] = json!(["others", "dunlin"]);
    });
    let expected = Identity { user, device: Some(DeviceName::new("phone").unwrap()), until: Millis(NOW.0 + 250) };
    assert_eq!(keys.verify(&ed.token("ed", &pinned), NOW), Ok(expected));
}

#[test]
fn claims_that_are_not_good_are_refused() {
    let pair = Pair::ed();
    let keys = keys(&[("one", &pair)]);
    let now = NOW.0 / 1_000;
    for (claims, expected) in [
        (changed(|c| c["exp"] = json!(now - 1)), TokenError::Expired),
        (changed(|c| c["exp"] = json!(now)), TokenError::Expired),
        (changed(|c| c["exp"] = json!(-5)), TokenError::Expired),
        (changed(|c| drop(c.as_object_mut().unwrap().remove("exp"))), TokenError::Missing("exp")),
        (changed(|c| c["exp"] = json!((now + 60).to_string())), TokenError::NoTime("exp")),
        (changed(|c| c["exp"] = json!(null)), TokenError::Missing("exp")),
        (changed(|c| c["nbf"] = json!(now + 1)), TokenError::NotYet),
        (changed(|c| c["nbf"] = json!((now - 60).to_string())), TokenError::NoTime("nbf")),
        (changed(|c| c["aud"] = json!("others")), TokenError::Audience),
        (changed(|c| c["aud"] = json!(["others"])), TokenError::Audience),
        (changed(|c| drop(c.as_object_mut().unwrap().remove("aud"))), TokenError::Missing("aud")),
        (changed(|c| c["iss"] = json!("https://evil.example")), TokenError::Issuer),
        (changed(|c| drop(c.as_object_mut().unwrap().remove("iss"))), TokenError::Missing("iss")),
        (changed(|c| drop(c.as_object_mut().unwrap().remove("sub"))), TokenError::Missing("sub")),
        (changed(|c| c["sub"] = json!("bob.>")), TokenError::User),
        (changed(|c| c["sub"] = json!(7)), TokenError::User),
        (changed(|c| c["dev"] = json!("my phone")), TokenError::Device),
        (changed(|c| c["dev"] = json!({})), TokenError::Device),
    ] {
        assert_eq!(keys.verify(&pair.token("one", &claims), NOW), Err(expected), "{claims}");
    }
    let nbf = changed(|c| c["nbf"] = json!(now));
    assert!(keys.verify(&pair.token("one", &nbf), NOW).is_ok());
}

#[test]
fn the_algorithm_is_the_keys_never_the_tokens() {
    let (ed, ec) = (Pair::ed(), Pair::ec());
    let keys = keys(&[("ed", &ed), ("ec", &ec)]);
    let hmac_of = |secret: Vec<u8>| {
        move |signed: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), signed).as_ref().to_vec()
    };
    let jwk = ed.jwk("ed")["x"].as_str().unwrap().as_bytes().to_vec();
    for (what, token) in [
        ("none", token(&json!({ "alg": "none", "kid": "ed" }), &claims(), |_| vec![])),
        ("None", token(&json!({ "alg": "None", "kid": "ed" }), &claims(), |_| vec![])),
        ("HMAC with the public key", token(&json!({ "alg": "HS256", "kid": "ed" }), &claims(), hmac_of(ed.public()))),
        ("HMAC with its text", token(&json!({ "alg": "HS256", "kid": "ed" }), &claims(), hmac_of(jwk))),
        ("another key's", token(&json!({ "alg": "ES256", "kid": "ed" }), &claims(), |signed| ec.signature(signed))),
        ("a sister's", token(&json!({ "alg": "ES384", "kid": "ec" }), &claims(), |signed| ec.signature(signed))),
    ] {
        let refused = keys.verify(&token, NOW);
        assert!(matches!(refused, Err(TokenError::Algorithm | TokenError::Malformed)), "{what}: {refused:?}");
    }
}

#[test]
fn signatures_are_checked() {
    let (pair, other) = (Pair::ed(), Pair::ed());
    let keys = keys(&[("one", &pair), ("two", &Pair::ec())]);
    let good = pair.token("one", &claims());
    let [header, _, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let payload = encoded(changed(|c| c["sub"] = json!("eve")).to_string().as_bytes());
    for (what, token, expected) in [
        ("another key", other.token("one", &claims()), TokenError::Signature),
        ("a changed payload", format!("{header}.{payload}.{signature}"), TokenError::Signature),
        ("no signature", format!("{header}.{payload}."), TokenError::Signature),
        ("an unknown key id", pair.token("three", &claims()), TokenError::UnknownKey),
        (
            "no key id among several",
            token(&json!({ "alg": "EdDSA" }), &claims(), |s| pair.signature(s)),
            TokenError::NoKeyId,
        ),
        (
            "extensions that have to be understood",
            token(&json!({ "alg": "EdDSA", "kid": "one", "crit": ["b64"], "b64": false }), &claims(), |s| {
                pair.signature(s)
            }),
            TokenError::Critical,
        ),
        (
            "extensions, none of them named",
            token(&json!({ "alg": "EdDSA", "kid": "one", "crit": [] }), &claims(), |s| pair.signature(s)),
            TokenError::Critical,
        ),
        ("20,000 letters", "e".repeat(20_000), TokenError::TooLong(20_000)),
        ("letters", "eyJ".repeat(100), TokenError::Malformed),
        ("two parts", format!("{header}.{payload}"), TokenError::Malformed),
        ("nothing", String::new(), TokenError::Malformed),
    ] {
        assert_eq!(keys.verify(&token, NOW), Err(expected), "{what}");
    }
}

#[test]
fn the_only_key_needs_no_id() {
    let pair = Pair::ed();
    let token = token(&json!({ "alg": "EdDSA" }), &claims(), |signed| pair.signature(signed));
    assert!(keys(&[("one", &pair)]).verify(&token, NOW).is_ok());
}

#[test]
fn key_sets_without_a_usable_key_are_refused() {
    let pair = Pair::ed();
    let with = |change: fn(&mut Value)| {
        let mut jwk = pair.jwk("one");
        change(&mut jwk);
        json!({ "keys": [jwk] }).to_string()
    };
    for set in [
        "not JSON".to_owned(),
        "{}".to_owned(),
        json!({ "keys": [] }).to_string(),
        json!({ "keys": [{ "kty": "oct", "kid": "one", "k": "c2VjcmV0" }] }).to_string(),
        with(|jwk| jwk["use"] = json!("enc")),
        with(|jwk| jwk["alg"] = json!("RS256")),
        with(|jwk| jwk["crv"] = json!("Ed448")),
    ] {
        assert!(Keys::parse(set.as_bytes(), &settings()).is_err(), "{set}");
    }
    let beside = json!({ "keys": [{ "kty": "oct", "kid": "x", "k": "c2VjcmV0" }, pair.jwk("one")] });
    assert!(Keys::parse(beside.to_string().as_bytes(), &settings()).is_ok(), "others are passed over");
}
