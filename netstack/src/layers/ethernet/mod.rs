//! Ethernet: addresses of stations, and frames both ways.

mod egress;
pub(super) mod ingress;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use etherparse::Ethernet2Header;
use shared::ring::MAX_FRAME;

pub use egress::Ethernet;

/// The largest IP packet that a frame carries, in bytes.
pub const MTU: usize = MAX_FRAME - Ethernet2Header::LEN;

/// An Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// The address of all stations.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// The address of a stack whose first IP address is `address`: a locally administered one that ends with the low 24
    /// bits of `address`, so that stacks on one network have different ones.
    pub fn of(address: IpAddr) -> Self {
        let low = match address {
            IpAddr::V4(address) => address.to_bits(),
            // The low 32 bits, on purpose.
            IpAddr::V6(address) => address.to_bits() as u32,
        };
        let [_, a, b, c] = low.to_be_bytes();
        Self([2, 0, 0, a, b, c])
    }

    /// Whether it is the address of a group (of which [`MacAddr::BROADCAST`] is one): the lowest bit of the first byte.
    pub fn is_multicast(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// Whether one station can have it.
    pub fn is_unicast(self) -> bool {
        !self.is_multicast() && self.0 != [0; 6]
    }
}

/// The text is not an Ethernet address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not an Ethernet address; write six bytes in hexadecimal, as in 02:00:00:00:00:02")]
pub struct MacAddrError(String);

impl FromStr for MacAddr {
    type Err = MacAddrError;

    fn from_str(text: &str) -> Result<Self, MacAddrError> {
        let two_digits = |part: &&str| part.len() == 2 && part.bytes().all(|digit| digit.is_ascii_hexdigit());
        let byte = |part| Some(part).filter(two_digits).and_then(|part| u8::from_str_radix(part, 16).ok());
        let bytes: Option<Vec<u8>> = text.split(':').map(byte).collect();
        let exact = bytes.and_then(|bytes| <[u8; 6]>::try_from(bytes).ok());
        exact.map(Self).ok_or_else(|| MacAddrError(text.to_owned()))
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_and_malformed_text_is_an_error() {
        assert_eq!("02:00:00:00:00:0a".parse::<MacAddr>().unwrap().to_string(), "02:00:00:00:00:0a");
        for bad in [
            "",
            "02:00:00:00:00",
            "02:00:00:00:00:00:00",
            "02-00-00-00-00-00",
            "+2:00:00:00:00:00",
            "g2:00:00:00:00:00",
        ] {
            assert!(bad.parse::<MacAddr>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_ip_address_gives_an_address_of_one_station() {
        for (ip, mac) in [
            ("10.0.0.1", "02:00:00:00:00:01"),
            ("10.255.2.3", "02:00:00:ff:02:03"),
            ("fd00::1", "02:00:00:00:00:01"),
            ("fd00::ffff:fffe", "02:00:00:ff:ff:fe"),
        ] {
            let of = MacAddr::of(ip.parse().unwrap());
            assert_eq!(of.to_string(), mac, "{ip}");
            assert!(of.is_unicast());
        }
        assert!(MacAddr::BROADCAST.is_multicast() && !MacAddr::BROADCAST.is_unicast());
        assert!(!MacAddr([0; 6]).is_unicast());
    }
}
