//! With whom a client says that a conversation is.

use dunlin_schema::{Address, Code, Peer, RegionName, UserName};

use crate::{refusal::Refusal, sending};

/// With whom a conversation is, its region spelled out. Errors: why it is refused.
pub(crate) fn of(with: &str, user: &UserName, region: &RegionName) -> Result<Address, Refusal> {
    let with: Address = with.parse().map_err(|error| Refusal::never(Code::BadAddress, format!("`with`: {error}")))?;
    let with = with.said_in(region);
    if matches!(&with.peer, Peer::Group(_)) && with.region.as_ref() == Some(region) {
        return Ok(with);
    }
    let owner = sending::mailbox_of(&with, region).map_err(|error| Refusal::never(Code::Unsupported, error))?;
    if owner == user {
        return Err(Refusal::never(Code::Unsupported, "what one writes to oneself is read already"));
    }
    Ok(with)
}
