//! From an upgraded socket to a device that has said `hello`: its first frame, its token, its place, and where its logs go on.

use std::{future::poll_fn, ops::ControlFlow, pin::pin, sync::Arc, task::Poll};

use dunlin_schema::{
    Code, DeviceName, LogName, Millis, Peer, UserName,
    frame::{ClientFrame, Limits, ServerFrame},
    limits::{self, Bounds},
    record::DeviceRecord,
};

use crate::{
    clock::{self, Moment, Uptime},
    connection::{Connection, Who},
    directory::{Followers, TooMany},
    ending::{Ending, broken, goodbye, goodbye_until},
    following::{self, Said},
    gateway::Gateway,
    region::Region,
    remembered,
    session::{Input, Session, Setup, Start},
    socket::{Event, Socket},
    timer::{Alarm, Order, Timer},
    tokens::Identity,
};

const TRY_AGAIN: Millis = Millis(1_000);

/// A device that may stay.
pub(crate) struct Opened {
    pub(crate) region: Arc<Region>,
    pub(crate) connection: Arc<Connection>,
    /// Its user's mailbox, which it follows.
    pub(crate) mailbox: Arc<Followers>,
    /// What it says of where other logs go on.
    pub(crate) said: Said,
    /// When its token ends.
    pub(crate) until: Millis,
}

struct Hello {
    token: Option<String>,
    device: Option<DeviceName>,
    cursors: Said,
}

/// Waits for `hello` and lets the device in. `identity` is that of a token in the request's header. Errors: how the socket ends.
pub(crate) async fn open(
    gateway: &Arc<Gateway>,
    socket: &mut Socket,
    alarm: &Arc<Alarm>,
    identity: Option<Identity>,
) -> Result<Opened, Ending> {
    let Hello { token, device: named, mut cursors } = hello(gateway, socket, alarm).await?;
    let mailbox = cursors.remove(&LogName::Mailbox.into());
    let who_and_where = async {
        let identity = identified(gateway, token.as_deref(), identity).await?;
        let device = device(&identity, named)?;
        let Identity { user, until, token, .. } = identity;
        let region = gateway.home().ok_or_else(elsewhere)?;
        region.revocations.told(&token, &user).await;
        // What is revoked takes nobody's place.
        if region.revocations.bars(&token, &user, Some(&device)) {
            return Err(revoked());
        }
        let log = region.mailbox(&user);
        let (said, unopened) = match mailbox.map(|at| following::begins(&at, &log)) {
            Some(Ok(start)) => (Some(start), None),
            Some(Err(error)) => (None, Some(error)),
            None => (None, None),
        };
        let (start, removed) = match said {
            Some(start) => (start, None),
            None => resumed(region, &log.owner, &user, &device).await?,
        };
        let opened = opened(Moment::now(), removed);
        Ok((region.clone(), ((user, device, token), opened), (start, unopened), until))
    };
    let (region, who, (start, unopened), until) =
        in_time(&gateway.timer, alarm, limits::WELCOME_WITHIN, who_and_where).await?;
    let (connection, mailbox) = admit(gateway, &region, alarm, who, start)?;
    if let Some(error) = unopened {
        gateway.metrics.unopened_cursors.inc();
        let message = format!("{}: {error}; it goes on after what was acknowledged", LogName::Mailbox);
        connection.answer(ServerFrame::refused(Code::BadCursor, message));
    }
    Ok(Opened { region, connection, mailbox, said: cursors, until })
}

async fn hello(gateway: &Gateway, socket: &mut Socket, alarm: &Arc<Alarm>) -> Result<Hello, Ending> {
    let deadline = Uptime::now().plus(limits::HELLO_WITHIN);
    gateway.timer.set(alarm, deadline);
    let encoding = socket.encoding();
    poll_fn(|cx| {
        alarm.register(cx.waker());
        if let Some(ending) = ordered(alarm) {
            return Poll::Ready(Err(ending));
        }
        loop {
            let mut first = None;
            let read = socket.poll_read(cx, &mut |event| match event {
                Event::Message(bytes) => {
                    gateway.metrics.frames_in.inc();
                    first = Some(match encoding.read_client(&bytes) {
                        Ok(ClientFrame::Hello { token, device, cursors }) => Ok(Hello { token, device, cursors }),
                        Ok(
                            ClientFrame::Send(_)
                            | ClientFrame::Ack { .. }
                            | ClientFrame::Ask(_)
                            | ClientFrame::Signal { .. }
                            | ClientFrame::Read { .. },
                        ) => Err(goodbye(Code::BadFrame, "the first frame is `hello`")),
                        Err(error) => Err(goodbye(Code::BadFrame, format!("the first frame is `hello`: {error}"))),
                    });
                    ControlFlow::Break(())
                }
                Event::Close(code) => {
                    first = Some(Err(Ending::Closed(code)));
                    ControlFlow::Break(())
                }
                Event::Ping(_) | Event::Pong => ControlFlow::Continue(()),
            });
            if let Some(first) = first {
                return Poll::Ready(first);
            }
            if let Poll::Ready(Err(_)) = socket.poll_write(cx, &mut |_| {}) {
                return Poll::Ready(Err(Ending::Lost));
            }
            match read {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(gone)) => return Poll::Ready(Err(gone.into())),
                Poll::Pending if Uptime::now() >= deadline => {
                    let late = format!("no `hello` came within {} ms", limits::HELLO_WITHIN.0);
                    return Poll::Ready(Err(goodbye_until(Code::HelloTimeout, late, TRY_AGAIN)));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await
}

/// What a `hello` waits for, which may be somebody who does not answer: for so long, or until the gateway goes away.
async fn in_time<T>(
    timer: &Timer,
    alarm: &Arc<Alarm>,
    within: Millis,
    answer: impl Future<Output = Result<T, Ending>>,
) -> Result<T, Ending> {
    let deadline = Uptime::now().plus(within);
    timer.set(alarm, deadline);
    let mut answer = pin!(answer);
    poll_fn(|cx| {
        alarm.register(cx.waker());
        if let Some(ending) = ordered(alarm) {
            return Poll::Ready(Err(ending));
        }
        match answer.as_mut().poll(cx) {
            Poll::Pending if Uptime::now() >= deadline => {
                let late = format!("`hello` could not be answered within {} ms", within.0);
                Poll::Ready(Err(goodbye_until(Code::Unavailable, late, TRY_AGAIN)))
            }
            answered @ (Poll::Ready(_) | Poll::Pending) => answered,
        }
    })
    .await
}

/// How a socket ends that has not been let in yet, if it was told to.
fn ordered(alarm: &Alarm) -> Option<Ending> {
    match alarm.order() {
        Order::Stay => None,
        Order::Drain => Some(draining()),
        Order::Broken => Some(broken()),
        Order::TooMany | Order::Replaced | Order::Revoked | Order::Drop => Some(Ending::Lost),
    }
}

/// The goodbye to a user of a region that is not served here.
fn elsewhere() -> Ending {
    goodbye(Code::Elsewhere, "this user's region is served by other gateways")
}

/// The goodbye of a gateway that is going away.
pub(crate) fn draining() -> Ending {
    let spread = Millis(rand::random_range(100..=500));
    goodbye_until(Code::Draining, "this gateway is going away, others are there", spread)
}

/// The goodbye to a device whose token was revoked, as it is where its user removed it.
pub(crate) fn revoked() -> Ending {
    goodbye(Code::TokenRevoked, REVOKED)
}

/// What is said of a token that was revoked.
pub(crate) const REVOKED: &str = "the token was revoked, or the user removed the device";

/// Who is there: by the token in `hello`, otherwise by the request's, which was counted as a connection there. Where both have one, that
/// in `hello` counts, and they must be of one user: whoever put the other one there meant somebody.
async fn identified(gateway: &Gateway, token: Option<&str>, requests: Option<Identity>) -> Result<Identity, Ending> {
    let Some(token) = token else {
        let nobody = "there is no token, neither in the request nor in `hello`";
        return requests.ok_or_else(|| goodbye(Code::Unauthorized, nobody));
    };
    let verified = gateway.keys.verify(token, clock::now()).await;
    let identity = verified.map_err(|error| {
        let (code, message) = (error.code(), error.to_string());
        if code == Code::Unavailable { goodbye_until(code, message, TRY_AGAIN) } else { goodbye(code, message) }
    })?;
    match requests {
        Some(requests) if requests.user != identity.user => {
            Err(goodbye(Code::Unauthorized, "the token in the request and the one in `hello` are of two users"))
        }
        Some(_) => Ok(identity),
        None => {
            gateway.limiter.connect(&identity.user).map_err(|retry_after| {
                goodbye_until(Code::RateLimited, "this user connects more often than is allowed", retry_after)
            })?;
            Ok(identity)
        }
    }
}

fn device(identity: &Identity, said: Option<DeviceName>) -> Result<DeviceName, Ending> {
    match (identity.device.clone(), said) {
        (Some(pinned), Some(said)) if pinned != said => {
            Err(goodbye(Code::Forbidden, format!("the token is for the device {pinned} and no other")))
        }
        (Some(device), _) | (None, Some(device)) => Ok(device),
        (None, None) => Err(goodbye(Code::BadFrame, "`hello` names no device, and neither does the token")),
    }
}

/// Where the device last acknowledged a log, and when it was removed; the beginning if it never did, or not since it was removed.
async fn resumed(
    region: &Region,
    log: &Peer,
    user: &UserName,
    device: &DeviceName,
) -> Result<(Start, Option<Millis>), Ending> {
    match remembered::record(region, log, user, device).await {
        Ok(DeviceRecord { cursor, removed, .. }) => Ok((cursor.map_or(Start::Beginning, Start::Cursor), removed)),
        Err(error) => {
            tracing::warn!(%error, %user, "no answer where a device goes on");
            Err(goodbye_until(Code::Unavailable, "the region's storage does not answer", TRY_AGAIN))
        }
    }
}

/// When a connection counts as opened: after the removal that it has seen, whatever the clock says by which that was written down.
fn opened(now: Moment, removed: Option<Millis>) -> Moment {
    let after = removed.map_or(Millis(0), |removed| removed.plus(Millis(1)));
    Moment { wall: now.wall.max(after), ..now }
}

fn admit(
    gateway: &Gateway,
    region: &Region,
    alarm: &Arc<Alarm>,
    ((user, device, token), opened): (Who, Moment),
    start: Start,
) -> Result<(Arc<Connection>, Arc<Followers>), Ending> {
    let (now, shard) = (Moment::now(), region.mailbox(&user).shard);
    let setup = Setup {
        region: region.settings.region.clone(),
        shards: region.settings.shards,
        user: user.clone(),
        sent_copies: gateway.config.sent_copies,
        several_devices: false,
        bounds: &Bounds::STANDARD,
    };
    let mut session = Session::new(setup);
    session.answer(ServerFrame::Welcome {
        user: user.clone(),
        device: device.clone(),
        region: region.settings.region.clone(),
        server_time: now.wall,
        limits: Limits { frame: limits::FRAME_BYTES as u32, body: limits::BODY_BYTES as u32 },
    });
    let connection = Arc::new(Connection::new(
        gateway.timer.clone(),
        gateway.metrics.clone(),
        alarm.clone(),
        shard,
        (user, device, token),
        session,
        opened,
    ));
    connection.handle(now, Input::Follow { log: LogName::Mailbox, start });
    let mailbox = region.directory.follow(&connection, LogName::Mailbox).map_err(|TooMany| too_many())?;
    // What was revoked before it was among the others is found here, what is revoked from now on by the look at all of them.
    if region.revocations.bars(connection.token(), connection.user(), Some(connection.device())) {
        region.directory.leave(&connection, mailbox.log());
        return Err(revoked());
    }
    Ok((connection, mailbox))
}

/// The goodbye of a device that is one too many.
pub(crate) fn too_many() -> Ending {
    goodbye_until(Code::TooManyDevices, TooMany.to_string(), TOO_MANY_WAIT)
}

/// How long a device waits for another one of its user to go.
const TOO_MANY_WAIT: Millis = Millis(30_000);

#[cfg(test)]
mod tests {
    use std::{future::pending, time::Duration};

    use tokio::time::timeout;

    use super::*;
    use crate::services::Pulse;

    /// Waits for an answer that never comes, while the timer runs.
    async fn unanswered(alarm: &Arc<Alarm>) -> Ending {
        const PATIENCE: Duration = Duration::from_secs(30);
        let (timer, pulse) = (Timer::new(), Pulse::new());
        tokio::select! {
            answered = in_time::<()>(&timer, alarm, Millis(100), pending()) => answered.expect_err("nobody answers"),
            _ = timeout(PATIENCE, timer.run(&pulse)) => panic!("nobody answers, and nobody says so"),
        }
    }

    #[tokio::test]
    async fn a_hello_that_nobody_answers_ends_its_socket() {
        let words = "`hello` could not be answered within 100 ms";
        assert_eq!(unanswered(&Alarm::new()).await, goodbye_until(Code::Unavailable, words, TRY_AGAIN));
    }

    #[tokio::test]
    async fn a_hello_that_nobody_answers_ends_when_its_gateway_goes_away() {
        let alarm = Alarm::new();
        alarm.tell(Order::Drain);
        let Ending::Goodbye(code, ..) = unanswered(&alarm).await else { panic!("no goodbye") };
        assert_eq!(code, Code::Draining);
    }
}
