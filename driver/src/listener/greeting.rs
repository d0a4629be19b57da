//! The greeting of a client: what it asks for, what it is granted, and how it is refused.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use interprocess::local_socket::tokio::Stream;
use rustix::net::{Shutdown, shutdown};
use shared::control::stream::{StreamError, read_control, read_preamble, write_control};
use shared::control::{Control, Direction, Hello, Refuse, RefuseCode, RingInfo, VERSION};
use shared::process::peers::AllowedUsers;
use shared::ring::{Depth, MAX_FRAME};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

/// How long a client may take from connecting until all of its greeting has arrived.
const GREETING_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a client may take to read the answer to its greeting, a grant or a refusal.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// Most rings that a greeting may ask for. No stack needs as many.
const MOST_RINGS: usize = 64;

/// How the greeting or the refusal of a client ended.
#[derive(Debug)]
pub(super) enum GreetingOutcome {
    /// It is a stack that asks for a session.
    WantsSession(Stream, Hello),
    /// It is not served, and its connection is closed.
    NotServed {
        /// A name of the reason, under which the report counts it.
        code: &'static str,
        /// The reason, for the driver's user.
        why: String,
    },
}

impl GreetingOutcome {
    pub(super) fn not_served(code: &'static str, why: impl ToString) -> Self {
        Self::NotServed { code, why: why.to_string() }
    }

    /// The greeting could not be read.
    fn unread(error: &StreamError) -> Self {
        let code = match error {
            StreamError::Closed => "HUNG_UP",
            StreamError::Io(_) => "CONNECTION_FAILED",
            StreamError::NotAPreamble(_) | StreamError::Wire(_) => "NO_GREETING",
        };
        Self::not_served(code, format_args!("a client was not served: {error}"))
    }
}

/// Reads the greeting of a client, and refuses the client if it is not allowed or the greeting is wrong. Sets `spoke`
/// when the preamble has arrived.
pub(super) async fn greet(mut stream: Stream, allowed: AllowedUsers, spoke: Arc<AtomicBool>) -> GreetingOutcome {
    let Stream::UdSocket(socket) = &stream;
    if let Err(error) = allowed.check(socket.as_fd()) {
        return refuse(stream, RefuseCode::NotAllowed, error.to_string()).await;
    }
    // The timeout does not include `refuse`, which has one of its own.
    match timeout(GREETING_TIMEOUT, read_hello(&mut stream, &spoke)).await {
        Ok(Ok(hello)) => GreetingOutcome::WantsSession(stream, hello),
        Ok(Err(NoHello::Refused(code, reason))) => refuse(stream, code, reason).await,
        Ok(Err(NoHello::Failed(error))) => GreetingOutcome::unread(&error),
        Err(_) => {
            let why = format!("a client did not complete its greeting within {} s", GREETING_TIMEOUT.as_secs());
            GreetingOutcome::not_served("SAID_NOTHING", why)
        }
    }
}

/// Why a client has no valid hello.
enum NoHello {
    /// The reason is sent to the client.
    Refused(RefuseCode, String),
    /// The connection failed, or the client speaks another protocol and would not understand a refusal.
    Failed(StreamError),
}

async fn read_hello(stream: &mut Stream, spoke: &AtomicBool) -> Result<Hello, NoHello> {
    let version = read_preamble(stream).await;
    spoke.store(true, Ordering::Relaxed);
    match version.map_err(NoHello::Failed)? {
        VERSION => {}
        version => {
            let reason = format!("the driver speaks version {VERSION}, not {version}; start both from the same build");
            return Err(NoHello::Refused(RefuseCode::Version, reason));
        }
    }
    match read_control(stream).await {
        Ok(Control::Hello(hello)) => Ok(hello),
        Ok(_) => Err(NoHello::Refused(RefuseCode::BadGreeting, "the first message must be a hello".to_owned())),
        Err(StreamError::Wire(error)) => Err(NoHello::Refused(RefuseCode::BadGreeting, error.to_string())),
        Err(error) => Err(NoHello::Failed(error)),
    }
}

/// Sends a client the reason why it is not served, and closes the connection when the client has closed it.
pub(super) async fn refuse(mut stream: Stream, code: RefuseCode, reason: String) -> GreetingOutcome {
    let refusal = Control::Refuse(Refuse { code, reason: reason.clone() });
    let answered = async {
        write_control(&mut stream, &refusal).await?;
        let Stream::UdSocket(socket) = &stream;
        shutdown(socket.as_fd(), Shutdown::Write).map_err(std::io::Error::from)?;
        // If a Unix socket is closed while it holds bytes that were not read, its peer gets ECONNRESET instead of the
        // end of the stream. So everything is read that the client still sends.
        let mut rest = [0; 4096];
        while stream.read(&mut rest).await? > 0 {}
        Ok::<(), StreamError>(())
    };
    // A client that does not read in time misses the reason; the outcome is the same.
    let _ = timeout(ANSWER_TIMEOUT, answered).await;
    GreetingOutcome::not_served(code.name(), format_args!("a client was refused: {reason}"))
}

/// The rings that a stack is granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GrantedRings {
    /// Slots of the ring that transmits.
    pub(super) depth: Depth,
    /// Slots of the ring that receives, if there is one.
    pub(super) rx_depth: Option<Depth>,
    /// The same as ACCEPT lists them: first the ring that transmits.
    pub(super) rings: Vec<RingInfo>,
}

/// Returns the rings to grant to a stack that requests `rings`. The one that transmits has at most `most` slots. The one
/// that receives, if requested, has at most `rx_most`; `None` if the backend receives nothing.
///
/// # Errors
/// The problem and the remedy, for the stack's user.
pub(super) fn grant_rings(rings: &[RingInfo], most: Depth, rx_most: Option<Depth>) -> Result<GrantedRings, String> {
    if rings.len() > MOST_RINGS {
        return Err(format!("{} rings are too many; ask for one that transmits", rings.len()));
    }
    let of = |direction| {
        let mut all = rings.iter().filter(move |ring| ring.direction == direction && ring.queue == 0);
        (all.next(), all.next())
    };
    let (Some(transmit), None) = of(Direction::Transmit) else {
        return Err("this driver serves exactly one ring that transmits, queue 0; ask for one".to_owned());
    };
    let (receive, None) = of(Direction::Receive) else {
        return Err("this driver serves at most one ring that receives, queue 0; ask for one or none".to_owned());
    };
    let (transmit, depth) = granted(transmit, most)?;
    // Checked also if it is not granted: what is invalid is refused by every backend.
    let receive = receive.map(|ring| granted(ring, rx_most.unwrap_or(most))).transpose()?.filter(|_| rx_most.is_some());
    let (receive, rx_depth) = receive.unzip();
    Ok(GrantedRings { depth, rx_depth, rings: [transmit].into_iter().chain(receive).collect() })
}

/// The ring to grant for `ring`, and its depth, which is at most `most`.
fn granted(ring: &RingInfo, most: Depth) -> Result<(RingInfo, Depth), String> {
    if (ring.slot_size as usize) < MAX_FRAME {
        return Err(format!("slots of {} B hold no full frame; ask for at least {MAX_FRAME} B", ring.slot_size));
    }
    let depth = Depth::new(ring.depth).map_err(|error| error.to_string())?.min(most);
    Ok((RingInfo { depth: depth.get(), slot_size: MAX_FRAME as u32, ..*ring }, depth))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(depth: u32) -> RingInfo {
        RingInfo { direction: Direction::Transmit, queue: 0, depth, slot_size: MAX_FRAME as u32 }
    }

    fn receiving(depth: u32) -> RingInfo {
        RingInfo { direction: Direction::Receive, ..ring(depth) }
    }

    fn depth(slots: u32) -> Depth {
        Depth::new(slots).unwrap()
    }

    #[test]
    fn the_smaller_depth_is_in_force() {
        for (asked, granted) in [(1, 1), (100, 100), (65_536, 100)] {
            let rings = [receiving(asked), ring(asked)];
            let grant = grant_rings(&rings, depth(100), Some(depth(50))).unwrap();
            assert_eq!((grant.depth, grant.rx_depth), (depth(granted), Some(depth(granted.min(50)))));
            assert_eq!(grant.rings, [ring(granted), receiving(granted.min(50))], "the one that transmits is first");
        }
    }

    #[test]
    fn a_ring_that_this_driver_does_not_serve_is_left_out_of_the_grant() {
        let other_queue = RingInfo { queue: 1, ..receiving(8) };
        for (rings, rx_most) in [([receiving(8), ring(8)], None), ([other_queue, ring(8)], Some(depth(8)))] {
            let grant = grant_rings(&rings, depth(8), rx_most).unwrap();
            assert_eq!((grant.rings, grant.rx_depth), (vec![ring(8)], None));
        }
    }

    #[test]
    fn rings_that_cannot_be_granted_are_refused_with_the_remedy() {
        for (rings, remedy) in [
            (vec![], "ask for one"),
            (vec![receiving(8)], "ask for one"),
            (vec![ring(8); 2], "ask for one"),
            (vec![ring(8), receiving(8), receiving(8)], "ask for one or none"),
            (vec![receiving(8); 65], "too many"),
            (vec![ring(0)], "1 to 65536"),
            (vec![ring(65_537)], "1 to 65536"),
            (vec![ring(8), receiving(0)], "1 to 65536"),
            (vec![RingInfo { slot_size: 100, ..ring(8) }], "at least 1514"),
            (vec![ring(8), RingInfo { slot_size: 100, ..receiving(8) }], "at least 1514"),
        ] {
            for rx_most in [None, Some(depth(8))] {
                let reason = grant_rings(&rings, depth(8), rx_most).unwrap_err();
                assert!(reason.contains(remedy), "{reason}");
            }
        }
    }
}
