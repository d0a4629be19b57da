//! The answer of `lab tune`: a few lines for people, and all of it as JSON.

use schemars::JsonSchema;
use serde::Serialize;
use shared::report::{Origin, human};
use shared::units::Nanos;

use super::limits::{Broken, Limit, Limits};
use super::search::Found;
use super::{RATE_KEPT, advice};
use crate::points::estimate::{Estimated, code};
use crate::settings::RunSettings;

/// Schema of the file that `lab tune --json` writes.
const TUNE_SCHEMA: &str = "pushback.tune/1";

/// Two latencies within this factor are called the same.
const SAME: f64 = 1.1;

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// Name and version of the schema, [`TUNE_SCHEMA`].
    #[schemars(extend("const" = TUNE_SCHEMA))]
    schema: &'static str,
    /// When, by which program and by which command it was made.
    #[serde(flatten)]
    pub(crate) origin: Origin,
    /// The depth that meets all limits; null if none does.
    depth: Option<u32>,
    /// How many of its slots the hardware's own queue can hold.
    hardware: Option<u32>,
    /// The limit that keeps the ring from being less deep, or that no depth meets.
    binding_limit: Option<Limit>,
    /// A depth above that was tried and does not meet the limits.
    not_monotonic: Option<u32>,
    /// How late each sleep ended in the simulations.
    wake_latency_ns: Nanos,
    /// How many depths were simulated.
    depths_simulated: usize,
    /// Every depth that was tried, in virtual and then in real time.
    points: Vec<Tried>,
    /// What waiting gives instead.
    wait: Option<Waiting>,
    /// Whether the runs in real time confirm it; null if there were none.
    confirmed: Option<bool>,
    warnings: Vec<String>,
    /// The command that shows the run at this depth.
    command: Option<String>,
    #[serde(skip)]
    reason: Option<String>,
    /// What a full ring costs.
    #[serde(skip)]
    full_ring: Option<Nanos>,
}

/// One depth that was tried.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Tried {
    pub(crate) depth: u32,
    pub(crate) clock: &'static str,
    /// Whether it meets all limits.
    pub(crate) fits: bool,
    /// The limits that it breaks, in words.
    pub(crate) broken: Vec<String>,
    pub(crate) loss_ratio: Option<f64>,
    pub(crate) bits_per_second: Option<f64>,
    pub(crate) sojourn_p99_ns: Option<f64>,
    pub(crate) latency_p99_ns: Option<f64>,
    pub(crate) blocked_ns: Option<f64>,
    pub(crate) warnings: Vec<String>,
    #[serde(skip)]
    limits: Vec<Broken>,
}

/// What the policy `wait` gives.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Waiting {
    /// The smallest depth with [`RATE_KEPT`] of the rate of the deepest ring.
    pub(crate) depth: u32,
    pub(crate) loss_ratio: Option<f64>,
    pub(crate) sojourn_p99_ns: Option<f64>,
    pub(crate) latency_p99_ns: Option<f64>,
    pub(crate) blocked_ns: Option<f64>,
}

/// The runs in real time.
pub(crate) type Real = Vec<Tried>;

impl Tried {
    pub(crate) fn new(depth: u32, clock: &'static str, point: &Estimated, limits: &Limits) -> Self {
        let broken = limits.broken(point);
        let mean = |key| point.figure(key).mean;
        Self {
            depth,
            clock,
            fits: broken.is_empty(),
            broken: broken.iter().map(|broken| broken.text.clone()).collect(),
            loss_ratio: mean("loss_ratio"),
            bits_per_second: mean("bits_per_second"),
            sojourn_p99_ns: mean("sojourn_p99_ns"),
            latency_p99_ns: mean("latency_p99_ns"),
            blocked_ns: mean("blocked_ns"),
            warnings: point.warnings.iter().map(|warning| code(*warning)).collect(),
            limits: broken,
        }
    }
}

impl Waiting {
    pub(crate) fn new(depth: u32, point: &Estimated) -> Self {
        let mean = |key| point.figure(key).mean;
        Self {
            depth,
            loss_ratio: mean("loss_ratio"),
            sojourn_p99_ns: mean("sojourn_p99_ns"),
            latency_p99_ns: mean("latency_p99_ns"),
            blocked_ns: mean("blocked_ns"),
        }
    }
}

impl Answer {
    /// The answer that `found` gives; `points` are the depths that were simulated.
    pub(crate) fn new(settings: &RunSettings, found: &Found, points: Vec<Tried>, depths_simulated: usize) -> Self {
        let at = |depth: u32| points.iter().find(|point| point.depth == depth);
        // A depth at which the limits hold that need depth may break one that depth makes worse.
        let candidate = found.depth.and_then(at);
        let deepest = points.iter().max_by_key(|point| point.depth);
        let judged = candidate.or(deepest);
        let fitting = candidate.filter(|point| point.fits);
        let below = fitting.and_then(|point| at(point.depth.saturating_sub(1)));
        let binding = match fitting {
            Some(_) => below.and_then(|below| below.limits.first()),
            None => judged.and_then(|point| point.limits.first()),
        };
        let binding_limit = binding.map(|broken| broken.limit);
        let hw_queue = settings.hardware().hw_queue.get();
        let mut warnings = Vec::new();
        if let Some(point) = fitting {
            warnings.extend(advice::bufferbloat(settings, point.depth));
        }
        warnings.extend(advice::commensurate(settings));
        Self {
            schema: TUNE_SCHEMA,
            origin: Origin::default(),
            depth: fitting.map(|point| point.depth),
            hardware: fitting.map(|point| point.depth.min(hw_queue)),
            binding_limit,
            not_monotonic: fitting.and(found.not_monotonic),
            wake_latency_ns: settings.simulation.wake_latency,
            depths_simulated,
            reason: reason(candidate, judged, fitting.is_some()),
            full_ring: fitting.and_then(|point| advice::full_ring(settings, point.depth)),
            points,
            wait: None,
            confirmed: None,
            warnings,
            command: None,
        }
    }

    /// The depth that meets all limits.
    pub(crate) fn depth(&self) -> Option<u32> {
        self.depth
    }

    pub(crate) fn set_waiting(&mut self, waiting: Option<Waiting>) {
        self.wait = waiting;
    }

    /// Adds a warning.
    pub(crate) fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// Adds what runs in real time gave.
    pub(crate) fn confirm(&mut self, real: Real) {
        self.confirmed = real.iter().find(|point| Some(point.depth) == self.depth).map(|point| point.fits);
        self.points.extend(real);
    }

    pub(crate) fn set_command(&mut self, command: String) {
        self.command = Some(command);
    }

    /// The lines for people; the first is the answer.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![self.first_line()];
        if let Some(point) = self.depth.and_then(|depth| self.at(depth, "virtual")) {
            lines.push(format!(
                "In virtual time at depth {}: {} lost, p99 latency {}, p99 sojourn {}.",
                number(point.depth),
                text(point.loss_ratio, human::percent),
                text(point.latency_p99_ns, human::time),
                text(point.sojourn_p99_ns, human::time)
            ));
            lines.push(self.slots(point.depth));
            lines.push(self.binding(point.depth));
        }
        lines.extend(self.waiting_line());
        lines.extend(self.real_line());
        if let Some(above) = self.not_monotonic {
            let broken = self.at(above, "virtual").map(|point| point.broken.join("; ")).unwrap_or_default();
            lines.push(format!(
                "Warning: not monotonic: depth {} is deeper and does not meet the limits: {broken}. Try --exhaustive.",
                number(above)
            ));
        }
        lines.extend(self.warnings.iter().map(|warning| format!("Warning: {warning}.")));
        lines.push(format!(
            "{} depths simulated; sleeps end {} late.",
            self.depths_simulated,
            human::time(self.wake_latency_ns.0 as f64)
        ));
        lines.extend(self.command.iter().map(|command| format!("Again: {command}")));
        lines.join("\n")
    }

    fn at(&self, depth: u32, clock: &str) -> Option<&Tried> {
        self.points.iter().find(|point| point.depth == depth && point.clock == clock)
    }

    fn first_line(&self) -> String {
        match (self.depth, self.confirmed) {
            (Some(depth), Some(false)) => {
                let real = self.at(depth, "real");
                let broken = real.map(|point| point.broken.join("; ")).unwrap_or_default();
                let warnings = real.map(|point| point.warnings.join(", ")).filter(|warnings| !warnings.is_empty());
                let warnings =
                    warnings.map_or_else(String::new, |warnings| format!(" (warnings of that run: {warnings})"));
                format!(
                    "Depth {} meets the limits in virtual time but not in real time on this machine: \
                     {broken}{warnings}. See whether a deeper ring does: lab run --depth {}.",
                    number(depth),
                    2 * depth
                )
            }
            (Some(depth), confirmed) => {
                let real = if confirmed.is_some() { ", in virtual and in real time" } else { "" };
                format!("Depth {} meets the limits{real}.", number(depth))
            }
            (None, _) => {
                let limit = self.binding_limit.map_or("", Limit::flag);
                format!(
                    "No depth that was tried meets the limits; {limit} binds: {}.",
                    self.reason.as_deref().unwrap_or("no run")
                )
            }
        }
    }

    fn slots(&self, depth: u32) -> String {
        let hardware = self.hardware.unwrap_or(0);
        let ring = depth - hardware;
        let full = self
            .full_ring
            .map_or_else(String::new, |time| format!(" A full ring takes {} to send.", human::time(time.0 as f64)));
        if ring == 0 {
            return format!("The hardware's queue holds all its {} slots.{full}", number(depth));
        }
        format!(
            "Of its {} slots, the hardware's queue holds up to {}; the other {} wait in the ring and the driver.{full}",
            number(depth),
            number(hardware),
            number(ring)
        )
    }

    fn binding(&self, depth: u32) -> String {
        let below = depth.checked_sub(1).and_then(|below| self.at(below, "virtual"));
        match (below, self.binding_limit) {
            (Some(below), Some(limit)) => {
                format!("{} binds: at depth {}, {}.", limit.flag(), number(below.depth), below.broken.join("; "))
            }
            _ => "No limit binds: there is no smaller ring.".to_owned(),
        }
    }

    fn waiting_line(&self) -> Option<String> {
        let wait = self.wait.as_ref()?;
        let dropping = self.depth.and_then(|depth| self.at(depth, "virtual"));
        let latency = dropping.and_then(|point| Some((wait.latency_p99_ns?, point.latency_p99_ns?)));
        let compared = match latency {
            Some((wait, dropping)) if wait <= SAME * dropping && dropping <= SAME * wait => {
                ", the same as when dropping"
            }
            Some((wait, dropping)) if wait < dropping => ", less than when dropping",
            Some(_) => ", more than when dropping: the delay moved to the senders",
            None => "",
        };
        Some(format!(
            "With --policy wait, depth {} keeps {} of the rate of depth {} and loses {}: p99 of latency {}{compared}; p99 \
             of sojourn {}; senders blocked for {} in all.",
            number(wait.depth),
            human::percent(RATE_KEPT),
            number(super::DEEPEST),
            wait.loss_ratio.filter(|loss| *loss > 0.0).map_or_else(|| "nothing".to_owned(), human::percent),
            text(wait.latency_p99_ns, human::time),
            text(wait.sojourn_p99_ns, human::time),
            text(wait.blocked_ns, human::time)
        ))
    }

    fn real_line(&self) -> Option<String> {
        let real: Vec<_> = self.points.iter().filter(|point| point.clock == "real").collect();
        let one = |point: &&Tried| {
            format!(
                "{}: {} lost, p99 of latency {}",
                number(point.depth),
                text(point.loss_ratio, human::percent),
                text(point.latency_p99_ns, human::time)
            )
        };
        let all: Vec<_> = real.iter().map(one).collect();
        (!all.is_empty()).then(|| format!("In real time on this machine, by depth: {}.", all.join("; ")))
    }
}

/// Why no depth meets the limits.
fn reason(candidate: Option<&Tried>, judged: Option<&Tried>, fits: bool) -> Option<String> {
    let (point, false) = (judged?, fits) else { return None };
    let depth = number(point.depth);
    let broken = point.broken.join("; ");
    Some(match candidate {
        Some(_) => format!("depth {depth} is needed by the others, and there {broken}"),
        None => format!("even at depth {depth} {broken}"),
    })
}

fn number(depth: u32) -> String {
    human::count(u64::from(depth))
}

fn text(value: Option<f64>, print: fn(f64) -> String) -> String {
    value.map_or_else(|| "nothing".to_owned(), print)
}
