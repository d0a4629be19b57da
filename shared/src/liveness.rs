//! Whether the peer is alive: when to send ALIVE, and when a peer counts as silent.
//!
//! Each side says in the greeting after how long it gives a silent peer up. Each then sends ALIVE every quarter of the
//! shorter of the two times, when it has sent nothing else since the last time, so that an honest peer is never given
//! up. A peer that works but completes nothing is alive.

use crate::exec::Clock;
use crate::ring::{CloseReason, Port};
use crate::units::Nanos;

/// After how long a silent peer is given up, unless a flag says otherwise.
pub const DEFAULT_TIMEOUT: Nanos = Nanos::from_secs(60);

/// The shortest time after which a peer may be given up: a process can lose its CPU for longer than less.
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
    /// What had been heard of the peer, and when that was last seen to have grown.
    heard: (u64, Nanos),
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
        Self { timeout, every, looked: began, heard: (0, began), sent: 0 }
    }

    /// When to look next.
    pub fn next_look(&self) -> Nanos {
        (self.looked + self.every).min(self.heard.1 + self.timeout)
    }

    /// Looks at `now`. `heard` grows with whatever comes from the peer, `sent` with whatever it can see of this side.
    pub fn look(&mut self, now: Nanos, heard: u64, sent: u64) -> Verdict {
        // This side did not run for a while, so that it cannot know what the peer did meanwhile. Both may have been
        // stopped together, as by Ctrl-Z.
        let stopped = now.since(self.next_look() + self.every);
        self.heard.1 += stopped;
        if heard != self.heard.0 {
            self.heard = (heard, now);
        }
        let verdict = Verdict { speak: sent == self.sent, peer_is_silent: now.since(self.heard.1) >= self.timeout };
        (self.looked, self.sent) = (now, sent);
        verdict
    }

    /// ALIVE was sent, which is not something else to say: `sent` is the count with it.
    pub fn spoke(&mut self, sent: u64) {
        self.sent = sent;
    }
}

/// Lets the peer of `port` see that this side lives, and closes the session once the peer has been silent for too
/// long. Ends with the session.
pub async fn watch(port: impl Port, clock: Clock, mut liveness: Liveness) {
    while !port.is_closed() {
        clock.sleep_until(liveness.next_look()).await;
        let verdict = liveness.look(clock.now(), port.heard(), port.sent());
        if verdict.speak {
            port.send_alive();
            liveness.spoke(port.sent());
        }
        if verdict.peer_is_silent && !port.is_closed() {
            port.close(CloseReason::PeerSilent(liveness.timeout));
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
    fn what_has_something_else_to_say_sends_no_alive() {
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
        /// Two honest sides that run keep each other, whatever their timeouts are.
        #[test]
        fn honest_sides_that_run_never_give_each_other_up(
            ours in SECOND / 10..100 * SECOND, theirs in SECOND / 10..100 * SECOND, offset in 0..10 * SECOND,
        ) {
            let (ours, theirs) = (Nanos(ours), Nanos(theirs));
            let mut sides = [Liveness::new(ours, theirs, Nanos(0)), Liveness::new(theirs, ours, Nanos(offset.min(theirs.0 / 8).min(ours.0 / 8)))];
            let mut sent = [0, 0];
            for _ in 0..200 {
                let side = usize::from(sides[1].next_look() < sides[0].next_look());
                let now = sides[side].next_look();
                let verdict = sides[side].look(now, sent[1 - side], sent[side]);
                prop_assert!(!verdict.peer_is_silent);
                sent[side] += u64::from(verdict.speak);
                sides[side].spoke(sent[side]);
            }
        }
    }
}
