//! The way down: the neighbour's address and the frame header (IEEE 802.3, RFC 894, RFC 2464).

use std::net::IpAddr;
use std::rc::Rc;

use etherparse::{EtherType, Ethernet2Header};
use shared::exec::Clock;
use shared::units::Nanos;

use super::MacAddr;
use crate::account::{Accounts, Stage};
use crate::error::SendError;
use crate::layer::Egress;
use crate::layers::Neighbours;
use crate::packet::{Batch, Encapsulate, Packet, PendingSend, Wait, WaitFor, WaitPlace};

/// How long a packet waits for the Ethernet address of its neighbour, if nothing asks for it. RFC 1122, section 2.3.2.2, asks that it waits
/// (a host saves the packet); 1 s is the interval between two requests for one address there (section 2.3.2.1).
const NEIGHBOUR_TIMEOUT: Nanos = Nanos::from_secs(1);

/// The Ethernet layer.
#[derive(Debug)]
pub struct Ethernet<D> {
    below: D,
    address: MacAddr,
    neighbours: Rc<Neighbours>,
    accounts: Rc<Accounts>,
    clock: Clock,
}

impl<D> Ethernet<D> {
    /// Ethernet on top of `below`, sending from `address`.
    pub fn new(below: D, address: MacAddr, neighbours: Rc<Neighbours>, accounts: Rc<Accounts>, clock: Clock) -> Self {
        Self { below, address, neighbours, accounts, clock }
    }

    /// The Ethernet address of `next_hop`: from the table, or after waiting for it.
    async fn resolve(&self, packet: &Packet<'_>, next_hop: IpAddr) -> Result<MacAddr, SendError> {
        let own = Wait::default();
        let wait = packet.pending().map_or(&own, PendingSend::neighbour);
        // A pending send that already waits must complete that wait instead, so that its blocked time ends here.
        if wait.is_idle()
            && let Some(known) = self.neighbours.get(next_hop)
        {
            return Ok(known);
        }
        let begin = || {
            let now = self.clock.now();
            // `None` without a way up, and while too many other hops are asked. The address may still become known.
            let deadline = self.neighbours.want(next_hop, now).unwrap_or(now + NEIGHBOUR_TIMEOUT);
            WaitFor { expiry: Some(self.clock.sleep_until(deadline)), ..WaitFor::default() }
        };
        let blocked = || Some(self.accounts.get(packet.stamp().flow).begin_wait(Stage::Neighbour));
        wait.wait_until(begin, blocked, |cx| self.neighbours.poll_resolve(cx, next_hop).map(drop)).await;
        if let Some(over) = wait.take() {
            packet.note_wait(WaitPlace::Neighbour, over.blocked);
        }
        let unknown = if self.neighbours.asks() { SendError::NeighbourUnreachable } else { SendError::NoNeighbour };
        self.neighbours.get(next_hop).ok_or(unknown(next_hop))
    }

    /// A send that does not wait found no address: the hop is asked, so that a later one may find it.
    #[cold]
    fn want(&self, next_hop: IpAddr) {
        let _ = self.neighbours.want(next_hop, self.clock.now());
    }

    #[inline(always)]
    fn headers(&self, neighbour: MacAddr, next_hop: &IpAddr) -> Headers {
        Headers::new(self.address, neighbour, *next_hop)
    }
}

impl<D: Egress<()>> Egress<IpAddr> for Ethernet<D> {
    const RESUMES: bool = D::RESUMES;

    async fn send(&self, packet: &mut Packet<'_>, next_hop: &IpAddr) -> Result<(), SendError> {
        let neighbour = self.resolve(packet, *next_hop).await?;
        self.headers(neighbour, next_hop).encapsulate(packet)?;
        self.below.send(packet, &()).await
    }

    #[inline(always)]
    fn try_send(&self, packet: &mut Packet<'_>, next_hop: &IpAddr) -> Result<(), SendError> {
        let Some(neighbour) = self.neighbours.get(*next_hop) else {
            self.want(*next_hop);
            return Err(SendError::WouldBlock);
        };
        self.headers(neighbour, next_hop).encapsulate(packet)?;
        self.below.try_send(packet, &())
    }

    #[inline(always)]
    fn try_send_batch(&self, batch: impl Batch, next_hop: &IpAddr) -> u64 {
        let Some(neighbour) = self.neighbours.get(*next_hop) else { return 0 };
        self.below.try_send_batch(batch.through(self.headers(neighbour, next_hop)), &())
    }
}

/// The 14-byte header of frames to one neighbour, as three words in memory order: the compiler would assemble and copy a
/// byte array byte by byte.
struct Headers(u64, u32, u16);

impl Headers {
    /// The header in front of IP packets for `next_hop`.
    #[inline(always)]
    fn new(source: MacAddr, destination: MacAddr, next_hop: IpAddr) -> Self {
        let ether_type = if next_hop.is_ipv4() { EtherType::IPV4 } else { EtherType::IPV6 };
        // As numbers whose lowest byte is the first one on the wire.
        let number = |MacAddr([a, b, c, d, e, f]): MacAddr| u64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
        let [source, destination] = [source, destination].map(number);
        // Both casts drop bytes that are in the other word.
        Self((destination | source << 48).to_le(), ((source >> 16) as u32).to_le(), ether_type.0.to_be())
    }
}

impl Encapsulate for Headers {
    #[inline(always)]
    fn encapsulate(&mut self, packet: &mut Packet<'_>) -> Result<(), SendError> {
        packet.prepend(&self.2.to_ne_bytes());
        packet.prepend(&self.1.to_ne_bytes());
        packet.prepend(&self.0.to_ne_bytes());
        Ok(())
    }

    /// The header is the same for every packet.
    #[inline(always)]
    fn encapsulate_same_length(&mut self, packet: &mut Packet<'_>) {
        packet.renew(Ethernet2Header::LEN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{Account, Timeline};
    use crate::layers::Learned;
    use crate::packet::Stamp;
    use futures_util::FutureExt;
    use shared::ring::HEADROOM;
    use smoltcp::wire::{EthernetFrame, EthernetProtocol};
    use std::cell::RefCell;

    #[test]
    fn the_header_is_that_of_an_independent_writer() {
        let (source, destination) = (MacAddr([1, 2, 3, 4, 5, 6]), MacAddr([7, 8, 9, 10, 11, 12]));
        for (hop, ether_type) in [("10.0.0.2", EtherType::IPV4), ("fd00::2", EtherType::IPV6)] {
            let mut headroom = [0; HEADROOM];
            let mut packet = Packet::new(&mut headroom, b"", Stamp::default());
            assert_eq!(Headers::new(source, destination, hop.parse().unwrap()).encapsulate(&mut packet), Ok(()));
            let written = Ethernet2Header { source: source.0, destination: destination.0, ether_type };
            assert_eq!(packet.headers(), written.to_bytes());
        }
    }

    #[derive(Default)]
    struct Fake(RefCell<Vec<Vec<u8>>>);

    impl Egress<()> for Fake {
        async fn send(&self, packet: &mut Packet<'_>, to: &()) -> Result<(), SendError> {
            self.try_send(packet, to)
        }

        fn try_send(&self, packet: &mut Packet<'_>, (): &()) -> Result<(), SendError> {
            self.0.borrow_mut().push([packet.headers(), packet.payload()].concat());
            Ok(())
        }
    }

    fn layer() -> Ethernet<Fake> {
        let accounts = Rc::new(Accounts::default());
        accounts.add(Account::new(0, "test", None, &Timeline::new(&Clock::default(), Nanos::from_secs(1))));
        Ethernet::new(Fake::default(), MacAddr([2, 0, 0, 0, 0, 1]), Rc::default(), accounts, Clock::default())
    }

    #[test]
    fn an_independent_reader_accepts_the_frame() {
        let layer = layer();
        for (hop, protocol) in [("10.0.0.2", EthernetProtocol::Ipv4), ("fd00::2", EthernetProtocol::Ipv6)] {
            let hop = hop.parse().unwrap();
            layer.neighbours.set(hop, MacAddr([2, 0, 0, 0, 0, 2]));
            assert_eq!(
                layer.send(&mut Packet::new(&mut [0; HEADROOM], b"ip", Stamp::default()), &hop).now_or_never(),
                Some(Ok(()))
            );
            let bytes = layer.below.0.borrow_mut().pop().unwrap();
            let frame = EthernetFrame::new_checked(&bytes[..]).unwrap();
            assert_eq!((frame.ethertype(), frame.payload()), (protocol, &b"ip"[..]));
            assert_eq!((frame.src_addr().0[5], frame.dst_addr().0[5]), (1, 2));
        }
        assert_eq!(crate::layers::MTU, 1500);
    }

    #[test]
    fn a_send_stops_waiting_for_a_neighbour_after_the_timeout() {
        use shared::exec::{Virtual, run};

        let clock = Clock::default();
        let (accounts, inner) = (Rc::new(Accounts::default()), clock.clone());
        accounts.add(Account::new(0, "test", None, &Timeline::new(&clock, Nanos::from_secs(1))));
        let layer = Ethernet::new(Fake::default(), MacAddr([2, 0, 0, 0, 0, 1]), Rc::default(), accounts, clock.clone());
        let hop = IpAddr::from([10, 0, 0, 2]);
        let sent = run(&clock, Virtual::default(), |_| async move {
            let sent = layer.send(&mut Packet::new(&mut [0; HEADROOM], b"ip", Stamp::default()), &hop).await;
            (sent, inner.now())
        });
        assert_eq!(sent, Ok((Err(SendError::NoNeighbour(hop)), NEIGHBOUR_TIMEOUT)));
    }

    #[test]
    fn sends_to_a_hop_that_does_not_answer_fail_and_others_pass() {
        use crate::layers::Due;
        use shared::exec::{Virtual, run};

        let clock = Clock::default();
        let accounts = Rc::new(Accounts::default());
        accounts.add(Account::new(0, "test", None, &Timeline::new(&clock, Nanos::from_secs(1))));
        let neighbours = Rc::new(Neighbours::default());
        neighbours.start_asking();
        let mac = MacAddr([2, 0, 0, 0, 0, 1]);
        let layer = Ethernet::new(Fake::default(), mac, Rc::clone(&neighbours), accounts, clock.clone());
        let (dead, alive) = (IpAddr::from([10, 0, 0, 9]), IpAddr::from([10, 0, 0, 2]));
        let results = run(&clock, Virtual::default(), |tasks| {
            let (asker, its_clock) = (Rc::clone(&neighbours), layer.clock.clone());
            // The network: it answers for one of them, 300 ms after the second request.
            tasks.spawn(async move {
                let mut asked = 0;
                loop {
                    match asker.due(its_clock.now()) {
                        Due::Ask(ip) if ip == alive && asked == 1 => {
                            its_clock.sleep_until(its_clock.now() + Nanos::from_millis(300)).await;
                            asker.learn(Learned { ip, mac, solicits: false, overrides: true });
                        }
                        Due::Ask(ip) => asked += u32::from(ip == alive),
                        Due::At(at) => its_clock.sleep_until(at).await,
                        Due::Nothing => asker.wanted().await,
                    }
                }
            });
            async move {
                let layer = Rc::new(layer);
                let send = |hop: IpAddr| {
                    let layer = Rc::clone(&layer);
                    async move {
                        let sent =
                            layer.send(&mut Packet::new(&mut [0; HEADROOM], b"ip", Stamp::default()), &hop).await;
                        (sent, layer.clock.now())
                    }
                };
                let try_send = || layer.try_send(&mut Packet::new(&mut [0; HEADROOM], b"ip", Stamp::default()), &dead);
                let (first, second) = futures_util::future::join(send(dead), send(alive)).await;
                (first, second, send(dead).await, try_send())
            }
        });
        let fails_at = |at| (Err(SendError::NeighbourUnreachable(dead)), Nanos::from_secs(at));
        let (first, second, third, tried) = results.unwrap();
        assert_eq!((first, third), (fails_at(3), fails_at(6)));
        assert_eq!(second, (Ok(()), Nanos::from_millis(1_300)));
        assert_eq!(tried, Err(SendError::WouldBlock));
        assert_eq!(neighbours.due(Nanos::from_secs(6)), Due::At(Nanos::from_secs(7)), "that was asked once more");
    }

    #[test]
    fn a_send_that_waits_for_its_neighbour_has_not_reached_the_device() {
        let (layer, hop) = (layer(), IpAddr::from([10, 0, 0, 2]));
        let mut headroom = [0; HEADROOM];
        let mut packet = Packet::new(&mut headroom, b"ip", Stamp::default());
        let mut send = Box::pin(layer.send(&mut packet, &hop));
        assert_eq!((&mut send).now_or_never(), None);
        assert!(layer.below.0.borrow().is_empty(), "the packet has not reached the device");
        layer.neighbours.set(hop, MacAddr([2, 0, 0, 0, 0, 2]));
        assert_eq!(send.now_or_never(), Some(Ok(())));
    }
}
