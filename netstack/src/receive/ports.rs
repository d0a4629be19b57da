//! The UDP ports of the stack, and who listens on each.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::Inbox;

/// Another socket listens on the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("another app listens on port {0} already; choose another port")]
pub struct PortTaken(pub u16);

/// The sockets that receive, by port.
#[derive(Debug, Default)]
pub struct Ports {
    open: RefCell<HashMap<u16, Rc<Inbox>>>,
    /// Queues of ports that were opened again; their counts still matter.
    former: RefCell<Vec<Rc<Inbox>>>,
}

impl Ports {
    /// Opens `port`, for at most `most` datagrams that wait.
    ///
    /// # Errors
    /// [`PortTaken`] if it is open already.
    pub fn open(&self, port: u16, most: usize) -> Result<Rc<Inbox>, PortTaken> {
        if self.get(port).is_some() {
            return Err(PortTaken(port));
        }
        let inbox = Rc::new(Inbox::new(most));
        let former = self.open.borrow_mut().insert(port, Rc::clone(&inbox));
        self.former.borrow_mut().extend(former);
        Ok(inbox)
    }

    /// The queue behind `port`, if a socket listens there.
    pub fn get(&self, port: u16) -> Option<Rc<Inbox>> {
        self.open.borrow().get(&port).filter(|inbox| !inbox.is_closed()).cloned()
    }

    /// Closes all of them; what waits can still be received.
    pub fn close_all(&self) {
        self.open.borrow().values().for_each(|inbox| inbox.close());
    }

    /// Datagrams that apps have taken, and that still wait, over all sockets.
    pub fn counts(&self) -> (u64, u64) {
        let (open, former) = (self.open.borrow(), self.former.borrow());
        open.values()
            .chain(former.iter())
            .fold((0, 0), |(taken, waiting), inbox| (taken + inbox.taken(), waiting + inbox.waiting()))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use shared::units::Nanos;

    use super::*;

    #[test]
    fn a_port_has_one_socket_and_its_counts_are_part_of_the_sum() {
        let ports = Ports::default();
        let inbox = ports.open(9, 4).unwrap();
        assert_eq!(ports.open(9, 4).unwrap_err(), PortTaken(9));
        ports.open(7, 4).unwrap();
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        for port in [9, 9, 7] {
            assert!(ports.get(port).unwrap().push(peer, b"", Nanos::ZERO));
        }
        inbox.try_receive().unwrap();
        assert_eq!((ports.counts(), ports.get(8).is_none()), ((1, 2), true));
        // A port is free again once its app has gone, and what it received still counts.
        inbox.close();
        assert!(ports.get(9).is_none());
        ports.open(9, 4).unwrap();
        assert_eq!(ports.counts(), (1, 2));
    }
}
