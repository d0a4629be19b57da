//! Invariants of flow control, checked each time that no task can proceed: at each event of a run, not only at its end.
//!
//! The park is called at each of these moments. The one here also has access to the stack's device, the accounts and
//! the driver's end of the ring, which are assembled as a session assembles them.

use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;

use driver::backend::Output;
use driver::hardware;
use driver::session::{Dma, Setup, serve};
use netstack::account::{Account, Accounts, Timeline};
use netstack::app::{AppContext, AppSpec, CancelToken, Horizon, resolve_all, run_app};
use netstack::device::{Policy, RingDevice};
use netstack::layers::{Ethernet, Ip, MTU, MacAddr, Neighbours, Router, Routes, Udp, UdpSocket};
use shared::exec::{Clock, Park, Signal, Tasks, Virtual, run};
use shared::ledger::Counters;
use shared::ring::loopback::{LoopbackConsumer, LoopbackProducer, pair};
use shared::ring::{ConsumerPort, Depth, Producer, WakePoint};
use shared::units::{BitRate, Bytes, LinkRate, Nanos};

const LINK: LinkRate = LinkRate::Limited(BitRate(1_000_000_000));

/// The assembled system, and what the checks need of it.
struct System {
    clock: Clock,
    accounts: Rc<Accounts>,
    device: Rc<RingDevice<LoopbackProducer>>,
    driver: LoopbackConsumer,
    queue: u64,
    /// Slots that must be free before waiters are served.
    wake_point: u64,
    /// Apps that have not offered everything yet.
    running: Cell<usize>,
    changed: Signal,
}

impl System {
    fn new(depth: u32, queue: u32, wake: WakePoint, policy: &str) -> Self {
        let (clock, accounts, depth) = (Clock::default(), Rc::new(Accounts::default()), Depth::new(depth).unwrap());
        let (port, driver) = pair(depth);
        let wake_point = wake.slots(depth).unwrap();
        let ring = Producer::with_wake_point(port, depth, wake_point, clock.clone());
        let policy: Policy = policy.parse().unwrap();
        let device = Rc::new(RingDevice::new(ring, policy, 3, Rc::clone(&accounts), clock.clone()));
        let (running, changed) = (Cell::new(0), Signal::default());
        Self { clock, accounts, device, driver, queue: queue.into(), wake_point: wake_point.into(), running, changed }
    }

    fn total(&self) -> Counters {
        let mut total = Counters::default();
        self.accounts.all().iter().for_each(|account| total += &account.counters());
        total
    }

    /// The invariants at each moment at which no task can proceed.
    fn check(&self) {
        let (ring, total) = (self.device.ring(), self.total());
        let (outstanding, queued) = (u64::from(ring.outstanding()), self.device.queued() as u64);
        assert_eq!(ring.room() + outstanding, u64::from(ring.depth().get()), "a credit is neither free nor held");
        let fates = total.delivered + total.dropped() + total.lost;
        assert_eq!(total.accepted, fates + outstanding + queued, "a packet has no fate and is not in flight");
        assert!(total.offered >= total.accepted + total.refused());
        // The hardware is not idle while the ring holds frames.
        let in_ring = u64::from(self.driver.waiting());
        let in_hardware = outstanding - in_ring;
        assert!(in_hardware <= self.queue);
        assert!(in_ring == 0 || in_hardware == self.queue, "{in_ring} wait, and the hardware has room");
        // Below the wake point, free slots are kept from waiters; at the wake point no sender waits.
        assert!(ring.room() < self.wake_point || (ring.waiting() == 0 && queued == 0), "room, and a sender waits");
        assert!(ring.waiting() == 0 || ring.shortfall() == Some(self.wake_point - ring.room()));
        let stats = ring.stats();
        assert!(stats.stops == stats.wakes || stats.stops == stats.wakes + 1);
        assert!(stats.wakes <= stats.completed, "a wake without a completion before it");
    }
}

/// Virtual time that checks the system.
struct Watch {
    time: Virtual,
    system: Rc<System>,
    /// The number of apps, if all of them send as fast as they can.
    saturating: Option<usize>,
    /// Wakes and submissions at the last check.
    seen: (u64, u64),
    looks: Rc<Cell<u64>>,
}

impl Park for Watch {
    fn now(&mut self) -> Nanos {
        self.time.now()
    }

    fn exchange(&mut self) -> bool {
        self.system.check();
        self.looks.set(self.looks.get() + 1);
        self.time.exchange()
    }

    fn park(&mut self, deadline: Option<Nanos>) -> bool {
        let (ring, running) = (self.system.device.ring(), self.system.running.get());
        let stats = ring.stats();
        if self.saturating == Some(running) {
            // No app yields or has finished here, so each app that is not sending must wait for room.
            assert!(ring.room() < self.system.wake_point, "stopped with credit left");
            assert_eq!(ring.waiting(), running, "no credit, and a sender is not stopped");
            assert_eq!(stats.stops, stats.wakes + 1, "stopped, but not counted as stopped");
            let (wakes, submitted) = self.seen;
            assert!(stats.submitted - submitted >= stats.wakes - wakes, "a wake that found no room");
        }
        self.seen = (stats.wakes, stats.submitted);
        self.time.park(deadline)
    }
}

/// Runs `apps` to their end, and returns the number of checks.
fn watched(system: System, apps: &[&str]) -> u64 {
    let (system, looks) = (Rc::new(system), Rc::new(Cell::new(0)));
    let specs: Vec<AppSpec> = apps.iter().map(|app| app.parse().unwrap()).collect();
    let bulk = apps.iter().all(|app| app.starts_with("bulk"));
    let saturating = (bulk && system.device.policy() == Policy::Wait).then_some(apps.len());
    let watch = Watch {
        time: Virtual::default(),
        system: Rc::clone(&system),
        saturating,
        seen: (0, 0),
        looks: Rc::clone(&looks),
    };
    let inner = Rc::clone(&system);
    run(&system.clock, watch, move |tasks| both(tasks, inner, specs)).unwrap();
    let total = system.total();
    assert_eq!(total.check("totals"), []);
    assert_eq!(total.accepted, total.delivered + total.dropped());
    looks.get()
}

async fn both(tasks: Tasks, system: Rc<System>, specs: Vec<AppSpec>) {
    let (port, clock, setup) = (system.driver.clone(), system.clock.clone(), setup(&system));
    tasks.spawn(async move { drop(serve(port, clock, setup).await) });
    let device = Rc::clone(&system.device);
    tasks.spawn(async move { device.run_completions().await });
    if system.device.policy().has_queue() {
        let device = Rc::clone(&system.device);
        tasks.spawn(async move { device.run_queue().await });
    }
    let neighbours = Rc::new(Neighbours::default());
    neighbours.set(IpAddr::from([10, 0, 0, 2]), MacAddr([2, 0, 0, 0, 0, 2]));
    let mac = MacAddr([2, 0, 0, 0, 0, 1]);
    let ethernet =
        Ethernet::new(Rc::clone(&system.device), mac, neighbours, Rc::clone(&system.accounts), system.clock.clone());
    let routes = Routes::default().network(IpAddr::from([10, 0, 0, 1]), 24);
    let udp = Rc::new(Udp::new(Ip::new(ethernet), Router::new(routes, MTU)));
    let apps = resolve_all(&specs, LINK, Bytes(1472)).unwrap();
    system.running.set(apps.len());
    for app in apps {
        let account = Account::new(
            app.index(),
            app.name(),
            app.spec().budget().map(|bytes| bytes.0),
            &Timeline::new(&system.clock, Nanos::from_secs(1)),
        );
        system.accounts.add(Rc::clone(&account));
        let socket = UdpSocket::new(Rc::clone(&udp), Rc::clone(&account), 49_152);
        let cancel = Rc::new(CancelToken::default());
        let context = AppContext {
            seed: 7,
            clock: system.clock.clone(),
            horizon: Horizon::Packets(300),
            receives: None,
            states_times: false,
            cancel,
        };
        let system = Rc::clone(&system);
        tasks.spawn(async move {
            run_app(app, account, socket, context).await;
            system.running.set(system.running.get() - 1);
            system.changed.notify();
        });
    }
    system.changed.wait_for(|| (system.running.get() == 0).then_some(())).await;
    system.device.drained().await;
}

fn setup(system: &System) -> Setup<Output> {
    let queue = Depth::new(system.queue as u32).unwrap();
    let hardware = hardware::Config {
        service: hardware::Service::Exponential,
        stall: Some("every=300us,for=100us".parse().unwrap()),
        ..hardware::Config::new(queue, LINK)
    };
    let setup = Setup::new(hardware, system.device.ring().depth(), Dma::Copy, Output::Model).unwrap();
    Setup { verify: true, ..setup }
}

/// Runs at depths below, at and above the depth of the hardware queue.
fn everywhere(policy: &str, apps: &[&str]) {
    for depth in [1, 2, 5, 64] {
        for (queue, wake) in [(1, WakePoint::Each), (2, WakePoint::Half), (8, WakePoint::Each), (8, WakePoint::Half)] {
            let looks = watched(System::new(depth, queue, wake, policy), apps);
            assert!(looks >= 300, "{looks}");
        }
    }
}

#[test]
fn a_saturating_stack_is_stopped_if_and_only_if_no_credit_is_left() {
    everywhere("wait", &["bulk"]);
    everywhere("wait", &["bulk:size=22B", "bulk", "bulk:size=700B"]);
}

#[test]
fn an_app_below_saturation_waits_only_while_no_credit_is_left() {
    let apps = ["poisson:load=0.7", "onoff:load=2,on=1ms,off=1ms", "reqresp:think=50us", "bulk:budget=3000B"];
    everywhere("wait", &apps);
    everywhere("wait", &["poisson:load=1.4,when-blocked=skip", "cbr:load=0.2"]);
}

#[test]
fn every_packet_has_a_fate_under_the_policies_that_drop() {
    for policy in ["drop-newest", "drop-oldest", "deadline=30us"] {
        everywhere(policy, &["poisson:load=1.4", "cbr:load=0.5,size=100B", "reqresp:think=20us"]);
    }
    everywhere("deadline=30us", &["bulk", "bulk:size=64B"]);
}
