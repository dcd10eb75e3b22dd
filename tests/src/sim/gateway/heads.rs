//! The comparison of heads: who is asked for whom, and what becomes of the answers.

use dunlin_gateway::session::{HeadOf, Input, NoAnswer};
use dunlin_schema::{
    LogName,
    heads::{HeadsAnswer, Verified},
    limits,
};

use super::{AtReader, Event, Question, SHARD, World, nanos};

impl World {
    pub(crate) fn compare(&mut self, gateway: usize, life: u32, every: bool) {
        if !self.gateway_lives(gateway, life) {
            return;
        }
        if every {
            self.after(nanos(limits::HEADS_EVERY), Event::Compare { gateway, life, every });
        }
        let sessions = self.gateways.sessions.iter().enumerate();
        let asked =
            sessions.filter(|(_, held)| held.as_ref().is_some_and(|held| held.gateway == gateway && held.subscribed));
        let asked: Vec<usize> = asked.map(|(session, _)| session).collect();
        if !asked.is_empty() {
            self.ask_heads(asked);
        }
    }

    pub(super) fn ask_heads(&mut self, sessions: Vec<usize>) {
        self.question(sessions, false);
    }

    pub(super) fn question(&mut self, sessions: Vec<usize>, verify: bool) {
        let Some((gateway, _)) = self.gateway_of(sessions[0]) else { return };
        let question = self.gateways.questions.len();
        self.gateways.questions.push(Question { sessions, verify, open: true });
        self.after(nanos(limits::HEADS_TIMEOUT), Event::AskedEnough { question });
        let heads_lost = self.faults.heads_lost;
        if self.gateway_is_cut(gateway) || self.fault(heads_lost) {
            return;
        }
        if let Some(reader) = self.some_reader() {
            let latency = self.latency();
            self.after(latency, Event::Reader { reader, what: AtReader::Asked { question } });
        }
    }

    /// The users of a question about heads; `None` where it is a doubt.
    pub(crate) fn asked_users(&self, question: usize) -> Option<Vec<usize>> {
        let asked = &self.gateways.questions[question];
        let user = |session: &usize| self.gateways.sessions[*session].as_ref().map_or(0, |held| held.user);
        (!asked.verify).then(|| asked.sessions.iter().map(user).collect())
    }

    /// A reader's answer about heads is on its way.
    pub(crate) fn heads_answered(&mut self, question: usize, answer: &HeadsAnswer) {
        let sessions = self.gateways.questions[question].sessions.clone();
        let shares = sessions.iter().zip(&answer.heads).map(|(session, head)| {
            let mut share = HeadOf { position: answer.position, head: *head, floor: answer.floor };
            if let Some(plant) = self.plant {
                plant.share(&mut share, self.sent(*session));
            }
            (*session, Input::Heads(LogName::Mailbox, share))
        });
        let shares: Vec<_> = shares.collect();
        self.answered(question, shares);
    }

    /// A reader's answer to a doubt is on its way.
    pub(crate) fn doubt_answered(&mut self, question: usize, verified: Verified) {
        let session = self.gateways.questions[question].sessions[0];
        self.answered(question, vec![(session, Input::Verified(SHARD, Ok(verified.position)))]);
    }

    fn answered(&mut self, question: usize, shares: Vec<(usize, Input)>) {
        let heads_lost = self.faults.heads_lost;
        if !self.gateways.questions[question].open || self.fault(heads_lost / 2) {
            return;
        }
        self.gateways.questions[question].open = false;
        let latency = self.latency();
        for (session, input) in shares {
            self.after(latency, Event::Session { session, input: Box::new(input) });
        }
    }

    pub(crate) fn asked_enough(&mut self, question: usize) {
        let asked = &mut self.gateways.questions[question];
        if !std::mem::replace(&mut asked.open, false) {
            return;
        }
        let verify = asked.verify;
        for session in asked.sessions.clone() {
            self.tell(
                session,
                if verify { Input::Verified(SHARD, Err(NoAnswer)) } else { Input::HeadsUnanswered(LogName::Mailbox) },
            );
        }
    }
}
