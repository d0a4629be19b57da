//! The network stack: apps on top, protocol layers below, a device that decides what happens when
//! the ring is full, and the session with the driver.
#![forbid(unsafe_code)]

pub mod app;
pub mod dispatch;
pub mod flow;
pub mod process;
pub mod session;
pub mod settings;
pub mod stack;
