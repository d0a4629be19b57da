//! The network stack: apps, protocol layers, a device whose policy applies when the ring is full, and the session with
//! the driver.
//!
//! # The modules, on the way of a packet
//!
//! | module | what it does |
//! | --- | --- |
//! | [`app`] | the kinds of traffic: settings, schedules, and the loops that send |
//! | [`account`] | the account of an app: its ledger, its send budget, its times and its part of the interval samples |
//! | [`packet`] | a packet on its way down, a batch of packets, and the state of a send that waits |
//! | [`layer`] | the contract between layers, [`Egress`](layer::Egress), with an example |
//! | [`layers`] | socket, UDP, IP and Ethernet, with routes and neighbours; [`layers::ingress`] is the way up |
//! | [`device`] | the policies, the transmit queue, the in-flight table and the device on the ring |
//! | [`dispatch`] | the ways in which layers call each other: generics, boxes, polls |
//! | [`receive`] | the way up: the task on the receive ring, the sockets with their queues, the ledger |
//! | [`session`] | the run: greeting, plan, phases, farewell, report; apps that join and leave |
//! | [`process`], [`settings`] | the program around it: flags, signals, threads, files |
//!
//! # Where to start
//!
//! | to add | start at |
//! | --- | --- |
//! | a policy | [`device::Policy`] names it; [`device::RingDevice`] applies it; `tests/policies.rs` shows each |
//! | a layer of your own | [`layer::Egress`], or [`layer::Decorator`] if it never waits; see [`session::Extension`] |
//! | an app of your own | [`session::Apps::socket`]; a further kind of `--app` starts in `app/spec/keys.rs` |
//! | a way of dispatch | [`dispatch::Dispatch`], and one adapter of `Egress` like `dispatch/boxed.rs` |
//! | a stage at which sends wait | [`account::Stage`] counts it; `packet/pending.rs` keeps it |
//! | a backend, a hardware effect | the driver's `backend` and `hardware` |
//! | a transport | `shared::ring`, and its conformance suite in `shared::testing` |
//! | a command | `scripts/lab/src/commands` |
//!
//! `examples/own_layer_and_app.rs` runs two layers and an app of its own, in virtual time.
//!
//! Everything between an app and the ring is a plain future on one thread, over a [`Clock`](shared::exec::Clock) that
//! is handed in: real and virtual time differ only in how the executor waits. No future is `Send`.
#![forbid(unsafe_code)]

// Tests within this crate and around it share files, which name the crate.
#[cfg(test)]
extern crate self as netstack;

pub mod account;
pub mod app;
pub mod device;
pub mod dispatch;
pub mod error;
pub mod layer;
pub mod layers;
pub mod packet;
pub mod process;
pub mod receive;
pub mod session;
pub mod settings;
