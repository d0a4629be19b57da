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

    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
    const OTHER: MacAddr = MacAddr([2, 0, 0, 0, 0, 3]);

    fn hop(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    fn seconds(seconds: u64) -> Nanos {
        Nanos::from_secs(seconds)
    }

    fn asking() -> Neighbours {
        let table = Neighbours::default();
        table.start_asking();
        table
    }

    fn answer(ip: IpAddr, mac: MacAddr) -> Learned {
        Learned { ip, mac, solicits: false, overrides: true }
    }

    #[test]
    fn a_lookup_waits_until_the_entry_is_there() {
        let table = Neighbours::default();
        let mut lookup = poll_fn(|cx| table.poll_resolve(cx, hop(2)));
        assert_eq!((&mut lookup).now_or_never(), None);
        table.set(hop(2), MAC);
        assert_eq!(lookup.now_or_never(), Some(MAC));
    }

    #[test]
    fn a_hop_is_asked_three_times_and_is_then_unreachable() {
        let table = asking();
        assert_eq!(table.want(hop(2), seconds(10)), Some(seconds(13)));
        assert_eq!(table.want(hop(2), seconds(12)), Some(seconds(13)), "it is asked already");
        let mut asked = Vec::new();
        let (mut now, mut calls) = (seconds(10), 0);
        loop {
            calls += 1;
            match table.due(now) {
                Due::Ask(ip) => asked.push((now, ip)),
                Due::At(at) => now = at,
                Due::Nothing => break,
            }
        }
        assert_eq!(asked, [10, 11, 12].map(|at| (seconds(at), hop(2))));
        assert_eq!((now, calls), (seconds(13), 7));
        // A later send asks again.
        assert_eq!(table.want(hop(2), seconds(13)), Some(seconds(16)));
        assert_eq!(table.due(seconds(13)), Due::Ask(hop(2)));
    }

    #[test]
    fn each_hop_has_its_own_times_and_a_late_caller_does_not_ask_in_bursts() {
        let table = asking();
        table.want(hop(2), seconds(0));
        table.want(hop(3), Nanos::from_millis(300));
        assert_eq!(
            [table.due(seconds(0)), table.due(seconds(0))],
            [Due::Ask(hop(2)), Due::At(Nanos::from_millis(300))]
        );
        assert_eq!(table.due(Nanos::from_millis(900)), Due::Ask(hop(3)));
        assert_eq!(table.due(Nanos::from_millis(900)), Due::At(seconds(1)));
        let late = Nanos::from_millis(1_950);
        assert_eq!(
            [table.due(late), table.due(late), table.due(late)],
            [Due::Ask(hop(2)), Due::Ask(hop(3)), Due::At(Nanos::from_millis(2_950))]
        );
        table.learn(answer(hop(2), MAC));
        assert_eq!(table.due(Nanos::from_millis(2_950)), Due::Ask(hop(3)), "and hop 2 no more");
        assert_eq!(table.due(Nanos::from_millis(3_300)), Due::Nothing);
    }

    #[test]
    fn a_new_hop_wakes_the_task_that_asks() {
        let table = asking();
        assert_eq!(table.wanted().now_or_never(), None);
        table.want(hop(2), seconds(1));
        assert_eq!(table.wanted().now_or_never(), Some(()));
        table.due(seconds(1));
        assert_eq!(table.wanted().now_or_never(), None);
    }

    #[test]
    fn without_a_way_up_nothing_is_asked() {
        let table = Neighbours::default();
        assert_eq!((table.want(hop(2), seconds(1)), table.due(seconds(1))), (None, Due::Nothing));
    }

    #[test]
    fn so_many_hops_are_asked_and_no_more() {
        let table = asking();
        let ip = |number: u32| IpAddr::from(number.to_be_bytes());
        for number in 0..MOST_ASKED as u32 {
            assert_eq!(table.want(ip(number), seconds(1)), Some(seconds(4)));
        }
        assert_eq!(table.want(ip(u32::MAX), seconds(2)), None);
        assert_eq!(table.want(ip(u32::MAX), seconds(4)), Some(seconds(7)), "the others are unreachable by now");
    }

    #[test]
    fn answers_count_if_they_were_asked_for_and_requests_always() {
        let table = asking();
        table.learn(answer(hop(2), MAC));
        assert_eq!(table.get(hop(2)), None, "nobody asked");
        table.learn(Learned { solicits: true, ..answer(hop(2), MAC) });
        assert_eq!(table.get(hop(2)), Some(MAC));
        table.learn(Learned { overrides: false, ..answer(hop(2), OTHER) });
        assert_eq!(table.get(hop(2)), Some(MAC), "it does not override");
        table.learn(answer(hop(2), OTHER));
        assert_eq!(table.get(hop(2)), Some(OTHER));
        table.want(hop(3), seconds(1));
        table.learn(Learned { overrides: false, ..answer(hop(3), MAC) });
        assert_eq!(table.get(hop(3)), Some(MAC));
    }

    #[test]
    fn what_is_configured_stays_and_what_is_learned_is_bounded() {
        let table = asking();
        table.set(hop(2), MAC);
        table.learn(Learned { solicits: true, ..answer(hop(2), OTHER) });
        let ip = |number: u32| IpAddr::from([11, 0, (number >> 8) as u8, number as u8]);
        for number in 0..=MOST_LEARNED as u32 {
            table.learn(Learned { solicits: true, ..answer(ip(number), OTHER) });
            assert_eq!(table.get(ip(number)), Some(OTHER));
        }
        assert_eq!(table.get(hop(2)), Some(MAC));
        assert_eq!((table.get(ip(0)), table.get(ip(1))), (None, Some(OTHER)));
        table.set(ip(1), MAC);
        assert_eq!(table.get(ip(1)), Some(MAC));
    }
}
