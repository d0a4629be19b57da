//! The loops of the apps that receive.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use shared::exec::Clock;
use shared::ring::HEADROOM;
use shared::units::Nanos;

use super::Horizon;
use super::outlet::Outlet;
use crate::account::Account;
use crate::app::schedule::ThinkTimes;
use crate::error::SendError;
use crate::layer::{Egress, Tries};
use crate::packet::{Packet, Reservation, Stamp};
use crate::receive::{Inbox, Received, Reception};

/// How long a request waits for its response. UDP may lose either, so the app goes on then.
const RESPONSE_TIMEOUT: Nanos = Nanos::from_secs(1);

/// The receiving side of an app.
#[derive(Debug, Clone)]
pub struct Receives {
    /// The queue of its socket.
    pub inbox: Rc<Inbox>,
    /// What it has received.
    pub reception: Rc<Reception>,
}

impl Receives {
    /// Waits for the next datagram, and counts it; `None` once the socket is closed.
    async fn next(&self) -> Option<Received> {
        let datagram = self.inbox.receive().await?;
        self.reception.note(&datagram);
        Some(datagram)
    }
}

/// Receives up to `most` datagrams.
pub(super) async fn sink(receives: &Receives, most: u64) {
    for _ in 0..most {
        let Some(datagram) = receives.next().await else { return };
        receives.inbox.recycle(datagram);
    }
}

/// Sends up to `most` datagrams back to their senders, one after the other. While it waits for room, its queue fills.
pub(super) async fn echo<D: Egress<SocketAddr>>(receives: &Receives, socket: &D, account: &Account, most: u64) {
    for sequence in 0..most {
        let Some(datagram) = receives.next().await else { return };
        let stamp = Stamp { flow: account.id(), sequence, intended: datagram.at };
        let offer = account.offer();
        let sent = offer.close(send(socket, &datagram, stamp).await);
        receives.inbox.recycle(datagram);
        if sent == Err(SendError::Closed) {
            return;
        }
    }
}

async fn send<D: Egress<SocketAddr>>(socket: &D, datagram: &Received, stamp: Stamp) -> Result<(), SendError> {
    let (mut headroom, waits) = ([0; HEADROOM], Reservation::default());
    let mut packet = Packet::reserving(&mut headroom, &datagram.payload, stamp, &waits);
    if D::TRIES != Tries::IfItMustNotWait {
        match socket.try_send(&mut packet, &datagram.source) {
            Err(SendError::WouldBlock) if D::TRIES == Tries::First => {}
            sent => return sent,
        }
    }
    let (mut headroom, waits) = ([0; HEADROOM], Reservation::default());
    let mut packet = Packet::reserving(&mut headroom, &datagram.payload, stamp, &waits);
    socket.send(&mut packet, &datagram.source).await
}

/// Sends a request, waits for the datagram that comes back with its number, and then for the think time.
pub(super) async fn reqresp<D: Egress<SocketAddr>>(
    outlet: &mut Outlet<'_, D>,
    receives: &Receives,
    mut think: ThinkTimes,
    horizon: Horizon,
    start: Nanos,
) {
    let until = horizon.until(start);
    let mut intended = start;
    for _ in 0..horizon.packets() {
        if until.is_some_and(|until| intended >= until) {
            return;
        }
        outlet.rest_until(intended).await;
        // What came before the request is no response to it.
        while let Some(stale) = receives.inbox.try_receive() {
            receives.reception.note(&stale);
            receives.inbox.recycle(stale);
        }
        let number = outlet.taken();
        match outlet.send(intended).await {
            Ok(()) => match response(receives, outlet.clock(), outlet.account().id(), number).await {
                Some(at) => receives.reception.respond(at.since(intended)),
                None => receives.reception.time_out(),
            },
            Err(SendError::WouldBlock) => outlet.try_later().await,
            Err(_) => return,
        }
        intended = outlet.now() + think.draw();
    }
}

/// When the response to request `number` of `app` arrived; `None` if it has not in time.
async fn response(receives: &Receives, clock: &Clock, app: u32, number: u64) -> Option<Nanos> {
    let mut timeout = pin!(clock.sleep_until(clock.now() + RESPONSE_TIMEOUT));
    loop {
        let mut next = pin!(receives.inbox.receive());
        let datagram = poll_fn(|cx| match next.as_mut().poll(cx) {
            Poll::Ready(received) => Poll::Ready(received),
            Poll::Pending => timeout.as_mut().poll(cx).map(|()| None),
        });
        let datagram = datagram.await?;
        // A payload without a number is taken for the response: only one request is under way.
        let header = receives.reception.note(&datagram);
        let at = datagram.at;
        receives.inbox.recycle(datagram);
        if header.is_none_or(|header| (header.app, header.sequence) == (app, number)) {
            return Some(at);
        }
    }
}
