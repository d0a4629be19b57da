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
use shared::exec::{Clock, Interrupt, Tasks};
use shared::ledger::Repeats;
use shared::report::STALLED;
use shared::ring::{ConsumerPort, Occupancy, Producer, ProducerPort};
use shared::units::Nanos;

use super::apps::{Apps, Joined};
use super::extension::Extension;
use super::farewell::Farewell;
use super::outcome::{OccupancyFigures, Outcome, Snapshot};
use super::pairing::{GRACE, Pairing};
use super::plan::{Length, Plan};
use super::sampler::{Sampler, Watch};
use super::way_up::{Serve, Shared, WayUp};
use crate::account::{Accounts, Timed, Timeline};
use crate::device::{Costly, Policy, RingDevice};
use crate::dispatch::Parts;
use crate::layers::{Neighbours, PathMtus};
use crate::receive::Receiver;

/// Why a phase of the run has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum PhaseEnd {
    /// It is complete.
    Done,
    /// Its time is up.
    TimeUp,
    /// A signal interrupted the stack.
    Interrupted,
    /// The driver ended the session, or it broke.
    DriverLeft,
}

/// A run that is about to begin: a plan, on one end of a ring.
pub struct StackRun<P, X = ()> {
    ring: Producer<P>,
    plan: Plan,
    interrupt: Rc<Interrupt>,
    watch: Option<Watch>,
    /// Serves the receive ring, if there is one.
    up: Option<Serve<P>>,
    /// Beside which run it runs.
    pairing: Option<Pairing>,
    extension: X,
}

impl<P: ProducerPort + 'static> StackRun<P> {
    /// A run of `plan` on `ring`.
    pub fn new(ring: Producer<P>, plan: Plan) -> Self {
        Self { ring, plan, interrupt: Rc::default(), watch: None, up: None, pairing: None, extension: () }
    }
}

impl<P: ProducerPort + 'static, X: Extension> StackRun<P, X> {
    /// The same run with the layers and apps of `extension`.
    pub fn extended_by<Y: Extension>(self, extension: Y) -> StackRun<P, Y> {
        let Self { ring, plan, interrupt, watch, up, pairing, .. } = self;
        StackRun { ring, plan, interrupt, watch, up, pairing, extension }
    }

    /// The same run with a way up: frames arrive at `port`, a ring of the same connection. The plan has to say so, see
    /// [`Plan::with_way_up`].
    #[must_use]
    pub fn receiving(self, port: impl ConsumerPort + 'static) -> Self {
        let serve = |receiver: Rc<Receiver<P>>| async move { receiver.serve(port).await }.boxed_local();
        Self { up: Some(Box::new(serve)), ..self }
    }

    /// The same run, which `interrupt` may end early.
    #[must_use]
    pub fn interrupted_by(self, interrupt: Rc<Interrupt>) -> Self {
        Self { interrupt, ..self }
    }

    /// The same run; `watch` is called with the line of each interval.
    #[must_use]
    pub fn watched_by(self, watch: Option<Watch>) -> Self {
        Self { watch, ..self }
    }

    /// The same run beside another one, with which it ends.
    #[must_use]
    pub fn paired(self, pairing: Pairing) -> Self {
        Self { pairing: Some(pairing), ..self }
    }

    /// Runs it as tasks of the executor whose time is `clock`: apps, drain, farewell.
    pub async fn run(self, tasks: Tasks, clock: Clock) -> Outcome {
        let Self { ring, plan, interrupt, watch, up, pairing, extension } = self;
        let began = clock.now();
        let (mut stack, apps) = RunState::new(&tasks, &clock, ring, &plan, &extension, pairing.is_some());
        let late = Rc::clone(&stack.late);
        clock.on_late_wakeup(move |span| late.note(span.0, 1));
        stack.spawn_device(&tasks);
        if let (Some(serve), Some(ports)) = (up, apps.ports()) {
            stack.up = Some(WayUp::spawn(&tasks, &plan, ports, &stack.shared(), serve));
        }
        let warm = stack.spawn_warmup(&tasks, began, plan.warmup);
        let sampler = watch.map(|watch| stack.spawn_sampler(&tasks, watch));
        for app in &plan.apps {
            // The plan has been checked for what can fail here.
            let _started = apps.start(app.clone());
        }
        apps.extend(extension.run(apps.clone()));

        let time_up = match plan.length {
            Length::Duration(duration) => Some(began + duration),
            Length::Packets(_) => None,
        };
        let offering = stack.until(apps.all_done(), time_up, &interrupt).await;
        apps.end_senders(clock.now());
        if let Some(pairing) = pairing {
            let complete = matches!(offering, PhaseEnd::Done | PhaseEnd::TimeUp);
            stack.outlast(&pairing, complete, plan.drain_timeout, &interrupt).await;
        }
        apps.end(clock.now());
        // By their next turn the apps drop the sends that wait, and count the packets that they did not get to, without
        // taking time.
        apps.all_done().await;
        clock.next_turn().await;
        // Otherwise those who ask for answers could keep the ring from draining.
        stack.up.iter().for_each(WayUp::close);
        if matches!(offering, PhaseEnd::Done | PhaseEnd::TimeUp) {
            let drain = stack.until(stack.device.drained(), Some(clock.now() + plan.drain_timeout), &interrupt).await;
            stack.note_interrupt(&drain);
        }
        stack.note_interrupt(&offering);
        // Frames that complete from here on free slots, but the transmit queue must not use them: the farewell states
        // the final count.
        stack.device.seal();
        let ring = stack.device.ring();
        stack.farewell.exchange(ring.connection(), &clock, ring.stats().submitted).await;
        stack.close(began, warm.get(), sampler, apps.joined())
    }
}

/// Everything of a run that its phases share.
struct RunState<P> {
    clock: Clock,
    timeline: Rc<Timeline>,
    accounts: Rc<Accounts>,
    device: Rc<RingDevice<P>>,
    neighbours: Rc<Neighbours>,
    paths: Rc<PathMtus>,
    /// The way up, if there is one.
    up: Option<WayUp<P>>,
    /// How late each wake-up was.
    late: Rc<Repeats>,
    farewell: Farewell,
    /// [`Extension::KEEPS_LENGTH`].
    frames_keep_length: bool,
}

impl<P: ProducerPort + 'static> RunState<P> {
    /// The device with the layers above it, and the apps on those, none of which has joined yet.
    fn new<X: Extension>(
        tasks: &Tasks,
        clock: &Clock,
        ring: Producer<P>,
        plan: &Plan,
        extension: &X,
        is_paired: bool,
    ) -> (Self, Apps) {
        let timeline = Timeline::new(clock, plan.interval);
        plan.stalls.iter().for_each(|stalls| timeline.expect_stalls(*stalls));
        let accounts = Rc::new(Accounts::default());
        let neighbours = Rc::new(Neighbours::default());
        plan.neighbours.iter().for_each(|known| neighbours.set(known.ip, known.mac));
        let places = plan.txqueue as usize;
        let device = Rc::new(RingDevice::new(ring, plan.policy, places, Rc::clone(&accounts), clock.clone()));
        device.answer_before_sleep();
        let behind_cpu = Costly::new(Rc::clone(&device), plan.stack_cost, clock.clone());
        let paths = Rc::<PathMtus>::default();
        let parts = Parts {
            mac: plan.mac,
            neighbours: Rc::clone(&neighbours),
            routes: plan.routes.clone(),
            paths: Rc::clone(&paths),
            accounts: Rc::clone(&accounts),
            clock: clock.clone(),
        };
        let layers = plan.dispatch.layers(extension.layers(behind_cpu, clock), &parts);
        let apps = Apps::new(tasks, clock, layers, &accounts, &timeline, plan, is_paired);
        let stack = Self {
            clock: clock.clone(),
            timeline,
            accounts,
            device,
            neighbours,
            paths,
            up: None,
            late: Rc::default(),
            farewell: Farewell::default(),
            frames_keep_length: X::KEEPS_LENGTH,
        };
        (stack, apps)
    }

    /// What the way up uses of it.
    fn shared(&self) -> Shared<'_, P> {
        Shared {
            device: &self.device,
            accounts: &self.accounts,
            timeline: &self.timeline,
            neighbours: &self.neighbours,
            paths: &self.paths,
            clock: &self.clock,
        }
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
                // The wait is bounded, so that a driver that completes nothing does not delay the line that names it. A
                // completion that arrives later counts in the next line.
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
            let (result, clock, accounts) = (Rc::clone(&warm), self.clock.clone(), Rc::clone(&self.accounts));
            tasks.spawn(async move {
                clock.sleep_until(began + warmup).await;
                result.set(Some(Snapshot::of(&accounts.all(), clock.now())));
            });
        }
        warm
    }

    /// Waits for `phase`, for the end of its time if it has one, for an interrupt, or for the end of the session.
    async fn until(&self, phase: impl Future<Output = ()>, time_up: Option<Nanos>, interrupt: &Interrupt) -> PhaseEnd {
        // No timer stands for "never": virtual time would go there when nothing else is left to happen.
        let time_up = OptionFuture::from(time_up.map(|at| self.clock.sleep_until(at)));
        let time_up = time_up.then(|up| async move {
            if up.is_none() {
                pending::<()>().await
            }
        });
        let ends: [LocalBoxFuture<'_, PhaseEnd>; 4] = [
            interrupt.asked().map(|()| PhaseEnd::Interrupted).boxed_local(),
            self.farewell.driver_leaves(self.device.ring().connection()).map(|()| PhaseEnd::DriverLeft).boxed_local(),
            phase.map(|()| PhaseEnd::Done).boxed_local(),
            time_up.map(|()| PhaseEnd::TimeUp).boxed_local(),
        ];
        select_all(ends).await.0
    }

    /// Goes on receiving until the run that is paired with this one has sent everything too. Its own frames have `most` to
    /// drain before they count as sent. If the run is not `complete`, the other one is only told that no more comes.
    async fn outlast(&self, pairing: &Pairing, complete: bool, most: Nanos, interrupt: &Interrupt) {
        let mut goes_on = complete;
        if complete {
            let drained = self.until(self.device.drained(), Some(self.clock.now() + most), interrupt).await;
            self.note_interrupt(&drained);
            goes_on = matches!(drained, PhaseEnd::Done | PhaseEnd::TimeUp);
        }
        pairing.note_sent();
        if goes_on {
            let both = async {
                pairing.both_sent().await;
                self.clock.sleep_until(self.clock.now() + GRACE).await;
            };
            let end = self.until(both, None, interrupt).await;
            self.note_interrupt(&end);
        }
    }

    /// Records an interrupt, if that ended a phase.
    fn note_interrupt(&self, end: &PhaseEnd) {
        if *end == PhaseEnd::Interrupted {
            self.farewell.interrupt();
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
        let ending = self.farewell.ending(ring.connection());
        let bye = self.farewell.take();
        self.device.close_accounts();
        let (series, series_interval, lines) = self.timeline.finish();
        if let Some(sampler) = sampler {
            sampler.borrow_mut().show_rest(&lines);
        }
        let times = self.accounts.histograms();
        // The device measures all frames, also those that the stack sends itself.
        let stack = self.accounts.stack();
        let all = || apps.iter().map(|app| &app.account).chain(stack);
        let delivered = all().map(|account| account.counters().delivered).sum();
        let latency_ns = all().map(|account| account.tally(Timed::Latency).sum).sum();
        Outcome {
            ending,
            began,
            ended,
            apps,
            times,
            ring: ring.stats(),
            occupancy: ring.with_occupancy(figures),
            late: self.late.histogram().clone(),
            device: self.device.figures(delivered, latency_ns),
            room: self.timeline.room_figures(ring.depth().get()),
            up: self.up.as_ref().map(WayUp::outcome),
            in_flight,
            lost_at_submit: ring.lost(),
            violation: ring.connection().closed().filter(CloseReason::is_violation).map(|reason| reason.name()),
            left_first: self.farewell.driver_left_first(),
            warm,
            series,
            series_interval,
            claimed_frames: bye.as_ref().map_or(0, |bye| bye.frames),
            frames_keep_length: self.frames_keep_length,
            driver: bye.and_then(|bye| bye.report),
        }
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
