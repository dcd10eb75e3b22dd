//! Anything that is asked and answered of how far a message to a group has come.

use dunlin_schema::{
    Seq,
    frame::{Answer, Question, ReachedItem},
};
use proptest::{collection, option, prelude::*};

use super::{address, group_address, groups::group_item, millis, open, seq};

pub(super) fn question() -> impl Strategy<Value = Question> {
    (group_address(), seq(), option::of(address()), 1..=Seq::MAX.0)
        .prop_map(|(to, order, after, limit)| Question::ReceiptsOf { to, order, after, limit })
}

pub(super) fn answer() -> impl Strategy<Value = Answer> {
    let item = (open(address()), any::<bool>(), any::<bool>());
    let item = item.prop_map(|(user, delivered, read)| ReachedItem { user, delivered, read });
    prop_oneof![
        (millis(), any::<[u32; 3]>()).prop_map(|(stored, [of, delivered, read])| Answer::Counts {
            stored,
            of,
            delivered,
            read
        }),
        (collection::vec(item, 0..3), option::of(open(address())))
            .prop_map(|(items, next)| Answer::ReceiptsOf { items, next }),
        (collection::vec(open(address()), 0..3), option::of(group_item().prop_map(Box::new)))
            .prop_map(|(users, group)| Answer::Without { users, group }),
    ]
}
