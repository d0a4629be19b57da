//! The neighbour table: Ethernet addresses of next hops.

use std::cell::RefCell;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::task::{Context, Poll};

use shared::exec::Signal;

/// An Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MacAddr(pub [u8; 6]);

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

/// The known Ethernet addresses, and the sends that wait for one to become known.
#[derive(Debug, Default)]
pub struct Neighbours {
    /// A vector, because for a handful of entries a scan is faster than a hash.
    entries: RefCell<Vec<(IpAddr, MacAddr)>>,
    /// Wakes the sends that wait for an entry.
    changed: Signal,
}

impl Neighbours {
    /// Adds or changes the address of `ip`, and wakes the sends that wait for it.
    pub fn set(&self, ip: IpAddr, mac: MacAddr) {
        let mut entries = self.entries.borrow_mut();
        match entries.iter_mut().find(|(known, _)| *known == ip) {
            Some(entry) => entry.1 = mac,
            None => entries.push((ip, mac)),
        }
        self.changed.notify();
    }

    /// The address of `ip`, if it is known.
    #[inline(always)]
    pub fn get(&self, ip: IpAddr) -> Option<MacAddr> {
        self.entries.borrow().iter().find(|(known, _)| *known == ip).map(|(_, mac)| *mac)
    }

    /// Ready once `ip` is known.
    pub(super) fn poll_resolve(&self, cx: &mut Context<'_>, ip: IpAddr) -> Poll<MacAddr> {
        self.changed.poll_for(cx, || self.get(ip))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::future::poll_fn;

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
    fn a_lookup_waits_until_the_entry_is_there() {
        let (table, ip) = (Neighbours::default(), IpAddr::from([10, 0, 0, 2]));
        let mut lookup = poll_fn(|cx| table.poll_resolve(cx, ip));
        assert_eq!((&mut lookup).now_or_never(), None);
        table.set(ip, MacAddr([2, 0, 0, 0, 0, 2]));
        assert_eq!(lookup.now_or_never(), Some(MacAddr([2, 0, 0, 0, 0, 2])));
    }
}
