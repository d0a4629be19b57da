//! Both processes, started by the lab as a user starts it. Asserted are ledgers, exit statuses and messages, which hold
//! on a busy machine too. Ratios are asserted in virtual time.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]
#![allow(clippy::print_stderr, reason = "a test prints why it is skipped")]

mod bench;
mod dispatch;
mod ends;
mod extension;
mod files;
mod help;
mod input;
mod lab;
mod ledger;
mod lines;
mod orphans;
mod output;
mod pin;
mod profile;
mod readers;
mod replay;
#[path = "../common/schema.rs"]
mod schema;
mod schemas;
mod shells;
mod signals;
mod stress;
mod two_hosts;
// Included by its path: the feature of `shared` that has it would make cargo build all programs a second time.
#[allow(unreachable_pub, reason = "it is public in `shared`")]
#[path = "../../../../shared/src/testing/skipped.rs"]
mod skipped;
