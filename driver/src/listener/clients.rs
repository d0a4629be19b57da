//! Pending clients: those that are being greeted or refused, and have no session.
//!
//! Their number is bounded. At the bound, each new client evicts the oldest one that has sent nothing, before any
//! other: so no number of silent clients keeps a stack from being served.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use interprocess::local_socket::tokio::Stream;
use rustix::net::{RecvFlags, recv};
use rustix::process::{Resource, getrlimit};
use shared::control::{PREAMBLE_LEN, RefuseCode};
use shared::process::peers::AllowedUsers;
use tokio::task::{AbortHandle, Id, JoinSet};

use super::greeting::{GreetingOutcome, greet, refuse};

/// Most clients that are pending at once.
const MOST_PENDING: usize = 128;

/// Descriptors that are reserved for other purposes than clients: standard streams, the runtime, a session, its report.
const RESERVED_DESCRIPTORS: u64 = 40;

/// The clients that are being greeted or refused.
pub(super) struct PendingClients {
    tasks: JoinSet<GreetingOutcome>,
    /// Oldest first. A client that was evicted stays here until its task has ended.
    clients: Vec<PendingClient>,
    /// Most clients at once.
    most: usize,
}

#[derive(Debug)]
struct PendingClient {
    task: Id,
    abort: AbortHandle,
    /// Whether it has sent its preamble. Set by its task.
    spoke: Arc<AtomicBool>,
    /// The code of the refusal that it is being sent; `None` while it is greeted.
    refused: Option<RefuseCode>,
    evicted: Option<Eviction>,
}

/// Why a client is evicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Eviction {
    /// There are too many pending clients.
    Clients,
    /// The driver has no descriptor for another connection.
    Descriptors,
}

impl PendingClients {
    /// No clients yet; at most as many as the limit of open files allows, and at most [`MOST_PENDING`].
    pub(super) fn new() -> Self {
        let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        // At most MOST_PENDING, which fits.
        let most = descriptors.saturating_sub(RESERVED_DESCRIPTORS).clamp(1, MOST_PENDING as u64) as usize;
        Self { tasks: JoinSet::new(), clients: Vec::new(), most }
    }

    /// Greets a client that has just connected.
    pub(super) fn greet(&mut self, stream: Stream, allowed: AllowedUsers) {
        // Checked here, not in the task: a stack sends its greeting at once, and must not count as silent only because
        // its task has not run yet.
        let spoke = Arc::new(AtomicBool::new(has_spoken(&stream)));
        let task = greet(stream, allowed, Arc::clone(&spoke));
        self.add(spoke, None, task);
    }

    /// Sends a client the reason why it is refused.
    pub(super) fn refuse(&mut self, stream: Stream, code: RefuseCode, reason: String) {
        self.add(Arc::new(AtomicBool::new(true)), Some(code), refuse(stream, code, reason));
    }

    fn add(
        &mut self,
        spoke: Arc<AtomicBool>,
        refused: Option<RefuseCode>,
        task: impl Future<Output = GreetingOutcome> + Send + 'static,
    ) {
        if self.clients.iter().filter(|client| client.evicted.is_none()).count() >= self.most {
            self.evict_one(Eviction::Clients);
        }
        let abort = self.tasks.spawn(task);
        self.clients.push(PendingClient { task: abort.id(), abort, spoke, refused, evicted: None });
    }

    /// Closes the connection of one client, if there is any.
    pub(super) fn evict_one(&mut self, why: Eviction) {
        let spoke = |client: &PendingClient| client.spoke.load(Ordering::Relaxed);
        let clients = self.clients.iter().map(|client| client.evicted.is_none().then(|| spoke(client)));
        if let Some(index) = index_to_evict(clients) {
            self.clients[index].evicted = Some(why);
            self.clients[index].abort.abort();
        }
    }

    /// Waits until the greeting or the refusal of a client is over. Returns `None` at once if no client is pending.
    pub(super) async fn next(&mut self) -> Option<GreetingOutcome> {
        let ended = self.tasks.join_next_with_id().await?;
        let task = ended.as_ref().map_or_else(|failed| failed.id(), |(task, _)| *task);
        let client = self.clients.iter().position(|client| client.task == task).map(|at| self.clients.remove(at));
        Some(match (ended, client) {
            (Ok((_, outcome)), _) => outcome,
            (Err(failed), Some(client)) if failed.is_cancelled() => self.evicted(&client),
            (Err(failed), _) => GreetingOutcome::not_served("FAULT", failed),
        })
    }

    /// The outcome of a client that was evicted.
    fn evicted(&self, client: &PendingClient) -> GreetingOutcome {
        match (client.refused, client.evicted) {
            (Some(code), _) => {
                GreetingOutcome::not_served(code.name(), "a client was refused, and had not read the reason in time")
            }
            (None, Some(Eviction::Descriptors)) => GreetingOutcome::not_served(
                "NO_DESCRIPTORS",
                "a client was not served: the driver may open no more files; raise the limit with ulimit -n",
            ),
            (None, _) => GreetingOutcome::not_served(
                "CROWDED_OUT",
                format_args!(
                    "a client was not served: more than {} connected before its greeting was complete",
                    self.most
                ),
            ),
        }
    }
}

/// Returns the index of the client that is evicted next: the oldest silent one, or the oldest if none is silent.
/// `clients` has an item for each, oldest first: whether it has spoken, and `None` if it is evicted already.
fn index_to_evict(clients: impl Iterator<Item = Option<bool>> + Clone) -> Option<usize> {
    let mut numbered = clients.enumerate().filter_map(|(at, spoke)| spoke.map(|spoke| (at, spoke)));
    let oldest = numbered.clone().next();
    numbered.find(|(_, spoke)| !spoke).or(oldest).map(|(at, _)| at)
}

/// Whether a whole preamble has arrived, or the end of the stream. The bytes stay in the socket.
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
    fn the_oldest_silent_client_is_evicted_first_and_the_evicted_do_not_count() {
        let next = |clients: &[Option<bool>]| index_to_evict(clients.iter().copied());
        let (silent, spoke, evicted) = (Some(false), Some(true), None);
        assert_eq!(next(&[spoke, silent, silent]), Some(1));
        assert_eq!(next(&[evicted, spoke, spoke]), Some(1));
        assert_eq!(next(&[spoke, evicted, silent]), Some(2));
        assert_eq!(next(&[evicted, evicted]), None);
        assert_eq!(next(&[]), None);
    }
}
