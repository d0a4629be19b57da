//! Both halves of a run (stack and driver) in one thread, over a real transport: they alternate, so the scheduler of
//! the operating system has no influence.

use std::os::unix::net::UnixStream;
use std::rc::Rc;

use clap::Parser;
use driver::backend::Output;
use driver::session::{Setup, serve};
use driver::settings::Settings;
use netstack::process::Args;
use netstack::session::{Outcome, Plan, StackRun, Watch};
use shared::connection::Connection;
use shared::exec::{Announced, Clock, Park, Source, Virtual, Wait, monotonic_now, run};
use shared::ring::shm::{SharedMemory, ShmConsumer, ShmProducer};
use shared::ring::socket::{SocketConsumer, SocketProducer, Tables};
use shared::ring::{ConsumerPort, Depth, Producer, ProducerPort};
use shared::units::Nanos;

/// A park that exchanges the bytes of both connections. It never sleeps: virtual time jumps to the next deadline, and
/// in real time it polls.
struct Both {
    connections: [Rc<dyn Source>; 2],
    jumps: Option<Virtual>,
}

impl Park for Both {
    fn now(&mut self) -> Nanos {
        self.jumps.as_mut().map_or_else(monotonic_now, Virtual::now)
    }

    fn exchange(&mut self) -> bool {
        self.connections.iter().fold(false, |moved, connection| connection.exchange() | moved)
    }

    fn park(&mut self, deadline: Option<Nanos>) -> bool {
        if self.jumps.is_none() {
            return true;
        }
        // Act as after a sleep: read the socket too, which a busy side does only now and then.
        drop(Announced::new(&self.connections, Wait::Sleep));
        self.exchange() || self.jumps.as_mut().is_some_and(|jumps| jumps.park(deadline))
    }
}

/// The settings of a run.
pub(crate) struct Halves {
    /// Flags of `netstack`.
    pub(crate) stack: Vec<String>,
    /// Flags of `driver`.
    pub(crate) driver: Vec<String>,
    pub(crate) depth: u32,
    /// Whether time is virtual, so that the run is the same each time.
    pub(crate) in_virtual_time: bool,
}

impl Halves {
    /// Runs over shared memory. Returns the result of the run, and both sides of the connection: the stack's, the
    /// driver's.
    pub(crate) fn over_shm(&self, watch: Option<Watch>) -> (Outcome, [Rc<Connection>; 2]) {
        let (left, right) = UnixStream::pair().unwrap();
        let depth = Depth::new(self.depth).unwrap();
        let (ours, file) = SharedMemory::create(depth, 1).unwrap();
        let theirs = SharedMemory::open(file, depth, 1).unwrap();
        let producer = ShmProducer::new(left.into(), theirs).unwrap();
        let consumer = ShmConsumer::new(right.into(), ours).unwrap();
        let connections = [producer.connection(), consumer.connection()].map(Rc::clone);
        (self.run(producer, consumer, watch), connections)
    }

    /// Runs over the socket.
    pub(crate) fn over_the_socket(&self, watch: Option<Watch>) -> Outcome {
        let (left, right) = UnixStream::pair().unwrap();
        let depth = Depth::new(self.depth).unwrap();
        let producer = SocketProducer::new(left.into(), Tables::producer(depth).unwrap()).unwrap();
        let consumer = SocketConsumer::new(right.into(), Tables::consumer(depth, 1).unwrap()).unwrap();
        self.run(producer, consumer, watch)
    }

    fn run<P, C>(&self, producer: P, consumer: C, watch: Option<Watch>) -> Outcome
    where
        P: ProducerPort + 'static,
        C: ConsumerPort + 'static,
    {
        let depth = Depth::new(self.depth).unwrap();
        let named = |name: &str, flags: &[String]| [&[name.to_owned()], flags].concat();
        let stack = Args::parse_from(named("netstack", &self.stack)).stack;
        let settings = Settings::parse_from(named("driver", &self.driver)).driver;
        let plan = Plan::new(&stack, Plan::check(&stack, depth).unwrap(), 1, depth, settings.hardware.link).unwrap();
        // In virtual time an app that never waits would send packets without end while time stands still, so give
        // packets a cost.
        let stack_cost = if self.in_virtual_time { Nanos::from_micros(2) } else { Nanos::ZERO };
        let plan = Plan { stack_cost, ..plan };
        let setup = Setup::new(settings.hardware(1).unwrap(), depth, settings.dma, Output::Model).unwrap();
        let setup = Setup { verify: settings.verify, ..setup };
        let (clock, jumps) = match self.in_virtual_time {
            true => (Clock::default(), Some(Virtual::default())),
            false => (Clock::starting_at(monotonic_now()), None),
        };
        let connections = [producer.connection(), consumer.connection()].map(|connection| Rc::clone(connection) as _);
        let park = Both { connections, jumps };
        let ring = Producer::with_wake_point(producer, depth, plan.wake_point, clock.clone());
        let (served, stack_clock) = (serve(consumer, clock.clone(), setup), clock.clone());
        run(&clock, park, |tasks| {
            tasks.spawn(async { drop(served.await) });
            StackRun::new(ring, plan).watched_by(watch).run(tasks, stack_clock)
        })
        .unwrap()
    }
}
