//! The frames of a batch are identical to those of the same packets sent one by one.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;

use netstack::account::{Account, Accounts, Timeline};
use netstack::error::SendError;
use netstack::layer::Egress;
use netstack::layers::{Ethernet, Ip, MTU, MacAddr, Neighbours, Router, Routes, Udp, UdpTo};
use netstack::packet::{Batch, Packet, Stamp};
use proptest::prelude::*;
use shared::exec::Clock;
use shared::ring::{HEADROOM, Headroom};
use shared::units::Nanos;

/// A device that keeps all frames. It pulls a batch as the ring does: by `next_same_length` from the headers of the
/// last frame as long as that returns packets, and otherwise by `next`.
#[derive(Default, Clone)]
struct Fake(Rc<RefCell<Vec<Vec<u8>>>>);

impl Fake {
    fn keep(&self, packet: &Packet<'_>) {
        self.0.borrow_mut().push([packet.headers(), packet.payload()].concat());
    }
}

impl Egress<()> for Fake {
    async fn send(&self, packet: &mut Packet<'_>, to: &()) -> Result<(), SendError> {
        self.try_send(packet, to)
    }

    fn try_send(&self, packet: &mut Packet<'_>, (): &()) -> Result<(), SendError> {
        self.keep(packet);
        Ok(())
    }

    fn try_send_batch(&self, mut batch: impl Batch, (): &()) -> u64 {
        let before = self.0.borrow().len();
        let mut headroom = [0; HEADROOM];
        while batch.next(&mut headroom).inspect(|packet| self.keep(packet)).is_some() {
            let headers = headroom;
            while batch.next_same_length(&mut headroom).inspect(|packet| self.keep(packet)).is_some() {
                // Each packet starts from the headers of the first one, so each must write every field that differs.
                headroom = headers;
            }
        }
        (self.0.borrow().len() - before) as u64
    }
}

/// A batch of these payloads.
struct Payloads<'a> {
    payloads: &'a [Vec<u8>],
    taken: usize,
}

impl Payloads<'_> {
    fn stamp(&self) -> Stamp {
        Stamp { sequence: self.taken as u64 * 0x1357, ..Stamp::default() }
    }
}

impl Batch for Payloads<'_> {
    fn most(&self) -> u64 {
        (self.payloads.len() - self.taken) as u64
    }

    fn next<'a>(&'a mut self, headroom: &'a mut Headroom) -> Option<Packet<'a>> {
        let packet = Packet::new(headroom, self.payloads.get(self.taken)?, self.stamp());
        self.taken += 1;
        Some(packet)
    }

    fn next_same_length<'a>(&'a mut self, headroom: &'a mut Headroom) -> Option<Packet<'a>> {
        let is_same_length = self.payloads.get(self.taken)?.len() == self.payloads[self.taken - 1].len();
        if is_same_length { self.next(headroom) } else { None }
    }
}

fn layers(device: Fake) -> Udp<Ip<Ethernet<Fake>>> {
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    let clock = Clock::default();
    let (neighbours, accounts) = (Rc::new(Neighbours::default()), Rc::new(Accounts::default()));
    accounts.add(Account::new(0, "test", None, &Timeline::new(&clock, Nanos::from_secs(1))));
    for hop in ["10.0.0.2", "fd00::2"] {
        neighbours.set(ip(hop), MacAddr([2, 0, 0, 0, 0, 2]));
    }
    let routes = Routes::default().network(ip("10.0.0.1"), 24).network(ip("fd00::1"), 64);
    let ethernet = Ethernet::new(device, MacAddr([2, 0, 0, 0, 0, 1]), neighbours, accounts, clock);
    Udp::new(Ip::new(ethernet), Router::new(routes, MTU))
}

proptest! {
    #[test]
    fn frames_of_a_batch_equal_those_sent_one_by_one(
        runs in proptest::collection::vec((0usize..120, proptest::collection::vec(any::<u8>(), 1..5)), 1..6),
        v6 in any::<bool>(),
    ) {
        let payloads: Vec<Vec<u8>> =
            runs.iter().flat_map(|(len, bytes)| bytes.iter().map(|byte| vec![*byte; *len])).collect();
        let to = UdpTo { source_port: 4000, to: if v6 { "[fd00::2]:9" } else { "10.0.0.2:9" }.parse().unwrap() };
        let (together, single) = (Fake::default(), Fake::default());
        let sent = layers(together.clone()).try_send_batch(Payloads { payloads: &payloads, taken: 0 }, &to);
        prop_assert_eq!(sent, payloads.len() as u64);
        let layers = layers(single.clone());
        for (taken, payload) in payloads.iter().enumerate() {
            let stamp = Payloads { payloads: &payloads, taken }.stamp();
            prop_assert_eq!(layers.try_send(&mut Packet::new(&mut [0; HEADROOM], payload, stamp), &to), Ok(()));
        }
        prop_assert_eq!(together.0.take(), single.0.take());
    }
}
