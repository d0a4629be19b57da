//! Resolves the settings of an app for the link in use: its period, its name, its limits.

use std::collections::HashSet;
use std::sync::Arc;

use shared::units::{Bytes, LinkRate, Nanos, wire_bits};

use super::schedule::{Arrivals, Cbr, OnOff, Period, Playback, Poisson, ThinkTimes};
use super::sizes::{HEADERS_V4, Lengths, headers_to};
use super::spans::{Shape, generator};
use super::spec::{AppSpec, Pace, Process, Traffic, WhenBlocked};

const NANOS_PER_SECOND: u128 = 1_000_000_000;
/// Loads are rounded to a multiple of 1 / `LOAD_PARTS`.
const LOAD_PARTS: f64 = 1e12;
/// How many on phases `onoff` may need per packet on average: each on phase costs a draw, whether it sends or not.
const MOST_PHASES: f64 = 100.0;

impl Pace {
    /// The least load that is not rounded to zero.
    pub(super) const LEAST_LOAD: f64 = 1.0 / LOAD_PARTS;
}

/// An app cannot run on this link, or together with the others.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ResolveError {
    /// A load is set, but the link has no rate to take a share of.
    #[error("--app {spec}: load is a share of the link's time, but the link is unlimited; write rate, or limit --link")]
    LoadNeedsLink {
        /// The app.
        spec: Box<AppSpec>,
    },
    /// The payload does not fit into the MTU.
    #[error("--app {spec}: size={size} does not fit into a packet; write at most {limit}")]
    TooLarge {
        /// The app.
        spec: Box<AppSpec>,
        /// The payload that is set.
        size: Bytes,
        /// The largest payload that fits.
        limit: Bytes,
    },
    /// A recorded payload does not fit into the MTU.
    #[error(
        "--app {spec}: a recorded packet has {size} of payload, and at most {limit} fit; leave such packets out of the \
         file, or capture with segmentation offload turned off"
    )]
    RecordedTooLarge {
        /// The app.
        spec: Box<AppSpec>,
        /// The largest payload in the file.
        size: Bytes,
        /// The largest payload that fits.
        limit: Bytes,
    },
    /// The period is less than a nanosecond.
    #[error("--app {spec}: more than one packet a nanosecond; lower rate or load, or raise size")]
    TooFast {
        /// The app.
        spec: Box<AppSpec>,
    },
    /// Too many on phases pass without a packet.
    #[error("--app {spec}: only one packet in {phases:.0} on phases; raise rate, load or on")]
    TooSparse {
        /// The app.
        spec: Box<AppSpec>,
        /// Mean number of on phases from one packet to the next.
        phases: f64,
    },
    /// Two apps receive on the same port.
    #[error("--app {spec}: another app receives on port {port} already; write another port")]
    PortTaken {
        /// The app.
        spec: Box<AppSpec>,
        /// Its port.
        port: u16,
    },
    /// Two apps have the same name.
    #[error("--app {spec}: another app is named {name} already; write another name")]
    NameTaken {
        /// The app.
        spec: Box<AppSpec>,
        /// Its name.
        name: String,
    },
}

/// An app whose settings are resolved for a link.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedApp {
    index: u32,
    name: String,
    spec: AppSpec,
    schedule: Schedule,
}

/// [`Traffic`], with its pace converted to a period.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Schedule {
    Bulk {
        burst: u32,
    },
    Open {
        process: Process,
        period: Period,
        when_blocked: WhenBlocked,
    },
    ReqResp {
        think: Nanos,
        shape: Shape,
    },
    Recorded {
        when_blocked: WhenBlocked,
    },
    /// It sends nothing of its own.
    None,
}

/// Resolves all apps of a run, in order. `payload_limit` is the largest UDP payload that the MTU
/// allows over IPv4.
///
/// # Errors
/// [`ResolveError`] for the first app that cannot run.
pub fn resolve_all(specs: &[AppSpec], link: LinkRate, payload_limit: Bytes) -> Result<Vec<ResolvedApp>, ResolveError> {
    check_ports(specs)?;
    let mut apps = Vec::with_capacity(specs.len());
    let mut names = HashSet::with_capacity(specs.len());
    for (spec, index) in specs.iter().zip(0..) {
        let app = spec.resolve(index, link, payload_limit)?;
        if !names.insert(app.name.clone()) {
            return Err(ResolveError::NameTaken { spec: Box::new(spec.clone()), name: app.name });
        }
        apps.push(app);
    }
    Ok(apps)
}

/// Checks the apps of a run as far as that is possible without the link.
///
/// The period of an app with a load depends on the rate of the link, so only [`resolve_all`] can check that.
///
/// # Errors
/// [`ResolveError`] for the first app that can run on no link.
pub fn check_all(specs: &[AppSpec], payload_limit: Bytes) -> Result<(), ResolveError> {
    check_ports(specs)?;
    let mut names = HashSet::with_capacity(specs.len());
    for (spec, index) in specs.iter().zip(0..) {
        if !matches!(spec.traffic, Traffic::Open { pace: Pace::Load(_), .. }) {
            spec.resolve(index, LinkRate::Unlimited, payload_limit)?;
        }
        spec.check_size(payload_limit)?;
        let name = spec.name(index);
        if let Some(name) = names.replace(name) {
            return Err(ResolveError::NameTaken { spec: Box::new(spec.clone()), name });
        }
    }
    Ok(())
}

/// Checks that no two apps receive on the same port.
fn check_ports(specs: &[AppSpec]) -> Result<(), ResolveError> {
    let mut ports = HashSet::new();
    let receiving = specs.iter().zip(0..).filter(|(spec, _)| spec.needs_way_up());
    let port = |(spec, index): (_, u32)| {
        let listens = AppSpec::listens(spec);
        (spec, listens.map_or(source_port(index), |listen| listen.port))
    };
    let taken = receiving.map(port).find(|(_, port)| !ports.insert(*port));
    match taken {
        Some((spec, port)) => Err(ResolveError::PortTaken { spec: Box::new(spec.clone()), port }),
        None => Ok(()),
    }
}

impl AppSpec {
    /// Resolves it as app number `index` of a run on `link`.
    ///
    /// # Errors
    /// [`ResolveError`] if it cannot run there.
    pub fn resolve(&self, index: u32, link: LinkRate, payload_limit: Bytes) -> Result<ResolvedApp, ResolveError> {
        self.check_size(payload_limit)?;
        let schedule = match self.traffic {
            Traffic::Bulk { burst } => Schedule::Bulk { burst },
            Traffic::Open { process, pace, when_blocked } => {
                let period = self.period(pace, link)?;
                self.check_phases(process, period)?;
                Schedule::Open { process, period, when_blocked }
            }
            Traffic::ReqResp { think, shape, .. } => Schedule::ReqResp { think, shape },
            Traffic::Sink(_) | Traffic::Echo(_) => Schedule::None,
            Traffic::Trace { when_blocked } => Schedule::Recorded { when_blocked },
        };
        let name = self.name(index);
        let spec = Self { name: Some(name.clone()), ..self.clone() };
        Ok(ResolvedApp { index, name, spec, schedule })
    }

    /// Its name as app number `index` of a run.
    pub fn name(&self, index: u32) -> String {
        self.name.clone().unwrap_or_else(|| format!("{}-{index}", self.kind()))
    }

    fn check_size(&self, payload_limit: Bytes) -> Result<(), ResolveError> {
        let (size, limit) = (self.sizes.largest(), self.limit(payload_limit));
        if size > limit && self.trace.is_some() {
            return Err(ResolveError::RecordedTooLarge { spec: Box::new(self.clone()), size, limit });
        }
        if size > limit {
            return Err(ResolveError::TooLarge { spec: Box::new(self.clone()), size, limit });
        }
        Ok(())
    }

    fn period(&self, pace: Pace, link: LinkRate) -> Result<Period, ResolveError> {
        let spec = || Box::new(self.clone());
        let period = match pace {
            Pace::Bits(rate) => {
                // Does not overflow, however large the sizes are: 64, 20 and 6 bits for the sum of the sizes by weight,
                // and 33 for the constants.
                let (sizes, weight) = self.sizes.mean(|size| size.0);
                Period::new(sizes * 8 * NANOS_PER_SECOND, weight * u128::from(rate.0))
            }
            Pace::Packets(rate) => Period::new(NANOS_PER_SECOND, u128::from(rate.0)),
            Pace::Load(load) => {
                let LinkRate::Limited(link) = link else { return Err(ResolveError::LoadNeedsLink { spec: spec() }) };
                // Round the load to a decimal fraction, as it was written: with the binary one, which differs slightly,
                // the period would be wrong and intended times would drift.
                let parts = (load.0 * LOAD_PARTS).round() as u128;
                // A size has been checked to fit into a frame, so that this does not overflow.
                let (bits, weight) = self.wire_bits();
                let nanos = bits * NANOS_PER_SECOND * LOAD_PARTS as u128;
                Period::new(nanos, (weight * u128::from(link.0)).saturating_mul(parts))
            }
        };
        period.ok_or_else(|| ResolveError::TooFast { spec: spec() })
    }

    fn check_phases(&self, process: Process, period: Period) -> Result<(), ResolveError> {
        let Process::OnOff(phases) = process else { return Ok(()) };
        let phases = period.as_nanos_f64() / phases.on.0 as f64;
        if phases > MOST_PHASES {
            return Err(ResolveError::TooSparse { spec: Box::new(self.clone()), phases });
        }
        Ok(())
    }

    /// The largest payload to its destination, if the largest over IPv4 is `v4`.
    fn limit(&self, v4: Bytes) -> Bytes {
        let longer = self.headers() - HEADERS_V4;
        Bytes(v4.0.saturating_sub(longer as u64))
    }

    /// Bytes in front of the payload in each frame.
    pub fn headers(&self) -> usize {
        headers_to(self.to)
    }

    /// Bits of the link's time that a packet takes in the mean: numerator and denominator.
    pub fn wire_bits(&self) -> (u128, u128) {
        let headers = self.headers();
        let bits = |size: Bytes| wire_bits(usize::try_from(size.0).unwrap_or(usize::MAX).saturating_add(headers));
        match &self.trace {
            Some(trace) => (trace.sum(bits), trace.count().into()),
            None => self.sizes.mean(bits),
        }
    }
}

/// What an app draws.
#[derive(Debug, Clone)]
pub(super) enum Draws {
    /// Nothing (`bulk`): it sends as fast as the stack accepts, up to `burst` packets in a call.
    None { burst: u32 },
    /// Intended times.
    Arrivals(Arrivals, WhenBlocked),
    /// Think times.
    Think(ThinkTimes),
}

/// The first of our source ports (RFC 6335: dynamic ports).
const FIRST_PORT: u16 = 49_152;

/// The source port of app number `index`. If there are more apps than ports, apps share ports: only an app that receives
/// needs one of its own, see [`check_all`].
pub fn source_port(index: u32) -> u16 {
    // The low bits of the number, on purpose.
    FIRST_PORT | (index as u16 & !FIRST_PORT)
}

impl ResolvedApp {
    /// Its source port, unless it listens on another.
    pub fn source_port(&self) -> u16 {
        source_port(self.index)
    }

    /// Its number in the run, which is also the number of its account.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its settings, with the name resolved.
    pub fn spec(&self) -> &AppSpec {
        &self.spec
    }

    /// The period of an open-loop app: the mean time between packets, for `onoff` that within on phases.
    pub fn period(&self) -> Option<Period> {
        match self.schedule {
            Schedule::Open { period, .. } => Some(period),
            Schedule::Bulk { .. } | Schedule::ReqResp { .. } | Schedule::Recorded { .. } | Schedule::None => None,
        }
    }

    /// The length of each of its payloads.
    pub(super) fn lengths(&self, seed: u64) -> Lengths {
        match self.spec.trace() {
            Some(trace) => Lengths::Recorded(Arc::clone(trace)),
            None => self.spec.sizes().lengths(seed, self.index),
        }
    }

    /// Its generators, in their initial state.
    pub(super) fn draws(&self, seed: u64) -> Draws {
        let generator = generator(seed, self.index);
        match self.schedule {
            // An app that only receives draws nothing either, and never asks.
            Schedule::None => Draws::None { burst: 1 },
            Schedule::Bulk { burst } => Draws::None { burst },
            Schedule::Open { process, period, when_blocked } => {
                let arrivals = match process {
                    Process::Cbr => Arrivals::Cbr(Cbr::new(period)),
                    Process::Poisson => Arrivals::Poisson(Poisson::new(period, generator)),
                    Process::OnOff(phases) => Arrivals::OnOff(OnOff::new(period, phases, generator)),
                };
                Draws::Arrivals(arrivals, when_blocked)
            }
            Schedule::Recorded { when_blocked } => {
                Draws::Arrivals(Arrivals::Recorded(Playback::new(self.spec.trace().cloned())), when_blocked)
            }
            Schedule::ReqResp { think, shape } => Draws::Think(ThinkTimes::new(think, shape, generator)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::units::BitRate;

    const GIGABIT: LinkRate = LinkRate::Limited(BitRate(1_000_000_000));

    fn resolve(text: &str, link: LinkRate) -> Result<ResolvedApp, ResolveError> {
        text.parse::<AppSpec>().unwrap().resolve(3, link, Bytes(1472))
    }

    #[test]
    fn a_pace_becomes_the_exact_time_between_packets() {
        let cases = [
            ("cbr:rate=100Mbit", (1472 * 8 * 10, 1)),
            ("poisson:rate=250kpps", (4000, 1)),
            ("cbr:rate=7Mbit,size=22B", (22 * 8 * 1000, 7)),
            ("cbr:load=1", (12_304, 1)),
            ("onoff:load=0.9", (12_304 * 10, 9)),
            ("cbr:load=2,size=22B", (704, 2)),
            ("cbr:load=1,to=[::1]:9,size=1452B", (12_304, 1)),
            // The means of payload and of wire time: 22 B and 1472 B of payload are 88 B and 1538 B on the wire.
            ("cbr:rate=1Gbit,size=22B:3/1472B:1", ((22 * 3 + 1472) * 8, 4)),
            ("poisson:load=0.5,size=1472B:1/22B:3", ((88 * 3 + 1538) * 8 * 2, 4)),
            ("onoff:rate=250kpps,size=1472B:1/22B:3", (4000, 1)),
        ];
        for (text, (nanos, per)) in cases {
            let period = resolve(text, GIGABIT).unwrap().period().unwrap();
            assert_eq!(period, Period::new(nanos, per).unwrap(), "{text}");
        }
        assert_eq!(resolve("bulk", LinkRate::Unlimited).unwrap().period(), None);
    }

    #[test]
    fn an_app_without_a_name_is_named_after_its_kind_and_number() {
        let app = resolve("reqresp", LinkRate::Unlimited).unwrap();
        assert_eq!((app.index(), app.name()), (3, "reqresp-3"));
        assert_eq!(
            app.spec().to_string(),
            "reqresp:name=reqresp-3,size=1472B,think=1ms,distribution=fixed,via=completion,to=10.0.0.2:9"
        );
    }

    #[test]
    fn the_error_of_an_app_that_cannot_run_names_the_remedy() {
        let messages = [
            ("cbr:load=0.9", LinkRate::Unlimited),
            ("bulk:size=1473B", GIGABIT),
            ("bulk:size=1453B,to=[::1]:9", GIGABIT),
            ("bulk:size=64B:5/1473B:1", GIGABIT),
            ("cbr:rate=100Gbit,size=1B", GIGABIT),
            ("cbr:load=1000000", GIGABIT),
            ("onoff:rate=1bit,on=1us", GIGABIT),
        ]
        .map(|(text, link)| resolve(text, link).unwrap_err().to_string());
        let same: Vec<AppSpec> = ["bulk:name=bulk-1", "bulk"].iter().map(|text| text.parse().unwrap()).collect();
        let twice = resolve_all(&same, GIGABIT, Bytes(1472)).unwrap_err().to_string();
        insta::assert_snapshot!(messages.join("\n") + "\n" + &twice, @"
        --app cbr:size=1472B,load=0.9,when-blocked=wait,to=10.0.0.2:9: load is a share of the link's time, but the link is unlimited; write rate, or limit --link
        --app bulk:size=1473B,burst=64,to=10.0.0.2:9: size=1473B does not fit into a packet; write at most 1472B
        --app bulk:size=1453B,burst=64,to=[::1]:9: size=1453B does not fit into a packet; write at most 1452B
        --app bulk:size=64B:5/1473B:1,burst=64,to=10.0.0.2:9: size=1473B does not fit into a packet; write at most 1472B
        --app cbr:size=1B,rate=100Gbit,when-blocked=wait,to=10.0.0.2:9: more than one packet a nanosecond; lower rate or load, or raise size
        --app cbr:size=1472B,load=1000000,when-blocked=wait,to=10.0.0.2:9: more than one packet a nanosecond; lower rate or load, or raise size
        --app onoff:size=1472B,rate=1bit,on=1us,off=100ms,distribution=fixed,when-blocked=wait,to=10.0.0.2:9: only one packet in 11776000000 on phases; raise rate, load or on
        --app bulk:size=1472B,burst=64,to=10.0.0.2:9: another app is named bulk-1 already; write another name
        ");
    }
}
