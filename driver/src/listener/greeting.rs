//! The greeting: what does a client want, and can it have it.

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
const GREETING: Duration = Duration::from_secs(2);

/// How long a client may take to read the driver's answer to its greeting.
pub(super) const ANSWER: Duration = Duration::from_secs(1);

/// More rings than any stack needs.
const MOST_RINGS: usize = 64;

/// How a visit went.
#[derive(Debug)]
pub(super) enum Visit {
    /// A stack that asks for a session.
    Wants(Stream, Hello),
    /// A client that will not be served.
    Over {
        /// Why, in one word for all of a kind.
        code: &'static str,
        /// Why, in words for the driver's user.
        why: String,
    },
}

impl Visit {
    pub(super) fn over(code: &'static str, why: impl ToString) -> Self {
        Self::Over { code, why: why.to_string() }
    }

    /// A client whose first words failed.
    fn unheard(error: &StreamError) -> Self {
        let code = match error {
            StreamError::Closed => "HUNG_UP",
            StreamError::Io(_) => "CONNECTION_FAILED",
            StreamError::NotAPreamble(_) | StreamError::Wire(_) => "NO_GREETING",
        };
        Self::over(code, format_args!("a client was not served: {error}"))
    }
}

/// Reads what a client wants, and turns it away if it does not speak this protocol. Sets `spoke` once its preamble is
/// there.
pub(super) async fn greet(mut stream: Stream, allowed: AllowedUsers, spoke: Arc<AtomicBool>) -> Visit {
    let Stream::UdSocket(socket) = &stream;
    if let Err(error) = allowed.check(socket.as_fd()) {
        return turn_away(stream, RefuseCode::NotAllowed, error.to_string()).await;
    }
    // Sending a refusal has a time limit of its own.
    match timeout(GREETING, read_hello(&mut stream, &spoke)).await {
        Ok(Ok(hello)) => Visit::Wants(stream, hello),
        Ok(Err(NoHello::Refused(code, reason))) => turn_away(stream, code, reason).await,
        Ok(Err(NoHello::Failed(error))) => Visit::unheard(&error),
        Err(_) => {
            let why = format!("a client did not complete its greeting within {} s", GREETING.as_secs());
            Visit::over("SAID_NOTHING", why)
        }
    }
}

/// Why a greeting asks for no session.
enum NoHello {
    /// The client can be sent the reason.
    Refused(RefuseCode, String),
    /// The connection failed, or the peer speaks another protocol and would not understand a refusal.
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

/// Sends a client the reason why it is not served, and hangs up when it has read it.
pub(super) async fn turn_away(mut stream: Stream, code: RefuseCode, reason: String) -> Visit {
    let refuse = Control::Refuse(Refuse { code, reason: reason.clone() });
    let answered = async {
        write_control(&mut stream, &refuse).await?;
        let Stream::UdSocket(socket) = &stream;
        shutdown(socket.as_fd(), Shutdown::Write).map_err(std::io::Error::from)?;
        // The kernel throws the answer away if it is closed over bytes that were not read.
        let mut rest = [0; 4096];
        while stream.read(&mut rest).await? > 0 {}
        Ok::<(), StreamError>(())
    };
    // A client that does not read the answer only misses it.
    let _ = timeout(ANSWER, answered).await;
    Visit::over(code.name(), format_args!("a client was refused: {reason}"))
}

/// The rings that are granted to a stack that asks for `rings`, and the depth in force.
///
/// # Errors
/// What is wrong and what to do, in words for the stack's user.
pub(super) fn grant(rings: &[RingInfo], most: Depth) -> Result<(RingInfo, Depth), String> {
    if rings.len() > MOST_RINGS {
        return Err(format!("{} rings are too many; ask for one that transmits", rings.len()));
    }
    let mut transmit = rings.iter().filter(|ring| ring.direction == Direction::Transmit);
    let (Some(ring), None) = (transmit.next(), transmit.next()) else {
        return Err("this driver serves exactly one ring that transmits; ask for one".to_owned());
    };
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

    #[test]
    fn the_smaller_depth_is_in_force() {
        let most = Depth::new(100).unwrap();
        for (asked, granted) in [(1, 1), (100, 100), (65_536, 100)] {
            let (ring, depth) = grant(&[ring(asked)], most).unwrap();
            assert_eq!((ring.depth, depth.get()), (granted, granted));
        }
    }

    #[test]
    fn a_ring_of_a_later_time_is_left_out_of_the_grant() {
        let receive = RingInfo { direction: Direction::Receive, ..ring(8) };
        assert_eq!(grant(&[receive, ring(8)], Depth::new(8).unwrap()).map(|(ring, _)| ring), Ok(ring(8)));
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_remedy() {
        let receive = RingInfo { direction: Direction::Receive, ..ring(8) };
        for (rings, remedy) in [
            (vec![], "ask for one"),
            (vec![receive], "ask for one"),
            (vec![ring(8); 2], "ask for one"),
            (vec![receive; 65], "too many"),
            (vec![ring(0)], "1 to 65536"),
            (vec![ring(65_537)], "1 to 65536"),
            (vec![RingInfo { slot_size: 100, ..ring(8) }], "at least 1514"),
        ] {
            let reason = grant(&rings, Depth::new(8).unwrap()).unwrap_err();
            assert!(reason.contains(remedy), "{reason}");
        }
    }
}
