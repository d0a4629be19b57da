//! A packet costs no allocation in either process, and no system call while both are busy. The whole stack, its apps
//! and the driver's session run over a real transport.
//!
//! A program without the test harness, because allocations are counted for the whole process, and the harness has a
//! thread that allocates.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]
#![allow(clippy::print_stdout, reason = "a test prints what it did")]

mod halves;

use std::alloc::System;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use netstack::session::Watch;
use shared::report::{Ending, Sample};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};

use halves::Halves;

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    a_packet_allocates_nothing_under_any_policy_over_any_transport();
    println!("a packet allocates nothing under any policy over any transport ... ok");
    two_busy_sides_make_hardly_any_system_calls();
    println!("two busy sides make hardly any system calls ... ok");
}

fn flags(flags: &[&str]) -> Vec<String> {
    flags.iter().map(|flag| (*flag).to_owned()).collect()
}

/// Counts allocations between two printed lines in the middle of a run, where the series does not grow and other
/// buffers have grown before.
struct Between {
    count: Cell<u32>,
    region: RefCell<Region<'static, System>>,
    counted: Cell<Option<(Stats, u64)>>,
}

impl Between {
    const FIRST: u32 = 20;
    const LAST: u32 = 24;

    fn new() -> Rc<Self> {
        let region = RefCell::new(Region::new(COUNTING));
        Rc::new(Self { count: Cell::new(0), region, counted: Cell::new(None) })
    }

    fn watch(&self, sample: &Sample) {
        self.count.set(self.count.get() + 1);
        if self.count.get() == Self::LAST {
            self.counted.set(Some((self.region.borrow().change(), sample.delivered)));
        }
        if self.count.get() == Self::FIRST {
            self.region.borrow_mut().reset();
        }
    }
}

fn a_packet_allocates_nothing_under_any_policy_over_any_transport() {
    let apps =
        ["--app=bulk:size=64B", "--app=bulk:name=tight,budget=4KiB", "--app=cbr:load=0.3", "--app=poisson:load=0.3"];
    let more = [
        "--app=onoff:rate=300Mbit,on=1ms,off=1ms",
        "--app=reqresp:name=ask",
        "--app=cbr:name=shy,load=0.2,when-blocked=skip",
    ];
    for policy in ["wait", "drop-newest", "drop-oldest", "deadline=50us"] {
        for over_shm in [true, false] {
            let policy_flag = format!("--policy={policy}");
            let run = ["--duration=250ms", "--interval=10ms", policy_flag.as_str()];
            let stack = flags(&[&apps[..], &more[..], &run[..]].concat());
            let driver = flags(&["--link=1Gbit", "--verify", "--hw-queue=8"]);
            let halves = Halves { stack, driver, depth: 16, in_virtual_time: true };
            let between = Between::new();
            let seen = Rc::clone(&between);
            let watch: Option<Watch> = Some(Box::new(move |sample| seen.watch(sample)));
            let outcome = if over_shm { halves.over_shm(watch).0 } else { halves.over_the_socket(watch) };
            assert_eq!(outcome.ending, Ending::Finished);
            let (used, delivered) = between.counted.get().unwrap();
            assert!(delivered > 100, "only {delivered} packets were delivered");
            let counts = (used.allocations, used.deallocations);
            assert_eq!(counts, (0, 0), "{policy}, over shared memory: {over_shm}");
            // A histogram allocates a piece when the first value falls into it, so a rising latency reallocates now and
            // then.
            assert!(used.reallocations <= 3, "{} reallocations, {policy}", used.reallocations);
        }
    }
}

/// Counts attempted reads and writes of the socket. Neither side sleeps here, so there are no other system calls.
fn two_busy_sides_make_hardly_any_system_calls() {
    for depth in [64, 1024] {
        let stack = flags(&["--app=bulk:size=64B", "--packets=200000", "--interval=10s"]);
        let driver = flags(&["--link=unlimited"]);
        let halves = Halves { stack, driver, depth, in_virtual_time: false };
        let (outcome, connections) = halves.over_shm(None);
        assert_eq!((&outcome.ending, outcome.ring.completed), (&Ending::Finished, 200_000));
        let calls: u64 = connections.iter().map(|connection| connection.socket_stats().calls).sum();
        let [stack, driver] = connections.map(|connection| connection.doorbells());
        assert!(calls > 0 && calls < 200_000 / 32, "{calls} system calls at depth {depth}");
        assert_eq!((stack.rung, driver.rung, stack.missed + driver.missed), (0, 0, 0));
    }
}
