//! What is done with files, step by step. Each step is a write by compare-and-set, or does no harm when it is done again: so a worker may
//! be killed between any two, and two may work on the same file at once.

use dunlin_schema::{
    Address, MediaId, MessageId, Millis, Sender, Seq, UserName,
    media::{
        FileName, MediaFacts, Sha256,
        record::{MediaRecord, MediaState, Promise, Reference, Usable},
        service::{MediaAnswer, MediaRefusal},
    },
};

use super::{
    core::{became, kept, promised, raised, referred, released, stays, uploaded_until, within},
    place::{Finished, Looked, Place, Saved, Trouble},
};

/// What is done in a place, at a time.
pub(crate) struct Steps<'a, P> {
    pub(crate) place: &'a P,
    pub(crate) now: Millis,
    /// Bytes that one person's files may have together.
    pub(crate) quota: u64,
}

type Answered = Result<MediaAnswer, Trouble>;

fn refused(why: MediaRefusal) -> Answered {
    Ok(MediaAnswer::Refused(why))
}

fn usable(media: MediaId, facts: MediaFacts) -> Answered {
    Ok(MediaAnswer::Usable { media, facts, url: None })
}

impl<P: Place> Steps<'_, P> {
    /// Somebody wants to upload a file.
    pub(crate) async fn begin(&self, by: &UserName, file: &Promise, random: u128, nonce: [u8; 16]) -> Answered {
        if let Err(refusal) = within(self.quota, self.place.used(by).await?, file.size) {
            return refused(refusal);
        }
        let media = MediaId::from_parts(self.now, random);
        let challenge = self.stored(file).await?.map(|_| nonce);
        let record = promised(by, file, challenge, self.now);
        // Before anything is written: while the store is down nobody's share of it is used up by asking again and again.
        let begun = self.begun(media, &record, file, challenge).await?;
        self.place.save_uploaded(by, media, file.size, record.until).await?;
        match self.save(media, &record, Seq(0)).await? {
            Saved::Yes => Ok(begun),
            // There are 79 random bits in it.
            Saved::Conflict => refused(MediaRefusal::Busy),
        }
    }

    /// Somebody goes on with an upload.
    pub(crate) async fn go_on(&self, by: &UserName, media: MediaId) -> Answered {
        let Some((record, _)) = self.place.media(media).await? else { return refused(MediaRefusal::NotFound) };
        match &record.state {
            MediaState::Promised { by: whose, file, challenge } if whose == by => {
                self.begun(media, &record, file, *challenge).await
            }
            // It is there: nothing is to be put.
            MediaState::Usable(_) if self.place.has_uploaded(by, media).await? => self.nothing_to_put(media, &record),
            MediaState::Became(other) if self.place.has_uploaded(by, *other).await? => {
                self.nothing_to_put(media, &record)
            }
            MediaState::Promised { .. } | MediaState::Usable(_) | MediaState::Became(_) | MediaState::Lost => {
                refused(MediaRefusal::NotFound)
            }
        }
    }

    fn nothing_to_put(&self, media: MediaId, record: &MediaRecord) -> Answered {
        Ok(MediaAnswer::Begun { media, parts: Vec::new(), expires: record.until, challenge: None })
    }

    async fn begun(
        &self,
        media: MediaId,
        record: &MediaRecord,
        file: &Promise,
        challenge: Option<[u8; 16]>,
    ) -> Answered {
        let parts = match challenge {
            Some(_) => Vec::new(),
            None => self.place.missing(media, file.size).await?,
        };
        Ok(MediaAnswer::Begun { media, parts, expires: record.until, challenge })
    }

    /// The file that is this one and stays for a while.
    async fn stored(&self, file: &Promise) -> Result<Option<MediaId>, Trouble> {
        let Some((media, _)) = self.place.same(file.sha256).await? else { return Ok(None) };
        let record = self.place.media(media).await?;
        // Who says that it is smaller than it is would have it counted so.
        let is_it =
            |record: &MediaRecord| matches!(&record.state, MediaState::Usable(found) if found.facts.size == file.size);
        Ok(record.is_some_and(|(record, _)| stays(&record, self.now) && is_it(&record)).then_some(media))
    }

    async fn save(&self, media: MediaId, record: &MediaRecord, expect: Seq) -> Result<Saved, Trouble> {
        self.place.save_media(media, record, kept(record.until, self.now), expect).await
    }

    /// Somebody has uploaded a file, or shows that they have its bytes. `random` is for the id of what is kept of it without its metadata.
    pub(crate) async fn complete(
        &self,
        by: &UserName,
        media: MediaId,
        proof: Option<Sha256>,
        random: u128,
    ) -> Answered {
        let Some((record, revision)) = self.place.media(media).await? else { return refused(MediaRefusal::NotFound) };
        match &record.state {
            MediaState::Promised { by: whose, .. } if whose != by => refused(MediaRefusal::NotFound),
            MediaState::Promised { file, challenge: Some(challenge), .. } => {
                self.prove(by, (media, revision), file, *challenge, proof).await
            }
            MediaState::Promised { file, challenge: None, .. } => {
                self.look(by, media, (&record, revision), file, random).await
            }
            MediaState::Usable(found) if self.place.has_uploaded(by, media).await? => {
                self.settle(by, media, found).await
            }
            MediaState::Became(other) => self.see(by, *other).await,
            MediaState::Lost => refused(MediaRefusal::Lost),
            MediaState::Usable(_) => refused(MediaRefusal::NotFound),
        }
    }

    /// Somebody shows that they have the bytes of a file that was there when they began.
    async fn prove(
        &self,
        by: &UserName,
        (media, revision): (MediaId, Seq),
        file: &Promise,
        challenge: [u8; 16],
        proof: Option<Sha256>,
    ) -> Answered {
        if let Some(stored) = self.stored(file).await?
            && let Some(expected) = self.place.proof(stored, challenge).await?
        {
            return match proof == Some(expected) {
                true => self.become_other(by, media, stored, file.size).await,
                false => refused(MediaRefusal::NoProof),
            };
        }
        // It went meanwhile: this is an upload like any other.
        self.save(media, &promised(by, file, None, self.now), revision).await?;
        let missing = self.place.missing(media, file.size).await?;
        refused(MediaRefusal::Missing(missing.len() as u32))
    }

    /// Looks at what was uploaded.
    async fn look(
        &self,
        by: &UserName,
        media: MediaId,
        (record, revision): (&MediaRecord, Seq),
        file: &Promise,
        random: u128,
    ) -> Answered {
        match self.place.finish(media, file).await? {
            Finished::Tells { file, bytes } => {
                // It is a file of its own, which the uploaded one becomes.
                let silent = MediaId::from_parts(self.now, random);
                let record = promised(by, &file, None, self.now);
                if self.save(silent, &record, Seq(0)).await? == Saved::Conflict {
                    return refused(MediaRefusal::Busy);
                }
                let looked = self.place.put(silent, &file, bytes).await?;
                let Some((record, revision)) = self.place.media(silent).await? else {
                    return refused(MediaRefusal::Busy);
                };
                match self.judge(by, silent, (&record, revision), &file, looked).await? {
                    MediaAnswer::Usable { media: kept, facts, url: _ } => {
                        self.become_other(by, media, kept, facts.size).await
                    }
                    answer @ (MediaAnswer::Begun { .. } | MediaAnswer::Done | MediaAnswer::Refused(_)) => Ok(answer),
                }
            }
            Finished::Looked(looked) => self.judge(by, media, (record, revision), file, looked).await,
        }
    }

    /// Writes down what was seen of a file.
    async fn judge(
        &self,
        by: &UserName,
        media: MediaId,
        (record, revision): (&MediaRecord, Seq),
        file: &Promise,
        looked: Looked,
    ) -> Answered {
        match looked {
            Looked::Missing(parts) => refused(MediaRefusal::Missing(parts)),
            Looked::Differs(how) => {
                // Whoever else looked at it may have seen it otherwise, and may have been faster.
                if !self.place.forget_media(media, revision).await? {
                    return refused(MediaRefusal::Busy);
                }
                self.place.forget_uploaded(by, media).await?;
                self.place.remove(media).await?;
                refused(MediaRefusal::Differs(how))
            }
            Looked::Same(facts) => {
                let found = Usable { sha256: file.sha256, facts: *facts, references: Vec::new(), more: false };
                let until = record.until.max(uploaded_until(self.now));
                let record = MediaRecord { state: MediaState::Usable(found.clone()), until };
                match self.save(media, &record, revision).await? {
                    Saved::Yes => self.settle(by, media, &found).await,
                    // Somebody else has completed it.
                    Saved::Conflict => refused(MediaRefusal::Busy),
                }
            }
        }
    }

    /// A file that is usable is the one with its bytes; or another one is, and then it becomes that.
    async fn settle(&self, by: &UserName, media: MediaId, found: &Usable) -> Answered {
        loop {
            let revision = match self.place.same(found.sha256).await? {
                Some((known, _)) if known == media => return usable(media, found.facts.clone()),
                Some((other, revision)) => {
                    let other_is = self.place.media(other).await?;
                    if other_is.is_some_and(|(record, _)| stays(&record, self.now)) {
                        return self.become_other(by, media, other, found.facts.size).await;
                    }
                    revision
                }
                None => Seq(0),
            };
            if self.place.save_same(found.sha256, media, revision).await? == Saved::Yes {
                return usable(media, found.facts.clone());
            }
        }
    }

    /// What somebody has uploaded, or shown to have, is another file that was there before. Where messages refer to it already, it stays
    /// what it is.
    async fn become_other(&self, by: &UserName, media: MediaId, other: MediaId, size: u64) -> Answered {
        let until = uploaded_until(self.now);
        self.place.save_uploaded(by, other, size, until).await?;
        // The other one must stay before this one is given up for it.
        let facts = loop {
            let Some((record, revision)) = self.place.media(other).await? else { return refused(MediaRefusal::Busy) };
            let MediaState::Usable(found) = &record.state else { return refused(MediaRefusal::Busy) };
            let Some(longer) = raised(&record, until) else { break found.facts.clone() };
            if self.save(other, &longer, revision).await? == Saved::Yes {
                break found.facts.clone();
            }
        };
        loop {
            let Some((record, revision)) = self.place.media(media).await? else { break };
            let Some(gone) = became(&record, other, self.now) else {
                match record.state {
                    MediaState::Usable(own) => return usable(media, own.facts),
                    MediaState::Became(_) | MediaState::Promised { .. } | MediaState::Lost => break,
                }
            };
            if self.save(media, &gone, revision).await? == Saved::Yes {
                break;
            }
        }
        self.place.forget_uploaded(by, media).await?;
        self.place.remove(media).await?;
        usable(other, facts)
    }

    /// Something that is to be sent refers to a file.
    pub(crate) async fn refer(
        &self,
        message: &(Sender, MessageId, Address),
        media: MediaId,
        until: Millis,
        seen: bool,
    ) -> Answered {
        let (from, id, to) = message;
        let reference = Reference { from: from.clone(), id: *id, to: to.clone() };
        let mut media = media;
        loop {
            let Some((record, revision)) = self.place.media(media).await? else {
                return refused(MediaRefusal::NotFound);
            };
            let found = match &record.state {
                MediaState::Usable(found) => found,
                MediaState::Became(other) => {
                    media = *other;
                    continue;
                }
                MediaState::Promised { by, file, .. } if *by == from.user => {
                    let missing = self.place.missing(media, file.size).await?;
                    return refused(MediaRefusal::Missing(missing.len() as u32));
                }
                MediaState::Promised { .. } => return refused(MediaRefusal::NotFound),
                MediaState::Lost => return refused(MediaRefusal::Lost),
            };
            let is_own = self.place.has_uploaded(&from.user, media).await?;
            if !seen && !is_own {
                return refused(MediaRefusal::NotFound);
            }
            if let Some(raised) = referred(found, record.until, until, &reference)
                && self.save(media, &raised, revision).await? == Saved::Conflict
            {
                continue;
            }
            if is_own {
                // They may send it again for as long as it is there for their sake.
                self.place.save_uploaded(&from.user, media, found.facts.size, until).await?;
            }
            return usable(media, found.facts.clone());
        }
    }

    /// Somebody wants to have a file.
    pub(crate) async fn open(
        &self,
        by: &UserName,
        media: MediaId,
        seen: bool,
        thumbnail: bool,
        name: Option<&FileName>,
    ) -> Answered {
        let found = if seen { self.given(media).await? } else { self.see(by, media).await? };
        match found {
            MediaAnswer::Usable { facts, .. } if thumbnail && !facts.thumbnail => refused(MediaRefusal::NotFound),
            MediaAnswer::Usable { media, facts, url: _ } => {
                let url = self.place.url(media, &facts, thumbnail, name);
                Ok(MediaAnswer::Usable { media, facts, url })
            }
            other @ (MediaAnswer::Begun { .. } | MediaAnswer::Done | MediaAnswer::Refused(_)) => Ok(other),
        }
    }

    /// A file, for somebody who has uploaded it.
    async fn see(&self, by: &UserName, media: MediaId) -> Answered {
        match self.given(media).await? {
            MediaAnswer::Usable { media, .. } if !self.place.has_uploaded(by, media).await? => {
                refused(MediaRefusal::NotFound)
            }
            found @ (MediaAnswer::Begun { .. }
            | MediaAnswer::Usable { .. }
            | MediaAnswer::Done
            | MediaAnswer::Refused(_)) => Ok(found),
        }
    }

    /// A file, for somebody who may have it.
    async fn given(&self, media: MediaId) -> Answered {
        let mut media = media;
        loop {
            match self.place.media(media).await?.map(|(record, _)| record.state) {
                Some(MediaState::Usable(found)) => return usable(media, found.facts),
                Some(MediaState::Became(other)) => media = other,
                Some(MediaState::Lost) => return refused(MediaRefusal::Lost),
                Some(MediaState::Promised { .. }) | None => return refused(MediaRefusal::NotFound),
            }
        }
    }

    /// A message that refers to a file was taken out.
    pub(crate) async fn release(&self, message: &Reference, media: MediaId) -> Answered {
        loop {
            let Some((record, revision)) = self.place.media(media).await? else { return Ok(MediaAnswer::Done) };
            let Some(without) = released(&record, message, self.now) else { return Ok(MediaAnswer::Done) };
            if self.save(media, &without, revision).await? == Saved::Conflict {
                continue;
            }
            if without.until < record.until {
                // Their share of the store comes back with the bytes.
                self.place.cut_uploaded(&message.from.user, media, without.until).await?;
            }
            return Ok(MediaAnswer::Done);
        }
    }
}
