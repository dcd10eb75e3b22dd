//! The comparison of heads: the real core of each gateway, asked and answered over a network that loses both.

use std::collections::BTreeMap;

use dunlin_gateway::{
    clock::Uptime,
    comparison::core::{Question, Unanswered},
    session::{Input, NoAnswer},
};
use dunlin_schema::{
    LogName, Millis, Peer,
    heads::{HeadsAnswer, Verified},
    limits,
};

use super::{About, AtReader, Event, MS, Pending, SHARD, World, nanos};

/// How much of the span between two rounds chance takes away at most.
const EARLIER: u64 = limits::HEADS_EVERY.0 * 15 / 100;

impl World {
    /// The time that a gateway's deadlines are kept by: no step of its clock moves it.
    pub(super) fn uptime(&self) -> Uptime {
        Uptime(self.now / MS)
    }

    /// A gateway's comparison may have something to ask.
    pub(crate) fn compare(&mut self, gateway: usize, life: u32, at: u64) {
        let held = &mut self.gateways.list[gateway];
        if held.life == life && held.compare_at == at {
            held.compare_at = u64::MAX;
            self.settle_comparison(gateway);
        }
    }

    /// Sends what is due, and sets the timer as the comparison wants it.
    pub(super) fn settle_comparison(&mut self, gateway: usize) {
        let (now, earlier) = (self.uptime(), Millis(self.dice.between(0, EARLIER)));
        let due = self.gateways.list[gateway].comparison.due(now, earlier);
        for question in due {
            let question = match question.is_round() {
                true => question.about(self.followed(gateway), self.shape.bounds),
                false => question,
            };
            self.question(gateway, About::Heads(question));
        }
        let at = self.gateways.list[gateway].comparison.next_deadline().0 * MS;
        let (held, now) = (&mut self.gateways.list[gateway], self.now);
        if at < held.compare_at {
            let (at, life) = (at.max(now), held.life);
            held.compare_at = at;
            self.agenda.enter(at, Event::Compare { gateway, life, at });
        }
    }

    /// The logs that a gateway's subscribed sessions follow.
    fn followed(&self, gateway: usize) -> Vec<(Peer, Vec<usize>)> {
        let mut followed = BTreeMap::<Peer, Vec<usize>>::new();
        for (session, held) in self.gateways.sessions.iter().enumerate() {
            if let Some(held) = held.as_ref().filter(|held| held.gateway == gateway && held.subscribed) {
                followed.entry(self.users[held.user].log.owner.clone()).or_default().push(session);
            }
        }
        followed.into_iter().collect()
    }

    pub(super) fn ask_heads(&mut self, session: usize) {
        let Some(held) = &self.gateways.sessions[session] else { return };
        let (gateway, owner) = (held.gateway, self.users[held.user].log.owner.clone());
        let moment = self.moment(gateway);
        if let Some(held) = &mut self.gateways.sessions[session] {
            held.core.asks_heads(moment, LogName::Mailbox);
        }
        self.gateways.list[gateway].comparison.ask(SHARD, owner, session);
        self.settle_comparison(gateway);
    }

    pub(super) fn question(&mut self, gateway: usize, about: About) {
        let (question, life) = (self.gateways.questions.len(), self.gateways.list[gateway].life);
        self.gateways.questions.push(Some(Pending { gateway, life, about }));
        let heads_lost = self.faults.heads_lost;
        let lost = self.gateway_is_cut(gateway) || self.fault(heads_lost);
        if !lost && !self.somebody_reads() {
            let latency = self.latency();
            return self.after(latency, Event::Unanswered { question, why: Unanswered::NobodyListens });
        }
        self.after(nanos(limits::HEADS_TIMEOUT), Event::Unanswered { question, why: Unanswered::NoAnswer });
        if !lost && let Some(reader) = self.some_reader() {
            let latency = self.latency();
            self.after(latency, Event::Reader { reader, what: AtReader::Asked { question } });
        }
    }

    /// The users whose heads are asked for; `None` where the question is a doubt, or waits for no answer any more.
    pub(crate) fn asked_users(&self, question: usize) -> Option<Vec<usize>> {
        match &self.gateways.questions[question].as_ref()?.about {
            About::Heads(question) => {
                let user = |log: &Peer| self.users.iter().position(|user| user.log.owner == *log);
                question.logs().iter().map(user).collect()
            }
            About::Doubt(_) => None,
        }
    }

    pub(crate) fn is_doubt(&self, question: usize) -> bool {
        let pending = &self.gateways.questions[question];
        pending.as_ref().is_some_and(|pending| matches!(pending.about, About::Doubt(_)))
    }

    /// A reader's answer is on its way, or lost on it.
    fn on_its_way(&mut self, event: Event) {
        let heads_lost = self.faults.heads_lost;
        if !self.fault(heads_lost / 2) {
            let latency = self.latency();
            self.after(latency, event);
        }
    }

    pub(crate) fn heads_answered(&mut self, question: usize, answer: HeadsAnswer) {
        self.on_its_way(Event::HeadsAnswered { question, answer });
    }

    pub(crate) fn doubt_answered(&mut self, question: usize, verified: Verified) {
        self.on_its_way(Event::DoubtAnswered { question, verified });
    }

    /// An answer about heads reaches a gateway.
    pub(crate) fn heads_reach(&mut self, question: usize, answer: &HeadsAnswer) {
        if let Some((gateway, asked)) = self.take_heads(question) {
            self.share_out(&asked, Some(answer));
            self.after_answer(gateway, asked, Ok(()));
        }
    }

    pub(crate) fn doubt_reaches(&mut self, question: usize, verified: Verified) {
        if let Some(Pending { about: About::Doubt(session), .. }) = self.gateways.questions[question].take() {
            self.tell(session, Input::Verified(SHARD, Ok(verified.position)));
        }
    }

    /// A question waits for its answer no longer.
    pub(crate) fn unanswered_question(&mut self, question: usize, why: Unanswered) {
        if let Some((gateway, asked)) = self.take_heads(question) {
            self.share_out(&asked, None);
            self.after_answer(gateway, asked, Err(why));
        } else if let Some(Pending { about: About::Doubt(session), .. }) = self.gateways.questions[question].take() {
            self.tell(session, Input::Verified(SHARD, Err(NoAnswer)));
        }
    }

    /// A question about heads that is still waited for, by the gateway's life that asked it.
    fn take_heads(&mut self, question: usize) -> Option<(usize, Question<usize>)> {
        let pending = self.gateways.questions[question].take_if(|asked| matches!(asked.about, About::Heads(_)))?;
        match pending.about {
            About::Heads(asked) if self.gateway_lives(pending.gateway, pending.life) => Some((pending.gateway, asked)),
            About::Heads(_) | About::Doubt(_) => None,
        }
    }

    fn share_out(&mut self, asked: &Question<usize>, answer: Option<&HeadsAnswer>) {
        let mut shares = Vec::new();
        asked.tell(answer, |session, share| shares.push((*session, share)));
        for (session, share) in shares {
            match share {
                Ok(mut share) => {
                    if let Some(plant) = self.plant {
                        plant.share(&mut share, self.sent(session));
                    }
                    self.tell(session, Input::Heads(LogName::Mailbox, share));
                }
                Err(NoAnswer) => self.tell(session, Input::HeadsUnanswered(LogName::Mailbox)),
            }
        }
    }

    fn after_answer(&mut self, gateway: usize, asked: Question<usize>, answered: Result<(), Unanswered>) {
        if let Some(next) = self.gateways.list[gateway].comparison.answered(asked, answered).next {
            self.question(gateway, About::Heads(next));
        }
        self.settle_comparison(gateway);
    }

    /// A gateway that would tell its balancer that it is not ready.
    pub(crate) fn unready_gateway(&self) -> Option<String> {
        let mut gateways = self.gateways.list.iter().enumerate();
        gateways.find_map(|(number, held)| {
            held.comparison.silent().map(|silent| format!("gateway {number} is not ready: {silent:?}"))
        })
    }
}
