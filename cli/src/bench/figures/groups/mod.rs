//! Groups: what is said to many, and what following many costs.

mod acknowledged;
mod away;
mod fan_out;
mod followed;
mod online;

use std::{net::SocketAddr, time::Duration};

use anyhow::Context;
use dunlin_client::{Client, ClientOptions, GroupIs};
use dunlin_schema::{Address, DeviceName, GroupAddress, frame::StartAt, limits};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{micros, millis, ratio, say};
use crate::bench::tokens;

pub(super) use self::{
    acknowledged::run as acknowledged, away::run as away, fan_out::run as fan_out, followed::run as followed,
    online::run as online,
};

/// A name and its token.
type Person = (String, String);

/// Groups that are made at once.
const AT_ONCE: usize = 8;
/// How long a group's records may take to name all of its members.
const RECORDED_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Makes the groups 0, 1, … of these people each, the first of whom makes it, and waits until all of them are members.
fn make<'a>(gateway: SocketAddr, groups: impl Iterator<Item = &'a [Person]>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let each = groups.enumerate().map(|(number, people)| make_one(gateway, number, people));
    runtime.block_on(stream::iter(each).buffer_unordered(AT_ONCE).try_collect())
}

async fn make_one(gateway: SocketAddr, number: usize, people: &[Person]) -> anyhow::Result<()> {
    let group: GroupAddress = tokens::group(number).parse()?;
    let ((_, token), others) = people.split_first().context("a group has somebody who makes it")?;
    let others: Vec<Address> = others.iter().map(|(name, _)| name.parse()).collect::<Result<_, _>>()?;
    let options = ClientOptions::new(format!("ws://{gateway}"), token.clone()).start(StartAt::Live);
    let (client, _events) = Client::start(options.device(DeviceName::new("makes")?)).await?;
    let (first, more) = others.split_at(others.len().min(limits::GROUP_USERS));
    client.create_group(group.clone(), GroupIs::default(), first.to_vec()).await?;
    for users in more.chunks(limits::GROUP_USERS) {
        client.add_members(group.clone(), users.to_vec()).await?;
    }
    let recorded = async {
        while client.group(group.clone()).await?.members as usize != people.len() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(RECORDED_WITHIN, recorded).await.context("a group lacks members for long")??;
    client.close().await;
    Ok(())
}
