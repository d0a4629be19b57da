//! Both processes, started by the lab as a person would. What is asserted are ledgers, exit
//! statuses and messages, which hold on a busy machine too. Ratios are for virtual time.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]
#![allow(clippy::print_stderr, reason = "a test says why it is skipped")]

mod bench;
mod dispatch;
mod ends;
mod files;
mod help;
mod input;
mod lab;
mod ledger;
mod lines;
mod orphans;
mod output;
mod profile;
mod readers;
mod replay;
mod signals;
// By its path: with the feature that has it, all programs would be built a second time for these tests.
#[allow(unreachable_pub, reason = "it is public where it belongs")]
#[path = "../../../../shared/src/testing/skipped.rs"]
mod skipped;
