//! Parses the settings of an app.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use shared::units::{BitRate, Bytes, Nanos, PacketRate, Pairs, PairsError, Phase, Ratio, UnitError, shown};

use super::super::sizes::headers_to;
use super::super::trace::Trace;
use super::error::LONGEST_SHOWN;
use super::keys::{Key, Kind};
use super::{
    AppSpec, Listen, MOST_IN_A_TURN, Pace, Phases, Process, Shape, Sizes, SpecError, SpecProblem, Traffic, Via,
    WhenBlocked,
};

/// The payload of a full-size Ethernet frame over IPv4.
const DEFAULT_SIZE: Bytes = Bytes(1472);
/// The default neighbour (`--neighbour`), and the port of the discard service.
const DEFAULT_TO: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 9);
const DEFAULT_PHASE: Nanos = Nanos::from_millis(100);
const DEFAULT_THINK: Nanos = Nanos::from_millis(1);
/// Datagrams: as many as the default send buffer of a socket of Linux holds, and more than a burst.
const DEFAULT_QUEUE: u32 = 256;
/// A datagram that waits takes up to 1.5 KB.
const LONGEST_QUEUE: u32 = 65_536;
/// The shortest mean on phase. Each phase costs a draw, so shorter ones would make the schedule slow.
const SHORTEST_ON: Nanos = Nanos::from_micros(1);
/// Most characters of a name: names are a column of tables.
const LONGEST_NAME: usize = 32;

impl Key {
    /// The value that an app has without it, as it is spelled; `None` if it needs one, or has none.
    pub fn default_value(self) -> Option<String> {
        match self {
            Self::Size => Some(DEFAULT_SIZE.to_string()),
            Self::Burst => Some(MOST_IN_A_TURN.to_string()),
            Self::On | Self::Off => Some(DEFAULT_PHASE.to_string()),
            Self::Think => Some(DEFAULT_THINK.to_string()),
            Self::Distribution => Some(Shape::Fixed.name().to_owned()),
            Self::Phase => Some(Phase::default().to_string()),
            Self::WhenBlocked => Some(WhenBlocked::Wait.name().to_owned()),
            Self::To => Some(DEFAULT_TO.to_string()),
            Self::Via => Some(Via::Completion.name().to_owned()),
            Self::Queue => Some(DEFAULT_QUEUE.to_string()),
            Self::Name | Self::File | Self::Rate | Self::Load | Self::Shape | Self::Budget | Self::Port => None,
        }
    }
}

impl FromStr for AppSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        parse(text).map_err(|problem| SpecError::new(text, problem))
    }
}

fn parse(text: &str) -> Result<AppSpec, SpecProblem> {
    let (kind, settings) = text.split_once(':').map_or((text, None), |(kind, settings)| (kind, Some(settings)));
    let kind =
        named(Kind::ALL, Kind::name, kind).ok_or_else(|| SpecProblem::UnknownKind(shown(kind, LONGEST_SHOWN)))?;
    let settings = Settings::read(kind, settings)?;
    let (to, trace) = (settings.to()?, settings.trace(kind)?);
    let sizes = trace.as_ref().map_or_else(|| settings.sizes(), |trace| Ok(Sizes::one(trace.largest())))?;
    let size = sizes.largest();
    let remedy = format!("is less than one packet; write at least {size}");
    let budget = settings.0.quantity(Key::Budget, |budget| *budget >= size, &remedy)?;
    Ok(AppSpec { name: settings.name()?, sizes, trace, budget, to, traffic: settings.traffic(kind)? })
}

fn named<T: Copy>(all: impl IntoIterator<Item = T>, name: fn(T) -> &'static str, text: &str) -> Option<T> {
    all.into_iter().find(|item| name(*item) == text)
}

/// `a or b`, or `a, b or c`.
fn alternatives(names: &[&str]) -> String {
    match names {
        [others @ .., last] if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        names => names.concat(),
    }
}

/// The keys that are given, with their values.
struct Settings<'a>(Pairs<'a, Key>);

impl<'a> Settings<'a> {
    fn read(kind: Kind, text: Option<&'a str>) -> Result<Self, SpecProblem> {
        let Some(text) = text else { return Ok(Self(Pairs::empty())) };
        let pairs = Pairs::parse(text, &Key::ALL).map_err(|error| match error {
            PairsError::NotAPair(item) => SpecProblem::NotAPair { item, kind },
            PairsError::UnknownKey { key, .. } => SpecProblem::UnknownKey { key, kind },
            error => SpecProblem::Setting(error),
        })?;
        if let Some(key) = pairs.keys().find(|key| !key.belongs_to(kind)) {
            return Err(SpecProblem::ForeignKey { key, kind });
        }
        Ok(Self(pairs))
    }

    /// The value of `key`, or `default`.
    fn quantity_or<T: FromStr<Err = UnitError>>(&self, key: Key, default: T) -> Result<T, SpecProblem> {
        Ok(self.0.quantity(key, |_| true, "")?.unwrap_or(default))
    }

    fn one_of<T: Copy, const N: usize>(
        &self,
        key: Key,
        all: [T; N],
        name: fn(T) -> &'static str,
        default: T,
    ) -> Result<T, SpecProblem> {
        let remedy = format!("is not one of its values; write {}", alternatives(&all.map(name)));
        Ok(self.0.read(key, |text| named(all, name, text), &remedy)?.unwrap_or(default))
    }

    /// Reads the file of a trace.
    fn trace(&self, kind: Kind) -> Result<Option<Arc<Trace>>, SpecProblem> {
        if kind != Kind::Trace {
            return Ok(None);
        }
        let file = self.0.get(Key::File).ok_or(SpecProblem::NoFile)?;
        Ok(Some(Arc::new(Trace::read(Path::new(file), headers_to(self.to()?))?)))
    }

    fn sizes(&self) -> Result<Sizes, SpecProblem> {
        if self.0.get(Key::Size).is_some_and(|text| text.contains([':', '/'])) {
            let remedy = format!(
                "is not a mix of sizes; write 1 to {} different sizes with weights from 1 to {}, such as \
                 64B:7/576B:4/1472B:1",
                Sizes::MOST,
                Sizes::MOST_WEIGHT
            );
            // The key occurs, so there is a value.
            return Ok(self.0.read(Key::Size, Sizes::read_mix, &remedy)?.unwrap_or(Sizes::one(DEFAULT_SIZE)));
        }
        let size = self.0.quantity(Key::Size, |size| *size > Bytes(0), "is an empty payload; write at least 1B")?;
        Ok(Sizes::one(size.unwrap_or(DEFAULT_SIZE)))
    }

    fn name(&self) -> Result<Option<String>, SpecProblem> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let is_name = |name: &&str| (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(fits);
        let remedy = format!("is not a name; write 1 to {LONGEST_NAME} letters, digits, - _ or .");
        Ok(self.0.read(Key::Name, |text| Some(text).filter(is_name), &remedy)?.map(str::to_owned))
    }

    fn to(&self) -> Result<SocketAddr, SpecProblem> {
        let remedy = "is not a destination; write an address and a port above 0, such as 10.0.0.2:9";
        let destination = |text: &str| text.parse().ok().filter(|to: &SocketAddr| to.port() != 0);
        Ok(self.0.read(Key::To, destination, remedy)?.unwrap_or(DEFAULT_TO))
    }

    fn traffic(&self, kind: Kind) -> Result<Traffic, SpecProblem> {
        let process = match kind {
            Kind::Bulk => return Ok(Traffic::Bulk { burst: self.burst()? }),
            Kind::Trace => return Ok(Traffic::Trace { when_blocked: self.when_blocked()? }),
            Kind::ReqResp => {
                let think = self.quantity_or(Key::Think, DEFAULT_THINK)?;
                let via = self.one_of(Key::Via, Via::ALL, Via::name, Via::Completion)?;
                return Ok(Traffic::ReqResp { think, shape: self.shape()?, via });
            }
            Kind::Sink => return Ok(Traffic::Sink(self.listen(kind)?)),
            Kind::Echo => return Ok(Traffic::Echo(self.listen(kind)?)),
            Kind::Cbr => Process::Cbr,
            Kind::Poisson => Process::Poisson,
            Kind::OnOff => Process::OnOff(self.phases()?),
        };
        let when_blocked = self.when_blocked()?;
        Ok(Traffic::Open { process, pace: self.pace(kind)?, when_blocked })
    }

    fn listen(&self, kind: Kind) -> Result<Listen, SpecProblem> {
        let port = |text: &str| text.parse().ok().filter(|port| *port != 0);
        let port = self.0.read(Key::Port, port, "is not a port; write a number from 1 to 65535, such as 9")?;
        let remedy = format!("is not a number of datagrams; write one from 1 to {LONGEST_QUEUE}");
        let queue = |text: &str| text.parse().ok().filter(|queue| (1..=LONGEST_QUEUE).contains(queue));
        let queue = self.0.read(Key::Queue, queue, &remedy)?.unwrap_or(DEFAULT_QUEUE);
        Ok(Listen { port: port.ok_or(SpecProblem::NoPort(kind))?, queue })
    }

    fn when_blocked(&self) -> Result<WhenBlocked, SpecProblem> {
        self.one_of(Key::WhenBlocked, WhenBlocked::ALL, WhenBlocked::name, WhenBlocked::Wait)
    }

    fn burst(&self) -> Result<u32, SpecProblem> {
        let remedy = format!("is not a number of packets per call; write one from 1 to {MOST_IN_A_TURN}");
        let burst = |text: &str| text.parse().ok().filter(|burst| (1..=MOST_IN_A_TURN).contains(burst));
        Ok(self.0.read(Key::Burst, burst, &remedy)?.unwrap_or(MOST_IN_A_TURN))
    }

    fn shape(&self) -> Result<Shape, SpecProblem> {
        let least = Shape::LEAST_ALPHA;
        let remedy = format!("is no shape of a distribution with a mean; write at least {least}, such as 1.5");
        let alpha = self.0.quantity(Key::Shape, |alpha: &Ratio| alpha.0 >= least, &remedy)?;
        let name = self.one_of(Key::Distribution, Shape::NAMES, |name| name, Shape::Fixed.name())?;
        match (Shape::ALL.into_iter().find(|shape| shape.name() == name), alpha) {
            (None, Some(alpha)) => Ok(Shape::Pareto(alpha)),
            (None, None) => Err(SpecProblem::ShapeMissing),
            (Some(_), Some(_)) => Err(SpecProblem::NoShape),
            (Some(shape), None) => Ok(shape),
        }
    }

    fn phases(&self) -> Result<Phases, SpecProblem> {
        let remedy = format!("is too short for an on phase; write at least {SHORTEST_ON}");
        let on = self.0.quantity(Key::On, |on| *on >= SHORTEST_ON, &remedy)?.unwrap_or(DEFAULT_PHASE);
        let (off, shape) = (self.quantity_or(Key::Off, DEFAULT_PHASE)?, self.shape()?);
        let phase = Phase::read(&self.0, Key::Phase, on + off)?.unwrap_or_default();
        if shape.is_random() && phase != Phase::default() && phase != Phase::Random {
            return Err(SpecProblem::RandomPeriod(phase));
        }
        Ok(Phases { on, off, shape, phase })
    }

    fn pace(&self, kind: Kind) -> Result<Pace, SpecProblem> {
        let (rate, load) = (self.0.get(Key::Rate), self.0.get(Key::Load));
        if rate.is_some() && load.is_some() {
            return Err(SpecProblem::TwoPaces);
        }
        let no_rate = "sends nothing; write a rate above zero, or leave the app out";
        let no_load = "sends nothing; write a load above zero, such as 0.9";
        let pace = if rate.is_some_and(counts_packets) {
            self.0.quantity(Key::Rate, |rate: &PacketRate| rate.0 > 0, no_rate)?.map(Pace::Packets)
        } else if rate.is_some() {
            self.0.quantity(Key::Rate, |rate: &BitRate| rate.0 > 0, no_rate)?.map(Pace::Bits)
        } else {
            self.0.quantity(Key::Load, |load: &Ratio| load.0 >= Pace::LEAST_LOAD, no_load)?.map(Pace::Load)
        };
        pace.ok_or(SpecProblem::NoPace(kind))
    }
}

/// Whether `rate`, even if it is misspelled, is meant in packets per second: the error then suggests that unit.
fn counts_packets(rate: &str) -> bool {
    rate.contains('p') && !rate.contains(['b', 'B'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn canonical(text: &str) -> String {
        text.parse::<AppSpec>().unwrap().to_string()
    }

    #[test]
    fn defaults_are_printed() {
        let printed = [
            "bulk",
            "bulk:burst=1",
            "cbr:rate=100Mbit",
            "poisson:load=90%,when-blocked=skip,budget=64KiB",
            "onoff:rate=250kpps,on=1500us,name=a.b-c_1",
            "reqresp:to=[::1]:7,size=22B,distribution=exponential",
            "onoff:load=0.5,size=64B:7/0.576kB:4/1472B:1,distribution=pareto,shape=150%",
            "onoff:load=0.5,on=2ms,off=6ms,phase=7999us",
            "onoff:load=0.5,distribution=exponential,phase=random",
            "onoff:load=0.5,distribution=exponential,phase=0ms",
            "reqresp:distribution=pareto,shape=3",
        ]
        .map(canonical);
        insta::assert_snapshot!(printed.join("\n"), @"
        bulk:size=1472B,burst=64,to=10.0.0.2:9
        bulk:size=1472B,burst=1,to=10.0.0.2:9
        cbr:size=1472B,rate=100Mbit,when-blocked=wait,to=10.0.0.2:9
        poisson:size=1472B,load=0.9,when-blocked=skip,budget=64KiB,to=10.0.0.2:9
        onoff:name=a.b-c_1,size=1472B,rate=250kpps,on=1.5ms,off=100ms,distribution=fixed,when-blocked=wait,to=10.0.0.2:9
        reqresp:size=22B,think=1ms,distribution=exponential,via=completion,to=[::1]:7
        onoff:size=64B:7/576B:4/1472B:1,load=0.5,on=100ms,off=100ms,distribution=pareto,shape=1.5,when-blocked=wait,to=10.0.0.2:9
        onoff:size=1472B,load=0.5,on=2ms,off=6ms,distribution=fixed,phase=7999us,when-blocked=wait,to=10.0.0.2:9
        onoff:size=1472B,load=0.5,on=100ms,off=100ms,distribution=exponential,phase=random,when-blocked=wait,to=10.0.0.2:9
        onoff:size=1472B,load=0.5,on=100ms,off=100ms,distribution=exponential,when-blocked=wait,to=10.0.0.2:9
        reqresp:size=1472B,think=1ms,distribution=pareto,shape=3,via=completion,to=10.0.0.2:9
        ");
    }

    #[test]
    fn a_default_that_is_written_changes_nothing_and_every_choice_is_accepted() {
        for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Trace) {
            let plain = kind.example().split(',').next().unwrap().to_owned();
            let joined = |pair: String| format!("{plain}{}{pair}", if plain.contains(':') { "," } else { ":" });
            for key in kind.keys().filter(|key| !plain.contains(&format!(":{key}="))) {
                if let Some(default) = key.default_value() {
                    assert_eq!(canonical(&joined(format!("{key}={default}"))), canonical(&plain), "{kind} {key}");
                }
                for choice in key.choices() {
                    let shape = if choice == "pareto" { ",shape=1.5" } else { "" };
                    let app = canonical(&joined(format!("{key}={choice}{shape}")));
                    assert!(app.contains(&format!("{key}={choice}")), "{app}");
                }
            }
        }
    }

    #[test]
    fn every_mistake_is_named_with_its_remedy() {
        let written = [
            "",
            "blk",
            "bulk:",
            "Bulk",
            "bulk size=22B",
            "bulk:size",
            "bulk:size=22B,",
            "bulk:siez=22B",
            "bulk:rate=1Gbit",
            "cbr:rate=1Gbit,think=1ms",
            "poisson:rate=1Gbit,on=1ms",
            "reqresp:when-blocked=skip",
            "cbr",
            "poisson:size=22B",
            "cbr:rate=1Gbit,load=0.9",
            "cbr:rate=1Gbit,rate=2Gbit",
            "cbr:rate=100",
            "cbr:rate=100Mbps",
            "cbr:rate=100kp/s",
            "cbr:rate=0bit",
            "cbr:rate=0pps",
            "cbr:load=-1",
            "cbr:load=0",
            "cbr:load=",
            "cbr:rate=1Gbit,when-blocked=drop",
            "onoff:rate=1Gbit,on=0ms",
            "onoff:rate=1Gbit,off=5",
            "onoff:rate=1Gbit,distribution=normal",
            "reqresp:think=5m",
            "bulk:size=1500",
            "bulk:burst=0",
            "bulk:burst=65",
            "bulk:burst=all",
            "cbr:load=1,burst=8",
            "bulk:size=0B",
            "bulk:budget=64K",
            "bulk:budget=100B",
            "bulk:name=",
            "bulk:name=two words",
            "bulk:to=10.0.0.2",
            "bulk:to=10.0.0.2:0",
            "bulk:to=example.com:9",
            "bulk:na\nme=x",
            "bulk:size=64B/576B",
            "bulk:size=64B:1/64B:2",
            "bulk:size=64B:0/576B:1",
            "bulk:size=64B:7/576B:1,budget=100B",
            "onoff:load=1,distribution=pareto",
            "onoff:load=1,distribution=pareto,shape=1",
            "onoff:load=1,shape=1.5",
            "reqresp:distribution=exponential,shape=1.5",
            "onoff:load=1,distribution=exponential,phase=1ms",
            "onoff:load=1,on=1ms,off=1ms,phase=2ms",
            "onoff:load=1,phase=5",
            "poisson:load=1,phase=random",
            "bulk:shape=2",
            "trace",
            "trace:file=/missing/trace.csv,size=64B",
            "trace:file=/missing/trace.csv",
        ];
        let messages = written.map(|text| text.parse::<AppSpec>().unwrap_err().to_string());
        assert!(messages.iter().all(|line| !line.contains('\n')));
        insta::assert_snapshot!(messages.join("\n"));
    }

    #[test]
    fn the_length_of_a_message_is_bounded() {
        let message = format!("bulk:{}=1", "x".repeat(10_000)).parse::<AppSpec>().unwrap_err().to_string();
        assert!(message.len() < 500, "{message}");
    }

    fn spans() -> impl Strategy<Value = Nanos> {
        (1_000..u64::MAX).prop_map(Nanos)
    }

    fn shapes() -> impl Strategy<Value = Shape> {
        prop_oneof![
            proptest::sample::select(&Shape::ALL[..]),
            (Shape::LEAST_ALPHA..1e6).prop_map(|alpha| Shape::Pareto(Ratio(alpha))),
        ]
    }

    fn phases() -> impl Strategy<Value = Phases> {
        (spans(), spans(), shapes(), proptest::option::of(0.0..1.0f64)).prop_map(|(on, off, shape, at)| {
            let phase = match at {
                Some(at) if !shape.is_random() => Phase::At(Phase::Random.resolve(on + off, at)),
                Some(_) => Phase::Random,
                None => Phase::default(),
            };
            Phases { on, off, shape, phase }
        })
    }

    fn sizes() -> impl Strategy<Value = Sizes> {
        let mix = proptest::collection::btree_map((1..u64::MAX).prop_map(Bytes), 1..=Sizes::MOST_WEIGHT, 1..9);
        prop_oneof![
            (1..u64::MAX).prop_map(|size| Sizes::one(Bytes(size))),
            mix.prop_map(|parts| Sizes::mix(parts.into_iter().collect()).unwrap()),
        ]
    }

    fn traffic() -> impl Strategy<Value = Traffic> {
        let pace = prop_oneof![
            (1..u64::MAX).prop_map(|rate| Pace::Bits(BitRate(rate))),
            (1..u64::MAX).prop_map(|rate| Pace::Packets(PacketRate(rate))),
            (1e-12..1e6).prop_map(|load| Pace::Load(Ratio(load))),
        ];
        let process = prop_oneof![Just(Process::Cbr), Just(Process::Poisson), phases().prop_map(Process::OnOff),];
        let open = (process, pace, proptest::sample::select(&WhenBlocked::ALL[..]))
            .prop_map(|(process, pace, when_blocked)| Traffic::Open { process, pace, when_blocked });
        let reqresp = (spans(), shapes(), proptest::sample::select(&Via::ALL[..]))
            .prop_map(|(think, shape, via)| Traffic::ReqResp { think, shape, via });
        let listen = || (1..=u16::MAX, 1..=LONGEST_QUEUE).prop_map(|(port, queue)| Listen { port, queue });
        let receivers = prop_oneof![listen().prop_map(Traffic::Sink), listen().prop_map(Traffic::Echo)];
        let bulk = (1..=MOST_IN_A_TURN).prop_map(|burst| Traffic::Bulk { burst });
        prop_oneof![bulk, open, reqresp, receivers]
    }

    proptest! {
        #[test]
        fn printing_and_parsing_gives_the_same_app(
            traffic in traffic(),
            name in proptest::option::of("[a-zA-Z0-9._-]{1,32}"),
            sizes in sizes(),
            more in proptest::option::of(any::<u64>()),
            to in any::<(std::net::IpAddr, u16)>().prop_map(|(ip, port)| SocketAddr::new(ip, port.max(1))),
        ) {
            let budget = more.map(|more| Bytes(sizes.largest().0.saturating_add(more)));
            let mut spec = AppSpec { name, sizes, trace: None, budget, to, traffic };
            // What an app of its kind has no key for is that of the defaults.
            let has = |key: Key| key.belongs_to(spec.kind());
            let (sized, sent, budgeted) = (has(Key::Size), has(Key::To), has(Key::Budget));
            if !sized {
                spec.sizes = Sizes::one(DEFAULT_SIZE);
                spec.budget = more.map(|more| Bytes(DEFAULT_SIZE.0.saturating_add(more)));
            }
            if !sent {
                spec.to = DEFAULT_TO;
            }
            spec.budget = spec.budget.filter(|_| budgeted);
            prop_assert_eq!(Ok(spec.clone()), spec.to_string().parse());
            let json = serde_json::to_string(&spec).unwrap();
            prop_assert_eq!(spec, serde_json::from_str(&json).unwrap());
        }

        /// Also where a key accepts less than its unit does: size and rate are above zero, and a budget is at least one
        /// packet.
        #[test]
        fn every_spelling_that_a_message_suggests_is_accepted(
            key in proptest::sample::select(&["size", "budget", "rate", "on", "off", "think", "load"][..]),
            value in "(0|[0-9]{1,12})(\\.[0-9]{1,4})?(k|K|M|G|m|u|n|)(bit|bps|pps|B|b|iB|s|%|)",
        ) {
            let with = |value: &str| match key {
                "size" | "budget" => format!("bulk:{key}={value}"),
                "rate" | "load" => format!("cbr:{key}={value}"),
                "on" | "off" => format!("onoff:load=0.5,{key}={value}"),
                _ => format!("reqresp:{key}={value}"),
            };
            if let Err(error) = with(&value).parse::<AppSpec>()
                && let SpecProblem::Setting(PairsError::BadUnit { error, .. }) = error.problem()
            {
                for suggestion in error.suggestions() {
                    let healed = with(suggestion).parse::<AppSpec>();
                    prop_assert!(healed.is_ok(), "{error}, but {}", healed.unwrap_err());
                }
            }
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "(bulk|cbr|onoff|sink|echo|)(:|)([a-z-]{0,6}=?[0-9.a-zA-Z%]{0,6},?){0,4}") {
            if let Ok(spec) = text.parse::<AppSpec>() {
                prop_assert_eq!(Ok(spec.clone()), spec.to_string().parse());
            }
        }
    }
}
