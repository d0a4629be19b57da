//! The stack's own addresses, as the way up sees them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::routes::shares_prefix;
use super::{Learned, MacAddr};

/// The stack's addresses, and what follows from them: what it receives, who is a neighbour, and as whom it answers.
#[derive(Debug, Clone)]
pub struct Local {
    mac: MacAddr,
    /// The addresses, each with the length of its network's prefix.
    networks: Vec<(IpAddr, u8)>,
    /// The Ethernet addresses of the groups that the stack has joined.
    groups: Vec<MacAddr>,
    /// The largest IP packet that the link carries, in bytes.
    mtu: usize,
}

/// Whom something is sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    /// The stack alone.
    Us,
    /// A group, or all on the link.
    Many,
}

/// 224.0.0.1, the group of all systems (RFC 1112).
const ALL_SYSTEMS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);

/// The group of all nodes, on the link and on this host (RFC 4291, section 2.7.1).
pub(super) const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_HERE: Ipv6Addr = Ipv6Addr::new(0xff01, 0, 0, 0, 0, 0, 0, 1);

impl Local {
    /// A stack with the Ethernet address `mac` and with `networks`, each an address and the length of its prefix, on a
    /// link that carries IP packets of up to `mtu` bytes.
    pub fn new(mac: MacAddr, networks: impl IntoIterator<Item = (IpAddr, u8)>, mtu: usize) -> Self {
        let networks: Vec<_> = networks.into_iter().collect();
        let mut groups = Vec::new();
        let mut join = |group| {
            if !groups.contains(&group) {
                groups.push(group);
            }
        };
        for (address, _) in &networks {
            match address {
                IpAddr::V4(_) => join(group_v4(ALL_SYSTEMS)),
                IpAddr::V6(address) => {
                    join(group_v6(ALL_NODES));
                    join(group_v6(solicited_node(*address)));
                }
            }
        }
        Self { mac, networks, groups, mtu }
    }

    /// The stack's Ethernet address.
    pub fn mac(&self) -> MacAddr {
        self.mac
    }

    /// The largest IP packet that the link carries, in bytes.
    pub fn mtu(&self) -> usize {
        self.mtu
    }

    /// Whether `ip` is an address of the stack.
    pub fn owns(&self, ip: IpAddr) -> bool {
        self.networks.iter().any(|(own, _)| *own == ip)
    }

    /// Whom a frame to `mac` is sent to; `None` if the stack does not receive it.
    pub(super) fn audience(&self, mac: MacAddr) -> Option<Audience> {
        match mac {
            own if own == self.mac => Some(Audience::Us),
            group if group == MacAddr::BROADCAST || self.groups.contains(&group) => Some(Audience::Many),
            _ => None,
        }
    }

    /// Whom a packet to `ip` is sent to; `None` if the stack does not receive it.
    pub(super) fn audience_v4(&self, ip: Ipv4Addr) -> Option<Audience> {
        match ip {
            own if self.owns(own.into()) => Some(Audience::Us),
            many if many == ALL_SYSTEMS || self.is_broadcast(many) => Some(Audience::Many),
            _ => None,
        }
    }

    /// Whom a packet to `ip` is sent to; `None` if the stack does not receive it.
    pub(super) fn audience_v6(&self, ip: Ipv6Addr) -> Option<Audience> {
        let solicits = |(own, _): &(IpAddr, u8)| matches!(own, IpAddr::V6(own) if solicited_node(*own) == ip);
        match ip {
            own if self.owns(own.into()) => Some(Audience::Us),
            ALL_NODES | ALL_NODES_HERE => Some(Audience::Many),
            _ if self.networks.iter().any(solicits) => Some(Audience::Many),
            _ => None,
        }
    }

    /// Whether `ip` is the limited broadcast, or that of a network of the stack. A prefix of 31 bits or more leaves no
    /// address for one (RFC 3021).
    fn is_broadcast(&self, ip: Ipv4Addr) -> bool {
        let directed = |(own, prefix): &(IpAddr, u8)| match (own, u32::from(*prefix)) {
            (IpAddr::V4(own), prefix @ 0..=30) => own.to_bits() | (u32::MAX >> prefix) == ip.to_bits(),
            _ => false,
        };
        ip.is_broadcast() || self.networks.iter().any(directed)
    }

    /// Whether a packet from `ip` may have come from the network (RFC 1122, section 3.2.1.3; RFC 4291, section 2.7):
    /// whether it is an address that one other host can have.
    pub(super) fn may_come_from(&self, ip: IpAddr) -> bool {
        let one_host = match ip {
            // 0.0.0.0/8 is this network, and 240.0.0.0/4 is reserved; the limited broadcast is in the latter.
            IpAddr::V4(ip) => !matches!(ip.octets()[0], 0 | 127 | 224..) && !self.is_broadcast(ip),
            IpAddr::V6(ip) => {
                !ip.is_multicast() && !ip.is_unspecified() && !ip.is_loopback() && ip.to_ipv4_mapped().is_none()
            }
        };
        one_host && !self.owns(ip)
    }

    /// The stack's address on the network of its neighbour `ip`; `None` if `ip` is on none of its networks.
    pub(super) fn address_towards(&self, ip: IpAddr) -> Option<IpAddr> {
        let shared = |(own, prefix): &&(IpAddr, u8)| {
            // The link-local prefix is on every link (RFC 4861, section 5.2).
            shares_prefix(*own, ip, *prefix) || (own.is_ipv6() && is_link_local(ip))
        };
        // The network with the longest prefix, as for routes; among equals the first.
        let reached = self.networks.iter().rev().filter(shared).max_by_key(|(own, prefix)| {
            let whole = shares_prefix(*own, ip, *prefix);
            (whole, *prefix)
        });
        reached.map(|(own, _)| *own)
    }

    /// What to learn from `ip`, which says that its address is `mac`; `None` if that is impossible, or if it is no
    /// neighbour.
    pub(super) fn learnable(&self, ip: IpAddr, mac: MacAddr) -> Option<Learned> {
        let possible = mac.is_unicast() && mac != self.mac && self.may_come_from(ip);
        self.address_towards(ip).filter(|_| possible)?;
        Some(Learned { ip, mac, solicits: false, overrides: true })
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

/// The group in which the owner of `ip` listens for solicitations (RFC 4291, section 2.7.1).
pub(super) fn solicited_node(ip: Ipv6Addr) -> Ipv6Addr {
    const PREFIX: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 0);
    const LOW: u128 = (1 << 24) - 1;
    Ipv6Addr::from_bits(PREFIX.to_bits() | ip.to_bits() & LOW)
}

/// The Ethernet address of a v4 group: 01:00:5e and its low 23 bits (RFC 1112, section 6.4).
fn group_v4(group: Ipv4Addr) -> MacAddr {
    let [_, b, c, d] = group.octets();
    MacAddr([0x01, 0x00, 0x5e, b & 0x7f, c, d])
}

/// The Ethernet address of a v6 group: 33:33 and its low 32 bits (RFC 2464, section 7).
pub(super) fn group_v6(group: Ipv6Addr) -> MacAddr {
    let [.., a, b, c, d] = group.octets();
    MacAddr([0x33, 0x33, a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn local(networks: &[(&str, u8)]) -> Local {
        Local::new(MacAddr([2, 0, 0, 0, 0, 1]), networks.iter().map(|(address, prefix)| (ip(address), *prefix)), 1500)
    }

    #[test]
    fn the_address_towards_a_neighbour_is_the_one_on_its_network() {
        let local = local(&[("10.0.0.1", 8), ("10.1.0.1", 16), ("10.1.0.9", 16), ("fd00::1", 64), ("fe80::1", 64)]);
        for (to, from) in [
            ("10.2.0.5", Some("10.0.0.1")),
            ("10.1.0.5", Some("10.1.0.1")),
            ("192.0.2.1", None),
            ("fd00::5", Some("fd00::1")),
            ("fe80::5", Some("fe80::1")),
            ("fd01::5", None),
        ] {
            assert_eq!(local.address_towards(ip(to)), from.map(ip), "{to}");
        }
        let without_link_local = self::local(&[("fd00::1", 64)]);
        assert_eq!(without_link_local.address_towards(ip("fe80::5")), Some(ip("fd00::1")));
    }

    #[test]
    fn a_network_of_two_has_no_broadcast() {
        for (prefix, broadcast) in [(30, true), (31, false), (32, false)] {
            let local = local(&[("10.0.0.1", prefix)]);
            let last = Ipv4Addr::new(10, 0, 0, 3);
            assert_eq!(local.audience_v4(last).is_some(), broadcast, "{prefix}");
            assert_eq!(local.may_come_from(last.into()), !broadcast, "{prefix}");
        }
        assert_eq!(local(&[("10.0.0.1", 0)]).audience_v4(Ipv4Addr::BROADCAST), Some(Audience::Many));
        assert!(local(&[("fd00::1", 128)]).may_come_from(ip("fd00::2")));
    }

    #[test]
    fn groups_have_the_addresses_of_the_standards() {
        let address: Ipv6Addr = "fd00::12:3456".parse().unwrap();
        let group = solicited_node(address);
        assert_eq!(group, "ff02::1:ff12:3456".parse::<Ipv6Addr>().unwrap());
        assert_eq!(group_v6(group).to_string(), "33:33:ff:12:34:56");
        assert_eq!(group_v4(Ipv4Addr::new(239, 129, 2, 3)).to_string(), "01:00:5e:01:02:03");
    }

    #[test]
    fn only_neighbours_with_possible_addresses_are_learned() {
        let local = local(&[("10.0.0.1", 24), ("fd00::1", 64)]);
        let mac = MacAddr([2, 0, 0, 0, 0, 2]);
        for (address, learned) in [
            ("10.0.0.2", true),
            ("10.0.0.1", false),
            ("10.0.0.255", false),
            ("10.0.1.2", false),
            ("fd00::2", true),
            ("fe80::2", true),
            ("fd00::1", false),
            ("ff02::1", false),
        ] {
            assert_eq!(local.learnable(ip(address), mac).is_some(), learned, "{address}");
            for impossible in [local.mac(), MacAddr::BROADCAST, MacAddr([0; 6]), MacAddr([0x33, 0x33, 0, 0, 0, 1])] {
                assert_eq!(local.learnable(ip(address), impossible), None);
            }
        }
    }
}
