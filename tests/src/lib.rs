//! The harness of the suites: real nats-servers, gateways and workers on loopback, links that can be cut, and a client written from
//! the protocol's text alone.
//!
//! | room | what lives there |
//! |---|---|
//! | [`server`] | a nats-server of its own in a temporary folder: start, kill, pause, put its folder back |
//! | [`cluster`] | several nats-servers that are one cluster: who leads what, and who is made to |
//! | [`leaf`] | a nats-server at the edge: a leaf node without JetStream |
//! | [`link`] | a TCP link that can be cut, frozen and healed |
//! | [`region`] | a whole region: server, streams, workers, gateways, keys |
//! | [`process`] | gateways and workers as processes of their own, to be killed |
//! | [`authority`] | certificates for TLS between Dunlin and NATS |
//! | [`accounts`] | who a nats-server knows: nkeys, and an operator's JWTs |
//! | [`tokens`] | signing keys and tokens, good and bad |
//! | [`device`] | a device: frames as JSON text, and nothing of Dunlin's own code |
//! | [`bucket`] | an S3 service with a bucket for files, to be killed |
//! | [`backend`] | a back end: posts over HTTP, and nothing of Dunlin's own code |
//! | [`by_hand`] | a group whose log and records the test writes, in the place of the groups worker |
//! | [`raw`] | a WebSocket client that can say whatever bytes it likes |
//! | [`load`] | users who send, receive, acknowledge and read whatever happens around them |
//! | [`team`] | the members of a group, and what they were given, held against its log |
//! | [`left`] | what a load leaves: marks, conversations and presence, as they are told to whoever comes then |
//! | [`history`] | what was accepted and what arrived, what was acknowledged and what was told of it, held against each other |
//! | [`sim`] | a world without time, in which the real cores are held to their promises |
//! | [`wait`] | waiting for a condition with a deadline |
//!
//! Whoever starts something ends it: every handle kills its process when it is dropped.

pub mod accounts;
pub mod authority;
pub mod backend;
pub mod bucket;
pub mod by_hand;
pub mod cluster;
pub mod device;
pub mod history;
pub mod leaf;
pub mod left;
pub mod link;
pub mod load;
pub mod process;
pub mod raw;
pub mod region;
pub mod server;
pub mod sim;
pub mod team;
pub mod tokens;
pub mod wait;
