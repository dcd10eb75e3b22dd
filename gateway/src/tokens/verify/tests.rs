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
use crate::config::{KeySource, UserMap};
use dunlin_schema::NameError;

mod key_sets;

pub(in crate::tokens) const NOW: Millis = Millis(1_800_000_000_000);

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A key of one of the three algorithms.
pub(in crate::tokens) enum Pair {
    Ed(Ed25519KeyPair),
    Ec(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl Pair {
    pub(in crate::tokens) fn ed() -> Pair {
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

    pub(in crate::tokens) fn jwk(&self, kid: &str) -> Value {
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

    pub(in crate::tokens) fn token(&self, kid: &str, claims: &Value) -> String {
        token(&json!({ "alg": self.algorithm(), "kid": kid }), claims, |signed| self.signature(signed))
    }
}

fn token(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let signed = format!("{}.{}", encoded(header.to_string().as_bytes()), encoded(claims.to_string().as_bytes()));
    let signature = encoded(&sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn issuer() -> Issuer {
    Issuer { issuer: Some("https://id.example".into()), ..Issuer::new(KeySource::File("unused".into())) }
}

/// A key set, and how its issuer is configured.
struct Trusted {
    keys: KeySet,
    issuer: Issuer,
}

impl Trusted {
    fn of(set: &Value) -> Result<Trusted, String> {
        Ok(Trusted { keys: KeySet::parse(set.to_string().as_bytes())?, issuer: issuer() })
    }

    fn verify(&self, token: &str, now: Millis) -> Result<Identity, TokenError> {
        verify(&Jwt::parse(token)?, &self.keys, &self.issuer, now)
    }
}

fn keys(set: &[(&str, &Pair)]) -> Trusted {
    let set: Vec<_> = set.iter().map(|(kid, pair)| pair.jwk(kid)).collect();
    Trusted::of(&json!({ "keys": set })).unwrap_or_else(|why| panic!("{why}"))
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
        let expected = Identity {
            user: user.clone(),
            device: None,
            until: Millis(NOW.0 + 60_000),
            token: Token::default(),
            serves: None,
            administers: None,
        };
        assert_eq!(keys.verify(&pair.token(kid, &claims()), NOW), Ok(expected), "{kid}");
    }
    let pinned = changed(|claims| {
        claims["dev"] = json!("phone");
        claims["exp"] = json!(NOW.0 as f64 / 1_000.0 + 0.25);
        claims["aud"] = json!(["others", "dunlin"]);
    });
    let expected = Identity {
        user,
        device: Some(DeviceName::new("phone").unwrap()),
        until: Millis(NOW.0 + 250),
        token: Token { is_pinned: true, ..Token::default() },
        serves: None,
        administers: None,
    };
    assert_eq!(keys.verify(&ed.token("ed", &pinned), NOW), Ok(expected));
}

#[test]
fn a_token_is_known_by_its_issuer_and_its_jti() {
    let pair = Pair::ed();
    let keys = keys(&[("one", &pair)]);
    let token = |jti: &str, change: fn(&mut Value)| {
        let claims = changed(|claims| {
            claims["jti"] = json!(jti);
            claims["iat"] = json!(NOW.0 / 1_000);
            claims["scope"] = json!("admin");
            change(claims);
        });
        keys.verify(&pair.token("one", &claims), NOW)
    };
    let known = |jti| token(jti, |_| {}).unwrap();
    let (admin, long) = (known("a").administers.unwrap(), "x".repeat(3_000));
    for jti in ["a", "b", "", "\u{0}", "ä", &long] {
        assert_eq!(known(jti).token.id, Some(admin.token(jti)), "{jti}");
    }
    assert_eq!(known("a").token.issued, Some(Millis(NOW.0 / 1_000 * 1_000)));
    assert_ne!(admin.token("a"), admin.token("b"));
    assert!(token("a", |claims| claims["jti"] = json!(7)).is_err(), "it is a text");
    assert!(token("a", |claims| claims["scope"] = json!("admins service")).unwrap().administers.is_none());
}

#[test]
fn a_token_that_outlives_what_was_revoked_is_not_trusted() {
    let pair = Pair::ed();
    let keys = keys(&[("one", &pair)]);
    let (now, longest) = (NOW.0 / 1_000, limits::TOKEN_LIFE.0 / 1_000);
    for (issued, life, ok) in [
        (Some(now), longest, true),
        (Some(now), longest + 1, false),
        (Some(now - longest), 2 * longest, false),
        (None, longest, true),
        (None, longest + 2, false),
    ] {
        let claims = changed(|claims| {
            claims["exp"] = json!(issued.unwrap_or(now) + life);
            claims["iat"] = json!(issued);
        });
        let verified = keys.verify(&pair.token("one", &claims), NOW);
        assert_eq!(verified.as_ref().err(), (!ok).then_some(&TokenError::LivesTooLong), "{issued:?} {life}");
    }
}

#[test]
fn one_word_of_the_scope_makes_a_service() {
    let pair = Pair::ed();
    let keys = keys(&[("one", &pair)]);
    for (scope, is_service) in [
        (json!("service"), true),
        (json!("openid service email"), true),
        (json!("services"), false),
        (json!("Service"), false),
        (json!("no-service"), false),
        (json!(""), false),
        (json!(["service"]), false),
        (json!(7), false),
        (json!(null), false),
    ] {
        let token = pair.token("one", &changed(|claims| claims["scope"] = scope.clone()));
        assert_eq!(keys.verify(&token, NOW).map(|identity| identity.serves.is_some()), Ok(is_service), "{scope}");
    }
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
        (changed(|c| drop(c.as_object_mut().unwrap().remove("exp"))), TokenError::Missing("exp".into())),
        (changed(|c| c["exp"] = json!((now + 60).to_string())), TokenError::NoTime("exp")),
        (changed(|c| c["exp"] = json!(null)), TokenError::Missing("exp".into())),
        (changed(|c| c["nbf"] = json!(now + 31)), TokenError::NotYet("nbf")),
        (changed(|c| c["iat"] = json!(now + 31)), TokenError::NotYet("iat")),
        (changed(|c| c["iat"] = json!("today")), TokenError::NoTime("iat")),
        (changed(|c| c["nbf"] = json!((now - 60).to_string())), TokenError::NoTime("nbf")),
        (changed(|c| c["aud"] = json!("others")), TokenError::Audience),
        (changed(|c| c["aud"] = json!(["others"])), TokenError::Audience),
        (changed(|c| drop(c.as_object_mut().unwrap().remove("aud"))), TokenError::Missing("aud".into())),
        (changed(|c| c["iss"] = json!("https://evil.example")), TokenError::Issuer),
        (changed(|c| drop(c.as_object_mut().unwrap().remove("iss"))), TokenError::Missing("iss".into())),
        (changed(|c| drop(c.as_object_mut().unwrap().remove("sub"))), TokenError::Missing("sub".into())),
        (changed(|c| c["sub"] = json!("bob.>")), no_user(NameError::Character('.'))),
        (changed(|c| c["sub"] = json!("auth0|5f")), no_user(NameError::Character('|'))),
        (changed(|c| c["sub"] = json!("a".repeat(65))), no_user(NameError::TooLong(65))),
        (changed(|c| c["sub"] = json!("")), no_user(NameError::Empty)),
        (changed(|c| c["sub"] = json!(7)), TokenError::NoText("sub".into())),
        (changed(|c| c["dev"] = json!("my phone")), TokenError::Device(NameError::Character(' '))),
        (changed(|c| c["dev"] = json!({})), TokenError::NoText("dev".into())),
    ] {
        assert_eq!(keys.verify(&pair.token("one", &claims), NOW), Err(expected), "{claims}");
    }
}

fn no_user(why: NameError) -> TokenError {
    TokenError::User { claim: "sub".into(), why }
}

#[test]
fn clocks_may_differ_by_the_skew_before_a_token_begins() {
    let pair = Pair::ed();
    let keys = keys(&[("one", &pair)]);
    for ahead in [0, 1, 30] {
        for claim in ["nbf", "iat"] {
            let claims = changed(|c| c[claim] = json!(NOW.0 / 1_000 + ahead));
            assert!(keys.verify(&pair.token("one", &claims), NOW).is_ok(), "{claim} {ahead} s ahead");
        }
    }
}

#[test]
fn a_refusal_names_the_character_or_the_length() {
    for (why, said) in [
        (
            NameError::Character('|'),
            "the token's `sub` is no user's name: a name is made of A-Z a-z 0-9 _ and -, not of '|'",
        ),
        (
            NameError::TooLong(70),
            "the token's `sub` is no user's name: a name has at most 64 characters, this one has 70",
        ),
    ] {
        assert_eq!(no_user(why).to_string(), said);
    }
}

#[test]
fn user_and_audience_come_from_the_claims_that_are_configured() {
    let pair = Pair::ed();
    let mut trusted = keys(&[("one", &pair)]);
    trusted.issuer.audience = vec!["chat".into(), "app".into()];
    trusted.issuer.audience_claim = "client_id".into();
    trusted.issuer.user_claim = "email".into();
    trusted.issuer.user_map = UserMap::Escape;
    trusted.issuer.prefix = "a-".into();
    let with = |client: Value| changed(|c| (c["client_id"], c["email"]) = (client, json!("al|ce")));
    for (client, ok) in
        [(json!("app"), true), (json!(["x", "chat"]), true), (json!("dunlin"), false), (json!([]), false)]
    {
        let user =
            trusted.verify(&pair.token("one", &with(client.clone())), NOW).map(|identity| identity.user.to_string());
        assert_eq!(user, if ok { Ok("a-al_7cce".to_owned()) } else { Err(TokenError::Audience) }, "{client}");
    }
    for missing in ["client_id", "email"] {
        let mut claims = with(json!("app"));
        claims.as_object_mut().unwrap().remove(missing);
        assert_eq!(trusted.verify(&pair.token("one", &claims), NOW), Err(TokenError::Missing(missing.into())));
    }
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
        assert!(matches!(refused, Err(TokenError::Algorithm | TokenError::Unsupported)), "{what}: {refused:?}");
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
        ("five parts", format!("{header}.a.b.c.d"), TokenError::Encrypted),
        (
            "a `kid` that is a number",
            token(&json!({ "alg": "EdDSA", "kid": 7 }), &claims(), |s| pair.signature(s)),
            TokenError::Malformed,
        ),
        ("nothing", String::new(), TokenError::Malformed),
    ] {
        assert_eq!(keys.verify(&token, NOW), Err(expected), "{what}");
    }
}

#[test]
fn the_only_key_needs_no_id() {
    let pair = Pair::ed();
    let nameless = token(&json!({ "alg": "EdDSA" }), &claims(), |signed| pair.signature(signed));
    assert!(keys(&[("one", &pair)]).verify(&nameless, NOW).is_ok());
    let mut jwk = pair.jwk("one");
    jwk.as_object_mut().unwrap().remove("kid");
    let trusted = Trusted::of(&json!({ "keys": [jwk] })).unwrap_or_else(|why| panic!("{why}"));
    assert!(trusted.verify(&pair.token("any", &claims()), NOW).is_ok());
}

#[test]
fn ed25519_is_another_name_of_eddsa() {
    let pair = Pair::ed();
    let mut jwk = pair.jwk("one");
    jwk["alg"] = json!("Ed25519");
    let trusted = Trusted::of(&json!({ "keys": [jwk] })).unwrap_or_else(|why| panic!("{why}"));
    for alg in ["Ed25519", "EdDSA"] {
        let token = token(&json!({ "alg": alg, "kid": "one" }), &claims(), |signed| pair.signature(signed));
        assert!(trusted.verify(&token, NOW).is_ok(), "{alg}");
    }
}
