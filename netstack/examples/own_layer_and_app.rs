//! A layer and an app of your own on the stack.
//!
//! The layer, [`Tap`], sits between Ethernet and the device, counts every frame, and waits when the device waits:
//! backpressure passes through it without any code for it. The app, [`heartbeat`], has a schedule of one datagram per
//! millisecond. Both run in virtual time here, against the driver's session and its hardware model, so the numbers are
//! the same on every machine. Layer and app need no change to run in real time.
//!
//! ```text
//! heartbeat -> UdpSocket -> Udp -> Ip -> Ethernet -> Tap -> RingDevice -> ring -> driver
//! ```
//!
//! Run it with `cargo run -p netstack --example own_layer_and_app`.

#![allow(clippy::print_stdout, reason = "an example prints what it shows")]

use std::cell::Cell;
use std::collections::TryReserveError;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use driver::backend::Output;
use driver::hardware;
use driver::session::{Dma, Setup, serve};
use netstack::flow::{Flow, Flows, Stage, Timeline};
use netstack::stack::{
    Datagrams, Device, Ethernet, Ip, MacAddr, Neighbours, Packet, Policy, RingDevice, Routes, SendError, Stamp, Udp,
    UdpSocket,
};
use shared::exec::{Clock, Halted, Tasks, Virtual, run};
use shared::ring::{Depth, DepthError, Producer, loopback};
use shared::units::{BitRate, LinkRate, Nanos};

/// A layer: it implements [`Device`], and wraps another device.
struct Tap<D> {
    below: D,
    frames: Rc<Cell<u64>>,
}

impl<D: Device> Device for Tap<D> {
    fn max_frame(&self) -> usize {
        self.below.max_frame()
    }

    async fn send(&self, packet: &Packet<'_>) -> Result<(), SendError> {
        // Waits as long as the device waits; counts the frames that the device accepted.
        self.below.send(packet).await?;
        self.frames.set(self.frames.get() + 1);
        Ok(())
    }
}

/// An app: any future that sends on a socket. This one has a schedule, and counts its packets in `flow`.
async fn heartbeat(socket: impl Datagrams, flow: Rc<Flow>, clock: Clock, beats: u64) {
    let to = SocketAddr::from(([10, 0, 0, 2], 7));
    for sequence in 0..beats {
        let intended = Nanos::from_millis(sequence);
        clock.sleep_until(intended).await;
        let offer = flow.offer();
        // The result may be ignored: `close` counts a refused packet under its reason.
        let _ = offer.close(socket.send(&[0; 1400], to, Stamp { flow: flow.id(), sequence, intended }).await);
    }
}

/// The figures that the example prints.
struct Shown {
    flow: Rc<Flow>,
    frames: u64,
    took: Nanos,
}

async fn stack(tasks: Tasks, clock: Clock, depth: Depth) -> Result<Shown, ExampleError> {
    let (port, driver_port) = loopback::pair(depth);
    let (driver_clock, setup) = (clock.clone(), driver_setup(depth)?);
    tasks.spawn(async move { drop(serve(driver_port, driver_clock, setup).await) });

    let flow = Flow::new(0, "heartbeat", None, &Timeline::new(&clock, Nanos::from_secs(1)));
    let flows = Rc::new(Flows::default());
    flows.add(Rc::clone(&flow));
    let ring = Producer::new(port, depth, clock.clone());
    let device = Rc::new(RingDevice::new(ring, Policy::Wait, 0, Rc::clone(&flows), clock.clone()));
    let completions = Rc::clone(&device);
    tasks.spawn(async move { completions.run_completions().await });

    let frames = Rc::new(Cell::new(0));
    let tap = Tap { below: Rc::clone(&device), frames: Rc::clone(&frames) };
    let neighbours = Rc::new(Neighbours::default());
    neighbours.set(IpAddr::from([10, 0, 0, 2]), MacAddr([2, 0, 0, 0, 0, 2]));
    let ethernet = Ethernet::new(tap, MacAddr([2, 0, 0, 0, 0, 1]), neighbours, flows, clock.clone());
    let routes = Routes::default().on_link(IpAddr::from([10, 0, 0, 1]), 24);
    let udp = Rc::new(Udp::new(Ip::new(ethernet, routes)));

    heartbeat(UdpSocket::new(udp, Rc::clone(&flow), 49_152), Rc::clone(&flow), clock.clone(), 10).await;
    device.drained().await;
    Ok(Shown { flow, frames: frames.get(), took: clock.now() })
}

/// Hardware that is five times too slow for the app: with preamble and gap, one of its frames takes 5 ms on the link.
fn driver_setup(depth: Depth) -> Result<Setup<Output>, TryReserveError> {
    let link = LinkRate::Limited(BitRate(2_345_600));
    let setup = Setup::new(hardware::Config::new(depth, link), depth, Dma::Copy, Output::Model)?;
    Ok(Setup { verify: true, ..setup })
}

#[derive(Debug, thiserror::Error)]
enum ExampleError {
    #[error(transparent)]
    Memory(#[from] TryReserveError),
    #[error(transparent)]
    Depth(#[from] DepthError),
    #[error(transparent)]
    Halted(#[from] Halted),
}

fn main() -> Result<(), ExampleError> {
    let (clock, depth) = (Clock::default(), Depth::new(2)?);
    let inner = clock.clone();
    let shown = run(&clock, Virtual::default(), |tasks| stack(tasks, inner, depth))??;
    let counters = shown.flow.counters();
    println!("the tap counted {} frames, the hardware sent {}", shown.frames, counters.delivered);
    println!("the app was blocked for {}, and the run took {}", room(&shown.flow), shown.took);
    // Two slots, 5 ms per frame: the app waits, no packet is dropped, and the tap has no code for that.
    assert_eq!((shown.frames, counters.delivered, counters.dropped()), (10, 10, 0));
    assert_eq!(shown.took, Nanos::from_millis(50));
    assert!(room(&shown.flow) > Nanos::from_millis(30));
    Ok(())
}

/// Time that the app was blocked for room in the ring.
fn room(flow: &Flow) -> Nanos {
    Nanos(u64::try_from(flow.blocked(Stage::Room).sum()).unwrap_or(u64::MAX))
}
