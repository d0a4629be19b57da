//! Which model fits a run, from its settings alone.
//!
//! The conditions are those under which the system *is* the model, not merely close to it:
//!
//! - one server and no delay after it: no latency, no stalls, each completion reported by itself, and no CPU cost of
//!   the stack. Then a packet holds a slot from acceptance to completion, and K is the depth. The depth of the
//!   hardware queue does not matter: it only decides where within the ring a packet waits;
//! - one app, so that all packets are of one kind, and no send budget, which would be a second bound;
//! - `drop-newest`, or `wait` with an app that skips when blocked: a packet that finds no free slot leaves at once.
//!   A transmit queue in front of the ring, or a deadline for waiting, is a different system;
//! - under `wait`, waiters are served as soon as one slot is free (`--wake each`): no model has a server that keeps
//!   free places from waiting packets.
//!
//! Under `wait` with an app that waits, nothing is lost, and packets queue behind the ring: counted from the intended
//! time, this is the unbounded queue, at any depth.

use driver::hardware::Service;
use driver::settings::HardwareSettings;
use netstack::app::{AppSpec, Pace as AppPace, Period, Process, Shape, Traffic, Via, WhenBlocked};
use netstack::device::Policy;
use netstack::settings::StackSettings;
use shared::units::{Bytes, LinkRate, Nanos};

use super::model::Model;
use super::pace::Pace;
use crate::settings::RunSettings;

/// A model, and how the figures of a run correspond to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    /// The model.
    pub model: Model,
    /// The model's unit of time: the mean service time.
    pub service_mean_ns: f64,
    /// Which packets of a run count as lost in the model.
    pub loss: Loss,
    /// When a packet enters the model's system.
    pub entry: Entry,
}

/// Which packets of a run count as lost in the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The dropped ones, as a share of the accepted.
    Dropped,
    /// The refused ones, as a share of the offered.
    Refused,
}

/// When a packet enters the model's system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// When it is accepted.
    Accepted,
    /// At its intended time.
    Intended,
}

/// Why no model fits: the condition that is not met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no model fits: {0}")]
pub struct NoFit(&'static str);

/// The settings that decide which model fits.
struct Setting<'a> {
    stack: &'a StackSettings,
    hardware: &'a HardwareSettings,
    depth: u32,
}

/// Returns the model that fits a run with these settings.
///
/// # Errors
/// [`NoFit`] with the first condition that is not met.
pub fn fit(settings: &RunSettings) -> Result<Fit, NoFit> {
    let (stack, depth, simulation) = (settings.stack(), settings.depth(), settings.simulation);
    let setting = Setting { stack, hardware: settings.hardware(), depth: depth.get() };
    let holds_slots_back = stack.policy == Policy::Wait && stack.wake_point(depth) != Ok(1);
    let apps = settings.apps();
    let unmet = [
        (simulation.stack_cost > Nanos::ZERO, "--stack-cost puts another server before the ring; leave it out"),
        (simulation.wake_latency > Nanos::ZERO, "--wake-latency lets the server idle; leave it out"),
        (holds_slots_back, "under --policy wait use --wake each: no model keeps free slots from waiters"),
        (setting.hardware.stall.is_some(), "--stall is in no model; leave it out"),
        (setting.hardware.coalesce.frames() > 1, "--coalesce delays completions; leave it out"),
        (!setting.stack.sending.dispatch.waits(), "--dispatch sync refuses what would wait; leave it out"),
        (apps.iter().any(|app| app.budget().is_some()), "budget is a second bound; leave it out"),
    ];
    if let Some((_, why)) = unmet.into_iter().find(|(unmet, _)| *unmet) {
        return Err(NoFit(why));
    }
    match apps {
        [app] if matches!(app.traffic(), Traffic::Open { .. }) => setting.open(app),
        apps if apps.iter().all(|app| matches!(app.traffic(), Traffic::ReqResp { .. })) => setting.closed(apps),
        _ => Err(NoFit("use one app of kind cbr or poisson, or only apps of kind reqresp")),
    }
}

impl Setting<'_> {
    fn open(&self, app: &AppSpec) -> Result<Fit, NoFit> {
        let Traffic::Open { process, pace, when_blocked } = app.traffic() else {
            return Err(NoFit("the app is not an open loop"));
        };
        let period = app.resolve(0, self.hardware.link, Bytes(u64::MAX)).ok().and_then(|app| app.period());
        let period = period.ok_or(NoFit("the app cannot run on this link"))?;
        let loss = match (self.stack.policy, when_blocked) {
            (Policy::DropNewest, _) => Some(Loss::Dropped),
            (Policy::Wait, WhenBlocked::Skip) => Some(Loss::Refused),
            (Policy::Wait, WhenBlocked::Wait) => None,
            _ => return Err(NoFit("use --policy drop-newest or wait")),
        };
        let Some(loss) = loss else { return self.unbounded(app, process, pace, period) };
        if self.hardware.link == LinkRate::Unlimited {
            return self.erlang_b(process, period, loss);
        }
        let service = self.service(app)?;
        let load = load(pace, period, service);
        let model = match (process, self.hardware.service) {
            (Process::Poisson, Service::Exponential) => Model::Mm1k { load, places: self.depth },
            (Process::Poisson, Service::Fixed) => Model::Md1k { load, places: self.depth },
            (Process::Cbr, Service::Fixed) => self.constant(period, service)?,
            _ => return Err(NoFit("use poisson, or cbr with --service fixed")),
        };
        Ok(Fit { model, service_mean_ns: service.as_nanos_f64(), loss, entry: Entry::Accepted })
    }

    /// The model of a constant rate. Both times are in the same fraction of a nanosecond, so that neither is rounded.
    fn constant(&self, period: Period, service: Period) -> Result<Model, NoFit> {
        let ((nanos, per), (work, parts)) = (period.as_fraction(), service.as_fraction());
        let narrow = |value: u128| u64::try_from(value).map_err(|_| NoFit("its times have too many digits"));
        let pace = Pace::of(narrow(per)?, narrow(nanos.saturating_mul(parts))?);
        let pace = pace.map_err(|_| NoFit("its rate is zero"))?;
        Ok(Model::Dd1k { pace, service_ns: narrow(work)?, places: self.depth })
    }

    /// The unbounded queue: under `wait`, packets queue behind the ring without a limit.
    fn unbounded(&self, app: &AppSpec, process: Process, pace: AppPace, period: Period) -> Result<Fit, NoFit> {
        let service = self.service(app)?;
        let load = load(pace, period, service);
        let model = match (process, self.hardware.service) {
            _ if load >= 1.0 => {
                return Err(NoFit(
                    "a load of 1 or more without losses has no steady state: its queue grows without end",
                ));
            }
            (Process::Poisson, Service::Exponential) => Model::Mm1 { load },
            (Process::Poisson, Service::Fixed) => Model::Md1 { load },
            _ => return Err(NoFit("without losses, use poisson")),
        };
        let service_mean_ns = service.as_nanos_f64();
        Ok(Fit { model, service_mean_ns, loss: Loss::Dropped, entry: Entry::Intended })
    }

    /// On an unlimited link each slot is a server with a fixed latency, if the hardware queue is as deep as the ring.
    fn erlang_b(&self, process: Process, period: Period, loss: Loss) -> Result<Fit, NoFit> {
        let latency = self.hardware.latency.0 as f64;
        if process != Process::Poisson || latency == 0.0 {
            return Err(NoFit("with an unlimited link, use poisson and --latency"));
        }
        if self.hardware.hw_queue.get() < self.depth {
            return Err(NoFit("with an unlimited link, use a --hw-queue of at least --depth"));
        }
        let model = Model::ErlangB { offered: latency / period.as_nanos_f64(), servers: self.depth };
        Ok(Fit { model, service_mean_ns: latency, loss, entry: Entry::Accepted })
    }

    /// The closed loop of `reqresp` apps.
    fn closed(&self, apps: &[AppSpec]) -> Result<Fit, NoFit> {
        let Some(app) = apps.first() else { return Err(NoFit("there is no app")) };
        let equal = |other: &AppSpec| (other.traffic(), other.wire_bits()) == (app.traffic(), app.wire_bits());
        let think = match app.traffic() {
            Traffic::ReqResp { think, shape: Shape::Exponential, via: Via::Completion } if apps.iter().all(equal) => {
                think
            }
            _ => return Err(NoFit("use apps with equal settings, with distribution=exponential")),
        };
        let sources = u32::try_from(apps.len()).unwrap_or(u32::MAX);
        if self.stack.policy != Policy::Wait || self.hardware.service != Service::Exponential || self.depth < sources {
            return Err(NoFit("with reqresp, use --policy wait, --service exponential and a slot for each app"));
        }
        let service_mean_ns = self.service(app)?.as_nanos_f64();
        let model = Model::FiniteSource { sources, ratio: service_mean_ns / think.0 as f64 };
        Ok(Fit { model, service_mean_ns, loss: Loss::Dropped, entry: Entry::Accepted })
    }

    /// The mean service time on the link, as an exact fraction.
    fn service(&self, app: &AppSpec) -> Result<Period, NoFit> {
        if self.hardware.latency > Nanos::ZERO {
            return Err(NoFit("--latency after the link is in no model; leave it out"));
        }
        let LinkRate::Limited(rate) = self.hardware.link else {
            return Err(NoFit("use a limited --link"));
        };
        if app.sizes().only().is_none() {
            return Err(NoFit("a mix of sizes gives service times that are in no model here; use one size"));
        }
        let (bits, _) = app.wire_bits();
        Period::new(bits * 1_000_000_000, u128::from(rate.0)).ok_or(NoFit("the link takes less than a nanosecond"))
    }
}

/// The load as the user gave it. If a rate was given, it is computed from times and may be off in the last digit.
fn load(pace: AppPace, period: Period, service: Period) -> f64 {
    match pace {
        AppPace::Load(load) => load.0,
        AppPace::Bits(_) | AppPace::Packets(_) => service.as_nanos_f64() / period.as_nanos_f64(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use driver::settings::Settings as DriverArgs;
    use netstack::process::Args as StackArgs;

    use super::*;
    use crate::settings::SimulationSettings;

    /// The fit of a run with these flags, given without dashes; the driver's flags start with an asterisk.
    fn fits(flags: &str) -> Result<Fit, NoFit> {
        let (driver, stack): (Vec<_>, Vec<_>) = flags.split(' ').partition(|flag| flag.starts_with('*'));
        let driver: Vec<_> = driver.iter().map(|flag| flag.replace('*', "--")).collect();
        let stack: Vec<_> = stack.iter().map(|flag| format!("--{flag}")).collect();
        let netstack = StackArgs::try_parse_from([&["netstack".to_owned()], &stack[..]].concat()).unwrap();
        let driver = DriverArgs::try_parse_from([&["driver".to_owned()], &driver[..]].concat()).unwrap();
        fit(&RunSettings { netstack, driver, simulation: SimulationSettings::default(), far: None })
    }

    fn named(flags: &str) -> String {
        fits(flags).unwrap().model.to_string()
    }

    #[test]
    fn each_model_has_its_settings() {
        for (flags, model) in [
            ("app=cbr:load=2 policy=drop-newest depth=8", "D/D/1/8 at load 2"),
            ("app=cbr:load=1.5,when-blocked=skip depth=8 *link=7Mbit wake=each", "D/D/1/8 at load 1.5"),
            ("app=poisson:load=0.9 policy=drop-newest depth=8", "M/D/1/8 at load 0.9"),
            ("app=poisson:load=0.9 policy=drop-newest depth=8 *hw-queue=1", "M/D/1/8 at load 0.9"),
            ("app=poisson:load=0.9,when-blocked=skip depth=8 *service=exponential wake=each", "M/M/1/8 at load 0.9"),
            ("app=poisson:load=0.9 *service=exponential wake=each", "M/M/1 at load 0.9"),
            ("app=poisson:load=0.9 depth=3 wake=each", "M/D/1 at load 0.9"),
            ("app=poisson:rate=8kpps policy=drop-newest depth=8 *link=unlimited *latency=1ms", "M/G/8/8 at 8 erlangs"),
            (
                "app=poisson:rate=8kpps,size=64B:1/1472B:1 policy=drop-newest depth=8 *link=unlimited *latency=1ms",
                "M/G/8/8 at 8 erlangs",
            ),
        ] {
            assert_eq!(named(flags), model, "{flags}");
        }
        let reqresp = "app=reqresp:think=24608ns,distribution=exponential";
        assert_eq!(
            named(&format!("{reqresp} {reqresp} wake=each *service=exponential")),
            "M/M/1//2 at service/think 0.5"
        );
    }

    #[test]
    fn the_policy_decides_which_packets_count_as_lost_and_when_they_enter() {
        let counted = |flags| fits(flags).map(|fit| (fit.loss, fit.entry));
        assert_eq!(counted("app=poisson:load=0.9 policy=drop-newest"), Ok((Loss::Dropped, Entry::Accepted)));
        assert_eq!(counted("app=poisson:load=0.9,when-blocked=skip wake=each"), Ok((Loss::Refused, Entry::Accepted)));
        assert_eq!(counted("app=poisson:load=0.9 wake=1"), Ok((Loss::Dropped, Entry::Intended)));
    }

    #[test]
    fn outside_the_conditions_no_model_fits() {
        let poisson = "app=poisson:load=0.9 policy=drop-newest";
        for change in [
            "*latency=1us",
            "*stall=every=1ms,for=1us",
            "*coalesce=frames=2,for=1us",
            "app=cbr:load=0.1",
            "dispatch=sync",
        ] {
            assert!(fits(&format!("{poisson} {change}")).is_err(), "{change}");
        }
        for flags in [
            "app=bulk",
            "app=cbr:load=0.9 wake=each",
            "app=poisson:load=1 wake=each",
            "app=poisson:load=0.9",
            "app=poisson:load=0.9 wake=2",
            "app=poisson:load=0.9,when-blocked=skip wake=half",
            "app=cbr:load=0.9 policy=drop-newest *service=exponential",
            "app=onoff:load=0.9 policy=drop-newest",
            "app=onoff:load=0.9,phase=random policy=drop-newest",
            "app=poisson:load=0.9,size=64B:1/1472B:1 policy=drop-newest",
            "app=poisson:load=0.9,size=64B:1/1472B:1 wake=each",
            "app=poisson:load=0.9,budget=1MB policy=drop-newest",
            "app=poisson:load=0.9 policy=drop-oldest",
            "app=poisson:load=0.9 policy=deadline=1ms",
            "app=poisson:rate=8kpps policy=drop-newest depth=8 *link=unlimited *latency=1ms *hw-queue=7",
            "app=reqresp:distribution=exponential",
            "app=reqresp wake=each *service=exponential",
            "app=reqresp:distribution=exponential policy=drop-newest *service=exponential",
        ] {
            assert!(fits(flags).is_err(), "{flags}");
        }
        let reqresp = "app=reqresp:distribution=exponential wake=each *service=exponential";
        // Half of a ring of one slot is one slot.
        assert!(fits(&format!("{reqresp} depth=1")).is_ok());
        assert!(fits(&format!("{reqresp} app=reqresp:distribution=exponential depth=1")).is_err());
        assert!(fits(&format!("{reqresp} app=reqresp:distribution=exponential,think=2ms")).is_err());
    }

    #[test]
    fn a_service_time_keeps_its_fraction_of_a_nanosecond() {
        let fit = fits("app=cbr:load=2 policy=drop-newest depth=8 *link=10Gbit").unwrap();
        assert_eq!((fit.service_mean_ns, fit.model.to_string()), (1230.4, "D/D/1/8 at load 2".to_owned()));
    }
}
