//! What a gateway asks about files, for sends and for questions alike: the media workers know who has uploaded one, and the index who has a
//! message that refers to it. Who has neither is told that there is no such file.

use std::collections::BTreeMap;

use dunlin_nats::{AskError, Index, Media, MediaError, Reads, Records};
use dunlin_schema::{
    Address, GroupName, MediaId, MessageId, Millis, RegionName, Sender, Seq, Shard, UserName,
    index::media::HoldsRequest,
    limits,
    media::{
        MediaFacts,
        service::{MediaAnswer, MediaRefusal, MediaRequest},
    },
    subject,
};
use futures_util::{StreamExt, future::try_join_all, stream};

use crate::metrics::Metrics;

/// How long an answer may take: a worker that looks at a file says so before.
const WITHIN: Millis = Millis(limits::MEDIA_WITHIN.0 + 500);
/// Shards whose index is asked at once for one answer.
const SHARDS_AT_ONCE: usize = 16;

/// Whom to ask.
#[derive(Clone, Copy)]
pub(crate) struct Files<'a> {
    pub(crate) media: &'a Media,
    pub(crate) index: &'a Index,
    pub(crate) records: &'a Records,
    pub(crate) reads: &'a Reads,
    pub(crate) metrics: &'a Metrics,
    pub(crate) region: &'a RegionName,
    pub(crate) shards: u16,
}

/// A file that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct There {
    pub(crate) media: MediaId,
    pub(crate) facts: MediaFacts,
    /// Where it can be had; `None` where gateways have it themselves.
    pub(crate) url: Option<String>,
}

impl Files<'_> {
    /// Asks the media workers of a shard. Errors: what they refuse, and where none answers [`MediaRefusal::Unavailable`].
    pub(crate) async fn ask(&self, shard: Shard, wanted: &MediaRequest) -> Result<MediaAnswer, MediaRefusal> {
        let (outcome, answer) = match self.media.ask(shard, wanted, WITHIN).await {
            Ok(MediaAnswer::Refused(refusal)) => (refused(&refusal), Err(refusal)),
            Ok(answer @ (MediaAnswer::Begun { .. } | MediaAnswer::Usable { .. } | MediaAnswer::Done)) => {
                ("done", Ok(answer))
            }
            Err(MediaError::Unanswered(AskError::NoResponders)) => ("nobody", Err(MediaRefusal::Unavailable)),
            Err(MediaError::Unanswered(AskError::Unanswered) | MediaError::Unreadable) => {
                ("unanswered", Err(MediaRefusal::Unavailable))
            }
        };
        self.metrics.asked_of_media(outcome);
        answer
    }

    /// The shard that keeps what is known of a file.
    pub(crate) fn shard(&self, media: MediaId) -> Shard {
        subject::media_shard(self.shards, media)
    }

    /// Asks about a file that is there. Errors: as [`Files::ask`].
    pub(crate) async fn usable(&self, media: MediaId, wanted: &MediaRequest) -> Result<There, MediaRefusal> {
        match self.ask(self.shard(media), wanted).await? {
            MediaAnswer::Usable { media, facts, url } => Ok(There { media, facts, url }),
            MediaAnswer::Begun { .. } | MediaAnswer::Done | MediaAnswer::Refused(_) => Err(MediaRefusal::Unavailable),
        }
    }

    /// Asks about a file for somebody who has uploaded it or may see it: `wanted` says whether the latter is known. Errors: as
    /// [`Files::ask`].
    pub(crate) async fn seen(
        &self,
        user: &UserName,
        media: MediaId,
        wanted: impl Fn(bool) -> MediaRequest,
    ) -> Result<There, MediaRefusal> {
        match self.usable(media, &wanted(false)).await {
            Err(MediaRefusal::NotFound) if self.holds(user, media).await? => self.usable(media, &wanted(true)).await,
            answer => answer,
        }
    }

    /// Has files kept until then for a message, and says what is known of each, in their order. Errors: as [`Files::ask`].
    pub(crate) async fn refer(
        &self,
        message: &(Sender, MessageId, Address),
        media: Vec<MediaId>,
        until: Millis,
    ) -> Result<Vec<(MediaId, MediaFacts)>, MediaRefusal> {
        let kept = media.into_iter().map(async |media| {
            let wanted = |seen| MediaRequest::Refer { message: message.clone(), media, until, seen };
            let There { media, facts, .. } = self.seen(&message.0.user, media, wanted).await?;
            Ok((media, facts))
        });
        try_join_all(kept).await
    }

    /// Whether somebody has a message that refers to a file, in their mailbox or where they may read a group. Errors: nobody can say now.
    async fn holds(&self, user: &UserName, media: MediaId) -> Result<bool, MediaRefusal> {
        let own = Shard::of(user.as_str(), self.shards);
        let mut questions = vec![(own, self.question(user, media, true))];
        for (shard, groups) in self.groups_of(user, own).await? {
            for groups in groups.chunks(limits::GROUPS_ASKED) {
                let question = HoldsRequest { groups: groups.to_vec(), ..self.question(user, media, false) };
                questions.push((shard, question));
            }
        }
        let asked = stream::iter(questions).map(async |(shard, question)| self.index.holds(shard, &question).await);
        let mut answers = asked.buffer_unordered(SHARDS_AT_ONCE);
        let mut unanswered = false;
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(error) => {
                    tracing::debug!(%user, %media, %error, "whether somebody may see a file is not known");
                    unanswered = true;
                }
            }
        }
        if unanswered { Err(MediaRefusal::Unavailable) } else { Ok(false) }
    }

    fn question(&self, user: &UserName, media: MediaId, mailbox: bool) -> HoldsRequest {
        HoldsRequest { user: user.clone(), media, mailbox, groups: Vec::new() }
    }

    /// The groups that somebody follows, or has, by their shards.
    async fn groups_of(&self, user: &UserName, own: Shard) -> Result<BTreeMap<Shard, Vec<GroupName>>, MediaRefusal> {
        let pattern = subject::all_follows(self.region, own, user);
        let mut groups: BTreeMap<Shard, Vec<GroupName>> = BTreeMap::new();
        let keep = |subject: String, _| {
            if let Some((_, group)) = subject::parse_follows(&subject) {
                groups.entry(Shard::of(group.as_str(), self.shards)).or_default().push(group);
            }
            Ok::<_, dunlin_nats::RecordError>(())
        };
        match self.records.each_above(self.reads, own, &pattern, Seq(0), keep).await {
            Ok(_) => Ok(groups),
            Err(_) => Err(MediaRefusal::Unavailable),
        }
    }
}

fn refused(refusal: &MediaRefusal) -> &'static str {
    match refusal {
        MediaRefusal::Busy => "busy",
        MediaRefusal::Unavailable => "unavailable",
        MediaRefusal::NotFound
        | MediaRefusal::Lost
        | MediaRefusal::Missing(_)
        | MediaRefusal::Differs(_)
        | MediaRefusal::NoProof
        | MediaRefusal::Quota { .. } => "refused",
    }
}
