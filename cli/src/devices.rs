//! `dunlin devices`: the devices of somebody, what they are called, and their removal.

use clap::{Args, Subcommand};
use dunlin_client::Client;
use dunlin_schema::{DeviceName, Title};

use crate::{
    asking::asked,
    plain, print,
    span::Span,
    talk::{OWN, WhoArgs},
};

/// Options of `dunlin devices`.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    override_usage = "dunlin devices [OPTIONS] --as <USER>\n       \
                      dunlin devices name [OPTIONS] --as <USER> <DEVICE> [TITLE]\n       \
                      dunlin devices remove [OPTIONS] --as <USER> <DEVICE>"
)]
pub struct DevicesArgs {
    #[command(subcommand)]
    command: Option<DevicesCommand>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Subcommand)]
enum DevicesCommand {
    /// Call a device something that people know it by
    Name(NameArgs),
    /// Forget a device and end its connection: its token is taken back, and it begins anew if it comes back with another one
    Remove(RemoveArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    who: WhoArgs,
    /// How long to wait for the answer
    #[arg(long, default_value = "30s", value_name = "SPAN")]
    timeout: Span,
}

#[derive(Debug, Args)]
struct NameArgs {
    #[command(flatten)]
    who: WhoArgs,
    /// The device
    device: DeviceName,
    /// What it is called from now on, in at most 64 characters; left out: nothing
    title: Option<Title>,
    /// How long to wait for the answer
    #[arg(long, default_value = "30s", value_name = "SPAN")]
    timeout: Span,
}

#[derive(Debug, Args)]
struct RemoveArgs {
    #[command(flatten)]
    who: WhoArgs,
    /// The device
    device: DeviceName,
    /// How long to wait for the answer
    #[arg(long, default_value = "30s", value_name = "SPAN")]
    timeout: Span,
}

/// Lists the devices, one JSON object a line, or names or removes one. Errors: the question was refused, or had no answer in time.
pub async fn run(args: DevicesArgs) -> anyhow::Result<()> {
    match args.command {
        None => {
            let ListArgs { who, timeout } = args.list;
            let listed = asked(&who, timeout, "listing the devices", Client::devices).await?;
            // One of an earlier run may still be held for connected.
            for item in listed.into_iter().filter(|item| !item.device.as_str().starts_with(OWN)) {
                print(&plain::json(&serde_json::to_value(&item)?))?;
            }
        }
        Some(DevicesCommand::Name(NameArgs { who, device, title, timeout })) => {
            let doing = format!("naming the device {device}");
            let name = async |client: &Client| client.name_device(device.clone(), title.clone()).await;
            asked(&who, timeout, &doing, name).await?;
            print(&plain::json(&serde_json::json!({ "named": device, "title": title })))?;
        }
        Some(DevicesCommand::Remove(RemoveArgs { who, device, timeout })) => {
            let doing = format!("removing the device {device}");
            let is_there = asked(&who, timeout, &doing, async |client| {
                let is_there = client.devices().await?.iter().any(|item| item.device == device);
                // Also one that is not listed: a gateway that holds it may just have been slow to say so.
                client.remove_device(device.clone()).await?;
                Ok(is_there)
            });
            anyhow::ensure!(is_there.await?, "{doing}: no device of this name is listed");
            print(&serde_json::to_string(&serde_json::json!({ "removed": device }))?)?;
        }
    }
    Ok(())
}
