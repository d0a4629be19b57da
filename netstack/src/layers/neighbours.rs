//! The neighbour table: Ethernet addresses of next hops, configured or learned, and the hops that are being asked.
//!
//! A hop whose address is unknown is asked for it [`TRIES`] times, a second apart, the first time at once; then it is
//! unreachable, and the sends that wait for it fail. A later send asks again. The table sends nothing: a task of the
//! stack calls [`Neighbours::due`] with the time and sends the requests. Where there is no way up, nothing is asked,
//! and sends wait for an address that is set meanwhile.
//!
//! ```
//! use std::net::IpAddr;
//!
//! use netstack::layers::{Due, Learned, MacAddr, Neighbours};
//! use shared::units::Nanos;
//!
//! let neighbours = Neighbours::default();
//! neighbours.start_asking();
//! let (hop, mac) = (IpAddr::from([10, 0, 0, 2]), MacAddr([2, 0, 0, 0, 0, 2]));
//! // The Ethernet layer wants a hop when it is to send there. From then on it is asked.
//! neighbours.want(hop, Nanos(5));
//! assert_eq!(neighbours.due(Nanos(5)), Due::Ask(hop));
//! assert_eq!(neighbours.due(Nanos(5)), Due::At(Nanos(5) + Nanos::from_secs(1)));
//! neighbours.learn(Learned { ip: hop, mac, solicits: false, overrides: true });
//! assert_eq!(neighbours.get(hop), Some(mac));
//! assert_eq!(neighbours.due(Nanos(6)), Due::Nothing);
//! ```

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::task::{Context, Poll};

use shared::exec::Signal;
use shared::units::Nanos;

use super::MacAddr;
use super::bounded::Bounded;

/// How often a hop is asked before it is unreachable: MAX_MULTICAST_SOLICIT of RFC 4861, section 10.
const TRIES: u32 = 3;

/// Time between two requests for one hop: RETRANS_TIMER of RFC 4861, section 10, and the shortest time that RFC 1122
/// allows for ARP (section 2.3.2.1).
const INTERVAL: Nanos = Nanos::from_secs(1);

/// How many learned addresses are kept.
const MOST_LEARNED: usize = 1024;

/// How many hops are asked at one time.
const MOST_ASKED: usize = 1024;

/// What a neighbour said about its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Learned {
    /// The neighbour.
    pub ip: IpAddr,
    /// Its Ethernet address.
    pub mac: MacAddr,
    /// Whether it said so in a request of its own, which shows that it is about to talk to the stack. An answer instead
    /// counts only if the neighbour is known, or was asked (RFC 4861, section 7.2.5).
    pub solicits: bool,
    /// Whether this replaces another address of the same neighbour (the override flag of RFC 4861).
    pub overrides: bool,
}

/// What [`Neighbours::due`] asks its caller to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Send a request for this address now, and call again.
    Ask(IpAddr),
    /// Call again at this time, or when [`Neighbours::wanted`] is ready.
    At(Nanos),
    /// Call again when [`Neighbours::wanted`] is ready.
    Nothing,
}

/// The known Ethernet addresses, the hops that are asked for theirs, and the sends that wait for one.
#[derive(Debug, Default)]
pub struct Neighbours {
    /// The last address that was found, because consecutive packets mostly have one next hop.
    last: Cell<Option<(IpAddr, MacAddr)>>,
    table: RefCell<Table>,
    /// Whether unknown hops are asked.
    asks: Cell<bool>,
    /// Wakes the sends that wait for an address.
    changed: Signal,
    /// Wakes the task that sends requests.
    wanted: Signal,
}

#[derive(Debug, Default)]
struct Table {
    /// What the user has set: never forgotten, and never changed by what the network says. A vector, because for a
    /// handful of entries a scan is faster than a search.
    configured: Vec<(IpAddr, MacAddr)>,
    learned: Bounded<MacAddr, MOST_LEARNED>,
    /// The hops that are asked, in the order in which they were wanted.
    asked: Vec<Asked>,
}

/// A hop that is asked for its address.
#[derive(Debug, Clone, Copy)]
struct Asked {
    ip: IpAddr,
    /// Requests that were due so far.
    tries: u32,
    /// When the next request is due; after the last of them, when the hop is unreachable.
    next: Nanos,
    /// When it is unreachable.
    deadline: Nanos,
}

impl Neighbours {
    /// From now on unknown hops are asked. The caller has a task that sends what is [due](Neighbours::due).
    pub fn start_asking(&self) {
        self.asks.set(true);
    }

    /// Whether unknown hops are asked.
    pub fn asks(&self) -> bool {
        self.asks.get()
    }

    /// Configures the address of `ip`, and wakes the sends that wait for it.
    pub fn set(&self, ip: IpAddr, mac: MacAddr) {
        let table = &mut *self.table.borrow_mut();
        match table.configured.iter_mut().find(|(known, _)| *known == ip) {
            Some(entry) => entry.1 = mac,
            None => table.configured.push((ip, mac)),
        }
        self.known(table, ip);
    }

    /// Notes what a neighbour said, and wakes the sends that wait for it.
    pub fn learn(&self, said: Learned) {
        let Learned { ip, mac, solicits, overrides } = said;
        let table = &mut *self.table.borrow_mut();
        if table.is_configured(ip) {
            return;
        }
        let learns = match table.learned.get(ip) {
            Some(known) => solicits || overrides || *known == mac,
            None => solicits || table.asked.iter().any(|asked| asked.ip == ip),
        };
        if learns {
            table.learned.set(ip, mac);
            self.known(table, ip);
        }
    }

    /// The address of `ip` is known or has changed.
    fn known(&self, table: &mut Table, ip: IpAddr) {
        table.asked.retain(|asked| asked.ip != ip);
        self.last.set(None);
        self.changed.notify();
    }

    /// The address of `ip`, if it is known.
    #[inline(always)]
    pub fn get(&self, ip: IpAddr) -> Option<MacAddr> {
        match self.last.get() {
            Some((last, mac)) if last == ip => Some(mac),
            _ => self.look_up(ip),
        }
    }

    #[inline(never)]
    fn look_up(&self, ip: IpAddr) -> Option<MacAddr> {
        let table = self.table.borrow();
        let configured = table.configured.iter().find(|(known, _)| *known == ip).map(|(_, mac)| *mac);
        let mac = configured.or_else(|| table.learned.get(ip).copied())?;
        self.last.set(Some((ip, mac)));
        Some(mac)
    }

    /// Has `ip` asked for its address from `now` on, unless it is asked already. Returns when it is unreachable, should
    /// it not answer; `None` if nothing is asked, or if too many hops are.
    pub fn want(&self, ip: IpAddr, now: Nanos) -> Option<Nanos> {
        if !self.asks() {
            return None;
        }
        let asked = &mut self.table.borrow_mut().asked;
        // The task that removes those that did not answer may run later than this.
        asked.retain(|asked| asked.deadline > now);
        if let Some(known) = asked.iter().find(|asked| asked.ip == ip) {
            return Some(known.deadline);
        }
        if asked.len() >= MOST_ASKED {
            return None;
        }
        let deadline = now + Nanos(INTERVAL.0 * u64::from(TRIES));
        asked.push(Asked { ip, tries: 0, next: now, deadline });
        self.wanted.notify();
        Some(deadline)
    }

    /// What the caller does next, at the time `now`. A request that it returns counts as sent, even if there is no room
    /// for it.
    pub fn due(&self, now: Nanos) -> Due {
        let asked = &mut self.table.borrow_mut().asked;
        asked.retain(|asked| asked.deadline > now);
        let Some(first) = asked.iter_mut().min_by_key(|asked| asked.next) else { return Due::Nothing };
        if first.next > now {
            return Due::At(first.next);
        }
        first.tries += 1;
        // The time of the last request is followed by the deadline. A late caller skips nothing, and never asks twice
        // within the interval.
        first.next = if first.tries == TRIES { first.deadline } else { now + INTERVAL };
        Due::Ask(first.ip)
    }

    /// Ready once a hop is wanted that was not asked yet.
    pub async fn wanted(&self) {
        let is_new = || self.table.borrow().asked.iter().any(|asked| asked.tries == 0).then_some(());
        self.wanted.wait_for(is_new).await;
    }

    /// Ready once `ip` is known.
    pub(super) fn poll_resolve(&self, cx: &mut Context<'_>, ip: IpAddr) -> Poll<MacAddr> {
        self.changed.poll_for(cx, || self.get(ip))
    }
}

impl Table {
    fn is_configured(&self, ip: IpAddr) -> bool {
        self.configured.iter().any(|(known, _)| *known == ip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::future::poll_fn;

    #[test]
    fn a_lookup_waits_until_the_entry_is_there() {
        let (table, ip) = (Neighbours::default(), IpAddr::from([10, 0, 0, 2]));
        let mut lookup = poll_fn(|cx| table.poll_resolve(cx, ip));
        assert_eq!((&mut lookup).now_or_never(), None);
        table.set(ip, MacAddr([2, 0, 0, 0, 0, 2]));
        assert_eq!(lookup.now_or_never(), Some(MacAddr([2, 0, 0, 0, 0, 2])));
    }
}
