//! The frames of a burst are identical to those of the same packets sent one by one.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;

use netstack::flow::{Flow, Flows, Timeline};
use netstack::stack::{
    Burst, Device, Ethernet, Ip, MacAddr, Neighbours, Packet, Routes, SendError, Stamp, Transport, Udp,
};
use proptest::prelude::*;
use shared::exec::Clock;
use shared::ring::{HEADROOM, Headroom};
use shared::units::Nanos;

/// A device that keeps all frames. It pulls a burst as the ring does: by `next_alike` from the headers of the last
/// frame as long as that returns packets, and otherwise by `next`.
#[derive(Default, Clone)]
struct Fake(Rc<RefCell<Vec<Vec<u8>>>>);

impl Fake {
    fn keep(&self, packet: &Packet<'_>) {
        self.0.borrow_mut().push([packet.headers(), packet.payload()].concat());
    }
}

impl Device for Fake {
    fn max_frame(&self) -> usize {
        1514
    }

    async fn send(&self, packet: &Packet<'_>) -> Result<(), SendError> {
        self.keep(packet);
        Ok(())
    }

    fn try_send_burst(&self, mut burst: impl Burst) -> u64 {
        let before = self.0.borrow().len();
        let mut headroom = [0; HEADROOM];
        while burst.next(&mut headroom).inspect(|packet| self.keep(packet)).is_some() {
            let headers = headroom;
            while burst.next_alike(&mut headroom).inspect(|packet| self.keep(packet)).is_some() {
                // Each packet starts from the headers of the first one, so each must write every field that differs.
                headroom = headers;
            }
        }
        (self.0.borrow().len() - before) as u64
    }
}

/// A burst of these payloads.
struct Payloads<'a> {
    payloads: &'a [Vec<u8>],
    taken: usize,
}

impl Payloads<'_> {
    fn stamp(&self) -> Stamp {
        Stamp { sequence: self.taken as u64 * 0x1357, ..Stamp::default() }
    }
}

impl Burst for Payloads<'_> {
    fn most(&self) -> u64 {
        (self.payloads.len() - self.taken) as u64
    }

    fn next<'a>(&'a mut self, headroom: &'a mut Headroom) -> Option<Packet<'a>> {
        let packet = Packet::new(headroom, self.payloads.get(self.taken)?, self.stamp());
        self.taken += 1;
        Some(packet)
    }

    fn next_alike<'a>(&'a mut self, headroom: &'a mut Headroom) -> Option<Packet<'a>> {
        let is_alike = self.payloads.get(self.taken)?.len() == self.payloads[self.taken - 1].len();
        if is_alike { self.next(headroom) } else { None }
    }
}

fn layers(device: Fake) -> Udp<Ip<Ethernet<Fake>>> {
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    let clock = Clock::default();
    let (neighbours, flows) = (Rc::new(Neighbours::default()), Rc::new(Flows::default()));
    flows.add(Flow::new(0, "test", None, &Timeline::new(&clock, Nanos::from_secs(1))));
    for hop in ["10.0.0.2", "fd00::2"] {
        neighbours.set(ip(hop), MacAddr([2, 0, 0, 0, 0, 2]));
    }
    let routes = Routes::default().on_link(ip("10.0.0.1"), 24).on_link(ip("fd00::1"), 64);
    Udp::new(Ip::new(Ethernet::new(device, MacAddr([2, 0, 0, 0, 0, 1]), neighbours, flows, clock), routes))
}

proptest! {
    #[test]
    fn frames_of_a_burst_equal_those_sent_one_by_one(
        runs in proptest::collection::vec((0usize..120, proptest::collection::vec(any::<u8>(), 1..5)), 1..6),
        v6 in any::<bool>(),
    ) {
        let payloads: Vec<Vec<u8>> =
            runs.iter().flat_map(|(len, bytes)| bytes.iter().map(|byte| vec![*byte; *len])).collect();
        let to = if v6 { "[fd00::2]:9" } else { "10.0.0.2:9" }.parse().unwrap();
        let (together, single) = (Fake::default(), Fake::default());
        let sent = layers(together.clone()).try_send_burst(Payloads { payloads: &payloads, taken: 0 }, 4000, to);
        prop_assert_eq!(sent, payloads.len() as u64);
        let layers = layers(single.clone());
        for (taken, payload) in payloads.iter().enumerate() {
            let stamp = Payloads { payloads: &payloads, taken }.stamp();
            prop_assert_eq!(layers.try_send(&mut Packet::new(&mut [0; HEADROOM], payload, stamp), 4000, to), Ok(()));
        }
        prop_assert_eq!(together.0.take(), single.0.take());
    }
}
