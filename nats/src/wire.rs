//! What a NATS client and its server say to each other, as bytes, without I/O. Source: the documentation of NATS, "Client Protocol";
//! where that leaves a choice, nats-server's own `parser.go`.

mod read;
mod status;
mod write;

pub(crate) use self::{
    read::{Malformed, Message, Said, Step, next},
    status::{header, status},
    write::{Publish, ReplyTo, connect, ping, pong, publish, subscribe, unsubscribe},
};

#[cfg(test)]
mod tests;
