//! Whether people are connected, once or for as long as they are watched.

use std::collections::BTreeSet;

use dunlin_schema::{Address, Code, Open, Peer, RegionName, UserName, frame::Answer, presence::Presence};
use futures_util::{StreamExt, stream};

use super::Context;
use crate::{
    directory::Directory,
    presence::{Sight, Whereabouts, shown},
    refusal::Refusal,
};

/// People of one question who are looked for at once.
const AT_ONCE: usize = 32;

/// Says of each person whether they are connected.
pub(super) async fn list(context: &Context<'_>, users: &[String]) -> Result<Answer, Refusal> {
    let seen_by = (context.asker.user(), context.sight);
    of(context.region, context.directory, context.whereabouts, seen_by, users).await
}

/// The same for whoever asks, as far as they may see it.
pub(super) async fn of(
    region: &RegionName,
    directory: &Directory,
    whereabouts: &Whereabouts,
    (asker, sight): (&UserName, Sight<'_>),
    users: &[String],
) -> Result<Answer, Refusal> {
    let people = users.iter().map(|user| named(user)).collect::<Result<Vec<_>, _>>()?;
    let looked_for = stream::iter(people).map(|(address, user)| async move {
        let presence = match is_of(region, &address) {
            true => {
                let of = whereabouts.of(directory, &user);
                let (visible, presence) = tokio::join!(sight.visible(asker, &user), of);
                shown(visible, presence)
            }
            false => Presence::unknown(),
        };
        (Open::Known(address), presence)
    });
    Ok(Answer::Presence { users: looked_for.buffer_unordered(AT_ONCE).collect().await })
}

/// Watches these people for the connection that asks, and nobody else. What it is told of them comes behind the answer: this waits for
/// nothing.
pub(super) fn watch(context: &Context<'_>, users: &[String]) -> Result<Answer, Refusal> {
    let (mut people, mut others) = (BTreeSet::new(), BTreeSet::new());
    for user in users {
        let (address, user) = named(user)?;
        if is_of(context.region, &address) {
            people.insert(user);
        } else {
            others.insert(address);
        }
    }
    context.watches.watch(context.asker, people, others);
    Ok(Answer::Done {})
}

/// No link to another region carries questions about its people.
fn is_of(region: &RegionName, address: &Address) -> bool {
    address.region.as_ref().is_none_or(|named| named == region)
}

/// A person, as a client names them. Errors: the refusal that says which name is none.
fn named(text: &str) -> Result<(Address, UserName), Refusal> {
    let shown = || Open::<Address>::Unknown(text.into()).shortened();
    let address: Address = text.parse().map_err(|error| {
        Refusal::never(Code::BadAddress, format!("in `users`: {:?} is no address: {error}", shown()))
    })?;
    match &address.peer {
        Peer::User(user) => Ok((address.clone(), user.clone())),
        Peer::Group(_) => {
            let message = format!("in `users`: {} is a group, and only people have a presence", shown());
            Err(Refusal::never(Code::Unsupported, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_none_is_refused_by_it() {
        let long = "x".repeat(5_000);
        for (text, code, says) in [
            ("b.b", Code::BadAddress, "\"b.b\""),
            ("", Code::BadAddress, "\"\""),
            ("bob@", Code::BadAddress, "region"),
            ("#team", Code::Unsupported, "#team"),
            (long.as_str(), Code::BadAddress, "xxx…"),
        ] {
            let refusal = named(text).unwrap_err();
            assert_eq!((refusal.code, refusal.retry_after), (code, None), "{text}");
            assert!(refusal.message.contains(says) && refusal.message.len() < 512, "{}", refusal.message);
        }
        assert_eq!(named("bob@eu").unwrap().1.as_str(), "bob");
    }
}
