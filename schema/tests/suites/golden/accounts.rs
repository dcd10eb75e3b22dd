//! Golden bytes of what people decide about others, and of revocations.

use dunlin_schema::{
    DeviceName, Millis, Sender, Seq, UserName,
    record::{Revocation, Settings},
    revocation::{Revoke, RevokeAnswer, Revoked},
    settings::{Audience, ChangeSettings, SettingsChange, SettingsChanged},
};

use super::{AT, Sealed, bytes, decode_like, hex};

fn mallory() -> Sender {
    Sender { user: "mallory".parse().unwrap(), region: "eu".parse().unwrap() }
}

fn settings() -> Settings {
    let (who_may_write, who_sees_presence) = (Audience::Contacts, Audience::Nobody);
    Settings { who_may_write, who_sees_presence, blocked: [mallory()].into() }
}

sealed!(Settings, Revocation, ChangeSettings, SettingsChanged, Revoke, RevokeAnswer);

#[test]
fn accounts() {
    let (bob, phone): (UserName, DeviceName) = ("bob".parse().unwrap(), "phone".parse().unwrap());
    let change = |change| ChangeSettings { user: "bob".parse().unwrap(), change };
    let set = SettingsChange::Set { who_may_write: Some(Audience::Everybody), who_sees_presence: None };
    let revoke = |what, unpinned| Revoke { what, at: AT, unpinned, kept: Millis(5) };
    golden!(
        (settings(), SETTINGS),
        (Revocation { at: AT, unpinned: Some(AT), until: AT }, REVOCATION),
        (change(SettingsChange::Block(mallory())), CHANGE_BLOCK),
        (change(SettingsChange::Unblock(mallory())), CHANGE_UNBLOCK),
        (change(set), CHANGE_SET),
        (SettingsChanged::Stored(Seq(300)), CHANGE_STORED),
        (SettingsChanged::TooMany, CHANGE_TOO_MANY),
        (SettingsChanged::NotStored, CHANGE_NOT_STORED),
        (revoke(Revoked::Token("a1".parse().unwrap()), false), REVOKE_TOKEN),
        (revoke(Revoked::User(bob.clone()), false), REVOKE_USER),
        (revoke(Revoked::Device(bob, phone), true), REVOKE_DEVICE),
        (RevokeAnswer::Stored, REVOKE_STORED),
        (RevokeAnswer::NotStored, REVOKE_NOT_STORED),
    );
}

const SETTINGS: &str = "0108636f6e7461637473066e6f626f647901076d616c6c6f7279026575bb421cd9";
const REVOCATION: &str = "0196d9d79daa330196d9d79daa3396d9d79daa333f933ea7";
const CHANGE_BLOCK: &str = "0103626f6200076d616c6c6f7279026575a5bd3221";
const CHANGE_UNBLOCK: &str = "0103626f6201076d616c6c6f727902657595694310";
const CHANGE_SET: &str = "0103626f620201096576657279626f6479004a505386";
const CHANGE_STORED: &str = "0100ac02172acf23";
const CHANGE_TOO_MANY: &str = "0101a66ca810";
const CHANGE_NOT_STORED: &str = "0102529ff803";
const REVOKE_TOKEN: &str = "010002613196d9d79daa330005eb36a138";
const REVOKE_USER: &str = "010103626f6296d9d79daa33000526cd1a76";
const REVOKE_DEVICE: &str = "010203626f620570686f6e6596d9d79daa33010503e20a1d";
const REVOKE_STORED: &str = "0100a5efc3e2";
const REVOKE_NOT_STORED: &str = "0101a66ca810";
