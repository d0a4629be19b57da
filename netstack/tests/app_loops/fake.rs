//! A fake socket with a configurable behaviour, and a run of one app on it in virtual time.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use netstack::account::{Account, Activity, Timeline};
use netstack::app::{AppContext, AppSpec, CancelToken, Horizon, ResolvedApp, resolve_all, run_app};
use netstack::error::SendError;
use netstack::layer::Egress;
use netstack::packet::{Batch, Packet, Stamp};
use shared::credits::Credits;
use shared::exec::{Clock, Tasks, Virtual, run};
use shared::ledger::Counters;
use shared::ring::HEADROOM;
use shared::units::{BitRate, Bytes, LinkRate, Nanos};

/// How the socket behaves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Behaviour {
    /// There is always room, and packets complete at once.
    Ready,
    /// There is no room before this time.
    BlocksUntil(Nanos),
    /// One packet at a time, and each takes this long.
    Serves(Nanos),
    /// Every send fails with this error.
    Refuses(SendError),
    /// Sends fail from this time on.
    ClosesAt(Nanos),
    /// There is no room before this time; then, of each batch, this many packets are sent, and the next one is pulled but
    /// not sent.
    SendsOf(Nanos, u64),
}

/// A packet that was accepted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sent {
    pub(crate) at: Nanos,
    pub(crate) stamp: Stamp,
    /// The first and the last byte of its payload.
    pub(crate) ends: [u8; 2],
}

#[derive(Clone)]
struct Fake {
    behaviour: Behaviour,
    clock: Clock,
    tasks: Tasks,
    account: Rc<Account>,
    room: Rc<Credits>,
    sent: Rc<RefCell<Vec<Sent>>>,
}

impl Fake {
    fn refusal(&self) -> Result<(), SendError> {
        match self.behaviour {
            Behaviour::Refuses(error) => Err(error),
            Behaviour::ClosesAt(at) if self.clock.now() >= at => Err(SendError::Closed),
            _ => Ok(()),
        }
    }

    fn accept(&self, payload: &[u8], stamp: Stamp) {
        let at = self.clock.now();
        let ends = [payload[0], payload[payload.len() - 1]];
        self.sent.borrow_mut().push(Sent { at, stamp, ends });
        self.account.accept(1);
        let bytes = payload.len() as u64;
        let Behaviour::Serves(time) = self.behaviour else {
            self.account.deliver(1, bytes, [(stamp.intended, 1)], at, at);
            return;
        };
        let fake = self.clone();
        self.tasks.spawn(async move {
            fake.clock.sleep_until(at + time).await;
            fake.account.deliver(1, bytes, [(stamp.intended, 1)], at, at + time);
            fake.room.release(1);
        });
    }
}

impl Egress<SocketAddr> for Fake {
    async fn send(&self, packet: &mut Packet<'_>, _: &SocketAddr) -> Result<(), SendError> {
        self.refusal()?;
        match self.behaviour {
            Behaviour::BlocksUntil(at) | Behaviour::SendsOf(at, _) => self.clock.sleep_until(at).await,
            Behaviour::Serves(_) => {
                self.room.acquire(1).await.spend();
            }
            _ => {}
        }
        self.refusal()?;
        self.accept(packet.payload(), packet.stamp());
        Ok(())
    }

    fn try_send(&self, packet: &mut Packet<'_>, _: &SocketAddr) -> Result<(), SendError> {
        self.refusal()?;
        match self.behaviour {
            Behaviour::BlocksUntil(at) | Behaviour::SendsOf(at, _) if self.clock.now() < at => {
                return Err(SendError::WouldBlock);
            }
            Behaviour::Serves(_) => {
                self.room.try_acquire(1).ok_or(SendError::WouldBlock)?.spend();
            }
            _ => {}
        }
        self.accept(packet.payload(), packet.stamp());
        Ok(())
    }

    fn try_send_batch(&self, mut batch: impl Batch, _: &SocketAddr) -> u64 {
        let Behaviour::SendsOf(from, fit) = self.behaviour else { return 0 };
        if self.clock.now() < from {
            return 0;
        }
        let most = batch.most();
        let (mut sent, mut headroom) = (0, [0; HEADROOM]);
        while sent < most
            && let Some(packet) = batch.next(&mut headroom).filter(|_| sent < fit)
        {
            self.accept(packet.payload(), packet.stamp());
            sent += 1;
        }
        sent
    }
}

/// The result of a run of one app.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) counters: Counters,
    pub(crate) activity: Activity,
    pub(crate) sent: Vec<Sent>,
    /// When the app was done.
    pub(crate) done: Nanos,
}

pub(crate) fn resolve(spec: &str) -> ResolvedApp {
    let spec: AppSpec = spec.parse().unwrap();
    resolve_all(&[spec], LinkRate::Limited(BitRate(1_000_000_000)), Bytes(1472)).unwrap().remove(0)
}

/// Runs one app until it is done; the run ends at `end`. The clock starts at 1 s, so that a test fails if the code
/// mixes up a time and a span since the start.
pub(crate) fn simulate(spec: &str, behaviour: Behaviour, horizon: Horizon, end: Nanos) -> Outcome {
    let clock = Clock::starting_at(START);
    let (app, inner) = (resolve(spec), clock.clone());
    run(&clock, Virtual::default(), |tasks| async move {
        let clock = inner;
        let account = Account::new(0, app.name(), None, &Timeline::new(&clock, Nanos::from_secs(1)));
        let sent = Rc::default();
        let fake = Fake {
            behaviour: behaviour.after_start(),
            clock: clock.clone(),
            tasks: tasks.clone(),
            account: Rc::clone(&account),
            room: Rc::new(Credits::new(1)),
            sent: Rc::clone(&sent),
        };
        let cancel = Rc::new(CancelToken::default());
        let context = AppContext {
            seed: 1,
            clock: clock.clone(),
            horizon,
            receives: None,
            states_times: false,
            cancel: Rc::clone(&cancel),
        };
        let timer = clock.clone();
        tasks.spawn(async move {
            timer.sleep_until(START + end).await;
            cancel.cancel(timer.now());
        });
        run_app(app, Rc::clone(&account), fake, context).await;
        let done = clock.now().since(START);
        // Let all accepted packets complete, so that both equations of the ledger can be checked.
        while account.counters().delivered < account.counters().accepted {
            clock.sleep_until(clock.now() + Nanos(1000)).await;
        }
        Outcome { counters: account.counters(), activity: account.activity(), sent: sent.take(), done }
    })
    .unwrap()
}

pub(crate) const START: Nanos = Nanos::from_secs(1);

impl Behaviour {
    fn after_start(self) -> Self {
        match self {
            Self::BlocksUntil(at) => Self::BlocksUntil(START + at),
            Self::SendsOf(at, fit) => Self::SendsOf(START + at, fit),
            Self::ClosesAt(at) => Self::ClosesAt(START + at),
            other => other,
        }
    }
}

impl Outcome {
    /// Delivered packets per second.
    pub(crate) fn rate(&self) -> Option<f64> {
        self.activity.rate(self.counters.delivered, 0).packets_per_second
    }

    /// When packets were accepted, in microseconds from the start.
    pub(crate) fn times(&self) -> Vec<u64> {
        self.sent.iter().map(|sent| sent.at.since(START).0 / 1000).collect()
    }

    /// Their intended times, in microseconds from the start.
    pub(crate) fn intended(&self) -> Vec<u64> {
        self.sent.iter().map(|sent| sent.stamp.intended.since(START).0 / 1000).collect()
    }
}
