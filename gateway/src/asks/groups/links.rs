//! Invitations by link: the gateway makes the secret and forgets it; its hash is all that goes to the worker, and into records.

use aws_lc_rs::digest::{SHA256, digest};
use dunlin_schema::{
    GroupAddress, LinkKey, LinkSecret, LinkToken, MessageId, Millis,
    frame::Answer,
    group::{GroupCommand, GroupRefusal},
    limits,
};

use super::{CarriedOut, Command, Context, carried_out, done, here, stored};
use crate::{clock, refusal::Refusal};

/// Makes a link. A repeat makes it anew, with another secret: that of the first try came to nobody.
pub(in crate::asks) async fn link(
    context: &Context<'_>,
    Command { id, group }: Command,
    ttl: Option<Millis>,
    uses: Option<u32>,
) -> Result<Answer, Refusal> {
    let secret = LinkSecret(rand::random());
    let until = clock::now().plus(ttl.unwrap_or(limits::LINK_LASTS));
    let named = GroupAddress { region: Some(context.region.clone()), ..group.clone() };
    done(context, Command { id, group }, GroupCommand::Link { key: key(&secret), until, uses }).await?;
    Ok(Answer::Link { token: LinkToken { group: named, secret }, expires: until })
}

/// The asker joins a group by a link.
pub(in crate::asks) async fn join(
    context: &Context<'_>,
    id: MessageId,
    LinkToken { group, secret }: LinkToken,
) -> Result<Answer, Refusal> {
    let name = here(context, group.clone())?;
    let CarriedOut { is_seen, .. } =
        carried_out(context, Command { id, group }, GroupCommand::Join(key(&secret))).await?;
    match stored::item(context, &name).await? {
        Some(item) => Ok(Answer::Group(Box::new(item))),
        // They were removed since.
        None if is_seen => Err(GroupRefusal::NotAMember.into()),
        None => Err(Refusal::unavailable("you have joined the group, and its records do not say so yet")),
    }
}

/// Links hold no more: one, or all that are the asker's to revoke.
pub(in crate::asks) async fn unlink(
    context: &Context<'_>,
    command: Command,
    token: Option<LinkToken>,
) -> Result<Answer, Refusal> {
    let named = token.as_ref().map(|token| here(context, token.group.clone())).transpose()?;
    if named.is_some_and(|named| named != command.group.group) {
        return Err(GroupRefusal::NoLink.into());
    }
    done(context, command, GroupCommand::Unlink(token.map(|token| key(&token.secret)))).await
}

fn key(secret: &LinkSecret) -> LinkKey {
    let hash = digest(&SHA256, &secret.0);
    LinkKey(hash.as_ref().try_into().expect("SHA-256 has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_kept_under_the_hash_of_its_secret() {
        // `printf '\x11%.0s' {1..16} | sha256sum`
        let hash = "b8f12ea8c9a95d4b4641b03d9fa5a71ad30b44ed6cd4bf793bbe1a5801b986d4";
        let key = key(&LinkSecret([17; 16]));
        let hex: String = key.0.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, hash);
    }
}
