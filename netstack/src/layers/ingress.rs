//! The way up: delivers, answers or drops a frame that the driver handed over.
//!
//! Each layer is a pure function of the bytes and of the stack's own addresses ([`Local`]): it reads no clock, does no
//! I/O, allocates nothing, and no bytes make it panic. Its `parse` or `process` is in `ethernet/ingress.rs`, `arp.rs`,
//! `ip/ingress.rs`, `icmp.rs`, `ndp.rs` and `udp/ingress.rs`. The caller has the rest: the sockets, the neighbour table
//! and the ring into which answers go, if that has room.
//!
//! Two stacks on one link, of which one asks for the other's Ethernet address:
//!
//! ```
//! use std::net::IpAddr;
//!
//! use netstack::layers::{Consumer, Ingress, Local, MTU, MacAddr};
//! use shared::ring::MAX_FRAME;
//!
//! let [near, far] = [1, 2].map(|last| IpAddr::from([10, 0, 0, last]));
//! let stack = |ip| Local::new(MacAddr::of(ip), [(ip, 24)], MTU);
//! let (mut request, mut answer) = ([0; MAX_FRAME], [0; MAX_FRAME]);
//!
//! let len = stack(near).ask(far, &mut request).expect("it is a neighbour");
//! let Ingress::Consumed(by_far) = stack(far).process(&request[..len], &mut answer) else { unreachable!() };
//! assert_eq!((by_far.by, by_far.learned.map(|learned| learned.ip)), (Consumer::Arp, Some(near)));
//!
//! let len = by_far.answer.expect("it answers");
//! let Ingress::Consumed(by_near) = stack(near).process(&answer[..len], &mut []) else { unreachable!() };
//! assert_eq!(by_near.learned.map(|learned| learned.mac), Some(MacAddr::of(far)));
//! ```

use std::net::{IpAddr, SocketAddr};

use etherparse::IpNumber;
use shared::ledger::UpDropReason;

use super::ethernet::ingress::Kind;
use super::ip::ingress::IpPacket;
use super::{Learned, Local, MacAddr, arp, ethernet, icmp, ip, ndp, udp};

/// The result of a frame's way up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ingress<'a> {
    /// A datagram for a socket. The caller looks for the socket.
    Deliver(Datagram<'a>),
    /// It was for the stack itself.
    Consumed(Consumed),
    /// It was dropped.
    Dropped(UpDropReason),
}

/// A frame that was for the stack itself, and what follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consumed {
    /// What consumed it.
    pub by: Consumer,
    /// A neighbour and its address, for [`Neighbours::learn`](super::Neighbours::learn).
    pub learned: Option<Learned>,
    /// A destination, and the largest IP packet that reaches it, for [`PathMtus::note`](super::PathMtus::note).
    pub path_mtu: Option<(IpAddr, u16)>,
    /// Length of the answer: a frame that is in the buffer for answers.
    pub answer: Option<usize>,
}

impl Consumed {
    /// Consumed without effect.
    pub(super) fn by(by: Consumer) -> Self {
        Self { by, learned: None, path_mtu: None, answer: None }
    }
}

/// What consumes frames within the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Consumer {
    /// Address resolution for IPv4.
    Arp,
    /// Neighbour discovery for IPv6.
    Ndp,
    /// ICMP and ICMPv6.
    Icmp,
}

impl Consumer {
    /// Every consumer, in the order of the ledger's array.
    pub const ALL: [Self; 3] = [Self::Arp, Self::Ndp, Self::Icmp];

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Arp => "ARP",
            Self::Ndp => "NDP",
            Self::Icmp => "ICMP",
        }
    }
}

/// A datagram for a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// The sender.
    pub source: SocketAddr,
    /// The receiver.
    pub destination: SocketAddr,
    /// The sender's bytes.
    pub payload: &'a [u8],
    /// The packet that contains it, which an answer quotes.
    pub(super) packet: IpPacket<'a>,
}

impl Datagram<'_> {
    /// The Ethernet address that the frame came from: the sender's, or that of a router.
    pub fn from(&self) -> MacAddr {
        self.packet.from
    }
}

impl Local {
    /// Takes `frame` up. An answer to it is written to `answer`, if it fits: one is never longer than a frame of
    /// the link.
    pub fn process<'a>(&self, frame: &'a [u8], answer: &mut [u8]) -> Ingress<'a> {
        self.pass_up(frame, answer).unwrap_or_else(Ingress::Dropped)
    }

    fn pass_up<'a>(&self, frame: &'a [u8], answer: &mut [u8]) -> Result<Ingress<'a>, UpDropReason> {
        let frame = ethernet::ingress::parse(self, frame)?;
        match frame.kind {
            Kind::Arp => arp::process(self, &frame, answer).map(Ingress::Consumed),
            Kind::Ipv4 => {
                let packet = ip::ingress::parse_v4(self, &frame)?;
                match packet.protocol {
                    IpNumber::UDP => udp::ingress::parse(packet).map(Ingress::Deliver),
                    IpNumber::ICMP => icmp::process_v4(self, &packet, answer).map(Ingress::Consumed),
                    _ => Err(UpDropReason::IpUnknownProtocol),
                }
            }
            Kind::Ipv6 => {
                let packet = ip::ingress::parse_v6(self, &frame)?;
                match packet.protocol {
                    IpNumber::UDP => udp::ingress::parse(packet).map(Ingress::Deliver),
                    IpNumber::IPV6_ICMP => icmp::process_v6(self, &packet, answer).map(Ingress::Consumed),
                    _ => Err(UpDropReason::IpUnknownProtocol),
                }
            }
        }
    }

    /// Writes the answer to a datagram whose port has no socket: port unreachable. Returns the length of the frame;
    /// `None` if there is no answer, because the datagram was not sent to the stack alone (RFC 1122, section 3.2.2;
    /// RFC 4443, section 2.4). Both ask a sender to limit the rate of its errors: that is up to the caller, which has a
    /// clock.
    pub fn port_unreachable(&self, datagram: &Datagram<'_>, answer: &mut [u8]) -> Option<usize> {
        if !datagram.packet.to_us_alone {
            return None;
        }
        icmp::port_unreachable(self, &datagram.packet, answer)
    }

    /// Writes a request for the Ethernet address of `ip`. Returns the length of the frame; `None` if `ip` is on no
    /// network of the stack.
    pub fn ask(&self, ip: IpAddr, request: &mut [u8]) -> Option<usize> {
        match ip {
            IpAddr::V4(ip) => arp::request(self, ip, request),
            IpAddr::V6(ip) => ndp::solicit(self, ip, request),
        }
    }
}
