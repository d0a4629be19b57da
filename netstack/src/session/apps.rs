//! The apps of a run. They may join and leave while it goes on.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;

use futures_util::FutureExt;
use shared::exec::{Clock, Signal, Tasks};
use shared::ring::HEADROOM;
use shared::units::{LinkRate, Nanos};

use super::plan::{PAYLOAD_LIMIT, Plan};
use crate::account::{Account, Accounts, MOST_WITH_HISTOGRAMS, Timeline};
use crate::app::{
    AppContext, AppSpec, CancelToken, Horizon, Receives, ResolveError, ResolvedApp, run_app, source_port,
};
use crate::dispatch::{Layers, Polled, UseSocket};
use crate::error::SendError;
use crate::layer::Egress;
use crate::packet::{Packet, Reservation, Stamp};
use crate::receive::{PortTaken, Ports};

/// The apps of a run. A clone refers to the same apps.
#[derive(Clone)]
pub struct Apps(Rc<Shared>);

struct Shared {
    tasks: Tasks,
    clock: Clock,
    sockets: Box<dyn Sockets>,
    accounts: Rc<Accounts>,
    timeline: Rc<Timeline>,
    /// Whether the run starts with more apps than may have histograms of their own: then none has.
    shares_histograms: bool,
    seed: u64,
    link: LinkRate,
    horizon: Horizon,
    /// The sockets that receive; `None` if there is no way up.
    ports: Option<Rc<Ports>>,
    /// Whether the run lasts as long as its receivers: it has no other apps.
    receivers_count: bool,
    /// In the order of their accounts.
    joined: RefCell<Vec<Joined>>,
    /// The names of those: no two apps share one.
    names: RefCell<HashSet<String>>,
    /// Ends the extension.
    extension: Rc<CancelToken>,
    /// Loops that have not ended: of apps, and of the extension.
    running: Cell<usize>,
    changed: Signal,
    /// When the run ended; no app joins from then on.
    ended: Cell<Option<Nanos>>,
}

/// An app that has joined a run.
#[derive(Debug, Clone)]
pub struct Joined {
    /// Its account, which stays open after the app has left: packets may be in flight.
    pub account: Rc<Account>,
    /// Its settings; `None` for a socket that was opened directly.
    pub app: Option<ResolvedApp>,
    /// Its receiving side, if it has one, and its port.
    pub receives: Option<(Receives, u16)>,
    cancel: Rc<CancelToken>,
}

/// Why an app cannot join a run.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum JoinError {
    /// It cannot run on this link.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// It receives, and the driver grants no way up.
    #[error("{0} needs a way up, and this driver has none; start it with --backend tap=NAME or --backend wire=PATH")]
    NoWayUp(String),
    /// Another app receives on its port.
    #[error(transparent)]
    PortTaken(#[from] PortTaken),
    /// Another app or socket has its name.
    #[error("another app is named {0} already; choose another name")]
    NameTaken(String),
    /// The run has ended.
    #[error("the run has ended; add apps before its duration is over")]
    Ended,
}

impl Apps {
    /// Apps on the sockets of `layers`, in a run of `plan`.
    pub(super) fn new<D: Egress<()> + 'static>(
        tasks: &Tasks,
        clock: &Clock,
        layers: Layers<D>,
        accounts: &Rc<Accounts>,
        timeline: &Rc<Timeline>,
        plan: &Plan,
        is_paired: bool,
    ) -> Self {
        Self(Rc::new(Shared {
            tasks: tasks.clone(),
            clock: clock.clone(),
            sockets: Box::new(layers),
            accounts: Rc::clone(accounts),
            timeline: Rc::clone(timeline),
            shares_histograms: plan.apps.len() > MOST_WITH_HISTOGRAMS,
            seed: plan.seed,
            link: plan.link,
            horizon: plan.horizon(),
            ports: plan.way_up.then(Rc::default),
            receivers_count: !is_paired && plan.apps.iter().all(|app| app.spec().listens().is_some()),
            joined: RefCell::default(),
            names: RefCell::default(),
            extension: Rc::default(),
            running: Cell::default(),
            changed: Signal::default(),
            ended: Cell::default(),
        }))
    }

    /// The clock of the run.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Starts an app, as a further `--app` would. Returns the number of its account. A horizon in time counts from now,
    /// but ends with the run.
    ///
    /// # Errors
    /// [`JoinError`] if it cannot run on the link, if its name is taken, or if the run has ended.
    pub fn add(&self, spec: &AppSpec) -> Result<u32, JoinError> {
        let app = spec.resolve(self.0.accounts.count(), self.0.link, PAYLOAD_LIMIT)?;
        self.may_join(app.name())?;
        self.start(app)
    }

    /// Starts `app`, whose number must be that of the next account.
    ///
    /// # Errors
    /// [`JoinError`] if it receives and there is no way up, or another app receives on its port.
    pub(super) fn start(&self, app: ResolvedApp) -> Result<u32, JoinError> {
        let budget = app.spec().budget().map(|bytes| bytes.0);
        let receives = self.receives(&app)?;
        let Joined { account, cancel, .. } = self.join(app.name(), budget, Some(app.clone()), receives.clone());
        let id = account.id();
        let context = AppContext {
            seed: self.0.seed,
            clock: self.0.clock.clone(),
            horizon: self.0.horizon,
            receives: receives.map(|(receives, _)| receives),
            states_times: self.0.ports.is_some(),
            cancel,
        };
        self.0.sockets.start(self, app, account, context);
        Ok(id)
    }

    /// Opens the port on which `app` receives, if it does.
    fn receives(&self, app: &ResolvedApp) -> Result<Option<(Receives, u16)>, JoinError> {
        if !app.spec().needs_way_up() {
            return Ok(None);
        }
        let ports = self.0.ports.as_ref().ok_or_else(|| JoinError::NoWayUp(app.spec().to_string()))?;
        // One request is under way at a time, so few responses wait.
        let (port, queue) = app.spec().listens().map_or((app.source_port(), 16), |listen| (listen.port, listen.queue));
        let inbox = ports.open(port, queue as usize)?;
        Ok(Some((Receives { inbox, reception: Rc::default() }, port)))
    }

    /// The sockets that receive; `None` if there is no way up.
    pub(super) fn ports(&self) -> Option<&Rc<Ports>> {
        self.0.ports.as_ref()
    }

    /// Opens a socket for an app of your own, which is counted in an account named `name`. `budget` is its send budget
    /// in bytes of payload. The end of the run closes the socket.
    ///
    /// # Errors
    /// [`JoinError`] if its name is taken, or if the run has ended.
    pub fn socket(&self, name: &str, budget: Option<u64>) -> Result<Socket, JoinError> {
        self.may_join(name)?;
        let Joined { account, cancel, .. } = self.join(name, budget, None, None);
        let sender = self.0.sockets.open(&account);
        Ok(Socket { sender, account, cancel, clock: self.0.clock.clone(), next: Cell::default() })
    }

    fn may_join(&self, name: &str) -> Result<(), JoinError> {
        if self.0.ended.get().is_some() {
            return Err(JoinError::Ended);
        }
        if self.0.names.borrow().contains(name) { Err(JoinError::NameTaken(name.to_owned())) } else { Ok(()) }
    }

    fn join(
        &self,
        name: &str,
        budget: Option<u64>,
        app: Option<ResolvedApp>,
        receives: Option<(Receives, u16)>,
    ) -> Joined {
        let Shared { accounts, timeline, .. } = &*self.0;
        let id = accounts.count();
        let account = match self.0.shares_histograms || id as usize >= MOST_WITH_HISTOGRAMS {
            true => Account::sharing(id, name, budget, timeline, accounts.shared_histograms()),
            false => Account::new(id, name, budget, timeline),
        };
        self.0.accounts.add(Rc::clone(&account));
        let joined = Joined { account, app, receives, cancel: Rc::default() };
        self.0.joined.borrow_mut().push(joined.clone());
        self.0.names.borrow_mut().insert(name.to_owned());
        joined
    }

    /// Ends the app of account `id`: it drops what it is doing. A socket that was opened directly is closed. The account
    /// stays, and its packets in flight settle. Returns `false` if there is no such account.
    pub fn remove(&self, id: u32) -> bool {
        let joined = self.0.joined.borrow();
        let app = joined.get(id as usize);
        app.inspect(|app| app.cancel.cancel(self.0.clock.now())).is_some()
    }

    /// Runs `extension` beside the apps, until it is ready or the run ends.
    pub(super) fn extend(&self, extension: impl Future<Output = ()> + 'static) {
        let token = Rc::clone(&self.0.extension);
        self.spawn(async move {
            token.run_until(pin!(extension)).await;
        });
    }

    /// Runs `task`, which counts as running only if `counts`.
    fn spawn_as(&self, counts: bool, task: impl Future<Output = ()> + 'static) {
        if counts { self.spawn(task) } else { self.0.tasks.spawn(task) }
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        let shared = Rc::clone(&self.0);
        shared.running.set(shared.running.get() + 1);
        // Not an async block that awaits `task`: it would have room for it twice.
        self.0.tasks.spawn(task.map(move |()| {
            shared.running.set(shared.running.get() - 1);
            shared.changed.notify();
        }));
    }

    /// Ready once no app runs any more, and the extension has ended.
    pub(super) async fn all_done(&self) {
        self.0.changed.wait_for(|| (self.0.running.get() == 0).then_some(())).await;
    }

    /// Ends the apps that do not only receive, and the extension, at `at`. No app joins from then on.
    pub(super) fn end_senders(&self, at: Nanos) {
        self.0.ended.set(Some(at));
        self.0.extension.cancel(at);
        let sends = |app: &&Joined| app.app.as_ref().is_none_or(|app| app.spec().listens().is_none());
        self.0.joined.borrow().iter().filter(sends).for_each(|app| app.cancel.cancel(at));
    }

    /// Ends all apps and the extension, and closes all sockets, at `at`.
    pub(super) fn end(&self, at: Nanos) {
        self.0.ended.set(Some(at));
        self.0.extension.cancel(at);
        self.0.joined.borrow().iter().for_each(|app| app.cancel.cancel(at));
    }

    /// All apps that have joined so far, in the order of their accounts.
    pub(super) fn joined(&self) -> Vec<Joined> {
        self.0.joined.borrow().clone()
    }
}

/// The socket of an app of your own.
///
/// Once it was removed or the run has ended, it is closed: each send, also one that waits, is refused as
/// [`SendError::Closed`].
pub struct Socket {
    sender: Polled<SocketAddr>,
    account: Rc<Account>,
    /// Closes it.
    cancel: Rc<CancelToken>,
    clock: Clock,
    /// Number of the next packet.
    next: Cell<u64>,
}

impl Socket {
    /// Sends one datagram, and waits as long as the stack has to wait. Dropping the future cancels the send, and counts
    /// the packet as refused.
    ///
    /// # Errors
    /// [`SendError`] if it cannot be sent at all; it is counted as refused.
    pub async fn send(&self, payload: &[u8], to: SocketAddr) -> Result<(), SendError> {
        self.send_intended(payload, to, self.clock.now()).await
    }

    /// Like [`Socket::send`], for a datagram that the app's schedule sends at `intended`, from which its latency
    /// counts. A datagram that is sent before its intended time counts from when it is sent.
    ///
    /// # Errors
    /// As [`Socket::send`].
    pub async fn send_intended(&self, payload: &[u8], to: SocketAddr, intended: Nanos) -> Result<(), SendError> {
        let offer = self.account.offer();
        let stamp = self.stamp(intended.min(self.clock.now()));
        let sent = match self.send_now(payload, to, stamp) {
            Err(SendError::WouldBlock) => {
                let (mut headroom, waits) = ([0; HEADROOM], Reservation::default());
                let mut packet = Packet::reserving(&mut headroom, payload, stamp, &waits);
                self.cancel.run_until(pin!(self.sender.send(&mut packet, &to))).await.unwrap_or(Err(SendError::Closed))
            }
            sent => sent,
        };
        offer.close(sent)
    }

    /// Sends one datagram without waiting.
    ///
    /// # Errors
    /// [`SendError::WouldBlock`] if [`Socket::send`] would wait; otherwise the same errors. It is counted as refused.
    pub fn try_send(&self, payload: &[u8], to: SocketAddr) -> Result<(), SendError> {
        let offer = self.account.offer();
        let stamp = self.stamp(self.clock.now());
        offer.close(self.send_now(payload, to, stamp))
    }

    fn send_now(&self, payload: &[u8], to: SocketAddr, stamp: Stamp) -> Result<(), SendError> {
        if self.cancel.at().is_some() {
            return Err(SendError::Closed);
        }
        self.sender.try_send(&mut Packet::new(&mut [0; HEADROOM], payload, stamp), &to)
    }

    fn stamp(&self, intended: Nanos) -> Stamp {
        let sequence = self.next.replace(self.next.get() + 1);
        Stamp { flow: self.account.id(), sequence, intended }
    }

    /// Its account.
    pub fn account(&self) -> &Rc<Account> {
        &self.account
    }

    /// The clock of the run.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }
}

/// Layers whose type is erased.
trait Sockets {
    /// Spawns the loop of `app` on a socket of its own, as one of `apps`: in one allocation, whose type is known here.
    fn start(&self, apps: &Apps, app: ResolvedApp, account: Rc<Account>, context: AppContext);

    /// A socket behind a trait object.
    fn open(&self, account: &Rc<Account>) -> Polled<SocketAddr>;
}

impl<D: Egress<()> + 'static> Sockets for Layers<D> {
    fn start(&self, apps: &Apps, app: ResolvedApp, account: Rc<Account>, context: AppContext) {
        struct Start<'a>(&'a Apps, ResolvedApp, Rc<Account>, AppContext);

        impl UseSocket for Start<'_> {
            type Output = ();

            fn with(self, socket: impl Egress<SocketAddr> + 'static) {
                let Self(apps, app, account, context) = self;
                // A receiver has no end of its own: the run is over when the others have sent.
                let counts = app.spec().listens().is_none() || apps.0.receivers_count;
                apps.spawn_as(counts, run_app(app, account, socket, context));
            }
        }

        let port = app.spec().listens().map_or(app.source_port(), |listen| listen.port);
        self.open(&Rc::clone(&account), port, Start(apps, app, account, context));
    }

    fn open(&self, account: &Rc<Account>) -> Polled<SocketAddr> {
        struct Erase;

        impl UseSocket for Erase {
            type Output = Polled<SocketAddr>;

            fn with(self, socket: impl Egress<SocketAddr> + 'static) -> Self::Output {
                Polled::new(socket)
            }
        }

        Layers::open(self, account, source_port(account.id()), Erase)
    }
}
