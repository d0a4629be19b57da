//! The device layer: the only layer that drops packets on the way down, when its policy says so and the ring is full.

mod cpu;
mod in_flight;
mod policy;
mod ring;
mod transmit_queue;

pub use cpu::Costly;
pub use policy::{Policy, PolicyError};
pub use ring::RingDevice;
