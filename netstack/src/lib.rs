//! The network stack: apps, protocol layers, a device whose policy applies when the ring is full, and the session with
//! the driver.
#![forbid(unsafe_code)]

pub mod account;
pub mod app;
pub mod device;
pub mod dispatch;
pub mod error;
pub mod layer;
pub mod layers;
pub mod packet;
pub mod process;
pub mod session;
pub mod settings;
