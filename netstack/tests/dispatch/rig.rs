//! A stack in virtual time, with hardware that has a fixed service time and keeps all frames.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;

use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, poll_fn};
use netstack::account::{Account, Accounts, Stage, Timed, Timeline};
use netstack::app::{AppContext, AppSpec, CancelToken, Horizon, ResolvedApp, resolve_all, run_app};
use netstack::device::{Policy, RingDevice};
use netstack::dispatch::{Dispatch, Parts, UseSocket};
use netstack::layer::Egress;
use netstack::layers::{MacAddr, Neighbours, Routes};
use shared::exec::{Clock, Tasks, Virtual, run};
use shared::ledger::Counters;
use shared::ring::loopback::{LoopbackConsumer, LoopbackProducer, pair};
use shared::ring::{Completion, ConsumerPort, Depth, MAX_FRAME, Producer, Status};
use shared::units::{BitRate, Bytes, LinkRate, Nanos};

/// Service time of a frame.
pub(crate) const SERVICE: Nanos = Nanos::from_micros(10);

/// The settings of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) policy: &'a str,
    pub(crate) depth: u32,
    pub(crate) apps: &'a [&'a str],
    /// Packets that each app offers.
    pub(crate) packets: u64,
    /// When the neighbour becomes known; `None` for never.
    pub(crate) neighbour_at: Option<Nanos>,
    /// When the run ends, even if the apps are not done.
    pub(crate) end: Nanos,
    /// Whether the hardware keeps the frames.
    pub(crate) keep_frames: bool,
}

impl Default for Scene<'_> {
    fn default() -> Self {
        let (neighbour_at, end) = (Some(Nanos::ZERO), Nanos::from_secs(60));
        let (policy, apps) = ("wait", &["bulk:size=100B"]);
        Self { policy, depth: 2, apps, packets: 50, neighbour_at, end, keep_frames: true }
    }
}

/// The observable result of a run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    pub(crate) frames: Vec<Vec<u8>>,
    pub(crate) apps: Vec<App>,
    /// Stops and wakes of the ring.
    pub(crate) stops: u64,
    pub(crate) wakes: u64,
    /// How many sends wait for room at the end, and how many slots are free.
    pub(crate) waiting: usize,
    pub(crate) room: u64,
    pub(crate) took: Nanos,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct App {
    pub(crate) counters: Counters,
    /// How often its task was polled: once to begin, and once per wake-up.
    pub(crate) polls: u64,
    /// How often it waited at each stage, and for how long at all stages together.
    pub(crate) waits: [u64; Stage::ALL.len()],
    pub(crate) blocked_ns: u128,
    /// Bytes that are left of its send budget.
    pub(crate) budget: Option<u64>,
}

struct Rig {
    clock: Clock,
    device: Rc<RingDevice<LoopbackProducer>>,
    hardware: LoopbackConsumer,
    neighbours: Rc<Neighbours>,
    accounts: Rc<Accounts>,
    /// All frames that the hardware received, if it keeps them.
    frames: Option<RefCell<Vec<Vec<u8>>>>,
}

/// Runs `scene` with layers that call each other in `way`.
pub(crate) fn play(way: Dispatch, scene: Scene<'_>) -> Seen {
    let clock = Clock::default();
    let depth = Depth::new(scene.depth).unwrap();
    let (port, hardware) = pair(depth);
    let accounts = Rc::new(Accounts::default());
    let ring = Producer::new(port, depth, clock.clone());
    let policy: Policy = scene.policy.parse().unwrap();
    let device = Rc::new(RingDevice::new(ring, policy, 3, Rc::clone(&accounts), clock.clone()));
    let rig = Rc::new(Rig {
        clock: clock.clone(),
        device,
        hardware,
        neighbours: Rc::default(),
        accounts,
        frames: scene.keep_frames.then(RefCell::default),
    });
    let specs: Vec<AppSpec> = scene.apps.iter().map(|app| app.parse().unwrap()).collect();
    let (packets, neighbour_at, end) = (scene.packets, scene.neighbour_at, scene.end);
    let main = |tasks: Tasks| async move {
        rig.spawn(&tasks, policy, neighbour_at);
        let polls = rig.run_apps(&tasks, way, &specs, packets, end).await;
        rig.device.drained().await;
        rig.seen(&polls)
    };
    run(&clock, Virtual::default(), main).unwrap()
}

/// Runs an app on a socket.
struct RunApp(ResolvedApp, Rc<Account>, AppContext);

impl UseSocket for RunApp {
    type Output = LocalBoxFuture<'static, ()>;

    fn with(self, socket: impl Egress<SocketAddr> + 'static) -> Self::Output {
        run_app(self.0, self.1, socket, self.2).boxed_local()
    }
}

impl Rig {
    fn spawn(self: &Rc<Self>, tasks: &Tasks, policy: Policy, neighbour_at: Option<Nanos>) {
        let device = Rc::clone(&self.device);
        tasks.spawn(async move { device.run_completions().await });
        if policy.has_queue() {
            let device = Rc::clone(&self.device);
            tasks.spawn(async move { device.run_queue().await });
        }
        let rig = Rc::clone(self);
        tasks.spawn(async move { rig.serve().await });
        let (rig, mac) = (Rc::clone(self), MacAddr([2, 0, 0, 0, 0, 2]));
        if let Some(at) = neighbour_at {
            let learn = move || ["10.0.0.2", "fd00::2"].map(|ip| rig.neighbours.set(ip.parse().unwrap(), mac));
            let clock = self.clock.clone();
            if at == Nanos::ZERO {
                learn();
            } else {
                tasks.spawn(async move {
                    clock.sleep_until(at).await;
                    learn();
                });
            }
        }
    }

    /// The hardware: serves one frame after the other.
    async fn serve(&self) {
        let mut buffer = vec![0; MAX_FRAME];
        for position in 0.. {
            self.hardware.connection().arrived().wait_for(|| (self.hardware.waiting() > 0).then_some(())).await;
            let frame = self.hardware.take(Some(&mut buffer));
            if let Some(frames) = &self.frames {
                frames.borrow_mut().extend(frame.map(|(_, bytes)| bytes.to_vec()));
            }
            self.clock.sleep_until(self.clock.now() + SERVICE).await;
            let now = self.clock.now();
            self.hardware.complete(Completion { position, status: Status::Sent, taken: now, at: now });
        }
    }

    /// Runs all apps until they are done. Returns how often each was polled.
    async fn run_apps(
        &self,
        tasks: &Tasks,
        way: Dispatch,
        specs: &[AppSpec],
        packets: u64,
        end: Nanos,
    ) -> Vec<Rc<Cell<u64>>> {
        let ip = |text: &str| -> IpAddr { text.parse().unwrap() };
        let parts = Parts {
            mac: MacAddr([2, 0, 0, 0, 0, 1]),
            neighbours: Rc::clone(&self.neighbours),
            routes: Routes::default().network(ip("10.0.0.1"), 24).network(ip("fd00::1"), 64),
            paths: Rc::default(),
            accounts: Rc::clone(&self.accounts),
            clock: self.clock.clone(),
        };
        let layers = way.layers(Rc::clone(&self.device), &parts);
        let (cancel, left) = (Rc::new(CancelToken::default()), Rc::new(Cell::new(specs.len())));
        let (all_done, mut polls) = (Rc::new(shared::exec::Signal::default()), Vec::new());
        for app in resolve_all(specs, LinkRate::Limited(BitRate(1_000_000_000)), Bytes(1472)).unwrap() {
            let budget = app.spec().budget().map(|bytes| bytes.0);
            let account =
                Account::new(app.index(), app.name(), budget, &Timeline::new(&self.clock, Nanos::from_secs(1)));
            self.accounts.add(Rc::clone(&account));
            let horizon = Horizon::Packets(packets);
            let context = AppContext {
                seed: 7,
                clock: self.clock.clone(),
                horizon,
                receives: None,
                states_times: false,
                cancel: Rc::clone(&cancel),
            };
            let port = 49_152 + app.index() as u16;
            let app = layers.open(&Rc::clone(&account), port, RunApp(app, account, context));
            let (count, left, done) = (Rc::new(Cell::new(0)), Rc::clone(&left), Rc::clone(&all_done));
            polls.push(Rc::clone(&count));
            tasks.spawn(async move {
                let mut app = pin!(app);
                poll_fn(|cx| {
                    count.set(count.get() + 1);
                    app.as_mut().poll(cx)
                })
                .await;
                left.set(left.get() - 1);
                done.notify();
            });
        }
        let time_up = self.clock.clone();
        tasks.spawn(async move {
            time_up.sleep_until(end).await;
            cancel.cancel(end);
        });
        all_done.wait_for(|| (left.get() == 0).then_some(())).await;
        polls
    }

    fn seen(&self, polls: &[Rc<Cell<u64>>]) -> Seen {
        let apps = self.accounts.all().into_iter().zip(polls).map(|(account, polls)| App {
            counters: account.counters(),
            polls: polls.get(),
            waits: Stage::ALL.map(|stage| account.tally(Timed::Wait(stage)).count),
            blocked_ns: account.blocked_ns(),
            budget: account.budget().map(shared::credits::Credits::available),
        });
        let ring = self.device.ring();
        Seen {
            frames: self.frames.as_ref().map(RefCell::take).unwrap_or_default(),
            apps: apps.collect(),
            stops: ring.stats().stops,
            wakes: ring.stats().wakes,
            waiting: ring.waiting(),
            room: ring.room(),
            took: self.clock.now(),
        }
    }
}
