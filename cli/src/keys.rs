//! The signing key of `dunlin dev`, its key set, and the tokens it signs.

use std::{
    fs,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, bail};
use aws_lc_rs::{
    digest,
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use clap::{Args, Subcommand};
use dunlin_schema::{DeviceName, Millis, UserName, limits};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

use crate::{
    check::CheckArgs,
    folder::{Folder, FolderArgs, write_secret},
    span::{Span, SpanError},
};

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// What `dunlin token` is asked for.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    override_usage = "dunlin token [OPTIONS] <USER>\n       dunlin token check [OPTIONS] <TOKEN>"
)]
pub struct TokenArgs {
    #[command(subcommand)]
    pub(crate) command: Option<TokenCommand>,
    /// Who the token is for
    #[arg(required = true)]
    user: Option<UserName>,
    /// How long it holds: 400 days at most
    #[arg(long, default_value = "1h", value_name = "SPAN", value_parser = ttl)]
    ttl: Span,
    /// The only device it is good for
    #[arg(long, value_name = "NAME")]
    device: Option<DeviceName>,
    /// What the token's claim `scope` says: `service` lets it send as a back end, in the name of any person, `admin`
    /// take tokens back; both with a space between them
    #[arg(long, value_parser = scope)]
    scope: Option<String>,
    #[command(flatten)]
    folder: FolderArgs,
}

/// What else there is to do with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Say in words why a gateway would refuse a token, or whom it would let in; it asks none, so it knows of no revocation
    Check(CheckArgs),
}

/// For how long a token holds. Errors: no gateway would trust it.
fn ttl(text: &str) -> Result<Span, String> {
    let span: Span = text.parse().map_err(|error: SpanError| error.to_string())?;
    let most = limits::TOKEN_LIFE.0 / 1_000;
    match span.0.as_secs() <= most {
        true => Ok(span),
        false => Err(format!("no gateway trusts a token for longer than {} days", most / 86_400)),
    }
}

/// What a token is good for beside its user's own. Errors: a word that means nothing here.
fn scope(text: &str) -> Result<String, String> {
    match text.split(' ').find(|word| !["service", "admin"].contains(word)) {
        None => Ok(text.to_owned()),
        Some(word) => Err(format!("{word:?} is no scope: `service` and `admin` are")),
    }
}

/// A token of these arguments. Errors: there is no key, or it can't be used.
pub fn token(args: &TokenArgs) -> anyhow::Result<String> {
    let user = args.user.as_ref().context("who is the token for?")?;
    let wanted = Wanted { user, ttl: args.ttl, device: args.device.as_ref(), scope: args.scope.as_deref(), at: None };
    sign(&args.folder.folder(), &wanted)
}

/// What a token says.
pub(crate) struct Wanted<'a> {
    pub(crate) user: &'a UserName,
    pub(crate) ttl: Span,
    pub(crate) device: Option<&'a DeviceName>,
    pub(crate) scope: Option<&'a str>,
    /// When it is signed; by this machine's clock where nobody knows better.
    pub(crate) at: Option<Millis>,
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dev: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
}

/// Signs a token with the folder's key.
pub(crate) fn sign(folder: &Folder, wanted: &Wanted<'_>) -> anyhow::Result<String> {
    let path = folder.signing_key();
    let pair = read(&path)?;
    let pem = fs::read(&path).with_context(|| format!("reading the signing key {}", path.display()))?;
    let key = EncodingKey::from_ed_pem(&pem).with_context(|| unusable(&path))?;
    let now = match wanted.at {
        Some(at) => at.0 / 1_000,
        None => SystemTime::now().duration_since(UNIX_EPOCH).context("reading the clock: it is before 1970")?.as_secs(),
    };
    let claims = Claims {
        sub: wanted.user.as_str(),
        aud: "dunlin",
        iat: now,
        exp: now + wanted.ttl.0.as_secs(),
        dev: wanted.device.map(DeviceName::as_str),
        scope: wanted.scope,
    };
    let header = Header { kid: Some(key_id(&pair)), ..Header::new(Algorithm::EdDSA) };
    jsonwebtoken::encode(&header, &claims, &key).context("signing the token")
}

/// Makes the signing key (Ed25519 in PKCS#8, RFC 8410) if there is none, and its key set (RFC 7517, RFC 8037).
pub(crate) fn ensure(folder: &Folder) -> anyhow::Result<()> {
    let path = folder.signing_key();
    if !path.try_exists().with_context(|| format!("looking for {}", path.display()))? {
        let pair = Ed25519KeyPair::generate().context("making a signing key")?;
        let pkcs8 = pair.to_pkcs8v1().context("making a signing key")?;
        write_secret(&path, &format!("{BEGIN}\n{}\n{END}\n", STANDARD.encode(pkcs8.as_ref())))?;
        tracing::info!(path = %path.display(), "made a signing key");
    }
    let pair = read(&path)?;
    let keys = serde_json::json!({ "keys": [{
        "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA",
        "kid": key_id(&pair),
        "x": URL_SAFE_NO_PAD.encode(pair.public_key().as_ref()),
    }]});
    write_secret(&folder.key_set(), &format!("{keys}\n"))
}

fn unusable(path: &Path) -> String {
    format!(
        "reading the signing key {}: it is no Ed25519 key in PKCS#8; remove it, and `dunlin dev` makes a new one (tokens of the old one end then)",
        path.display()
    )
}

fn read(path: &Path) -> anyhow::Result<Ed25519KeyPair> {
    let text = fs::read_to_string(path).with_context(|| {
        format!(
            "reading the signing key {}: `dunlin dev` makes one at its first start; is --data its folder?",
            path.display()
        )
    })?;
    let Some(lines) = text.trim().strip_prefix(BEGIN).and_then(|text| text.strip_suffix(END)) else {
        bail!(unusable(path));
    };
    let lines: String = lines.split_whitespace().collect();
    let bytes = STANDARD.decode(lines).with_context(|| unusable(path))?;
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(&bytes).with_context(|| unusable(path))
}

/// The key's thumbprint (RFC 7638).
fn key_id(pair: &Ed25519KeyPair) -> String {
    let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, members.as_bytes()).as_ref())
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, time::Duration};

    use jsonwebtoken::{DecodingKey, Validation, decode, jwk::JwkSet};

    use super::*;

    fn wanted(user: &UserName) -> Wanted<'_> {
        Wanted { user, ttl: Span(Duration::from_secs(60)), device: None, scope: Some("service"), at: None }
    }

    #[test]
    fn a_token_is_good_for_the_key_set_beside_its_key() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::create(temporary.path()).unwrap();
        let user = UserName::new("alice").unwrap();
        let error = sign(&folder, &wanted(&user)).unwrap_err();
        assert!(format!("{error:#}").contains("`dunlin dev` makes one at its first start"), "{error:#}");

        ensure(&folder).unwrap();
        let mode = fs::metadata(folder.signing_key()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let before = fs::read_to_string(folder.signing_key()).unwrap();
        fs::remove_file(folder.key_set()).unwrap();
        ensure(&folder).unwrap();
        assert_eq!(before, fs::read_to_string(folder.signing_key()).unwrap(), "the key stays");

        let token = sign(&folder, &wanted(&user)).unwrap();
        let keys: JwkSet = serde_json::from_slice(&fs::read(folder.key_set()).unwrap()).unwrap();
        let kid = jsonwebtoken::decode_header(&token).unwrap().kid.unwrap();
        let key = DecodingKey::from_jwk(keys.find(&kid).unwrap()).unwrap();
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&["dunlin"]);
        let claims = decode::<serde_json::Value>(&token, &key, &validation).unwrap().claims;
        assert_eq!((&claims["sub"], &claims["scope"], claims.get("dev")), (&"alice".into(), &"service".into(), None));
        assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 60);

        let told = Wanted { at: Some(Millis(4_000_000_000_000)), ..wanted(&user) };
        let claims = decode::<serde_json::Value>(&sign(&folder, &told).unwrap(), &key, &validation).unwrap().claims;
        assert_eq!((&claims["iat"], &claims["exp"]), (&4_000_000_000u64.into(), &4_000_000_060u64.into()));
    }

    #[test]
    fn what_is_no_key_is_said_with_its_path_and_kept() {
        for text in [
            "",
            "no key",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----",
        ] {
            let temporary = tempfile::tempdir().unwrap();
            let folder = Folder::create(temporary.path()).unwrap();
            fs::write(folder.signing_key(), text).unwrap();
            let error = format!("{:#}", ensure(&folder).unwrap_err());
            assert!(error.contains("signing-key.pem") && error.contains("no Ed25519 key in PKCS#8"), "{error}");
            assert_eq!(fs::read_to_string(folder.signing_key()).unwrap(), text);
        }
    }
}
