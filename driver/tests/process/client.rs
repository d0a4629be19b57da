//! An honest stack, as a test plays it.

use std::os::fd::OwnedFd;
use std::rc::Rc;

use shared::control::{Bye, ByeReason, Control};
use shared::exec::{Clock, IdleMode, Interrupt, RealPark, Signal, monotonic_now, run};
use shared::ring::socket::{SocketProducer, Tables};
use shared::ring::{Completion, Depth, Descriptor, Producer, ProducerPort};
use shared::testing::Stack;

/// Sends `frames`, waits for all completions and says farewell, as a stack does.
pub(crate) fn transmit(stack: Stack, depth: u32, frames: Vec<Vec<u8>>) -> (Vec<Completion>, Bye) {
    let depth = Depth::new(depth).unwrap();
    let port = SocketProducer::new(OwnedFd::from(stack.0), Tables::producer(depth).unwrap()).unwrap();
    let connection = Rc::clone(port.connection());
    let clock = Clock::starting_at(monotonic_now());
    let park = RealPark::new(vec![Rc::clone(&connection) as _], Rc::new(Interrupt::never()), IdleMode::Hybrid);
    let ring = Rc::new(Producer::new(port, depth, clock.clone()));
    let inner = clock.clone();
    run(&clock, park, |tasks| async move {
        let total = frames.len();
        let (done, count) = (Rc::new(Signal::default()), Rc::new(std::cell::RefCell::new(Vec::new())));
        let (taker, tell, log) = (Rc::clone(&ring), Rc::clone(&done), Rc::clone(&count));
        tasks.spawn(async move {
            while log.borrow().len() < total {
                let completion = taker.connection().arrived().wait_for(|| taker.next_completion()).await;
                log.borrow_mut().push(completion);
                tell.notify();
            }
        });
        for (sequence, frame) in frames.iter().enumerate() {
            let submitted = inner.now();
            let descriptor = Descriptor { len: frame.len() as u32, flow: 0, sequence: sequence as u64, submitted };
            ring.reserve().await.submit(descriptor, frame, b"");
        }
        done.wait_for(|| (count.borrow().len() == total).then_some(())).await;
        let bye = Bye { reason: ByeReason::Finished, frames: total as u64, report: None };
        connection.send_control(&Control::Bye(Box::new(bye)));
        match connection.arrived().wait_for(|| connection.next_control()).await {
            Control::Bye(bye) => (count.take(), *bye),
            other => panic!("no farewell: {other:?}"),
        }
    })
    .unwrap()
}
