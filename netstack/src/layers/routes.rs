//! Routes: source address, next hop and MTU for a destination, and the MTUs of paths behind the first hop.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

use super::bounded::Bounded;
use crate::error::SendError;

/// Source and destination of a packet, of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addresses {
    /// IPv4.
    V4 {
        /// The sender's address.
        source: Ipv4Addr,
        /// The receiver's address.
        destination: Ipv4Addr,
    },
    /// IPv6.
    V6 {
        /// The sender's address.
        source: Ipv6Addr,
        /// The receiver's address.
        destination: Ipv6Addr,
    },
}

impl Addresses {
    /// The sender's address.
    pub fn source(&self) -> IpAddr {
        match *self {
            Self::V4 { source, .. } => source.into(),
            Self::V6 { source, .. } => source.into(),
        }
    }

    /// The receiver's address.
    pub fn destination(&self) -> IpAddr {
        self.reversed().source()
    }

    /// The addresses of an answer.
    #[must_use]
    pub fn reversed(&self) -> Self {
        match *self {
            Self::V4 { source, destination } => Self::V4 { source: destination, destination: source },
            Self::V6 { source, destination } => Self::V6 { source: destination, destination: source },
        }
    }
}

/// The route to one destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The addresses of the IP header. The UDP checksum covers them, so UDP looks the route up before IP does.
    pub addresses: Addresses,
    /// The neighbour that the frame is sent to: the destination itself, or a gateway.
    pub next_hop: IpAddr,
    /// The largest IP packet that fits, in bytes.
    pub mtu: usize,
}

/// The routing table, sorted by prefix length, longest first.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    network: IpAddr,
    prefix: u8,
    source: IpAddr,
    gateway: Option<IpAddr>,
}

impl Routes {
    /// Adds a network: destinations that share the first `prefix` bits with `source` are neighbours.
    #[must_use]
    pub fn network(self, source: IpAddr, prefix: u8) -> Self {
        self.with(Entry { network: source, prefix, source, gateway: None })
    }

    /// Adds a default route: all other destinations of that family are reached through `gateway`.
    #[must_use]
    pub fn default_via(self, gateway: IpAddr, source: IpAddr) -> Self {
        self.with(Entry { network: source, prefix: 0, source, gateway: Some(gateway) })
    }

    fn with(mut self, entry: Entry) -> Self {
        self.entries.push(entry);
        self.entries.sort_by_key(|entry| std::cmp::Reverse(entry.prefix));
        self
    }

    /// The route to `to`, over an interface that carries IP packets of up to `mtu` bytes.
    ///
    /// # Errors
    /// [`SendError::NoRoute`].
    #[inline(always)]
    pub fn find(&self, to: IpAddr, mtu: usize) -> Result<Route, SendError> {
        let matching = |entry: &&Entry| shares_prefix(entry.network, to, entry.prefix);
        let entry = self.entries.iter().find(matching).ok_or(SendError::NoRoute(to))?;
        let addresses = match (entry.source, to) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => Addresses::V4 { source, destination },
            (IpAddr::V6(source), IpAddr::V6(destination)) => Addresses::V6 { source, destination },
            _ => return Err(SendError::NoRoute(to)),
        };
        Ok(Route { addresses, next_hop: entry.gateway.unwrap_or(to), mtu })
    }
}

/// How many destinations with a lower MTU are kept.
const MOST_PATHS: usize = 256;

/// The destinations behind links with a lower MTU than the stack's own (path MTU discovery: RFC 1191, RFC 8201).
#[derive(Debug, Default)]
pub struct PathMtus {
    mtus: RefCell<Bounded<u16, MOST_PATHS>>,
    /// How often an MTU was noted. A cached route is valid as long as this does not change.
    changes: Cell<u64>,
}

impl PathMtus {
    /// Notes that only IP packets of up to `mtu` bytes reach `to`. It stays so for the rest of the run; a later message
    /// may lower it further, and never raises it. Of more destinations than the record holds, the one that was noted
    /// longest ago is forgotten: packets to it have the MTU of the link again.
    pub fn note(&self, to: IpAddr, mtu: u16) {
        let mut mtus = self.mtus.borrow_mut();
        let mtu = mtus.get(to).map_or(mtu, |known| mtu.min(*known));
        mtus.set(to, mtu);
        self.changes.set(self.changes.get() + 1);
    }

    /// The largest IP packet that reaches `to`, over a link that carries up to `mtu` bytes.
    fn towards(&self, to: IpAddr, mtu: usize) -> usize {
        let noted = self.mtus.borrow().get(to).copied();
        noted.map_or(mtu, |noted| mtu.min(noted.into()))
    }
}

/// Finds routes, and caches the last one, because consecutive packets mostly go to one destination.
#[derive(Debug)]
pub struct Router {
    routes: Routes,
    mtu: usize,
    paths: Rc<PathMtus>,
    last: RefCell<Option<(IpAddr, Rc<Route>)>>,
    /// [`PathMtus::changes`] when that was found.
    changes: Cell<u64>,
}

impl Router {
    /// Finds routes in `routes`, over an interface that carries IP packets of up to `mtu` bytes.
    pub fn new(routes: Routes, mtu: usize) -> Self {
        Self::over_paths(routes, mtu, Rc::default())
    }

    /// The same, where some destinations are behind links with a lower MTU.
    pub fn over_paths(routes: Routes, mtu: usize, paths: Rc<PathMtus>) -> Self {
        Self { routes, mtu, paths, last: RefCell::default(), changes: Cell::default() }
    }

    /// The route to `to`.
    ///
    /// # Errors
    /// [`SendError::NoRoute`].
    #[inline(always)]
    pub fn find(&self, to: IpAddr) -> Result<Rc<Route>, SendError> {
        let mut last = self.last.borrow_mut();
        let changes = self.paths.changes.get();
        if let Some((_, route)) = last.as_ref().filter(|(known, _)| *known == to)
            && changes == self.changes.get()
        {
            return Ok(Rc::clone(route));
        }
        let route = Rc::new(self.routes.find(to, self.paths.towards(to, self.mtu))?);
        self.changes.set(changes);
        *last = Some((to, Rc::clone(&route)));
        Ok(route)
    }
}

/// Whether both are of one family and share their first `prefix` bits.
pub(super) fn shares_prefix(a: IpAddr, b: IpAddr, prefix: u8) -> bool {
    let differing = match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        _ => return false,
    };
    differing >= u32::from(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn routes() -> Routes {
        Routes::default()
            .default_via(ip("10.0.0.254"), ip("10.0.0.1"))
            .network(ip("10.0.0.1"), 24)
            .network(ip("fd00::1"), 64)
    }

    #[test]
    fn the_longest_prefix_wins() {
        let hop = |to| routes().find(ip(to), 1500).map(|route| route.next_hop);
        assert_eq!(hop("10.0.0.7"), Ok(ip("10.0.0.7")));
        assert_eq!(hop("192.0.2.1"), Ok(ip("10.0.0.254")));
        assert_eq!(hop("fd00::7"), Ok(ip("fd00::7")));
        assert_eq!(hop("fd01::7"), Err(SendError::NoRoute(ip("fd01::7"))));
    }

    #[test]
    fn a_path_with_a_lower_mtu_is_remembered_and_a_cached_route_follows() {
        let (paths, near, far) = (Rc::<PathMtus>::default(), ip("10.0.0.7"), ip("192.0.2.1"));
        let router = Router::over_paths(routes(), 1500, Rc::clone(&paths));
        let mtu = |to| router.find(to).map(|route| route.mtu);
        assert_eq!((mtu(far), mtu(far)), (Ok(1500), Ok(1500)));
        for (noted, mtu_to_far) in [(1400, 1400), (1300, 1300), (1450, 1300)] {
            paths.note(far, noted);
            assert_eq!(mtu(far), Ok(mtu_to_far), "after {noted}");
        }
        assert_eq!((mtu(near), paths.towards(far, 1280)), (Ok(1500), 1280));
        for other in 0..MOST_PATHS as u32 {
            paths.note(IpAddr::from(other.to_be_bytes()), 576);
        }
        assert_eq!(mtu(far), Ok(1500), "it was noted longest ago");
    }

    #[test]
    fn a_host_route_covers_one_host() {
        let routes = Routes::default().network(ip("10.0.0.1"), 32);
        assert!(routes.find(ip("10.0.0.1"), 1500).is_ok());
        assert!(routes.find(ip("10.0.0.0"), 1500).is_err());
    }
}
