//! Layers and apps of a program of your own, in virtual time: they join and leave while a run goes on, and wait in ways
//! of their own, under each way in which the layers call each other.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[path = "../examples/own_layer_and_app.rs"]
#[allow(dead_code, reason = "the example's types are used by its main function")]
mod example;

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;

use driver::backend::Output;
use driver::session::{Dma, Setup, serve};
use netstack::dispatch::Dispatch;
use netstack::error::SendError;
use netstack::layer::{Decorated, Decorator, Egress};
use netstack::packet::{Batch, Packet};
use netstack::process::Args;
use netstack::session::{Apps, Context, Extension, JoinError, Plan, Socket, StackRun, assemble};
use shared::exec::{Clock, Tasks, Virtual, run};
use shared::report::{AppReport, Ending, RunReport};
use shared::ring::{Depth, Producer, loopback};
use shared::units::{BitRate, LinkRate, Nanos};

/// The ways under which a send waits.
const WAITING: [Dispatch; 4] = [Dispatch::Static, Dispatch::Boxed, Dispatch::Inline, Dispatch::Poll];

/// The link and the ring of each run.
fn link_and_depth() -> (LinkRate, Depth) {
    (LinkRate::Limited(BitRate(100_000_000)), Depth::new(4).unwrap())
}

/// A driver that checks each frame.
fn setup() -> Setup<Output> {
    let (link, depth) = link_and_depth();
    let hardware = driver::hardware::Config::new(depth, link);
    Setup { verify: true, ..Setup::new(hardware, depth, Dma::Copy, Output::Model).unwrap() }
}

/// A run of these flags on a link of 100 Mbit/s and a ring of four slots, with an extension.
fn extended(way: Dispatch, flags: &[&str], extension: impl Extension) -> RunReport {
    extended_on(setup(), way, flags, extension)
}

/// The same, with a driver of this `setup`.
fn extended_on(setup: Setup<Output>, way: Dispatch, flags: &[&str], extension: impl Extension) -> RunReport {
    extended_beside(setup, way, flags, extension, |_, _| ())
}

/// The same; `beside` may start tasks beside the run.
fn extended_beside(
    setup: Setup<Output>,
    way: Dispatch,
    flags: &[&str],
    extension: impl Extension,
    beside: impl FnOnce(&Tasks, &Clock),
) -> RunReport {
    let (link, depth) = link_and_depth();
    let args = Args::of(flags).unwrap();
    let length = Plan::check(&args.stack, depth).unwrap();
    let plan = Plan { dispatch: way, ..Plan::new(&args.stack, length, 1, depth, link).unwrap() };
    let (clock, planned) = (Clock::default(), plan.clone());
    let (port, driver_port) = loopback::pair(depth);
    let inner = clock.clone();
    let both = |tasks: Tasks| {
        beside(&tasks, &inner);
        async move {
            let driver_clock = inner.clone();
            tasks.spawn(async move { drop(serve(driver_port, driver_clock, setup).await) });
            let ring = Producer::new(port, depth, inner.clone());
            StackRun::new(ring, planned).extended_by(extension).run(tasks, inner).await
        }
    };
    let outcome = run(&clock, Virtual::default(), both).unwrap();
    let report = assemble(outcome, &plan, depth, Context::default());
    assert!(report.ledger.balanced, "{way:?}: {:?}", report.ledger.violations);
    report
}

fn app<'a>(report: &'a RunReport, name: &str) -> &'a AppReport {
    report.apps.iter().find(|app| app.name == name).unwrap()
}

#[test]
fn the_example_runs() {
    example::main().unwrap();
}

/// Adds an app at 10 ms and removes it at 30 ms.
struct Guest(&'static str);

impl Extension for Guest {
    async fn run(self, apps: Apps) {
        let clock = apps.clock().clone();
        clock.sleep_until(Nanos::from_millis(10)).await;
        let guest = apps.add(&self.0.parse().unwrap()).unwrap();
        let twice = apps.add(&self.0.parse().unwrap());
        assert!(matches!(twice, Err(JoinError::NameTaken(_))), "{twice:?}");
        clock.sleep_until(Nanos::from_millis(30)).await;
        assert!(apps.remove(guest) && !apps.remove(guest + 1));
    }
}

#[test]
fn an_app_joins_and_leaves_without_disturbing_the_others() {
    let flags = ["--duration=50ms", "--app=cbr:rate=2kpps,size=100B", "--app=reqresp:think=1ms,size=100B"];
    for way in WAITING {
        let alone = extended(way, &flags, ());
        let with_guest = extended(way, &flags, Guest("cbr:name=guest,rate=1kpps,size=200B"));
        for name in ["cbr-0", "reqresp-1"] {
            let (alone, beside) = (app(&alone, name), app(&with_guest, name));
            assert_eq!((&alone.totals, &alone.blocked), (&beside.totals, &beside.blocked), "{way:?}: {name}");
        }
        let guest = &app(&with_guest, "guest").totals;
        // At 10 ms, 11 ms, ... 30 ms; the last one is due when the app leaves.
        assert_eq!((guest.offered, guest.delivered, guest.refused), (21, 20, 1), "{way:?}");
        assert_eq!(with_guest.apps.len(), 3);
    }
}

#[test]
fn an_app_that_leaves_while_it_is_blocked_cancels_its_send_and_its_packets_settle() {
    // Frames of 1500 B take 123 us each: both apps always wait for room.
    let flags = ["--duration=60ms", "--app=bulk"];
    for way in WAITING {
        let report = extended(way, &flags, Guest("bulk:name=guest,budget=9kB"));
        let (guest, stayed) = (&app(&report, "guest").totals, &app(&report, "bulk-0").totals);
        assert_eq!((guest.refused, guest.in_flight, guest.lost), (1, 0, 0), "{way:?}");
        assert_eq!(guest.accepted, guest.delivered);
        // Half of the link for 20 ms: 20 ms / 123 us / 2 = 81 packets.
        assert!((78..=84).contains(&guest.delivered), "{way:?}: {guest:?}");
        assert!((400..=412).contains(&stayed.delivered), "{way:?}: {stayed:?}");
    }
}

#[test]
fn no_app_joins_a_run_that_has_ended() {
    struct Late(Rc<RefCell<Option<Apps>>>);

    impl Extension for Late {
        async fn run(self, apps: Apps) {
            self.0.replace(Some(apps));
        }
    }

    let kept = Rc::new(RefCell::default());
    extended(Dispatch::Static, &["--duration=1ms", "--app=bulk"], Late(Rc::clone(&kept)));
    let apps = kept.take().unwrap();
    assert_eq!(apps.add(&"bulk".parse().unwrap()), Err(JoinError::Ended));
    assert_eq!(apps.socket("own", None).err(), Some(JoinError::Ended));
}

/// Counts packets and calls at the device.
#[derive(Default, Clone)]
struct Counted(Rc<Cell<(u64, u64)>>);

struct Counting<D>(D, Counted);

impl<D: Egress<()>> Egress<()> for Counting<D> {
    async fn send(&self, packet: &mut Packet<'_>, to: &()) -> Result<(), SendError> {
        self.0.send(packet, to).await.inspect(|()| self.1.add(1))
    }

    fn try_send(&self, packet: &mut Packet<'_>, to: &()) -> Result<(), SendError> {
        self.0.try_send(packet, to).inspect(|()| self.1.add(1))
    }

    fn try_send_batch(&self, batch: impl Batch, to: &()) -> u64 {
        let sent = self.0.try_send_batch(batch, to);
        self.1.add(sent);
        sent
    }
}

impl Counted {
    fn add(&self, packets: u64) {
        let (all, calls) = self.0.get();
        self.0.set((all + packets, calls + u64::from(packets > 0)));
    }
}

/// A decorator of one method.
struct Seen(Rc<Cell<u64>>);

impl Decorator for Seen {
    fn pass(&self, packet: &mut Packet<'_>) -> Result<(), SendError> {
        // Frames of 1500 B are refused by this layer.
        if packet.len() > 1_000 {
            return Err(SendError::TooLarge { len: packet.len(), mtu: 1_000 });
        }
        self.0.set(self.0.get() + 1);
        Ok(())
    }
}

struct Decorating(Counted, Rc<Cell<u64>>);

impl Extension for Decorating {
    fn layers<D: Egress<()> + 'static>(&self, device: D, _: &Clock) -> impl Egress<()> + 'static {
        Decorated::new(Seen(Rc::clone(&self.1)), Counting(device, self.0.clone()))
    }
}

#[test]
fn a_decorator_of_one_method_passes_batches_on() {
    let (counted, seen) = (Counted::default(), Rc::new(Cell::new(0)));
    let flags = ["--packets=400", "--app=bulk:size=100B,burst=4"];
    let report = extended(Dispatch::Static, &flags, Decorating(counted.clone(), Rc::clone(&seen)));
    let (packets, calls) = counted.0.get();
    assert_eq!((report.totals.delivered, packets), (400, 400));
    assert!(seen.get() >= 400, "a packet that finds no room is seen again");
    assert!(calls < packets, "{calls} calls for {packets} packets: no batch reached the device");
}

#[test]
fn a_packet_that_a_decorator_refuses_is_refused_under_every_way() {
    let ways = [&WAITING[..], &[Dispatch::Sync]].concat();
    for way in ways {
        let flags = ["--packets=30", "--app=cbr:rate=1kpps,size=1200B", "--app=cbr:rate=1kpps,size=100B"];
        let report = extended(way, &flags, Decorating(Counted::default(), Rc::default()));
        let [large, small] = [0, 1].map(|at| &report.apps[at].totals);
        assert_eq!((large.refused, large.accepted), (30, 0), "{way:?}");
        assert_eq!((small.refused, small.delivered), (0, 30), "{way:?}");
    }
}

/// A header of a layer's own in front of each frame, as a VLAN tag is.
struct Tag;

impl Decorator for Tag {
    fn pass(&self, packet: &mut Packet<'_>) -> Result<(), SendError> {
        packet.prepend(&[0x81, 0, 0, 7]);
        Ok(())
    }
}

struct Tagging;

impl Extension for Tagging {
    fn layers<D: Egress<()> + 'static>(&self, device: D, _: &Clock) -> impl Egress<()> + 'static {
        Decorated::new(Tag, device)
    }
}

#[test]
fn a_layer_that_adds_bytes_to_frames_does_not_make_a_liar_of_the_driver() {
    for way in WAITING {
        let unverified = Setup { verify: false, ..setup() };
        let report = extended_on(unverified, way, &["--packets=30", "--app=bulk:size=100B"], Tagging);
        assert_eq!(report.ending, Ending::Finished, "{way:?}");
        assert_eq!(report.driver.unwrap().sent_bytes, 30 * (100 + 42 + 4));
    }
}

#[test]
fn a_socket_of_an_extension_counts_sent_and_refused_packets() {
    struct Own;

    impl Extension for Own {
        async fn run(self, apps: Apps) {
            let socket = apps.socket("own", Some(1_000)).unwrap();
            let (near, far) = (SocketAddr::from(([10, 0, 0, 2], 7)), SocketAddr::from(([10, 9, 9, 9], 7)));
            assert_eq!(socket.try_send(&[0; 600], near), Ok(()));
            assert_eq!(socket.try_send(&[0; 600], near), Err(SendError::WouldBlock), "the budget is used up");
            // Waits for the first packet to complete.
            assert_eq!(socket.send(&[0; 600], near).await, Ok(()));
            assert_eq!(socket.send(&[0; 600], far).await, Err(SendError::NoRoute(far.ip())));
            let large = Err(SendError::OverBudget { len: 1_200, budget: 1_000 });
            assert_eq!((socket.send(&[0; 1_200], near).await, socket.try_send(&[0; 1_200], near)), (large, large));
        }
    }

    for way in WAITING {
        let report = extended(way, &["--packets=1", "--app=bulk"], Own);
        let own = &app(&report, "own").totals;
        assert_eq!((own.offered, own.delivered, own.refused), (6, 2, 4), "{way:?}");
    }
}

/// Opens a socket, and leaves it to a task beside the run.
struct Left(Rc<RefCell<Option<Socket>>>);

impl Extension for Left {
    async fn run(self, apps: Apps) {
        assert_eq!(apps.socket("bulk-0", None).err(), Some(JoinError::NameTaken("bulk-0".to_owned())));
        self.0.replace(Some(apps.socket("left", None).unwrap()));
    }
}

#[test]
fn a_socket_is_closed_when_the_run_ends_even_while_it_waits() {
    let near = SocketAddr::from(([10, 0, 0, 2], 7));
    for way in WAITING {
        let (left, refused) = (Rc::new(RefCell::new(None)), Rc::new(Cell::new(None)));
        let (socket, result) = (Rc::clone(&left), Rc::clone(&refused));
        let beside = |tasks: &Tasks, clock: &Clock| {
            let clock = clock.clone();
            tasks.spawn(async move {
                clock.sleep_until(Nanos::from_millis(5)).await;
                let socket: Socket = socket.take().unwrap();
                // Beside a `bulk` app it soon waits for room, also at the end.
                while socket.send(&[0; 1_000], near).await.is_ok() {}
                result.set(Some((clock.now(), socket.try_send(&[0; 1_000], near))));
            });
        };
        let flags = ["--duration=10ms", "--app=bulk:size=1400B"];
        let report = extended_beside(setup(), way, &flags, Left(left), beside);
        assert_eq!(refused.get(), Some((Nanos::from_millis(10), Err(SendError::Closed))), "{way:?}");
        let totals = &app(&report, "left").totals;
        assert_eq!((totals.refused, totals.in_flight, totals.delivered), (2, 0, totals.accepted), "{way:?}");
        assert!(report.elapsed_ns < 11_000_000, "{way:?}: the drain has to end: {}", report.elapsed_ns);
    }
}

#[test]
fn a_socket_that_is_removed_is_closed() {
    struct Removes;

    impl Extension for Removes {
        async fn run(self, apps: Apps) {
            let (socket, near) = (apps.socket("own", None).unwrap(), SocketAddr::from(([10, 0, 0, 2], 7)));
            assert_eq!(socket.send(&[0; 600], near).await, Ok(()));
            assert!(apps.remove(socket.account().id()));
            assert_eq!(socket.send(&[0; 600], near).await, Err(SendError::Closed));
            // The name stays with the account.
            assert_eq!(apps.socket("own", None).err(), Some(JoinError::NameTaken("own".to_owned())));
        }
    }

    for way in WAITING {
        let report = extended(way, &["--packets=1", "--app=bulk"], Removes);
        let own = &app(&report, "own").totals;
        assert_eq!((own.offered, own.delivered, own.refused), (2, 1, 1), "{way:?}");
    }
}
