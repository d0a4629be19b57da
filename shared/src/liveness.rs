//! Whether the peer is alive: when to send ALIVE, and when a peer counts as silent.
//!
//! Each side announces its timeout in the greeting. Both look every quarter of the shorter one, and a side that has
//! sent nothing since its last look sends ALIVE. A peer that is late by less than half a timeout is kept. A peer that
//! works but completes nothing is alive.
//!
//! With timeouts below 8 s, ALIVE is sent more often than the watchdog over lost wake-ups looks (see
//! [`RealPark`](crate::exec::RealPark)). Then ALIVE may wake a process whose doorbell was lost, and the loss is not
//! counted.

use std::rc::Rc;

use crate::connection::{CloseReason, Connection};
use crate::exec::{Clock, Order};
use crate::units::Nanos;

/// After how long a silent peer is given up, unless a flag says otherwise.
pub const DEFAULT_TIMEOUT: Nanos = Nanos::from_secs(60);

/// The shortest timeout: a busy machine may keep a process off its CPU for tens of milliseconds.
pub const SHORTEST_TIMEOUT: Nanos = Nanos::from_millis(100);

/// The rule, as a value that is driven by times and counts.
///
/// ```
/// use shared::liveness::{Liveness, Verdict};
/// use shared::units::Nanos;
///
/// let seconds = Nanos::from_secs;
/// // This side gives up after 8 s, the peer after 60 s. Both look every 2 s.
/// let mut liveness = Liveness::new(seconds(8), seconds(60), seconds(0));
/// assert_eq!(liveness.next_look(), seconds(2));
/// // Nothing came, and nothing was sent.
/// assert_eq!(liveness.look(seconds(2), 0, 0), Verdict { speak: true, peer_is_silent: false });
/// // ALIVE has 12 bytes.
/// liveness.spoke(12);
/// // From here on this side sends something else, and still nothing comes from the peer.
/// for look in [4, 6] {
///     assert_eq!(liveness.look(seconds(look), 0, 12 + look), Verdict { speak: false, peer_is_silent: false });
/// }
/// assert_eq!(liveness.look(seconds(8), 0, 20), Verdict { speak: false, peer_is_silent: true });
/// ```
#[derive(Debug, Clone)]
pub struct Liveness {
    timeout: Nanos,
    /// Time between two looks, at most.
    every: Nanos,
    looked: Nanos,
    /// What had been received from the peer, and when that was last seen to have grown.
    received: (u64, Nanos),
    /// What had been sent at the last look.
    sent: u64,
}

/// What a look has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Whether ALIVE is to be sent.
    pub speak: bool,
    /// Whether the peer has been silent for the whole timeout.
    pub peer_is_silent: bool,
}

impl Liveness {
    /// A session that begins at `began`, whose sides give each other up after `timeout` and `peer_timeout`.
    pub fn new(timeout: Nanos, peer_timeout: Nanos, began: Nanos) -> Self {
        let every = Nanos(timeout.min(peer_timeout).0 / 4);
        Self { timeout, every, looked: began, received: (0, began), sent: 0 }
    }

    /// When to look next.
    pub fn next_look(&self) -> Nanos {
        (self.looked + self.every).min(self.received.1 + self.timeout)
    }

    /// Looks at `now`. `received` is a count that grows with everything that arrives from the peer, `sent` one that
    /// grows with everything that the peer can notice of this side.
    pub fn look(&mut self, now: Nanos, received: u64, sent: u64) -> Verdict {
        // The time for which this side did not run. It cannot know what the peer did meanwhile, because both may have
        // been stopped together, as by Ctrl-Z: this time does not count as silence.
        let stopped = now.since(self.next_look() + self.every);
        self.received.1 += stopped;
        if received != self.received.0 {
            self.received = (received, now);
        }
        let verdict = Verdict { speak: sent == self.sent, peer_is_silent: now.since(self.received.1) >= self.timeout };
        (self.looked, self.sent) = (now, sent);
        verdict
    }

    /// Records that ALIVE was sent, which does not count as other traffic. `sent` is the count after it.
    pub fn spoke(&mut self, sent: u64) {
        self.sent = sent;
    }
}

/// Lets the peer of `connection` see that this side lives, and closes the connection once the peer has been silent for
/// too long. Ends with the session, or with the farewell of either side, which has time limits of its own.
pub async fn watch(connection: Rc<Connection>, clock: Clock, mut liveness: Liveness) {
    loop {
        // Not counted among the wake-ups of the stack, whose lateness is reported: it belongs to no packet.
        clock.sleep_until_as(Order::Completion, liveness.next_look()).await;
        if connection.is_closed() || connection.is_leaving() {
            return;
        }
        let verdict = liveness.look(clock.now(), connection.received(), connection.sent());
        if verdict.speak {
            connection.send_alive();
            liveness.spoke(connection.sent());
        }
        if verdict.peer_is_silent {
            connection.close(CloseReason::PeerSilent(liveness.timeout));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn at(seconds: u64) -> Nanos {
        Nanos::from_secs(seconds)
    }

    #[test]
    fn a_peer_is_given_up_after_the_whole_timeout_and_not_before() {
        let mut liveness = Liveness::new(at(60), at(60), at(0));
        let mut sent = 0;
        // The last sign of life comes just before the look at 30 s.
        for look in [15, 30, 45, 60, 75] {
            assert_eq!(liveness.next_look(), at(look));
            let verdict = liveness.look(at(look), u64::from(look >= 30), sent);
            assert_eq!(verdict, Verdict { speak: true, peer_is_silent: false }, "{look} s");
            sent += 8;
            liveness.spoke(sent);
        }
        assert_eq!(liveness.next_look(), at(90));
        assert!(liveness.look(at(90), 1, sent).peer_is_silent);
    }

    #[test]
    fn a_side_that_sends_other_traffic_sends_no_alive() {
        let mut liveness = Liveness::new(at(60), at(60), at(0));
        assert!(!liveness.look(at(15), 1, 10).speak);
        assert!(liveness.look(at(30), 2, 10).speak);
    }

    #[test]
    fn the_time_for_which_this_side_was_stopped_is_no_silence() {
        let mut liveness = Liveness::new(at(60), at(60), at(0));
        assert!(!liveness.look(at(15), 1, 1).peer_is_silent);
        // Both were stopped for a day.
        let late = at(15 + 86_400);
        assert!(!liveness.look(late, 1, 2).peer_is_silent);
        assert!(liveness.next_look() > late);
        let mut looks = 0;
        while !liveness.look(liveness.next_look(), 1, 2).peer_is_silent {
            looks += 1;
        }
        assert!((1..=4).contains(&looks), "{looks}");
    }

    proptest! {
        /// For any timeouts, with looks that are late by up to a sixteenth of the timeout, and with frames that are
        /// sent right after a look, so that the next look sends no ALIVE.
        #[test]
        fn honest_sides_never_give_each_other_up(
            ours in SECOND / 10..100 * SECOND,
            theirs in SECOND / 10..100 * SECOND,
            turns in proptest::collection::vec((0..16_u64, any::<bool>()), 1..300),
        ) {
            let (ours, theirs) = (Nanos(ours), Nanos(theirs));
            let every = ours.0.min(theirs.0) / 4;
            let mut sides = [Liveness::new(ours, theirs, Nanos(0)), Liveness::new(theirs, ours, Nanos(0))];
            let (mut sent, mut late) = ([0, 0], [0, 0]);
            for (lateness, sends) in turns {
                let due = [0, 1].map(|side: usize| sides[side].next_look() + Nanos(late[side]));
                let side = usize::from(due[1] < due[0]);
                let verdict = sides[side].look(due[side], sent[1 - side], sent[side]);
                prop_assert!(!verdict.peer_is_silent);
                if verdict.speak {
                    sent[side] += 12;
                    sides[side].spoke(sent[side]);
                }
                sent[side] += u64::from(sends);
                late[side] = every / 64 * lateness;
            }
        }
    }
}
