//! `dunlin revoke`: takes tokens back, over HTTP with a token of the scope `admin`.

use anyhow::{Context, bail};
use clap::{ArgGroup, Args};
use dunlin_schema::{DeviceName, UserName, post::REVOCATIONS};
use serde_json::json;

use crate::{
    CHECK_THE_TOKEN,
    folder::FolderArgs,
    keys::{self, Wanted},
    print,
    span::Span,
};

/// Options of `dunlin revoke`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true)))]
pub struct RevokeArgs {
    /// The one token with this `jti`
    #[arg(long, value_name = "JTI", group = "what")]
    jti: Option<String>,
    /// Every token of this person that was issued up to now
    #[arg(long, value_name = "USER", group = "what")]
    user: Option<UserName>,
    /// Only those of this device, and those that name no device
    #[arg(long, value_name = "NAME", requires = "user")]
    device: Option<DeviceName>,
    /// A token of the scope `admin`, for a gateway that does not trust the key of `dunlin dev`
    #[arg(long, env = "DUNLIN_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The gateway. Default: the one of `dunlin dev`
    #[arg(long, env = "DUNLIN_URL", value_name = "URL", hide_env_values = true)]
    url: Option<String>,
    #[command(flatten)]
    folder: FolderArgs,
}

/// Revokes, and prints what. Errors: it was refused, or no gateway could be reached.
pub async fn run(args: RevokeArgs) -> anyhow::Result<()> {
    let RevokeArgs { jti, user, device, token, url, folder } = args;
    let folder = folder.folder();
    let url = address(&url.map_or_else(|| folder.address(), Ok)?)?;
    let token = match token {
        Some(token) => token.trim().to_owned(),
        None => {
            let (root, ttl) = (UserName::new("root")?, Span(std::time::Duration::from_secs(60)));
            keys::sign(&folder, &Wanted { user: &root, ttl, device: None, scope: Some("admin"), at: None })?
        }
    };
    let what = match (jti, user, device) {
        (Some(jti), ..) => json!({ "jti": jti }),
        (None, Some(user), Some(device)) => json!({ "user": user, "device": device }),
        (None, user, None) => json!({ "user": user }),
        (None, None, Some(_)) => bail!("whose device? Say it with --user"),
    };
    let request = reqwest::Client::new().post(url).bearer_auth(token).header("content-type", "application/json");
    let answer = request.body(what.to_string()).send().await.context("revoking: no gateway could be reached")?;
    let status = answer.status();
    if !status.is_success() {
        let advice = match status.as_u16() {
            401 | 403 => format!("\n{CHECK_THE_TOKEN}"),
            _ => String::new(),
        };
        bail!("revoking: the gateway refused it with {status}: {}{advice}", answer.text().await.unwrap_or_default());
    }
    print(&json!({ "revoked": what }).to_string())
}

/// Where revocations are posted, at the gateway that a client's URL names.
fn address(url: &str) -> anyhow::Result<reqwest::Url> {
    let (scheme, rest) = url.split_once("://").context("the gateway's URL has no scheme")?;
    let scheme = match scheme {
        "ws" | "http" => "http",
        "wss" | "https" => "https",
        _ => bail!("the gateway's URL begins with ws://, wss://, http:// or https://"),
    };
    let mut url = reqwest::Url::parse(&format!("{scheme}://{rest}")).context("reading the gateway's URL")?;
    url.set_path(REVOCATIONS);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_url_says_where_to_post() {
        for (url, posted) in [
            ("ws://127.0.0.1:8080/v1/connect", "http://127.0.0.1:8080/v1/revocations"),
            ("wss://chat.example", "https://chat.example/v1/revocations"),
            ("https://chat.example/", "https://chat.example/v1/revocations"),
        ] {
            assert_eq!(address(url).unwrap().as_str(), posted);
        }
        assert!(address("chat.example").is_err() && address("ftp://chat.example").is_err());
    }
}
