//! What each policy does when the ring is full, in virtual time.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::cell::RefCell;
use std::rc::Rc;

use netstack::account::{Account, Accounts, Stage, Timed, Timeline};
use netstack::device::{Policy, RingDevice};
use netstack::error::SendError;
use netstack::layer::Egress;
use netstack::packet::{Batch, Packet, Stamp};
use shared::exec::{Clock, Virtual, run};
use shared::ledger::DropReason;
use shared::ring::loopback::{LoopbackConsumer, LoopbackProducer, pair};
use shared::ring::{Completion, ConsumerPort, Depth, HEADROOM, Headroom, Producer, Status};
use shared::units::Nanos;

struct Bench {
    clock: Clock,
    device: Rc<RingDevice<LoopbackProducer>>,
    consumer: LoopbackConsumer,
    account: Rc<Account>,
    taken: RefCell<Vec<u64>>,
}

impl Bench {
    fn send(&self, sequence: u64) -> impl Future<Output = Result<(), SendError>> + 'static {
        let (device, clock) = (Rc::clone(&self.device), self.clock.clone());
        async move {
            let stamp = Stamp { flow: 0, sequence, intended: clock.now() };
            device.send(&mut Packet::new(&mut [0; HEADROOM], b"frame", stamp), &()).await
        }
    }

    /// Takes one frame as the hardware, and completes it.
    fn complete_one(&self, position: u64, status: Status) {
        self.taken.borrow_mut().extend(self.consumer.take(None).map(|(frame, _)| frame.sequence));
        let now = self.clock.now();
        self.consumer.complete(Completion { position, status, taken: now, at: now });
    }
}

/// A batch of packets with these numbers. `next_same_length` does not return packets whose numbers are multiples of 4;
/// `next` returns any.
struct Numbers(std::ops::Range<u64>);

impl Batch for Numbers {
    fn most(&self) -> u64 {
        self.0.end - self.0.start
    }

    fn next<'a>(&'a mut self, headroom: &'a mut Headroom) -> Option<Packet<'a>> {
        let sequence = self.0.next()?;
        Some(Packet::new(headroom, b"frame", Stamp { sequence, ..Stamp::default() }))
    }

    fn next_same_length<'a>(&'a mut self, headroom: &'a mut Headroom) -> Option<Packet<'a>> {
        if self.0.start.is_multiple_of(4) { None } else { self.next(headroom) }
    }
}

/// A batch with fewer packets than its `most`.
struct Short(Numbers);

impl Batch for Short {
    fn most(&self) -> u64 {
        u64::MAX
    }

    fn next<'a>(&'a mut self, headroom: &'a mut Headroom) -> Option<Packet<'a>> {
        self.0.next(headroom)
    }
}

/// Runs `body` with a device of `depth` slots. Frames complete only by [`Bench::complete_one`].
fn bench<F: Future<Output = ()> + 'static>(policy: Policy, depth: u32, body: impl FnOnce(Rc<Bench>) -> F) {
    bench_waking_at(1, policy, depth, body);
}

/// [`bench()`], with waiters served when `wake_point` slots are free.
fn bench_waking_at<F: Future<Output = ()> + 'static>(
    wake_point: u32,
    policy: Policy,
    depth: u32,
    body: impl FnOnce(Rc<Bench>) -> F,
) {
    let clock = Clock::default();
    let depth = Depth::new(depth).unwrap();
    let account = Account::new(0, "test", None, &Timeline::new(&clock, Nanos::from_secs(1)));
    let accounts = Rc::new(Accounts::default());
    accounts.add(Rc::clone(&account));
    let (port, consumer) = pair(depth);
    let ring = Producer::with_wake_point(port, depth, wake_point, clock.clone());
    let device = Rc::new(RingDevice::new(ring, policy, 2, accounts, clock.clone()));
    let bench = Rc::new(Bench { clock: clock.clone(), device, consumer, account, taken: RefCell::default() });
    let ended = run(&clock, Virtual::default(), |tasks| {
        let (completions, queue) = (Rc::clone(&bench.device), Rc::clone(&bench.device));
        tasks.spawn(async move { completions.run_completions().await });
        if policy == Policy::DropOldest {
            tasks.spawn(async move { queue.run_queue().await });
        }
        body(bench)
    });
    assert_eq!(ended, Ok(()));
}

#[test]
fn wait_waits_for_a_completion_and_counts_the_time() {
    bench(Policy::Wait, 1, |bench| async move {
        assert_eq!(bench.send(0).await, Ok(()));
        let driver = Rc::clone(&bench);
        let completion = async move {
            driver.clock.sleep_until(Nanos(500)).await;
            driver.complete_one(0, Status::Sent);
        };
        let (sent, ()) = futures_util::future::join(bench.send(1), completion).await;
        assert_eq!((sent, bench.clock.now()), (Ok(()), Nanos(500)));
        assert_eq!(bench.account.tally(Timed::Wait(Stage::Room)).sum, 500);
        let counters = bench.account.counters();
        assert_eq!((counters.accepted, counters.delivered, counters.dropped()), (2, 1, 0));
        assert_eq!((bench.device.ring().stats().stops, bench.device.ring().stats().wakes), (1, 1));
    });
}

/// Fills a ring of 5 slots, lets two senders wait, and completes one frame every 100 ns, the first at 100 ns. Returns
/// when each of the two sends was ready.
fn served_at(wake_point: u32, policy: Policy) -> [Nanos; 2] {
    let times = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&times);
    bench_waking_at(wake_point, policy, 5, move |bench| async move {
        for sequence in 0..5 {
            assert_eq!(bench.send(sequence).await, Ok(()));
        }
        let waiter = |sequence| {
            let bench = Rc::clone(&bench);
            async move {
                assert_eq!(bench.send(sequence).await, Ok(()));
                bench.clock.now()
            }
        };
        let hardware = async {
            for position in 0..5 {
                bench.clock.sleep_until(Nanos(100 * (position + 1))).await;
                bench.complete_one(position, Status::Sent);
            }
        };
        let (first, second, ()) = futures_util::future::join3(waiter(5), waiter(6), hardware).await;
        seen.borrow_mut().extend([first, second]);
    });
    times.take().try_into().unwrap()
}

#[test]
fn waiters_are_served_at_the_wake_point_and_not_before() {
    for policy in [Policy::Wait, Policy::Deadline(Nanos(10_000))] {
        assert_eq!(served_at(1, policy), [Nanos(100), Nanos(200)]);
        assert_eq!(served_at(2, policy), [Nanos(200); 2]);
        assert_eq!(served_at(5, policy), [Nanos(500); 2]);
    }
    // The deadlines of both pass before the wake point is reached: neither is served.
    assert_eq!(served_at(4, Policy::Deadline(Nanos(350))), [Nanos(350); 2]);
}

#[test]
fn a_waiter_for_its_budget_or_for_the_end_does_not_wait_for_the_wake_point() {
    bench_waking_at(4, Policy::Wait, 4, |bench| async move {
        for sequence in 0..4 {
            assert_eq!(bench.send(sequence).await, Ok(()));
        }
        let driver = Rc::clone(&bench);
        let hardware = async move {
            driver.clock.sleep_until(Nanos(70)).await;
            driver.complete_one(0, Status::Sent);
        };
        let settled = async {
            bench.account.settled(1).await;
            bench.clock.now()
        };
        assert_eq!(futures_util::future::join(settled, hardware).await.0, Nanos(70));
        (1..4).for_each(|position| bench.complete_one(position, Status::Sent));
        bench.device.drained().await;
        assert_eq!(bench.device.ring().outstanding(), 0);
    });
}

#[test]
fn a_batch_uses_the_free_slots_and_does_not_overtake_waiting_sends() {
    for policy in [Policy::Wait, Policy::Deadline(Nanos(900))] {
        bench(policy, 3, |bench| async move {
            assert_eq!(bench.device.try_send_batch(Numbers(0..2), &()), 2);
            assert_eq!(bench.device.try_send_batch(Numbers(2..9), &()), 1);
            assert_eq!(bench.device.try_send_batch(Numbers(3..9), &()), 0);
            assert_eq!((bench.account.counters().accepted, bench.device.ring().stats().stops), (3, 0));
            let (later, driver) = (Rc::clone(&bench), Rc::clone(&bench));
            let batch = async move {
                bench.clock.sleep_until(Nanos(100)).await;
                driver.complete_one(0, Status::Sent);
                assert_eq!(
                    driver.device.try_send_batch(Numbers(4..9), &()),
                    0,
                    "a completion frees no slot before it is taken"
                );
                driver.clock.next_turn().await;
                assert_eq!(
                    driver.device.try_send_batch(Numbers(4..9), &()),
                    0,
                    "the slot is granted to the waiting send"
                );
            };
            let (sent, ()) = futures_util::future::join(later.send(3), batch).await;
            assert_eq!(sent, Ok(()));
            (1..4).for_each(|position| later.complete_one(position, Status::Sent));
            assert_eq!(*later.taken.borrow(), [0, 1, 2, 3]);
        });
    }
}

#[test]
fn a_batch_that_ends_early_leaves_the_rest_of_the_room() {
    bench(Policy::Wait, 3, |bench| async move {
        assert_eq!(bench.device.try_send_batch(Short(Numbers(0..0)), &()), 0);
        assert_eq!(bench.device.ring().room(), 3);
        assert_eq!(bench.device.try_send_batch(Short(Numbers(0..2)), &()), 2);
        assert_eq!((bench.device.ring().room(), bench.device.ring().outstanding()), (1, 2));
        assert_eq!(bench.device.try_send_batch(Numbers(2..9), &()), 1);
        assert_eq!(bench.account.counters().accepted, 3);
        (0..3).for_each(|position| bench.complete_one(position, Status::Sent));
        assert_eq!(*bench.taken.borrow(), [0, 1, 2]);
    });
}

#[test]
fn packets_of_one_group_keep_their_own_numbers() {
    bench(Policy::Wait, 20, |bench| async move {
        assert_eq!(bench.device.try_send_batch(Numbers(2..15), &()), 13);
        (0..13).for_each(|position| bench.complete_one(position, Status::Sent));
        assert!(bench.taken.borrow().iter().copied().eq(2..15));
    });
}

#[test]
fn policies_that_drop_take_no_batches() {
    for policy in [Policy::DropNewest, Policy::DropOldest] {
        bench(policy, 3, |bench| async move {
            assert_eq!(bench.device.try_send_batch(Numbers(0..2), &()), 0);
            assert_eq!(bench.account.counters().accepted, 0);
        });
    }
}

#[test]
fn drop_newest_drops_the_packet_that_finds_no_room() {
    bench(Policy::DropNewest, 2, |bench| async move {
        for sequence in 0..5 {
            assert_eq!(bench.send(sequence).await, Ok(()), "the send succeeds although the packet is dropped");
        }
        let counters = bench.account.counters();
        assert_eq!((counters.accepted, counters.dropped_for(DropReason::DeviceRingFull)), (5, 3));
        assert_eq!(bench.consumer.take(None).map(|(frame, _)| frame.sequence), Some(0), "the oldest stays");
    });
}

#[test]
fn drop_oldest_drops_from_the_head_of_its_queue() {
    bench(Policy::DropOldest, 1, |bench| async move {
        for sequence in 0..6 {
            assert_eq!(bench.send(sequence).await, Ok(()));
        }
        for position in 0..3 {
            bench.complete_one(position, Status::Sent);
            bench.clock.sleep_until(bench.clock.now() + Nanos(10)).await;
        }
        assert_eq!(*bench.taken.borrow(), [0, 4, 5], "ring, then the two newest");
        let counters = bench.account.counters();
        assert_eq!((counters.delivered, counters.dropped_for(DropReason::DeviceQueueFull)), (3, 3));
    });
}

#[test]
fn a_sealed_device_moves_no_queued_frames_into_the_ring() {
    bench(Policy::DropOldest, 1, |bench| async move {
        assert_eq!((bench.send(0).await, bench.send(1).await), (Ok(()), Ok(())));
        bench.clock.next_turn().await;
        bench.device.seal();
        bench.complete_one(0, Status::Sent);
        bench.clock.sleep_until(Nanos(500)).await;
        assert_eq!((bench.device.ring().stats().submitted, bench.device.queued()), (1, 1));
        bench.device.close_accounts();
        let counters = bench.account.counters();
        assert_eq!((counters.accepted, counters.delivered, counters.in_flight), (2, 1, 1));
    });
}

#[test]
fn deadline_waits_until_the_deadline_and_then_drops() {
    bench(Policy::Deadline(Nanos(100)), 1, |bench| async move {
        assert_eq!(bench.send(0).await, Ok(()));
        assert_eq!(bench.send(1).await, Ok(()));
        assert_eq!(bench.clock.now(), Nanos(100));
        assert_eq!(bench.account.counters().dropped_for(DropReason::DeviceDeadline), 1);
        bench.complete_one(0, Status::Sent);
        assert_eq!(bench.send(2).await, Ok(()));
        assert_eq!((bench.account.counters().accepted, bench.clock.now()), (3, Nanos(100)));
    });
}

#[test]
fn a_cancelled_send_was_never_accepted() {
    for policy in [Policy::Wait, Policy::Deadline(Nanos::from_secs(1))] {
        bench(policy, 1, |bench| async move {
            assert_eq!(bench.send(0).await, Ok(()));
            let waiting = Box::pin(bench.send(1));
            let timer = bench.clock.sleep_until(Nanos(50));
            drop(futures_util::future::select(waiting, timer).await);
            assert_eq!(bench.account.counters().accepted, 1);
            bench.complete_one(0, Status::Sent);
            assert_eq!(bench.send(2).await, Ok(()), "its position in the wait queue is gone too");
        });
    }
}

#[test]
fn a_frame_that_the_driver_rejects_is_dropped_under_its_own_reason() {
    bench(Policy::Wait, 4, |bench| async move {
        for (position, status) in [Status::BadLength, Status::BadHeader, Status::BadChecksum].into_iter().enumerate() {
            assert_eq!(bench.send(position as u64).await, Ok(()));
            bench.complete_one(position as u64, status);
        }
        bench.device.drained().await;
        let counters = bench.account.counters();
        assert_eq!((counters.delivered, counters.dropped()), (0, 3));
        assert_eq!(counters.dropped_for(DropReason::DriverBadHeader), 1);
    });
}

#[test]
fn a_driver_that_dies_leaves_lost_packets_and_a_closed_device() {
    bench(Policy::DropOldest, 1, |bench| async move {
        for sequence in 0..3 {
            assert_eq!(bench.send(sequence).await, Ok(()));
        }
        let bench = Rc::try_unwrap(bench).map_err(drop).unwrap();
        let Bench { consumer, device, account, .. } = bench;
        drop(consumer);
        device.drained().await;
        device.close_accounts();
        assert_eq!((account.counters().accepted, account.counters().lost), (3, 3));
        let after = device.send(&mut Packet::new(&mut [0; HEADROOM], b"frame", Stamp::default()), &()).await;
        assert_eq!(after, Err(SendError::Closed));
    });
}
