//! Arbitrary questions about groups, and what is answered.

use dunlin_schema::{
    LinkSecret, LinkToken, Millis, Seq,
    frame::{GroupItem, MemberItem, Question},
    group::{GroupRole, GroupSettings, GroupSettingsChange, WhoMay},
    limits,
};
use proptest::{option, prelude::*, sample::select};

use super::{address, addresses, counts, group_address, id, millis, open, seq, title};

pub(super) fn group_settings() -> impl Strategy<Value = GroupSettings> {
    (open(select(WhoMay::ALL)), open(select(WhoMay::ALL)), any::<bool>())
        .prop_map(|(who_may_add, who_may_write, history)| GroupSettings { who_may_add, who_may_write, history })
}

pub(super) fn question_of_a_group() -> BoxedStrategy<Question> {
    let settings = || option::of(group_settings_change());
    let page = || (option::of(seq()), 1..=Seq::MAX.0);
    prop_oneof![
        (id(), group_address(), option::of(title()), addresses(), settings()).prop_map(
            |(id, group, title, members, settings)| Question::GroupCreate { id, group, title, members, settings }
        ),
        (id(), group_address(), addresses()).prop_map(|(id, group, users)| Question::GroupAdd { id, group, users }),
        (id(), group_address(), addresses()).prop_map(|(id, group, users)| Question::GroupRemove { id, group, users }),
        (id(), group_address()).prop_map(|(id, group)| Question::GroupLeave { id, group }),
        (id(), group_address(), address(), select(GroupRole::ALL))
            .prop_map(|(id, group, user, role)| Question::GroupRole { id, group, user, role }),
        (id(), group_address(), option::of(title()), settings())
            .prop_map(|(id, group, title, settings)| Question::GroupSet { id, group, title, settings }),
        (id(), group_address()).prop_map(|(id, group)| Question::GroupDelete { id, group }),
        group_address().prop_map(|group| Question::GroupInfo { group }),
        (group_address(), page()).prop_map(|(group, (after, limit))| Question::GroupMembers { group, after, limit }),
        page().prop_map(|(after, limit)| Question::Groups { after, limit }),
        (
            id(),
            group_address(),
            option::of(1_000..=limits::LINK_LASTS_AT_MOST.0),
            option::of(1..=limits::GROUP_MEMBERS)
        )
            .prop_map(|(id, group, ttl, uses)| Question::GroupLink { id, group, ttl: ttl.map(Millis), uses }),
        (id(), link_token()).prop_map(|(id, token)| Question::GroupJoin { id, token }),
        (id(), group_address(), option::of(link_token())).prop_map(|(id, group, token)| Question::GroupUnlink {
            id,
            group,
            token
        }),
        counts::question(),
    ]
    .boxed()
}

pub(super) fn link_token() -> impl Strategy<Value = LinkToken> {
    (group_address(), any::<[u8; 16]>()).prop_map(|(group, secret)| LinkToken { group, secret: LinkSecret(secret) })
}

pub(super) fn group_settings_change() -> impl Strategy<Value = GroupSettingsChange> {
    (option::of(select(WhoMay::ALL)), option::of(select(WhoMay::ALL)), option::of(any::<bool>()))
        .prop_map(|(who_may_add, who_may_write, history)| GroupSettingsChange { who_may_add, who_may_write, history })
}

pub(super) fn member_item() -> impl Strategy<Value = MemberItem> {
    (open(address()), open(select(GroupRole::ALL)), millis()).prop_map(|(user, role, joined)| MemberItem {
        user,
        role,
        joined,
    })
}

pub(super) fn group_item() -> impl Strategy<Value = GroupItem> {
    (open(address()), option::of(title()), any::<u32>(), group_settings(), open(select(GroupRole::ALL)))
        .prop_map(|(group, title, members, settings, role)| GroupItem { group, title, members, settings, role })
}
