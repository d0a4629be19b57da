//! The device layer: the only layer that drops packets on the way down, when the ring is full and its policy drops.
//!
//! A ring of one slot, whose consumer does nothing: the first packet is submitted, and the policy decides about the
//! second.
//!
//! ```
//! use std::rc::Rc;
//!
//! use netstack::account::{Account, Accounts, Timeline};
//! use netstack::device::{Policy, RingDevice};
//! use netstack::layer::Egress;
//! use netstack::packet::{Packet, Stamp};
//! use shared::exec::Clock;
//! use shared::ledger::DropReason;
//! use shared::ring::{Depth, HEADROOM, Producer, loopback};
//! use shared::units::Nanos;
//!
//! let (clock, depth) = (Clock::default(), Depth::new(1)?);
//! let accounts = Rc::new(Accounts::default());
//! let app = Account::new(0, "app", None, &Timeline::new(&clock, Nanos::from_secs(1)));
//! accounts.add(Rc::clone(&app));
//!
//! let (port, _driver) = loopback::pair(depth);
//! let ring = Producer::new(port, depth, clock.clone());
//! let device = Rc::new(RingDevice::new(ring, Policy::DropNewest, 0, accounts, clock));
//! for _ in 0..2 {
//!     device.try_send(&mut Packet::new(&mut [0; HEADROOM], b"a frame", Stamp::default()), &())?;
//! }
//! let counters = app.counters();
//! assert_eq!((counters.accepted, counters.dropped_for(DropReason::DeviceRingFull)), (2, 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod batch;
mod cpu;
mod freed;
mod in_flight;
mod measures;
mod own;
mod policy;
mod ring;
mod transmit_queue;

pub(crate) use cpu::Costly;
pub use measures::DeviceFigures;
pub(crate) use own::OwnFrames;
pub use policy::{Policy, PolicyError};
pub use ring::RingDevice;
