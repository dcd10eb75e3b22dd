//! Key sets: which keys are taken, and odd ones beside good ones.

use super::*;

#[test]
fn two_keys_of_one_id_are_told_apart_by_their_algorithm() {
    let (ed, ec) = (Pair::ed(), Pair::ec());
    let trusted = keys(&[("one", &ed), ("one", &ec)]);
    for pair in [&ed, &ec] {
        assert!(trusted.verify(&pair.token("one", &claims()), NOW).is_ok(), "{}", pair.algorithm());
    }
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
        "null".to_owned(),
        json!({ "keys": {} }).to_string(),
        json!({ "keys": [] }).to_string(),
        json!({ "keys": [null] }).to_string(),
        json!({ "keys": [{ "kty": "oct", "kid": "one", "k": "c2VjcmV0" }] }).to_string(),
        with(|jwk| jwk["use"] = json!("enc")),
        with(|jwk| jwk["key_ops"] = json!(["encrypt"])),
        with(|jwk| jwk["alg"] = json!("RS256")),
        with(|jwk| jwk["crv"] = json!("Ed448")),
    ] {
        assert!(KeySet::parse(set.as_bytes()).is_err(), "{set}");
    }
}

/// Fields of a key set's keys (RFC 7517, RFC 7518, RFC 8037), and what may be wrong with one.
#[test]
fn each_field_of_a_key_may_be_odd_and_the_key_beside_it_verifies() {
    let good = Pair::ed();
    let token = good.token("good", &claims());
    let odd_values =
        [json!(7), json!(null), json!({}), json!([]), json!(true), json!(""), json!("verify"), json!("?"), json!([7])];
    let fields =
        ["kty", "use", "key_ops", "alg", "kid", "x5u", "x5c", "x5t", "x5t#S256", "crv", "x", "y", "n", "e", "ext"];
    for pair in [Pair::ed(), Pair::ec(), Pair::rsa()] {
        for (field, value) in fields.iter().flat_map(|field| odd_values.iter().map(move |value| (field, value))) {
            let mut jwk = pair.jwk("odd");
            jwk[field] = value.clone();
            let trusted = Trusted::of(&json!({ "keys": [jwk, good.jwk("good")] }));
            let trusted = trusted.unwrap_or_else(|why| panic!("{field} {value}: {why}"));
            assert!(trusted.verify(&token, NOW).is_ok(), "{field} {value}");
        }
    }
}

#[test]
fn an_odd_entry_is_passed_over_and_told_and_one_for_others_is_neither_odd_nor_counted() {
    let (good, other) = (Pair::ed(), Pair::rsa());
    let with = |field: &str, value: Value| {
        let mut jwk = other.jwk("other");
        jwk[field] = value;
        jwk
    };
    for (entry, odd) in [
        (json!({ "kty": "RSA", "x5c": ["MIIB"] }), Some("it has no `n`")),
        (with("kid", json!(7)), Some("its `kid` is no text")),
        (with("key_ops", json!("verify")), Some("its `key_ops` is no list")),
        (with("n", json!("AQAB")), Some("its `n` has 17 bits")),
        (json!(null), Some("it is no JSON object")),
        (with("key_ops", json!(["encrypt"])), None),
        (with("use", json!("enc")), None),
        (with("alg", json!("RSA-OAEP")), None),
        (json!({ "kty": "oct", "kid": "x", "k": "c2VjcmV0" }), None),
    ] {
        let trusted = Trusted::of(&json!({ "keys": [entry, good.jwk("good")] })).unwrap_or_else(|why| panic!("{why}"));
        let told = trusted.keys.odd.join(" ");
        assert!(odd.map_or(told.is_empty(), |odd| told.contains(odd) && told.contains("key 1")), "{entry}: {told:?}");
        // Whoever is not counted does not keep the good one from being the only one.
        let nameless = token(&json!({ "alg": "EdDSA" }), &claims(), |signed| good.signature(signed));
        assert!(trusted.verify(&nameless, NOW).is_ok(), "{entry}");
    }
}

#[test]
fn a_byte_order_mark_padding_and_zeros_do_no_harm() {
    let (ec, rsa) = (Pair::ec(), Pair::rsa());
    let set = format!("\u{feff}{}", json!({ "keys": [ec.jwk("ec")] }));
    assert!(KeySet::parse(set.as_bytes()).is_ok());
    let mut jwk = rsa.jwk("rsa");
    let n = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
    // One zero in front, in the alphabet of RFC 4648, section 4, with padding.
    jwk["n"] = json!(base64::engine::general_purpose::STANDARD.encode([&[0], &n[..]].concat()));
    let trusted = Trusted::of(&json!({ "keys": [jwk] })).unwrap_or_else(|why| panic!("{why}"));
    assert!(trusted.verify(&rsa.token("rsa", &claims()), NOW).is_ok());
}
