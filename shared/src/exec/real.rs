//! Real time: the monotonic clock; spin, yield and sleep, as the rule in [`super::idle`] says.

use std::cell::Cell;
use std::fmt;
use std::num::{NonZeroU64, NonZeroUsize};
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::socket_peercred;
use rustix::thread::{CpuSet, sched_getaffinity, set_current_timer_slack};
use rustix::time::{ClockId, clock_gettime};

use super::idle::{IdleMode, IdleRule};
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

/// The longest sleep. No wake-up depends on it, because the peer rings for each. It bounds the harm of a doorbell that
/// does not come: the process finds what it missed, and does not hang.
const LONGEST_SLEEP: Nanos = Nanos::from_secs(1);

/// How long a peer may take from publishing to ringing: it may lose its CPU in between.
const DOORBELL_TIMEOUT: Nanos = Nanos::from_secs(1);

/// A sleep that its timer ended is checked for a lost wake-up only if it was at least this long. After a shorter one
/// the doorbell may still be on its way, and waiting for it would delay the task of the timer.
const SHORTEST_CHECKED_SLEEP: Nanos = Nanos::from_millis(10);

/// How many CPUs this process and the processes behind `peers` may use.
///
/// Each of two processes may be restricted to a CPU of its own, so that the number of this process alone is one.
fn cpus_with<'a>(peers: impl Iterator<Item = BorrowedFd<'a>>) -> u32 {
    let mut all = sched_getaffinity(None).unwrap_or_default();
    let own = all.count();
    // A control group may allow fewer CPUs than there are in the set.
    let allowed = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let allowed = u32::try_from(allowed).unwrap_or(u32::MAX);
    if allowed < own {
        return allowed;
    }
    for peer in peers {
        let Ok(peer) = socket_peercred(peer) else { continue };
        let theirs = sched_getaffinity(Some(peer.pid)).unwrap_or_default();
        (0..CpuSet::MAX_CPU).filter(|cpu| theirs.is_set(*cpu)).for_each(|cpu| all.set(cpu));
    }
    all.count()
}

/// Waits in real time on a set of [`Source`]s.
///
/// It is also the watchdog over lost wake-ups. When a timer ends a sleep although the announced event has happened, the
/// peer gets `DOORBELL_TIMEOUT` to ring; if it does not ring, the wake-up was lost.
pub struct RealPark {
    sources: Vec<Rc<dyn Source>>,
    interrupt: Rc<Interrupt>,
    rule: IdleRule,
    stats: Rc<Cell<IdleStats>>,
    /// Whether a wake-up was lost before: then the next missing doorbell is counted at once.
    distrusts: Cell<bool>,
}

impl RealPark {
    /// Waits on `sources` and on `interrupt`, on this thread, whose timers are exact from here on.
    pub fn new(sources: Vec<Rc<dyn Source>>, interrupt: Rc<Interrupt>, mode: IdleMode) -> Self {
        wake_on_time();
        let peers: Vec<_> = sources.iter().filter_map(|source| source.descriptor()).map(|(peer, _)| peer).collect();
        let rule = IdleRule::new(mode, cpus_with(peers.iter().map(AsFd::as_fd)));
        drop(peers);
        Self { sources, interrupt, rule, stats: Rc::default(), distrusts: Cell::new(false) }
    }

    /// Waits on `source` as well.
    pub fn add(&mut self, source: Rc<dyn Source>) {
        self.sources.push(source);
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

    /// Spins until something arrived, the deadline has passed, or this side must not spin any longer: from `until` on,
    /// or because it lost its CPU. Returns which of the first two ended the spin, and how long this thread spun.
    fn spin(&self, began: Nanos, deadline: Nanos, until: Nanos) -> (Option<Ended>, Spun) {
        let mut spun = Spun::since(began);
        loop {
            let arrived = self.exchange_all();
            let now = monotonic_now();
            let yields = spun.goes_on_at(now);
            if arrived || now >= deadline {
                let ended = if arrived { Ended::Arrived } else { Ended::Timer };
                return (Some(ended), spun);
            }
            if now >= until || spun.lost_cpu {
                return (None, spun);
            }
            if yields {
                // What this side waits for may have to be done on this very CPU: the peer may have been woken here.
                std::thread::yield_now();
            }
            std::hint::spin_loop();
        }
    }

    /// Sleeps until a source or `wake_at` ends the sleep. Returns whether `wake_at` did.
    fn sleep(&self, announced: &Announced<'_>, wake_at: Option<Nanos>) -> bool {
        debug_assert!(!any_ready(), "a sleep while a task can run is a lost wake-up");
        let sources: Vec<_> = self.sources.iter().filter_map(|source| source.descriptor()).collect();
        let sources = sources.iter().map(|(fd, interest)| PollFd::from_borrowed_fd(fd.as_fd(), interest.flags()));
        let stop = self.interrupt.descriptor().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        let mut watched: Vec<_> = sources.chain(stop).collect();
        let left = wake_at.map_or(Nanos::MAX, |at| at.since(monotonic_now()));
        let span = left.min(LONGEST_SLEEP);
        // An interrupted sleep is a short sleep: the loop looks at everything again.
        let woken = poll(&mut watched, Some(&timespec(span)));
        if woken == Ok(0) && span >= SHORTEST_CHECKED_SLEEP {
            announced.doorbells_due().for_each(|source| self.await_doorbell(announced, &**source));
        }
        // Without any time left nothing slept, so nothing can be learned from how late it ended.
        woken == Ok(0) && span == left && left > Nanos::ZERO
    }

    /// Waits for the doorbell of `source`, whose peer has published the announced event. Counts a lost wake-up if none
    /// comes.
    fn await_doorbell(&self, announced: &Announced<'_>, source: &dyn Source) {
        let timeout = if self.distrusts.get() { Nanos::ZERO } else { DOORBELL_TIMEOUT };
        let rung = source.descriptor().is_none_or(|(fd, _)| {
            let mut bell = [PollFd::new(&fd, PollFlags::IN)];
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

    /// Spins, then sleeps, as the rule says.
    fn wait(&mut self, began: Nanos, deadline: Option<Nanos>) {
        let until = self.rule.spin_until(began, deadline);
        let mut announced = None;
        if until > began {
            announced = Announced::new(&self.sources, Wait::Spin);
            let (ended, spun) = match announced {
                Some(_) => self.spin(began, deadline.unwrap_or(Nanos::MAX), until),
                None => (Some(Ended::Arrived), Spun::since(began)),
            };
            self.count(|stats| stats.spin_ns += spun.total.0);
            if spun.lost_cpu {
                self.rule.lost_its_cpu(spun.last);
            }
            if let Some(ended) = ended {
                return self.rule.waited(spun.last.since(began), ended == Ended::Arrived);
            }
        }
        let fell_asleep = monotonic_now();
        let wake_at = deadline.map(|at| self.rule.wake_at(fell_asleep, at).max(fell_asleep));
        let announced = match announced {
            Some(spinning) => spinning.and_then(Wait::Sleep),
            None => Announced::new(&self.sources, Wait::Sleep),
        };
        let timer = announced.as_ref().is_some_and(|announced| self.sleep(announced, wake_at));
        drop(announced);
        let awoke = monotonic_now();
        self.count(|stats| {
            stats.sleep_ns += awoke.since(fell_asleep).0;
            stats.sleeps += 1;
        });
        if timer && let Some(asked) = wake_at {
            self.rule.woke(asked, awoke);
        }
        // Takes in what arrived during the sleep before the timers that became due meanwhile fire.
        let arrived = self.exchange_all();
        self.rule.slept(awoke.since(began), arrived);
    }
}

impl fmt::Debug for RealPark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RealPark").field("rule", &self.rule).field("stats", &self.stats).finish_non_exhaustive()
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
        self.wait(monotonic_now(), deadline);
        true
    }
}

/// What ended a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Arrived,
    Timer,
}

/// Time that a thread spends spinning, without the time for which it did not run: it had lost its CPU, or was stopped.
#[derive(Debug)]
struct Spun {
    last: Nanos,
    total: Nanos,
    lost_cpu: bool,
    /// When to offer the CPU to other threads.
    yields_at: Nanos,
}

impl Spun {
    /// A pass that takes longer was interrupted. It takes less than a microsecond, or a few with a system call.
    const LONGEST_PASS: Nanos = Nanos::from_micros(100);
    /// The first yield comes later: most waits of a fast stream are shorter, and a yield takes half a microsecond.
    const FIRST_YIELD: Nanos = Nanos::from_micros(20);
    const BETWEEN_YIELDS: Nanos = Nanos::from_micros(10);

    fn since(began: Nanos) -> Self {
        Self { last: began, total: Nanos::ZERO, lost_cpu: false, yields_at: began + Self::FIRST_YIELD }
    }

    /// Records that another pass of the spin ended at `now`. Returns whether it is time to yield.
    fn goes_on_at(&mut self, now: Nanos) -> bool {
        let pass = now.since(self.last);
        if pass <= Self::LONGEST_PASS {
            self.total += pass;
        } else {
            self.lost_cpu = true;
        }
        self.last = now;
        let yields = now >= self.yields_at;
        if yields {
            self.yields_at = now + Self::BETWEEN_YIELDS;
        }
        yields
    }
}

fn timespec(span: Nanos) -> Timespec {
    Timespec { tv_sec: (span.0 / 1_000_000_000) as i64, tv_nsec: (span.0 % 1_000_000_000) as i64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::{Announcer, Interest, Watched};

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

        fn descriptor(&self) -> Option<(Watched<'_>, Interest)> {
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
    fn a_spin_offers_its_cpu_to_others_but_not_at_once() {
        let mut spun = Spun::since(Nanos(1_000));
        let yields: Vec<_> = (1..=40).filter(|micros| spun.goes_on_at(Nanos(1_000 + micros * 1_000))).collect();
        assert_eq!(yields, [20, 30, 40]);
    }
}
