//! Whether somebody has a message that refers to a file: in their mailbox, or where they may read a group.

use dunlin_schema::{
    Log, Peer, Seq,
    index::media::{HoldsAnswer, HoldsRequest},
};

use super::{Answers, Of, Unanswerable, blocking};

impl Answers {
    pub(super) async fn holds(
        &self,
        HoldsRequest { user, media, mailbox, groups }: HoldsRequest,
    ) -> Result<HoldsAnswer, Unanswerable> {
        let end = self.reads.shard_end(self.of.shard).await?;
        // What is found is there, also where the projection lacks what came last.
        let in_step = self.comes_to(end.seq).await.is_ok();
        let known = self.known(&user, &groups).await?;
        let projection = self.projection.clone();
        let found = blocking(move || {
            let (reading, mut found) = (projection.read()?, Vec::new());
            if mailbox {
                let seq = reading.refers(user.as_str(), media, (Seq(0), Seq::MAX))?;
                found.extend(seq.map(|seq| (Peer::User(user.clone()), seq)));
            }
            for (group, known) in groups.into_iter().zip(known) {
                let sight = known.sight(&reading, &group, &user)?;
                let seq = reading.group(&group).refers(media, &sight)?;
                found.extend(seq.map(|seq| (Peer::Group(group), seq)));
            }
            Ok(found)
        });
        let Of { region, shard } = &self.of;
        for (owner, seq) in found.await? {
            let log = Log { region: region.clone(), shard: *shard, owner };
            // What has gone from the log goes from the projection later.
            if self.reads.log_ends(&log).await?.is_some_and(|ends| ends.first.seq <= seq) {
                return Ok(HoldsAnswer::Holds);
            }
        }
        Ok(if in_step { HoldsAnswer::Lacks } else { HoldsAnswer::Behind })
    }
}
