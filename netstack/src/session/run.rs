//! A run, from the first packet offered to the driver's farewell.
//!
//! It is a plain future over a clock and a port, so the same code runs in real time against a
//! driver process and in virtual time against one in the same process.

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;

use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, OptionFuture, pending, select, select_all};
use shared::connection::CloseReason;
use shared::control::{Bye, ByeReason, Control};
use shared::exec::{Clock, Interrupt, Tasks};
use shared::ledger::Histogram;
use shared::report::{Ending, STALLED};
use shared::ring::{Occupancy, Producer, ProducerPort};
use shared::units::Nanos;

use super::apps::{Apps, Joined};
use super::extension::Extension;
use super::outcome::{OccupancyFigures, Outcome, Snapshot};
use super::plan::{Length, Plan};
use super::sampler::{Sampler, Watch};
use crate::account::{Accounts, Timeline};
use crate::device::{Costly, Policy, RingDevice};
use crate::dispatch::Parts;
use crate::layers::Neighbours;

/// How long a driver may take to send its farewell.
const FAREWELL_TIMEOUT: Nanos = Nanos::from_secs(2);

/// Why one phase of the run came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Turn {
    /// As it should.
    Done,
    /// Its time is up.
    TimeUp,
    /// A signal interrupted the stack.
    Interrupted,
    /// The driver ended the session, or it broke.
    Peer,
}

/// A run that is about to begin: a plan, on one end of a ring.
pub struct StackRun<P, X = ()> {
    ring: Producer<P>,
    plan: Plan,
    interrupt: Rc<Interrupt>,
    watch: Option<Watch>,
    extension: X,
}

impl<P: ProducerPort + 'static> StackRun<P> {
    /// A run of `plan` on `ring`.
    pub fn new(ring: Producer<P>, plan: Plan) -> Self {
        Self { ring, plan, interrupt: Rc::default(), watch: None, extension: () }
    }
}

impl<P: ProducerPort + 'static, X: Extension> StackRun<P, X> {
    /// The same, with layers and apps of your own.
    pub fn extended_by<Y: Extension>(self, extension: Y) -> StackRun<P, Y> {
        let Self { ring, plan, interrupt, watch, .. } = self;
        StackRun { ring, plan, interrupt, watch, extension }
    }

    /// The same, ended early by `interrupt`.
    #[must_use]
    pub fn interrupted_by(self, interrupt: Rc<Interrupt>) -> Self {
        Self { interrupt, ..self }
    }

    /// The same; `watch` sees the line of each interval.
    #[must_use]
    pub fn watched_by(self, watch: Option<Watch>) -> Self {
        Self { watch, ..self }
    }

    /// Runs it as tasks of the executor whose time is `clock`: apps, drain, farewell.
    pub async fn run(self, tasks: Tasks, clock: Clock) -> Outcome {
        let Self { ring, plan, interrupt, watch, extension } = self;
        let began = clock.now();
        let (stack, apps) = RunState::new(&tasks, &clock, ring, &plan, &extension);
        let late = Rc::clone(&stack.late);
        clock.on_late_wakeup(move |span| late.borrow_mut().record(span.0, 1));
        stack.spawn_device(&tasks);
        let warm = stack.spawn_warmup(&tasks, began, plan.warmup);
        let sampler = watch.map(|watch| stack.spawn_sampler(&tasks, watch));
        for app in &plan.apps {
            apps.start(app.clone());
        }
        apps.extend(extension.run(apps.clone()));

        let time_up = match plan.length {
            Length::Duration(duration) => Some(began + duration),
            Length::Packets(_) => None,
        };
        let offering = stack.until(apps.all_done(), time_up, &interrupt).await;
        apps.end(clock.now());
        // They drop what they were doing by their next turn, and count what they did not get to in no time.
        apps.all_done().await;
        clock.next_turn().await;
        if matches!(offering, Turn::Done | Turn::TimeUp) {
            let drain = stack.until(stack.device.drained(), Some(clock.now() + plan.drain_timeout), &interrupt).await;
            stack.note(drain);
        }
        stack.note(offering);
        stack.say_farewell().await;
        stack.close(began, warm.get(), sampler, apps.joined())
    }
}

/// Everything of a run that its phases share.
struct RunState<P> {
    clock: Clock,
    timeline: Rc<Timeline>,
    accounts: Rc<Accounts>,
    device: Rc<RingDevice<P>>,
    /// How late each wake-up was.
    late: Rc<RefCell<Histogram>>,
    interrupted: Cell<bool>,
    /// Whether this side has sent its farewell.
    said: Cell<bool>,
    /// The driver's farewell, whenever it comes.
    bye: RefCell<Option<Bye>>,
    /// Whether it is no answer to ours: frames may have crossed it that the driver never saw.
    left_first: Cell<bool>,
}

impl<P: ProducerPort + 'static> RunState<P> {
    /// The device with the layers above it, and the apps on those, none of which has joined yet.
    fn new(tasks: &Tasks, clock: &Clock, ring: Producer<P>, plan: &Plan, extension: &impl Extension) -> (Self, Apps) {
        let timeline = Timeline::new(clock, plan.interval);
        let accounts = Rc::new(Accounts::default());
        let neighbours = Rc::new(Neighbours::default());
        plan.neighbours.iter().for_each(|known| neighbours.set(known.ip, known.mac));
        let places = plan.txqueue as usize;
        let device = Rc::new(RingDevice::new(ring, plan.policy, places, Rc::clone(&accounts), clock.clone()));
        device.answer_before_sleep();
        let behind_cpu = Costly::new(Rc::clone(&device), plan.stack_cost, clock.clone());
        let routes = plan.routes.clone();
        let parts = Parts { mac: plan.mac, neighbours, routes, accounts: Rc::clone(&accounts), clock: clock.clone() };
        let layers = plan.dispatch.layers(extension.layers(behind_cpu, clock), &parts);
        let apps = Apps::new(tasks, clock, layers, &accounts, &timeline, plan);
        let stack = Self {
            clock: clock.clone(),
            timeline,
            accounts,
            device,
            late: Rc::default(),
            interrupted: Cell::default(),
            said: Cell::default(),
            bye: RefCell::default(),
            left_first: Cell::default(),
        };
        (stack, apps)
    }

    fn spawn_device(&self, tasks: &Tasks) {
        let device = Rc::clone(&self.device);
        tasks.spawn(async move { device.run_completions().await });
        if self.device.policy() == Policy::DropOldest {
            let device = Rc::clone(&self.device);
            tasks.spawn(async move { device.run_queue().await });
        }
    }

    fn spawn_sampler(&self, tasks: &Tasks, watch: Watch) -> Rc<RefCell<Sampler>> {
        let sampler = Rc::new(RefCell::new(Sampler::new(Rc::clone(&self.timeline), watch)));
        let (shared, clock, device) = (Rc::clone(&sampler), self.clock.clone(), Rc::clone(&self.device));
        tasks.spawn(async move {
            loop {
                let end = shared.borrow().next();
                // The end is part of its interval, so something may still happen in it until then.
                clock.sleep_until(end + Nanos(1)).await;
                // A driver that completes nothing does not hold up the line that names it. What it reports later than
                // this counts in the next line.
                let late = clock.sleep_until(end + STALLED);
                select(pin!(device.settled_by(end)), late).await;
                shared.borrow_mut().show(end, &device);
            }
        });
        sampler
    }

    /// Reads all accounts at the end of the warm-up.
    fn spawn_warmup(&self, tasks: &Tasks, began: Nanos, warmup: Nanos) -> Rc<Cell<Option<Snapshot>>> {
        let warm = Rc::new(Cell::new(None));
        if warmup > Nanos::ZERO {
            let (slot, clock, accounts) = (Rc::clone(&warm), self.clock.clone(), Rc::clone(&self.accounts));
            tasks.spawn(async move {
                clock.sleep_until(began + warmup).await;
                slot.set(Some(Snapshot::of(&accounts.all(), clock.now())));
            });
        }
        warm
    }

    /// Waits for `phase`, for its time to be up if it has one, for an interrupt, or for the driver to end it all.
    async fn until(&self, phase: impl Future<Output = ()>, time_up: Option<Nanos>, interrupt: &Interrupt) -> Turn {
        // No timer stands for "never": virtual time would go there when nothing else is left to happen.
        let time_up = OptionFuture::from(time_up.map(|at| self.clock.sleep_until(at)));
        let time_up = time_up.then(|up| async move {
            if up.is_none() {
                pending::<()>().await
            }
        });
        let turns: [LocalBoxFuture<'_, Turn>; 4] = [
            interrupt.asked().map(|()| Turn::Interrupted).boxed_local(),
            self.peer_ends().map(|()| Turn::Peer).boxed_local(),
            phase.map(|()| Turn::Done).boxed_local(),
            time_up.map(|()| Turn::TimeUp).boxed_local(),
        ];
        select_all(turns).await.0
    }

    /// Ready when the driver's farewell has come, or the session has closed.
    async fn peer_ends(&self) {
        let connection = self.device.ring().connection();
        let control = || {
            while let Some(message) = connection.next_control() {
                self.receive(message);
            }
            (self.bye.borrow().is_some() || connection.closed().is_some()).then_some(())
        };
        connection.control_arrived().wait_for(control).await;
    }

    fn receive(&self, message: Control) {
        match message {
            Control::Bye(_) if self.bye.borrow().is_some() => {
                let error = shared::control::WireError::Unexpected("message behind the farewell");
                self.device.ring().connection().close(error.into());
            }
            Control::Bye(bye) => {
                // Only "finished" answers; a driver that was interrupted may do so at any time.
                self.left_first.set(!self.said.get() || bye.reason != ByeReason::Finished);
                self.bye.replace(Some(*bye));
            }
            // The connection has counted it.
            Control::Alive => {}
            Control::Hello(_) | Control::Accept(_) | Control::Refuse(_) => {
                let error = shared::control::WireError::Unexpected("greeting in the middle of a session");
                self.device.ring().connection().close(error.into());
            }
        }
    }

    fn note(&self, turn: Turn) {
        if turn == Turn::Interrupted {
            self.interrupted.set(true);
        }
    }

    /// Sends the farewell, and waits for the driver's, which has its report of the session.
    /// Whatever it completed before is settled first: it comes before the farewell.
    async fn say_farewell(&self) {
        // What completes from here on makes room, but the queue must not use it: the farewell has the final count.
        self.device.seal();
        if self.bye.borrow().is_none() {
            let reason = self.reason();
            let frames = self.device.ring().stats().submitted;
            let connection = self.device.ring().connection();
            self.said.set(true);
            connection.send_control(&Control::Bye(Box::new(Bye { reason, frames, report: None })));
            let patience = self.clock.sleep_until(self.clock.now() + FAREWELL_TIMEOUT);
            select(self.peer_ends().boxed_local(), patience).await;
        }
        // Let the task that settles completions see what came before the farewell.
        self.clock.next_turn().await;
    }

    /// The reason in this side's farewell.
    fn reason(&self) -> ByeReason {
        match self.device.ring().connection().closed() {
            _ if self.interrupted.get() => ByeReason::Interrupted,
            None | Some(CloseReason::PeerGone | CloseReason::Io(_)) => ByeReason::Finished,
            Some(broken) => ByeReason::Violation(broken.to_string()),
        }
    }

    fn close(
        &self,
        began: Nanos,
        warm: Option<Snapshot>,
        sampler: Option<Rc<RefCell<Sampler>>>,
        apps: Vec<Joined>,
    ) -> Outcome {
        let ring = self.device.ring();
        let ended = self.clock.now();
        let in_flight = u64::from(ring.outstanding()) + self.device.queued() as u64;
        let ending = self.ending();
        let bye = self.bye.take();
        self.device.close_accounts();
        let (series, series_interval, lines) = self.timeline.finish();
        if let Some(sampler) = sampler {
            sampler.borrow_mut().show_rest(&lines);
        }
        Outcome {
            ending,
            began,
            ended,
            apps,
            ring: ring.stats(),
            occupancy: ring.with_occupancy(figures),
            late: self.late.borrow().clone(),
            held_ns: self.device.held_ns(),
            in_flight,
            lost_at_submit: ring.lost(),
            violation: ring.connection().closed().filter(CloseReason::is_violation).map(|reason| reason.name()),
            left_first: self.left_first.get(),
            warm,
            series,
            series_interval,
            claimed_frames: bye.as_ref().map_or(0, |bye| bye.frames),
            driver: bye.and_then(|bye| bye.report),
        }
    }

    fn ending(&self) -> Ending {
        match (self.bye.borrow().as_ref(), self.device.ring().connection().closed()) {
            _ if self.interrupted.get() => Ending::Interrupted,
            (_, Some(reason)) if reason.is_violation() => Ending::PeerFailed(reason.to_string()),
            (Some(bye), _) if self.left_first.get() => left(&bye.reason),
            (Some(bye), _) if bye.report.is_none() => {
                Ending::PeerFailed("the driver said farewell without a report".to_owned())
            }
            (Some(_), _) => Ending::Finished,
            (None, Some(reason)) => Ending::PeerFailed(reason.to_string()),
            (None, None) => Ending::PeerFailed(format!("the driver did not say farewell within {FAREWELL_TIMEOUT}")),
        }
    }
}

/// How a run ends whose driver left first, for this `reason`.
fn left(reason: &ByeReason) -> Ending {
    match reason {
        ByeReason::Finished => Ending::PeerFailed("the driver ended the session".to_owned()),
        ByeReason::Interrupted => Ending::PeerInterrupted,
        ByeReason::Violation(what) => Ending::PeerFailed(format!("the driver ended the session: {what}")),
        ByeReason::Fault(what) => Ending::PeerFailed(format!("the driver failed: {what}")),
    }
}

fn figures(occupancy: &Occupancy) -> OccupancyFigures {
    let time_at = occupancy.time_at();
    OccupancyFigures {
        mean: time_at.mean(),
        most: occupancy.most(),
        integral_ns: time_at.sum(),
        p50: time_at.quantile(500),
        p99: time_at.quantile(990),
    }
}
