//! `dunlin devices`: the devices of somebody, and their removal.

use anyhow::Context;
use clap::{Args, Subcommand};
use dunlin_client::{Client, Events, Status};
use dunlin_schema::{DeviceName, frame::StartAt};

use crate::{print, span::Span, talk::WhoArgs};

/// Options of `dunlin devices`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct DevicesArgs {
    #[command(subcommand)]
    command: Option<DevicesCommand>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Subcommand)]
enum DevicesCommand {
    /// Forget a device and end its connection: it begins anew if it comes back
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
struct RemoveArgs {
    #[command(flatten)]
    who: WhoArgs,
    /// The device
    device: DeviceName,
    /// How long to wait for the answer
    #[arg(long, default_value = "30s", value_name = "SPAN")]
    timeout: Span,
}

/// Lists the devices, one JSON object a line, or removes one. Errors: the question was refused, or had no answer in time.
pub async fn run(args: DevicesArgs) -> anyhow::Result<()> {
    match args.command {
        None => {
            let client = connected(&args.list.who, args.list.timeout).await?;
            let listed = client.devices().await;
            let listed = listed.with_context(|| format!("listing the devices{}", unreached(&client)));
            client.close().await;
            // One of an earlier run may still be held for connected.
            for item in listed?.into_iter().filter(|item| !item.device.as_str().starts_with(OWN)) {
                print(&serde_json::to_string(&item)?)?;
            }
        }
        Some(DevicesCommand::Remove(RemoveArgs { who, device, timeout })) => {
            let client = connected(&who, timeout).await?;
            let removed = client.remove_device(device.clone()).await;
            let removed = removed.with_context(|| format!("removing the device {device}{}", unreached(&client)));
            client.close().await;
            removed?;
            print(&serde_json::to_string(&serde_json::json!({ "removed": device }))?)?;
        }
    }
    Ok(())
}

/// How the devices are called that this command makes for its question. Whoever asks means their own.
const OWN: &str = "dunlin-devices-";

/// A client that reads no entries, and so acknowledges nothing: once it is gone, nothing is left of its device. The name is a new one each
/// time, so that it takes nobody's place.
pub(crate) async fn connected(who: &WhoArgs, timeout: Span) -> anyhow::Result<Client> {
    Ok(asking(who, timeout).await?.0)
}

/// The same, and what happens to it.
pub(crate) async fn asking(who: &WhoArgs, timeout: Span) -> anyhow::Result<(Client, Events)> {
    let device = DeviceName::new(&format!("{OWN}{:016x}", rand::random::<u64>()))?;
    let mut options = who.options()?.device(device).start(StartAt::Live);
    options.ask_within = timeout.0;
    Ok(Client::start(options).await?)
}

/// Where there is no connection, that is why there is no answer.
pub(crate) fn unreached(client: &Client) -> &'static str {
    match *client.status().borrow() {
        Status::Connecting => ": no gateway could be reached",
        Status::Connected(_) | Status::Ended(_) => "",
    }
}
