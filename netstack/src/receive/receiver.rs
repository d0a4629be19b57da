//! The task that serves the receive ring.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use shared::control::WireError;
use shared::exec::Clock;
use shared::ledger::UpDropReason;
use shared::ring::{Completion, ConsumerPort, MAX_FRAME, ProducerPort, Status};

use super::{Ports, UpCounters};
use crate::device::OwnFrames;
use crate::layers::{Consumed, Datagram, Ingress, Local, Neighbours, PathMtus};

/// How many frames are handled before other tasks run.
const MOST_IN_A_TURN: u32 = 64;

/// What handles the frames that arrive.
#[derive(Debug)]
pub(crate) struct Receiver<P> {
    local: Local,
    ports: Rc<Ports>,
    neighbours: Rc<Neighbours>,
    paths: Rc<PathMtus>,
    own: Rc<OwnFrames<P>>,
    clock: Clock,
    counters: RefCell<UpCounters>,
    /// Where the layers write an answer.
    answer: RefCell<Box<[u8; MAX_FRAME]>>,
}

impl<P: ProducerPort> Receiver<P> {
    /// Handles frames for `local` with the sockets of `ports`; answers go to `own`.
    pub(crate) fn new(
        local: Local,
        ports: &Rc<Ports>,
        neighbours: &Rc<Neighbours>,
        paths: &Rc<PathMtus>,
        own: &Rc<OwnFrames<P>>,
        clock: &Clock,
    ) -> Self {
        Self {
            local,
            ports: Rc::clone(ports),
            neighbours: Rc::clone(neighbours),
            paths: Rc::clone(paths),
            own: Rc::clone(own),
            clock: clock.clone(),
            counters: RefCell::default(),
            answer: RefCell::new(Box::new([0; MAX_FRAME])),
        }
    }

    /// The counts so far.
    pub(crate) fn counters(&self) -> UpCounters {
        *self.counters.borrow()
    }

    /// Handles one frame. It never waits.
    pub(crate) fn handle(&self, frame: &[u8]) {
        let (mut counters, mut answer) = (self.counters.borrow_mut(), self.answer.borrow_mut());
        counters.received += 1;
        counters.received_bytes += frame.len() as u64;
        let reply = match self.local.process(frame, &mut answer[..]) {
            Ingress::Consumed(Consumed { by, learned, path_mtu, answer }) => {
                counters.consume(by);
                learned.into_iter().for_each(|learned| self.neighbours.learn(learned));
                path_mtu.into_iter().for_each(|(to, mtu)| self.paths.note(to, mtu));
                answer
            }
            Ingress::Dropped(reason) => {
                counters.drop_frame(reason);
                None
            }
            Ingress::Deliver(datagram) => match self.deliver(&datagram) {
                Ok(()) => {
                    counters.queued += 1;
                    None
                }
                Err(reason) => {
                    counters.drop_frame(reason);
                    let unreachable = reason == UpDropReason::UdpNoSocket;
                    unreachable.then(|| self.local.port_unreachable(&datagram, &mut answer[..])).flatten()
                }
            },
        };
        if let Some(len) = reply {
            self.own.send(&answer[..len]);
        }
    }

    fn deliver(&self, datagram: &Datagram<'_>) -> Result<(), UpDropReason> {
        let inbox = self.ports.get(datagram.destination.port()).ok_or(UpDropReason::UdpNoSocket)?;
        let queued = inbox.push(datagram.source, datagram.payload, self.clock.now());
        if queued { Ok(()) } else { Err(UpDropReason::SocketQueueFull) }
    }

    /// Serves the receive ring at `port`, until the session closes. Each frame is completed as soon as it is handled, so
    /// no app and no answer holds a slot.
    pub(crate) async fn serve(&self, port: impl ConsumerPort) {
        let (mut buffer, mut position) = (vec![0; MAX_FRAME], 0);
        let connection = Rc::clone(port.connection());
        poll_fn(|cx| {
            // At the end of the session everything that has arrived is handled before the last figures are read.
            let most = if connection.is_leaving() { u32::MAX } else { MOST_IN_A_TURN };
            for _ in 0..most {
                let Some((descriptor, bytes)) = port.take(Some(&mut buffer)) else {
                    if connection.is_closed() {
                        return Poll::Ready(());
                    }
                    connection.arrived().register(cx);
                    return Poll::Pending;
                };
                match descriptor.len as usize {
                    0..=MAX_FRAME => self.handle(bytes),
                    _ => connection.close(WireError::FrameTooLong(u16::MAX).into()),
                }
                let now = self.clock.now();
                port.complete(Completion { position, status: Status::Sent, taken: now, at: now });
                position += 1;
            }
            self.clock.wake_next_turn(cx);
            Poll::Pending
        })
        .await;
    }
}
