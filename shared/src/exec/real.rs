//! Real time: the monotonic clock, a bounded spin, then sleep.

use std::cell::Cell;
use std::fmt;
use std::num::NonZeroU64;
use std::rc::Rc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::thread::set_current_timer_slack;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use super::pool::any_ready;
use super::{Announced, Interrupt, Park, Source, Wait};
use crate::ledger::IdleStats;
use crate::units::Nanos;

/// CLOCK_MONOTONIC, which all processes of the machine share, so that times can be compared
/// across the process boundary.
pub fn monotonic_now() -> Nanos {
    read(ClockId::Monotonic)
}

/// CPU time of this process since it started, user and system, all threads.
pub fn process_cpu_time() -> Nanos {
    read(ClockId::ProcessCPUTime)
}

/// Lets the sleeps of this thread end when they should. By default the kernel may add 50 us to each, to end several
/// sleeps with one interrupt: more than a packet's time.
fn wake_on_time() {
    // A kernel without this call, or a sandbox that forbids it, leaves the sleeps longer: `wakeups.late_ns` shows it.
    let _ = set_current_timer_slack(NonZeroU64::new(1));
}

fn read(clock: ClockId) -> Nanos {
    let at = clock_gettime(clock);
    Nanos(at.tv_sec.unsigned_abs() * 1_000_000_000 + at.tv_nsec.unsigned_abs())
}

/// How a process waits when it has nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum IdleMode {
    /// Never sleeps; takes a whole CPU.
    Spin,
    /// Spins for a bounded, adaptive time, then sleeps.
    #[default]
    Hybrid,
    /// Sleeps at once.
    Sleep,
}

/// The longest sleep. No wake-up depends on it, because the peer rings for each. It bounds the harm of a doorbell that
/// does not come: the process finds what it missed, and does not hang.
const LONGEST_SLEEP: Nanos = Nanos::from_secs(1);

/// How long a peer may take from publishing to ringing: it may lose its CPU in between.
const DOORBELL_TIMEOUT: Nanos = Nanos::from_secs(1);

/// A sleep that its timer ended is checked for a lost wake-up only if it was at least this long. After a shorter one
/// the doorbell may still be on its way, and waiting for it would delay the task of the timer.
const SHORTEST_CHECKED_SLEEP: Nanos = Nanos::from_millis(10);

/// Waits in real time on a set of [`Source`]s.
///
/// It is also the watchdog over lost wake-ups. When a timer ends a sleep although the announced event has happened, the
/// peer gets `DOORBELL_TIMEOUT` to ring; if it does not ring, the wake-up was lost.
pub struct RealPark {
    sources: Vec<Rc<dyn Source>>,
    interrupt: Rc<Interrupt>,
    spin: SpinBudget,
    stats: Rc<Cell<IdleStats>>,
    /// Whether a wake-up was lost before: then the next missing doorbell is counted at once.
    distrusts: Cell<bool>,
}

impl RealPark {
    /// Waits on `sources` and on `interrupt`, on this thread, whose timers are exact from here on.
    pub fn new(sources: Vec<Rc<dyn Source>>, interrupt: Rc<Interrupt>, mode: IdleMode) -> Self {
        wake_on_time();
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let spin = SpinBudget::new(mode, cpus);
        Self { sources, interrupt, spin, stats: Rc::default(), distrusts: Cell::new(false) }
    }

    /// The counters, which go on counting while the park is in use.
    pub fn stats(&self) -> Rc<Cell<IdleStats>> {
        Rc::clone(&self.stats)
    }

    fn exchange_all(&self) -> bool {
        // Not `any`, which would stop at the first source that has something.
        let moved = |moved, source: &Rc<dyn Source>| source.exchange() | moved;
        self.sources.iter().fold(self.interrupt.notice(), moved)
    }

    /// Spins until something arrived, the deadline has passed or the budget is used up. Returns whether there is
    /// something to do, and how long this thread spun.
    fn spin(&self, began: Nanos, deadline: Nanos) -> (bool, Spun) {
        let give_up = began + self.spin.budget;
        let mut spun = Spun::since(began);
        loop {
            let moved = self.exchange_all();
            let now = monotonic_now();
            spun.goes_on_at(now);
            if moved || now >= deadline {
                return (true, spun);
            }
            if now >= give_up {
                return (false, spun);
            }
            std::hint::spin_loop();
        }
    }

    fn sleep(&self, announced: &Announced<'_>, deadline: Option<Nanos>) {
        debug_assert!(!any_ready(), "a sleep while a task can run is a lost wake-up");
        let sources = self.sources.iter().filter_map(|source| source.descriptor()).map(|(fd, writable)| {
            let also = if writable { PollFlags::OUT } else { PollFlags::empty() };
            PollFd::from_borrowed_fd(fd, PollFlags::IN | also)
        });
        let stop = self.interrupt.descriptor().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        let mut watched: Vec<_> = sources.chain(stop).collect();
        let span = deadline.map_or(LONGEST_SLEEP, |at| at.since(monotonic_now()).min(LONGEST_SLEEP));
        // An interrupted sleep is a short sleep: the loop looks at everything again.
        let woken = poll(&mut watched, Some(&timespec(span)));
        if woken == Ok(0) && span >= SHORTEST_CHECKED_SLEEP {
            announced.doorbells_due().for_each(|source| self.await_doorbell(announced, &**source));
        }
    }

    /// Waits for the doorbell of `source`, whose peer has published the announced event. Counts a lost wake-up if none
    /// comes.
    fn await_doorbell(&self, announced: &Announced<'_>, source: &dyn Source) {
        let timeout = if self.distrusts.get() { Nanos::ZERO } else { DOORBELL_TIMEOUT };
        let rung = source.descriptor().is_none_or(|(fd, _)| {
            let mut bell = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
            // If a signal interrupts the wait, it is not known whether the doorbell came: count nothing.
            poll(&mut bell, Some(&timespec(timeout))) != Ok(0)
        });
        if !rung && announced.note_missed(source) {
            self.distrusts.set(true);
        }
    }

    fn count(&self, add: impl FnOnce(&mut IdleStats)) {
        let mut stats = self.stats.get();
        add(&mut stats);
        self.stats.set(stats);
    }

    /// Spins, then sleeps. Returns how long the wait took, for the budget of the next spin.
    fn wait(&self, began: Nanos, deadline: Option<Nanos>) -> Nanos {
        let mut announced = None;
        if self.spin.budget > Nanos::ZERO {
            announced = Announced::new(&self.sources, Wait::Spin);
            let (found, spun) = match announced {
                Some(_) => self.spin(began, deadline.unwrap_or(Nanos::MAX)),
                None => (true, Spun::since(began)),
            };
            self.count(|stats| stats.spin_ns += spun.total.0);
            if found {
                return spun.last.since(began);
            }
        }
        let fell_asleep = monotonic_now();
        let announced = match announced {
            Some(spinning) => spinning.and_then(Wait::Sleep),
            None => Announced::new(&self.sources, Wait::Sleep),
        };
        if let Some(announced) = announced {
            self.sleep(&announced, deadline);
        }
        let awoke = monotonic_now();
        self.count(|stats| {
            stats.sleep_ns += awoke.since(fell_asleep).0;
            stats.sleeps += 1;
        });
        // Takes in what arrived during the sleep before the timers that became due meanwhile fire.
        self.exchange_all();
        awoke.since(began)
    }
}

impl fmt::Debug for RealPark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RealPark").field("spin", &self.spin).field("stats", &self.stats).finish_non_exhaustive()
    }
}

impl Park for RealPark {
    fn now(&mut self) -> Nanos {
        monotonic_now()
    }

    fn exchange(&mut self) -> bool {
        self.exchange_all()
    }

    fn park(&mut self, deadline: Option<Nanos>) -> bool {
        let waited = self.wait(monotonic_now(), deadline);
        self.spin.learn(waited);
        true
    }
}

/// Time that a thread spends spinning, without the time for which it did not run: it had lost its CPU, or was stopped.
#[derive(Debug)]
struct Spun {
    last: Nanos,
    total: Nanos,
}

impl Spun {
    /// A pass that takes longer was interrupted. It takes less than a microsecond, or a few with a system call.
    const LONGEST_PASS: Nanos = Nanos::from_micros(100);

    fn since(began: Nanos) -> Self {
        Self { last: began, total: Nanos::ZERO }
    }

    /// Records that another pass of the spin ended at `now`.
    fn goes_on_at(&mut self, now: Nanos) {
        let pass = now.since(self.last);
        if pass <= Self::LONGEST_PASS {
            self.total += pass;
        }
        self.last = now;
    }
}

fn timespec(span: Nanos) -> Timespec {
    Timespec { tv_sec: (span.0 / 1_000_000_000) as i64, tv_nsec: (span.0 % 1_000_000_000) as i64 }
}

/// How long to spin before sleeping: grows while waits are short, shrinks while they are long.
#[derive(Debug, PartialEq, Eq)]
struct SpinBudget {
    mode: IdleMode,
    budget: Nanos,
    /// Zero on one CPU: a process that spins there keeps its peer from running.
    most: Nanos,
}

impl SpinBudget {
    /// About the time that it takes to wake an idle virtual CPU, so a spin in vain at most doubles the cost of the
    /// sleep that follows.
    const MOST: Nanos = Nanos::from_micros(50);
    /// Low enough to cost nothing, high enough to notice when traffic is back.
    const LEAST: Nanos = Nanos::from_micros(1);

    fn new(mode: IdleMode, cpus: usize) -> Self {
        let most = match mode {
            IdleMode::Spin => Nanos::MAX,
            IdleMode::Hybrid if cpus > 1 => Self::MOST,
            IdleMode::Hybrid | IdleMode::Sleep => Nanos::ZERO,
        };
        Self { mode, budget: most, most }
    }

    /// Adapts the budget to a wait that took `waited`, spinning and asleep together. Even the shortest sleep lasts
    /// about as long as a wake-up takes; a wait that is only a little longer is better spent spinning.
    fn learn(&mut self, waited: Nanos) {
        if self.mode != IdleMode::Hybrid {
            return;
        }
        let worth_it = waited <= Self::MOST + Self::MOST;
        let next = if worth_it { self.budget.0 * 2 } else { self.budget.0 / 2 };
        self.budget = Nanos(next).clamp(Self::LEAST.min(self.most), self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Announcer;
    use std::os::fd::BorrowedFd;

    /// A source into which something has arrived when it announces a wait. Counts the calls of `exchange`.
    #[derive(Debug, Default)]
    struct Found(Cell<u32>);

    impl Source for Found {
        fn exchange(&self) -> bool {
            self.0.set(self.0.get() + 1);
            true
        }

        fn announce(&self, _: Wait, _: Announcer) -> bool {
            false
        }

        fn withdraw(&self, _: Announcer) {}

        fn descriptor(&self) -> Option<(BorrowedFd<'_>, bool)> {
            None
        }
    }

    #[test]
    fn the_park_does_not_spin_if_the_announcement_found_something() {
        let source = Rc::new(Found::default());
        let mut park = RealPark::new(vec![Rc::clone(&source) as _], Rc::new(Interrupt::never()), IdleMode::Spin);
        assert!(park.park(None));
        assert_eq!(source.0.get(), 0, "the tasks must run before the park spins");
    }

    #[test]
    fn the_thread_that_waits_has_no_timer_slack() {
        let slack = std::thread::spawn(|| {
            RealPark::new(Vec::new(), Rc::new(Interrupt::never()), IdleMode::Sleep);
            rustix::thread::current_timer_slack().unwrap()
        });
        assert_eq!(slack.join().unwrap(), 1);
    }

    #[test]
    fn time_for_which_a_thread_did_not_run_does_not_count_as_spinning() {
        let mut spun = Spun::since(Nanos(1_000));
        spun.goes_on_at(Nanos(1_400));
        // Stopped for a minute.
        spun.goes_on_at(Nanos::from_secs(60));
        spun.goes_on_at(Nanos::from_secs(60) + Nanos(300));
        assert_eq!(spun.total, Nanos(700));
    }

    #[test]
    fn one_cpu_spins_only_under_idle_spin() {
        assert_eq!(SpinBudget::new(IdleMode::Hybrid, 1).budget, Nanos::ZERO);
        assert_eq!(SpinBudget::new(IdleMode::Sleep, 8).budget, Nanos::ZERO);
        assert_eq!(SpinBudget::new(IdleMode::Spin, 1).budget, Nanos::MAX);
    }

    #[test]
    fn the_budget_follows_how_long_waits_are() {
        let mut spin = SpinBudget::new(IdleMode::Hybrid, 2);
        for _ in 0..20 {
            spin.learn(Nanos::from_micros(101));
        }
        assert_eq!(spin.budget, SpinBudget::LEAST);
        for _ in 0..20 {
            spin.learn(Nanos::from_micros(100));
        }
        assert_eq!(spin.budget, SpinBudget::MOST);
    }
}
