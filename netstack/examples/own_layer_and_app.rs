//! Layers and an app of your own in the stack, with its ledger and its report.
//!
//! - [`Tap`] counts frames. It never waits, so it is a decorator of one method.
//! - [`Pacer`] lets one frame pass per millisecond, and waits for that time on a timer of its own.
//! - [`heartbeat`] is an app: a future that sends on a socket.
//!
//! ```text
//! heartbeat -> socket -> Udp -> Ip -> Ethernet -> Tap -> Pacer -> RingDevice -> ring -> driver
//! ```
//!
//! All of it runs in virtual time here, against the driver's session and its hardware model, so the numbers are the
//! same on every machine. It runs once for each way in which layers can call each other and wait; the layers need no
//! code for that. [`netstack::process::report_with`] runs the same [`Extension`] in real time, against a driver
//! process.
//!
//! Run it with `cargo run -p netstack --example own_layer_and_app`.

#![allow(clippy::print_stdout, reason = "an example prints what it shows")]

use std::cell::Cell;
use std::error::Error;
use std::net::SocketAddr;
use std::rc::Rc;

use driver::backend::Output;
use driver::hardware;
use driver::session::{Dma, Setup, serve};
use netstack::dispatch::Dispatch;
use netstack::error::SendError;
use netstack::layer::{Decorated, Decorator, Egress};
use netstack::packet::Packet;
use netstack::process::Args;
use netstack::session::{Apps, Context, Extension, Plan, Socket, StackRun, assemble};
use shared::exec::{Clock, Tasks, Virtual, run};
use shared::report::RunReport;
use shared::ring::{Depth, Producer, loopback};
use shared::units::{BitRate, LinkRate, Nanos};

/// Counts the frames that the layer below accepts.
struct Tap(Rc<Cell<u64>>);

impl Decorator for Tap {
    fn accepted(&self, packets: u64) {
        self.0.set(self.0.get() + packets);
    }
}

/// Lets one frame pass per millisecond.
struct Pacer<D> {
    below: D,
    clock: Clock,
    /// When the next frame may pass.
    next: Cell<Nanos>,
}

impl<D> Pacer<D> {
    fn take_turn(&self) -> Nanos {
        let turn = self.next.get().max(self.clock.now());
        self.next.set(turn + Nanos::from_millis(1));
        turn
    }
}

impl<D: Egress<()>> Egress<()> for Pacer<D> {
    async fn send(&self, packet: &mut Packet<'_>, to: &()) -> Result<(), SendError> {
        // Any `async fn` is allowed: it may wait for anything.
        self.clock.sleep_until(self.take_turn()).await;
        self.below.send(packet, to).await
    }

    fn try_send(&self, packet: &mut Packet<'_>, to: &()) -> Result<(), SendError> {
        if self.next.get() > self.clock.now() {
            return Err(SendError::WouldBlock);
        }
        self.below.try_send(packet, to)?;
        self.take_turn();
        Ok(())
    }
}

/// Sends a datagram every half millisecond, twice as fast as the pacer lets them pass.
async fn heartbeat(socket: Socket, beats: u64) {
    let to = SocketAddr::from(([10, 0, 0, 2], 7));
    for beat in 0..beats {
        let intended = Nanos::from_micros(500 * beat);
        socket.clock().sleep_until(intended).await;
        // The result may be ignored: the socket counts a packet that is refused under its reason.
        let _ = socket.send_intended(&[0; 1400], to, intended).await;
    }
}

/// What this program adds to the stack.
struct Own {
    frames: Rc<Cell<u64>>,
}

impl Extension for Own {
    fn layers<D: Egress<()> + 'static>(&self, device: D, clock: &Clock) -> impl Egress<()> + 'static {
        let pacer = Pacer { below: device, clock: clock.clone(), next: Cell::default() };
        Decorated::new(Tap(Rc::clone(&self.frames)), pacer)
    }

    async fn run(self, apps: Apps) {
        // The name is taken only if an `--app` has it.
        if let Ok(socket) = apps.socket("heartbeat", None) {
            heartbeat(socket, 20).await;
        }
    }
}

/// A run of the stack with [`Own`] and a `bulk` app, in virtual time, on a ring of four slots. Returns the report, and
/// how many frames the tap has counted.
fn report(way: Dispatch) -> Result<(RunReport, u64), Box<dyn Error>> {
    let (depth, link) = (Depth::new(4)?, LinkRate::Limited(BitRate(100_000_000)));
    let args = Args::of(&["--packets", "20", "--app", "bulk:size=100B"])?;
    let length = Plan::check(&args.stack, depth)?;
    let plan = Plan { dispatch: way, ..Plan::new(&args.stack, length, 1, depth, link)? };
    let own = Own { frames: Rc::default() };

    let (clock, frames, planned) = (Clock::default(), Rc::clone(&own.frames), plan.clone());
    let (port, driver_port) = loopback::pair(depth);
    let setup = Setup::new(hardware::Config::new(depth, link), depth, Dma::Copy, Output::Model)?;
    let inner = clock.clone();
    let both = |tasks: Tasks| async move {
        let driver_clock = inner.clone();
        tasks.spawn(async move { drop(serve(driver_port, driver_clock, setup).await) });
        let ring = Producer::new(port, depth, inner.clone());
        StackRun::new(ring, planned).extended_by(own).run(tasks, inner).await
    };
    let outcome = run(&clock, Virtual::default(), both)?;
    Ok((assemble(outcome, &plan, depth, Context::default()), frames.get()))
}

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    for way in [Dispatch::Static, Dispatch::Boxed, Dispatch::Inline, Dispatch::Poll] {
        let (report, frames) = report(way)?;
        println!("{way:?}: {frames} frames passed the tap, the run took {}", Nanos(report.elapsed_ns));
        assert!(report.ledger.balanced, "{:?}", report.ledger);
        assert_eq!((report.totals.delivered, frames), (40, 40));
        // 40 frames, one per millisecond, and then the last one's time on the link.
        assert_eq!(report.elapsed_ns / 1_000_000, 39, "{way:?}");
    }
    Ok(())
}
