//! The loop that drives every task of a process.

use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;

use super::pool::{Pool, Tasks};
use super::timers::Due;
use super::{Clock, Park};

/// The run stopped without a result, because nothing further can happen. Only virtual time detects this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Halted {
    /// Every task waits, no timer is pending, and no outside event can wake a task.
    #[error("every task waits for another and no timer is pending; this is a fault of the program")]
    Stalled,
    /// The next event is beyond the last time that the clock can represent.
    #[error(
        "virtual time is at its end: the next event is more than 584 years, or 18446744073 s, after the start; \
         shorten the times that were set so long (--latency, --duration, --stall, think and off times), or raise the \
         rates"
    )]
    TimeOver,
}

/// Runs `main` and everything it spawns on this thread until `main` is done.
///
/// # Errors
/// [`Halted`] if nothing further can happen.
pub fn run<T, F>(clock: &Clock, mut park: impl Park, main: impl FnOnce(Tasks) -> F) -> Result<T, Halted>
where
    T: 'static,
    F: Future<Output = T> + 'static,
{
    let mut pool = Pool::new();
    let tasks = pool.tasks();
    let (result, done) = (Rc::new(Cell::new(None)), Rc::new(Cell::new(false)));
    let (slot, over) = (Rc::clone(&result), Rc::clone(&done));
    let main = main(tasks.clone());
    tasks.spawn(async move {
        slot.set(Some(main.await));
        over.set(true);
    });
    turns(clock, &mut pool, &mut park, &done)?;
    // It is there, because the task has set both.
    result.take().ok_or(Halted::Stalled)
}

/// Runs turns until `done`. Apart from [`run`], so that a program has one such loop for each kind of park, however many
/// kinds of tasks it runs: the loop is fast only if everything in it is inlined.
fn turns(clock: &Clock, pool: &mut Pool, park: &mut impl Park, done: &Cell<bool>) -> Result<(), Halted> {
    loop {
        clock.advance(park.now());
        clock.begin_turn();
        let deadline = loop {
            pool.run_until_stalled();
            if park.step() {
                continue;
            }
            match clock.fire_due() {
                Due::Fired => {}
                Due::At(deadline) => break deadline,
            }
        };
        if done.get() {
            return Ok(());
        }
        // `exchange` sets no timer, so `deadline` is still that of the next timer.
        let moved = park.exchange();
        if moved || clock.has_yielded() {
            continue;
        }
        let deadline = park.next_turn(deadline);
        if !park.park(deadline) {
            return Err(if deadline.is_some() { Halted::TimeOver } else { Halted::Stalled });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::super::{Order, Virtual};
    use super::*;
    use crate::units::Nanos;

    #[test]
    fn virtual_time_jumps_from_timer_to_timer() {
        let clock = Clock::default();
        let inner = clock.clone();
        let ended = run(&clock, Virtual::default(), |_| async move {
            inner.sleep_until(Nanos::from_secs(3600)).await;
            inner.now()
        });
        assert_eq!(ended, Ok(Nanos::from_secs(3600)));
    }

    #[test]
    fn equal_times_run_completions_first_then_by_creation() {
        let clock = Clock::default();
        let seen = Rc::new(RefCell::new(Vec::new()));
        let (inner, log) = (clock.clone(), Rc::clone(&seen));
        let done = run(&clock, Virtual::default(), |tasks| async move {
            for (name, order) in [("a", Order::Arrival), ("b", Order::Arrival), ("c", Order::Completion)] {
                let (clock, log) = (inner.clone(), Rc::clone(&log));
                tasks.spawn(async move {
                    clock.sleep_until_as(order, Nanos(10)).await;
                    log.borrow_mut().push(name);
                });
            }
            inner.sleep_until(Nanos(11)).await;
        });
        assert_eq!(done, Ok(()));
        assert_eq!(*seen.borrow(), ["c", "a", "b"]);
    }

    /// The lateness that is recorded in a run in which a task sleeps until each of `deadlines` in turn.
    fn lateness(wake_latency: u64, deadlines: [u64; 3]) -> Vec<u64> {
        let (clock, late) = (Clock::default(), Rc::new(RefCell::new(Vec::new())));
        let (inner, seen) = (clock.clone(), Rc::clone(&late));
        clock.on_late_wakeup(move |span| seen.borrow_mut().push(span.0));
        let done = run(&clock, Virtual::waking_late(Nanos(wake_latency)), |_| async move {
            // The hardware's timers are not recorded: they are no wake-ups of the stack.
            inner.sleep_until_as(Order::Completion, Nanos(5)).await;
            for at in deadlines {
                inner.sleep_until(Nanos(at)).await;
            }
        });
        assert_eq!(done, Ok(()));
        late.take()
    }

    #[test]
    fn each_timer_is_as_late_as_the_sleep_that_it_ends() {
        assert_eq!(lateness(0, [10, 20, 30]), [0, 0, 0]);
        assert_eq!(lateness(7, [40, 60, 80]), [7, 7, 7]);
        // The second deadline has passed when the first sleep ends, so the task does not sleep for it.
        assert_eq!(lateness(15, [40, 50, 100]), [15, 15]);
    }

    #[test]
    fn a_task_that_yields_lets_the_others_run() {
        let clock = Clock::default();
        let inner = clock.clone();
        let turns = run(&clock, Virtual::default(), |tasks| async move {
            let other = Rc::new(RefCell::new(0));
            let count = Rc::clone(&other);
            tasks.spawn(async move { *count.borrow_mut() += 1 });
            inner.next_turn().await;
            other.take()
        });
        assert_eq!(turns, Ok(1));
    }

    #[test]
    fn a_deadline_beyond_the_end_of_time_is_reported_and_does_not_hang() {
        let clock = Clock::default();
        let inner = clock.clone();
        let ended = run(&clock, Virtual::default(), |_| async move {
            loop {
                inner.sleep_until(inner.now() + Nanos::from_secs(7_000_000_000)).await;
            }
            #[allow(unreachable_code, reason = "a result has to have a type")]
            ()
        });
        assert_eq!((ended, clock.now()), (Err(Halted::TimeOver), Nanos::from_secs(14_000_000_000)));
        let last = Clock::default();
        let inner = last.clone();
        let ended = run(&last, Virtual::default(), |_| async move {
            inner.sleep_until(Nanos(u64::MAX - 1)).await;
            inner.now()
        });
        assert_eq!(ended, Ok(Nanos(u64::MAX - 1)), "the last time that the clock can represent");
    }

    #[test]
    fn a_deadlock_is_reported_and_does_not_hang() {
        let clock = Clock::default();
        let ended = run(&clock, Virtual::default(), |_| std::future::pending::<()>());
        assert_eq!(ended, Err(Halted::Stalled));
    }
}
