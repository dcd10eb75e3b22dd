//! The recipes of docs/how-to/identity.md, each against a token with the claims that its issuer documents.

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

const NOW: Millis = Millis(1_800_000_000_000);

/// The recipe that begins with this comment.
fn recipe(name: &str, folder: &TempDir) -> Tokens {
    let text = include_str!("../../../docs/how-to/identity.md");
    let mut blocks = text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let block = blocks.find(|block| block.starts_with(&format!("# {name}\n"))).unwrap();
    let path = folder.path().join("gateway.toml");
    std::fs::write(&path, block).unwrap();
    config::gateway(&ConfigArgs::from(FileArgs { config: Some(path) })).unwrap().tokens
}

struct Issuer {
    pair: KeyPair,
    tokens: Tokens,
    _folder: TempDir,
}

impl Issuer {
    /// With the recipe's own settings, and a key set as issuers have them in place of the one behind its URL.
    fn of(name: &str) -> Issuer {
        let folder = tempfile::tempdir().unwrap();
        let mut tokens = recipe(name, &folder);
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let (n, e) = (pair.public_key().modulus(), pair.public_key().exponent());
        let n = URL_SAFE_NO_PAD.encode(n.big_endian_without_leading_zero());
        let e = URL_SAFE_NO_PAD.encode(e.big_endian_without_leading_zero());
        // Entra's keys have no `alg`, and Keycloak has one for encryption beside that for signatures.
        let signs = json!({ "kty": "RSA", "use": "sig", "kid": "k1", "x5t": "k1", "n": n, "e": e, "x5c": ["MIIC…"] });
        let encrypts = json!({ "kty": "RSA", "use": "enc", "alg": "RSA-OAEP", "kid": "k2", "n": n, "e": e });
        let path = folder.path().join("jwks.json");
        std::fs::write(&path, json!({ "keys": [encrypts, signs] }).to_string()).unwrap();
        tokens.issuers[0].keys = KeySource::File(path);
        Issuer { pair, tokens, _folder: folder }
    }

    fn sign(&self, claims: &Value) -> String {
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": "k1" });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(claims));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    async fn report(&self, claims: &Value) -> TokenReport {
        examine::token(&self.tokens, &self.sign(claims), NOW).await.unwrap()
    }
}

/// Claims as the issuer's documentation shows them, the user who is meant, and claims whose change must be noticed.
fn documented() -> Vec<(&'static str, Value, &'static str, &'static [&'static str])> {
    let (iat, exp) = (NOW.0 / 1_000 - 60, NOW.0 / 1_000 + 3_540);
    let tenant = "11111111-2222-3333-4444-555555555555";
    let oid = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
    vec![
        (
            "auth0",
            json!({ "iss": "https://example.eu.auth0.com/", "sub": "auth0|507f1f77bcf86cd799439011", "azp": "AbC", "scope": "openid profile",
                    "aud": ["https://chat.example", "https://example.eu.auth0.com/userinfo"], "iat": iat, "exp": exp }),
            "auth0_7c507f1f77bcf86cd799439011",
            &["iss", "aud", "sub", "exp"],
        ),
        (
            "entra",
            json!({ "aud": "66666666-7777-8888-9999-000000000000", "iss": format!("https://login.microsoftonline.com/{tenant}/v2.0"), "iat": iat,
                    "nbf": iat, "exp": exp, "oid": oid, "sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ", "tid": tenant, "ver": "2.0", "scp": "chat" }),
            oid,
            &["iss", "aud", "oid", "exp"],
        ),
        (
            "cognito",
            json!({ "sub": oid, "iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Example", "client_id": "57cbishk4j24pabc1234567890",
                    "token_use": "access", "scope": "aws.cognito.signin.user.admin", "auth_time": iat, "iat": iat, "exp": exp, "username": "bob" }),
            oid,
            &["iss", "client_id", "sub", "exp"],
        ),
        (
            "keycloak",
            json!({ "iss": "https://sso.example/realms/chat", "aud": "account", "azp": "chat-app", "sub": oid, "typ": "Bearer", "iat": iat, "exp": exp,
                    "preferred_username": "bob", "realm_access": { "roles": ["offline_access"] } }),
            oid,
            &["iss", "azp", "sub", "exp"],
        ),
        (
            "firebase",
            json!({ "iss": "https://securetoken.google.com/chat-example", "aud": "chat-example", "auth_time": iat, "user_id": "Qm5YvLb3nXhT4bQ2",
                    "sub": "Qm5YvLb3nXhT4bQ2", "iat": iat, "exp": exp, "firebase": { "identities": {}, "sign_in_provider": "password" } }),
            "Qm5YvLb3nXhT4bQ2",
            &["iss", "aud", "sub", "exp"],
        ),
        ("own", json!({ "sub": "bob", "aud": "dunlin", "exp": exp }), "bob", &["aud", "sub", "exp"]),
    ]
}

#[tokio::test]
async fn each_recipe_takes_the_tokens_of_its_issuer_and_no_others() {
    for (name, claims, user, counts) in documented() {
        let issuer = Issuer::of(name);
        let admitted = issuer.report(&claims).await.outcome;
        assert_eq!(admitted.map(|admitted| admitted.user.to_string()), Ok(user.to_owned()), "{name}");
        for claim in counts {
            for change in [json!(null), json!({}), json!("")] {
                let mut claims = claims.clone();
                claims[claim] = change.clone();
                assert!(issuer.report(&claims).await.outcome.is_err(), "{name} with {claim} {change}");
            }
        }
    }
}

#[tokio::test]
async fn a_refusal_says_what_was_found_and_what_is_trusted_without_the_token() {
    let (_, claims, ..) = documented().remove(0);
    let issuer = Issuer::of("auth0");
    let found = issuer.report(&claims).await.found.join("\n");
    let escaped =
        r#"its `sub` is "auth0|507f1f77bcf86cd799439011"; the user's name is the prefix "" and that, escaped"#;
    assert!(found.contains(escaped) && found.contains("becomes `_` and two hexadecimal digits"), "{found}");
    let with = |claim: &str, value: Value| {
        let mut claims = claims.clone();
        claims[claim] = value;
        claims
    };
    for (claims, refused, found) in [
        (
            with("iss", json!("https://example.eu.auth0.com")),
            "another issuer",
            r#"its `iss` is "https://example.eu.auth0.com"; trusted is "https://example.eu.auth0.com/""#,
        ),
        (with("aud", json!("x")), "another audience", r#"its `aud` is "x"; trusted is "https://chat.example""#),
        (with("exp", json!(NOW.0 / 1_000 - 90)), "time is over", "its `exp` is 90 s ago"),
        (with("iat", json!(NOW.0 / 1_000 + 90)), "its `iat` is more than 30 s ahead", "its `iat` is 90 s ahead"),
    ] {
        let report = issuer.report(&claims).await;
        assert!(report.outcome.as_ref().is_err_and(|why| why.contains(refused)), "{report:?}");
        assert!(report.found.iter().any(|line| line == found), "{report:?} without {found}");
        let token = issuer.sign(&claims);
        let told = format!("{report:?}");
        assert!(token.split('.').all(|part| !told.contains(part)), "{told}");
    }
}
