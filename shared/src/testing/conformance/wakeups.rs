//! No wake-up is lost, and waiters are served in order.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::{Transport, completion, descriptor, frame, serve, settle, slots, submit};
use crate::connection::Connection;
use crate::exec::{Announced, Clock, IdleMode, Interrupt, Park, RealPark, Tasks, Virtual, Wait, monotonic_now, run};
use crate::ring::{ConsumerPort, Producer, ProducerPort};

/// How many frames each test sends between two sleeping sides.
const FRAMES: u64 = 200;

/// A side that announces sleep first takes in what has arrived; if there was anything, it stays awake.
pub fn a_side_does_not_sleep_over_what_has_arrived<T: Transport>() {
    if T::in_threads(slots(1)).is_none() {
        return;
    }
    let (producer, consumer) = T::ring(slots(1));
    let may_sleep = |connection: &Rc<Connection>| Announced::new(&[Rc::clone(connection) as _], Wait::Sleep).is_some();
    assert!(may_sleep(consumer.connection()));
    submit(&producer, 0);
    assert!(may_sleep(producer.connection()), "the frame was sent, and nothing arrived");
    assert!(!may_sleep(consumer.connection()));
    assert_eq!(consumer.waiting(), 1);
    assert_eq!(serve(&consumer, 0), 1);
    assert!(may_sleep(consumer.connection()), "the completion was sent, and nothing arrived");
    assert!(!may_sleep(producer.connection()));
    assert_eq!(producer.next_completion(), Some(completion(0)));
}

/// Both sides sleep whenever they can, at depths where each frame has to wake the other side.
pub fn sleeping_sides_wake_each_other<T: Transport>() {
    for depth in [1, 2, 7] {
        match T::in_threads(slots(depth)) {
            Some((producer, consumer)) => {
                let far = std::thread::spawn(move || {
                    let port = consumer();
                    let park = asleep(port.connection());
                    run(&Clock::starting_at(monotonic_now()), park, |_| consume(port)).unwrap()
                });
                let (port, clock) = (producer(), Clock::starting_at(monotonic_now()));
                let park = asleep(port.connection());
                let connection = Rc::clone(port.connection());
                let ring = Producer::new(port, slots(depth), clock.clone());
                run(&clock, park, |tasks| produce(tasks, ring)).unwrap();
                assert_eq!(connection.doorbells().missed, 0);
                drop(connection);
                assert_eq!(far.join().unwrap(), FRAMES);
            }
            None => in_virtual_time::<T>(depth),
        }
    }
}

/// Runs both sides as tasks of one executor, which halts with an error if all of them wait.
fn in_virtual_time<T: Transport>(depth: u32) {
    let (producer, consumer) = T::ring(slots(depth));
    let clock = Clock::default();
    let ring = Producer::new(producer, slots(depth), clock.clone());
    let served = run(&clock, Virtual::default(), |tasks| {
        tasks.spawn(produce(tasks.clone(), ring));
        consume(consumer)
    });
    assert_eq!(served, Ok(FRAMES));
}

fn asleep(connection: &Rc<Connection>) -> impl Park + use<> {
    RealPark::new(vec![Rc::clone(connection) as _], Rc::new(Interrupt::never()), IdleMode::Sleep)
}

async fn produce<P: ProducerPort + 'static>(tasks: Tasks, ring: Producer<P>) {
    let ring = Rc::new(ring);
    let sender = Rc::clone(&ring);
    tasks.spawn(async move {
        for number in 0..FRAMES {
            assert!(sender.reserve().await.submit(descriptor(number), &frame(number), &[]));
        }
    });
    for _ in 0..FRAMES {
        ring.connection().arrived().wait_for(|| ring.next_completion()).await;
    }
}

/// Serves frames until the producer's side is gone. Returns how many.
async fn consume(port: impl ConsumerPort) -> u64 {
    let served = Cell::new(0);
    let done = || {
        served.set(serve(&port, served.get()));
        port.connection().closed()
    };
    port.connection().arrived().wait_for(done).await;
    served.get()
}

/// Senders that wait for room are granted slots in the order in which they began to wait.
pub fn waiters_are_served_in_order<T: Transport>() {
    let (producer, consumer) = T::ring(slots(2));
    let ring = Rc::new(Producer::new(producer, slots(2), Clock::default()));
    let order = Rc::new(RefCell::new(Vec::new()));
    let (log, clock) = (Rc::clone(&order), Clock::default());
    let inner = clock.clone();
    let done = run(&clock, Virtual::default(), |tasks| async move {
        for waiter in 0..6 {
            let (ring, log) = (Rc::clone(&ring), Rc::clone(&log));
            tasks.spawn(async move {
                let permit = ring.reserve().await;
                log.borrow_mut().push(waiter);
                assert!(permit.submit(descriptor(waiter), &frame(waiter), &[]));
            });
        }
        let mut taken = 0;
        while taken < 6 {
            // In this turn those waiters run that were granted a slot in the turn before.
            inner.next_turn().await;
            assert!(ring.outstanding() <= 2);
            settle(&[ring.connection(), consumer.connection()]);
            taken = serve(&consumer, taken);
            settle(&[consumer.connection(), ring.connection()]);
            ring.take_completions(|_, _| {});
        }
    });
    assert_eq!(done, Ok(()));
    assert_eq!(*order.borrow(), [0, 1, 2, 3, 4, 5]);
}
