//! The driver: takes frames from the ring and sends them at the pace of its hardware.
//!
//! # The modules, on the way of a frame
//!
//! | module | what it does |
//! | --- | --- |
//! | [`listener`] | greets stacks, refuses those that it cannot serve, serves one session after the other |
//! | [`session`] | takes frames only while the hardware has room, and completes them in ring order |
//! | [`hardware`] | link rate, queue, service times, stalls, coalescing: a model without I/O and without a clock |
//! | [`backend`] | takes the sent frames and has those that arrive: nothing, a capture, a TAP interface, a wire |
//! | [`settings`] | the flags of the process |
//!
//! # Where to start
//!
//! | to add | what to do |
//! | --- | --- |
//! | a backend | implement [`backend::Backend`], and pass it in a [`session::Setup`] |
//! | a flag for it | a variant of [`backend::BackendChoice`], which `listener/mod.rs` opens |
//! | an effect on the link | a field of [`hardware::Config`], applied in `hardware/link.rs`; see [`shared::stalls`] |
//! | an effect on completions | such a field, applied in [`hardware::Hardware::submit`]; see `hardware/coalesce.rs` |
//! | a flag for it | [`settings::HardwareSettings`], which the lab includes too |
//! | a counter of the hardware | `shared::report::HardwareReport`; [`hardware::Hardware::report`] fills it |
//! | a check of frames | `session/check.rs`, and a status in `shared::frame` |
//! | a reason to refuse a stack | `shared::control::RefuseCode`, and `listener/accept_loop.rs` |
//!
//! An effect of the hardware depends on the submitted frame, its time, the configuration and the seed only. So
//! `tests/hardware.rs` can hold it to the invariants under any load, and a simulation computes the same times.
//!
//! [`session::serve`] is a future over the executor's clock and one end of a ring: a simulation runs the same code in
//! virtual time.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod backend;
pub mod hardware;
pub mod listener;
pub mod session;
pub mod settings;
