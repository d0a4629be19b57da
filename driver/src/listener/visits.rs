//! Connections that are no session: clients that are being greeted or refused.
//!
//! There is room for a bounded number of them. When one more comes, the oldest whose client has sent nothing is closed
//! before any other: so clients that connect and stay silent, however many, keep no stack from being served.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use interprocess::local_socket::tokio::Stream;
use rustix::net::{RecvFlags, recv};
use rustix::process::{Resource, getrlimit};
use shared::control::{PREAMBLE_LEN, RefuseCode};
use shared::process::peers::AllowedUsers;
use tokio::task::{AbortHandle, Id, JoinSet};

use super::greeting::{Visit, greet, turn_away};

/// The most connections that are greeted or refused at once.
const MOST: usize = 128;

/// Descriptors that are kept for everything else: standard streams, the runtime, a session, its report.
const KEPT: u64 = 40;

/// Connections that are greeted or refused, the oldest first.
pub(super) struct Visits {
    tasks: JoinSet<Visit>,
    open: Vec<Open>,
    most: usize,
}

/// A connection that is no session.
#[derive(Debug)]
struct Open {
    task: Id,
    abort: AbortHandle,
    /// Whether the client has sent its preamble.
    spoke: Arc<AtomicBool>,
    /// The code of the refusal that it is sent; nothing while it is greeted.
    refused: Option<RefuseCode>,
    /// Why it was closed to make room, if it was.
    closed: Option<Crowding>,
}

/// Why a connection is closed before its visit is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Crowding {
    /// More clients connected than are greeted at once.
    Clients,
    /// The driver has no descriptor for another connection.
    Descriptors,
}

impl Visits {
    /// No connections, and room for as many as the limit of open files allows, at most [`MOST`].
    pub(super) fn new() -> Self {
        let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        // At most MOST, which fits.
        let most = descriptors.saturating_sub(KEPT).clamp(1, MOST as u64) as usize;
        Self { tasks: JoinSet::new(), open: Vec::new(), most }
    }

    /// Greets a client that has just connected. What it has sent is looked at here and now: a stack sends its greeting
    /// right away, and is never taken for a silent client because its task has not run yet.
    pub(super) fn greet(&mut self, stream: Stream, allowed: AllowedUsers) {
        let spoke = Arc::new(AtomicBool::new(has_spoken(&stream)));
        let task = greet(stream, allowed, Arc::clone(&spoke));
        self.begin(spoke, None, task);
    }

    /// Refuses a client, for a reason that it is sent.
    pub(super) fn turn_away(&mut self, stream: Stream, code: RefuseCode, reason: String) {
        self.begin(Arc::new(AtomicBool::new(true)), Some(code), turn_away(stream, code, reason));
    }

    fn begin(
        &mut self,
        spoke: Arc<AtomicBool>,
        refused: Option<RefuseCode>,
        task: impl Future<Output = Visit> + Send + 'static,
    ) {
        if self.open.iter().filter(|open| open.closed.is_none()).count() >= self.most {
            self.close_one(Crowding::Clients);
        }
        let abort = self.tasks.spawn(task);
        self.open.push(Open { task: abort.id(), abort, spoke, refused, closed: None });
    }

    /// Closes one connection to make room, if there is any.
    pub(super) fn close_one(&mut self, why: Crowding) {
        let stages = self.open.iter().map(|open| open.closed.is_none().then(|| open.spoke.load(Ordering::Relaxed)));
        if let Some(victim) = victim(stages) {
            self.open[victim].closed = Some(why);
            self.open[victim].abort.abort();
        }
    }

    /// The next visit that is over, once there is one; nothing while there is no connection.
    pub(super) async fn next(&mut self) -> Option<Visit> {
        let ended = self.tasks.join_next_with_id().await?;
        let task = ended.as_ref().map_or_else(|failed| failed.id(), |(task, _)| *task);
        let visited = self.open.iter().position(|open| open.task == task).map(|at| self.open.remove(at));
        Some(match (ended, visited) {
            (Ok((_, visit)), _) => visit,
            (Err(failed), Some(open)) if failed.is_cancelled() => self.crowded_out(&open),
            (Err(failed), _) => Visit::over("FAULT", failed),
        })
    }

    /// The end of a visit whose connection was closed to make room.
    fn crowded_out(&self, open: &Open) -> Visit {
        match (open.refused, open.closed) {
            (Some(code), _) => Visit::over(code.name(), "a client was refused, and had not read the reason in time"),
            (None, Some(Crowding::Descriptors)) => Visit::over(
                "NO_DESCRIPTORS",
                "a client was not served: the driver may open no more files; raise the limit with ulimit -n",
            ),
            (None, _) => Visit::over(
                "CROWDED_OUT",
                format_args!(
                    "a client was not served: more than {} connected before its greeting was complete",
                    self.most
                ),
            ),
        }
    }
}

/// Which connection is closed when one more comes: the oldest whose client is silent, else the oldest. Of each, oldest
/// first, `stages` has whether its client has spoken, and nothing if it is closed already.
fn victim(stages: impl Iterator<Item = Option<bool>> + Clone) -> Option<usize> {
    let mut numbered = stages.enumerate().filter_map(|(at, spoke)| spoke.map(|spoke| (at, spoke)));
    let oldest = numbered.clone().next();
    numbered.find(|(_, spoke)| !spoke).or(oldest).map(|(at, _)| at)
}

/// Whether a whole preamble has arrived, or the end of the stream. What came stays where it is.
fn has_spoken(stream: &Stream) -> bool {
    let Stream::UdSocket(socket) = stream;
    let mut preamble = [0; PREAMBLE_LEN];
    match recv(socket, &mut preamble[..], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
        Ok((_, len)) => len == 0 || len == PREAMBLE_LEN,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_silent_client_goes_first_and_the_closed_do_not_count() {
        let victim = |stages: &[Option<bool>]| victim(stages.iter().copied());
        let (silent, spoke, closed) = (Some(false), Some(true), None);
        assert_eq!(victim(&[spoke, silent, silent]), Some(1));
        assert_eq!(victim(&[closed, spoke, spoke]), Some(1));
        assert_eq!(victim(&[spoke, closed, silent]), Some(2));
        assert_eq!(victim(&[closed, closed]), None);
        assert_eq!(victim(&[]), None);
    }
}
