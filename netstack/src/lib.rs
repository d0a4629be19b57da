//! The network stack: apps, protocol layers, a device whose policy applies when the ring is full, and the session with
//! the driver.
#![forbid(unsafe_code)]

pub mod app;
pub mod dispatch;
pub mod flow;
pub mod process;
pub mod session;
pub mod settings;
pub mod stack;
