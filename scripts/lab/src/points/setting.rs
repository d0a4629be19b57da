//! Sets one setting of a run to a value, by its name.
//!
//! | key | what it sets |
//! | --- | --- |
//! | `depth`, `policy`, `stack-cost`, ... | the flag of that name, in each program that has it |
//! | `stall.every`, `coalesce.frames`, ... | one part of the value of a flag that is set |
//! | `app.load` | the key `load` of every app whose kind has it |
//! | `app.web.load` | the key `load` of the app named `web` |
//! | `stall` and others without a default | `none` leaves the flag out |
//! | `apps` | the number of apps: those of `--app`, repeated in turn |

use std::collections::BTreeSet;

use clap::{Arg, ArgAction, Command, CommandFactory};
use driver::settings::Settings as DriverArgs;
use netstack::app::{AppSpec, SpecError};
use netstack::process::Args as StackArgs;
use serde::Serialize;
use serde_json::Value;
use shared::units::{did_you_mean, nearest};

use crate::flags::{FlagError, Given, Setting, over};
use crate::settings::{RunSettings, SimulationSettings};

/// Settings that a sweep must not vary: the seed, which tells the runs of a point apart, and those that change no
/// figure.
const NOT_VARIED: [&str; 3] = ["seed", "quiet", "connect-timeout"];

/// The most apps of a run. A folder of a sweep holds their settings in each file.
const MOST_APPS: usize = 65_536;

/// Why a setting cannot be set.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum SettingError {
    /// No flag has this name.
    #[error("{key} is no setting of a run; {remedy}")]
    Unknown {
        /// The key.
        key: String,
        /// What to write.
        remedy: String,
    },
    /// The seed is not varied.
    #[error("seed tells the runs of a point apart; use --seed for the first one and --repetitions for their number")]
    Seed,
    /// The value is not accepted.
    #[error("{key}={value}: {why}")]
    Value {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// The reason and the remedy.
        why: String,
    },
    /// The flag whose part is meant is not set.
    #[error("{key}: --{flag} is not set, so it has no {part}; add --{flag}")]
    NotSet {
        /// The key.
        key: String,
        /// The flag.
        flag: String,
        /// The part of its value.
        part: String,
    },
    /// No app has the key.
    #[error("{key} sets nothing: {why}")]
    Nothing {
        /// The key.
        key: String,
        /// Which apps there are, and why none is meant.
        why: String,
    },
    /// A recorded setting has no flag.
    #[error(transparent)]
    Flag(#[from] FlagError),
}

/// Returns `base` with each key set to its value: first whole flags, then the number of apps, then parts, whatever the
/// order.
///
/// # Errors
/// [`SettingError`], which names the key, the value and the remedy.
pub(crate) fn set(base: &RunSettings, values: &[(&str, &str)]) -> Result<RunSettings, SettingError> {
    let (parts, flags): (Vec<_>, Vec<_>) = values.iter().partition(|(key, _)| key.contains('.') || *key == "apps");
    let mut settings = with_flags(base, &flags)?;
    let (apps, parts): (Vec<_>, Vec<_>) = parts.into_iter().partition(|(key, _)| *key == "apps");
    for (key, value) in apps.into_iter().chain(parts) {
        let refused = |why: String| SettingError::Value { key: (*key).to_owned(), value: (*value).to_owned(), why };
        if key.split('.').count() > 1 && value.contains(',') {
            return Err(refused("the value of one key has no comma".to_owned()));
        }
        settings = match key.split_once('.') {
            None => copies(&settings, value).map_err(refused)?,
            Some(("app", part)) => with_app_key(&settings, key, part, value)?,
            Some((flag, part)) => with_part(&settings, key, (flag, part), value)?,
        };
    }
    Ok(settings)
}

/// The programs whose settings a run has, each with the values in `settings`.
fn sides(settings: &RunSettings) -> [(Command, Value); 3] {
    fn side<S: CommandFactory + Serialize>(settings: &S) -> (Command, Value) {
        (S::command(), serde_json::to_value(settings).unwrap_or_default())
    }
    [side(&settings.netstack), side(&settings.driver), side(&settings.simulation)]
}

/// The flag of `side` named `key`, if its value is a setting of a run.
fn flag_of<'a>((command, recorded): &'a (Command, Value), key: &str) -> Option<&'a Arg> {
    let named = command.get_arguments().find(|arg| arg.get_long() == Some(key))?;
    // A flag that has no value yet is left out of what is recorded, or is null.
    let is_setting = recorded.get(named.get_id().as_str()).is_some() || key == "wake";
    (is_setting && !NOT_VARIED.contains(&key)).then_some(named)
}

/// The names of all settings of a run.
fn known(sides: &[(Command, Value)]) -> BTreeSet<String> {
    let longs = |side: &(Command, Value)| -> Vec<String> {
        let longs = side.0.get_arguments().filter_map(Arg::get_long);
        longs.filter(|long| flag_of(side, long).is_some()).map(str::to_owned).collect()
    };
    sides.iter().flat_map(longs).chain(["apps".to_owned()]).collect()
}

fn unknown(key: &str, sides: &[(Command, Value)]) -> SettingError {
    if key == "seed" {
        return SettingError::Seed;
    }
    let known = known(sides);
    let remedy = match nearest(key, known.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean {meant}?"),
        None => {
            let known: Vec<_> = known.into_iter().collect();
            format!("use one of {}, or a part of one, as in app.load or stall.every", known.join(", "))
        }
    };
    SettingError::Unknown { key: key.to_owned(), remedy }
}

fn with_flags(base: &RunSettings, flags: &[&(&str, &str)]) -> Result<RunSettings, SettingError> {
    if flags.is_empty() {
        return Ok(base.clone());
    }
    let sides = sides(base);
    let mut given = Vec::new();
    for (key, value) in flags {
        let arg = sides.iter().find_map(|side| flag_of(side, key)).ok_or_else(|| unknown(key, &sides))?;
        let arguments = match (arg.get_action(), *value) {
            (ArgAction::SetTrue, "true") => vec![format!("--{key}").into()],
            (ArgAction::SetTrue, "false") => Vec::new(),
            (ArgAction::SetTrue, _) => {
                let why = "a switch is true or false".to_owned();
                return Err(SettingError::Value { key: (*key).to_owned(), value: (*value).to_owned(), why });
            }
            // A flag without a default, such as --stall, can be left out.
            (_, "none") if arg.get_default_values().is_empty() => Vec::new(),
            _ => vec![format!("--{key}={value}").into()],
        };
        given.push(Setting { id: arg.get_id().to_string(), arguments });
    }
    let given = Given::of(given);
    // The error of clap names the flag, the value and the remedy.
    let [netstack, driver, simulation] = &sides;
    Ok(RunSettings {
        netstack: over::<StackArgs>(&netstack.1, &given)?,
        driver: over::<DriverArgs>(&driver.1, &given)?,
        simulation: over::<SimulationSettings>(&simulation.1, &given)?,
        far: base.far.clone(),
    })
}

/// Sets `part` of the flag `flag`, whose value is a list of `key=value`.
fn with_part(
    settings: &RunSettings,
    key: &str,
    (flag, part): (&str, &str),
    value: &str,
) -> Result<RunSettings, SettingError> {
    let sides = sides(settings);
    let found = sides.iter().find_map(|side| Some((flag_of(side, flag)?, &side.1)));
    let (arg, recorded) = found.ok_or_else(|| unknown(flag, &sides))?;
    let not_set = || SettingError::NotSet { key: key.to_owned(), flag: flag.to_owned(), part: part.to_owned() };
    let text = recorded.get(arg.get_id().as_str()).and_then(Value::as_str).ok_or_else(not_set)?;
    if !text.contains('=') {
        return Err(SettingError::Unknown {
            key: key.to_owned(),
            remedy: format!("--{flag} has no parts; vary {flag} itself"),
        });
    }
    let kept = text.split(',').filter(|pair| pair.split('=').next() != Some(part));
    let pairs: Vec<_> = kept.map(str::to_owned).chain([format!("{part}={value}")]).collect();
    with_flags(settings, &[&(flag, &pairs.join(","))])
}

/// Sets a key of one app or of all. `part` is `KEY` or `NAME.KEY`; a name may contain points, a key does not.
fn with_app_key(settings: &RunSettings, key: &str, part: &str, value: &str) -> Result<RunSettings, SettingError> {
    let (name, app_key) = part.rsplit_once('.').map_or((None, part), |(name, key)| (Some(name), key));
    let mut set = false;
    let mut changed = |index: u32, app: &AppSpec| -> Result<AppSpec, SpecError> {
        if name.is_some_and(|name| name != app.name(index)) {
            return Ok(app.clone());
        }
        let with = app.with(app_key, value)?;
        set |= with.is_some();
        Ok(with.unwrap_or_else(|| app.clone()))
    };
    let apps: Result<Vec<_>, _> = (0..).zip(settings.apps()).map(|(index, app)| changed(index, app)).collect();
    let apps = apps.map_err(|error| SettingError::Value {
        key: key.to_owned(),
        value: value.to_owned(),
        why: error.to_string(),
    })?;
    if !set {
        return Err(SettingError::Nothing { key: key.to_owned(), why: none_has(settings, name, app_key) });
    }
    let mut settings = settings.clone();
    settings.set_app_specs(apps);
    Ok(settings)
}

fn none_has(settings: &RunSettings, name: Option<&str>, key: &str) -> String {
    let names: Vec<String> = (0..).zip(settings.apps()).map(|(index, app)| app.name(index)).collect();
    match name {
        Some(name) if !names.iter().any(|known| known == name) => {
            let meant = did_you_mean(name, names.iter().map(String::as_str));
            format!("no app is named {name}{meant}; the apps are {}", names.join(", "))
        }
        _ => format!("no app of that kind has the key {key}; the apps are {}", names.join(", ")),
    }
}

/// As many apps as `count` says: those of `settings` in turn. A name that was set gets a number from the second on.
fn copies(settings: &RunSettings, count: &str) -> Result<RunSettings, String> {
    let count = count.parse().ok().filter(|count| (1..=MOST_APPS).contains(count));
    let count: usize = count.ok_or_else(|| format!("use a number of apps from 1 to {MOST_APPS}"))?;
    let own = settings.apps();
    let copy = |at: usize| -> Result<AppSpec, String> {
        let (app, turn) = (&own[at % own.len()], at / own.len());
        match app.given_name().filter(|_| turn > 0) {
            Some(name) => {
                let named = app.with("name", &format!("{name}-{}", turn + 1)).map_err(|error| error.to_string())?;
                Ok(named.unwrap_or_else(|| app.clone()))
            }
            None => Ok(app.clone()),
        }
    };
    let mut copied = settings.clone();
    copied.set_app_specs((0..count).map(copy).collect::<Result<_, _>>()?);
    Ok(copied)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(apps: &[&str]) -> RunSettings {
        let mut settings = RunSettings::defaults();
        settings.set_apps(apps).unwrap();
        settings
    }

    fn apps(settings: &RunSettings) -> Vec<String> {
        settings.apps().iter().map(ToString::to_string).collect()
    }

    fn error(base: &RunSettings, key: &str, value: &str) -> String {
        set(base, &[(key, value)]).unwrap_err().to_string()
    }

    #[test]
    fn a_flag_is_set_in_each_program_that_has_it() {
        let values =
            [("depth", "7"), ("policy", "drop-newest"), ("hw-queue", "3"), ("stack-cost", "4us"), ("verify", "true")];
        let settings = set(&base(&["bulk"]), &values).unwrap();
        let depths = [&settings.netstack.common, &settings.driver.common].map(|common| common.depth.get());
        assert_eq!((depths, settings.hardware().hw_queue.get()), ([7, 7], 3));
        assert_eq!(settings.stack().policy, netstack::device::Policy::DropNewest);
        assert_eq!(settings.simulation.stack_cost.to_string(), "4us");
        assert!(settings.driver.driver.verify);
        let again = set(&settings, &[("verify", "false"), ("wake", "each")]).unwrap();
        assert!(!again.driver.driver.verify && again.stack().sending.wake.is_some());
    }

    #[test]
    fn a_key_of_an_app_is_set_where_the_kind_has_it_or_by_name() {
        let two = base(&["poisson:load=0.5", "bulk:name=b.1", "cbr:rate=1Mbit"]);
        let all = apps(&set(&two, &[("app.load", "0.9")]).unwrap());
        assert!(all[0].contains("load=0.9") && !all[1].contains("load") && all[2].contains("load=0.9"), "{all:?}");
        let one = apps(&set(&two, &[("app.b.1.size", "22B")]).unwrap());
        assert!(one[1].contains("size=22B") && one[0].contains("size=1472B"), "{one:?}");
        let unnamed = apps(&set(&two, &[("app.poisson-0.size", "22B")]).unwrap());
        assert!(unnamed[0].contains("size=22B"), "{unnamed:?}");
    }

    #[test]
    fn apps_are_repeated_in_turn() {
        let two = base(&["poisson:load=0.1,name=p", "bulk"]);
        let many = set(&two, &[("apps", "5"), ("app.p-2.load", "0.3")]).unwrap();
        let names: Vec<_> = (0..).zip(many.apps()).map(|(index, app)| app.name(index)).collect();
        assert_eq!(names, ["p", "bulk-1", "p-2", "bulk-3", "p-3"]);
        assert!(apps(&many)[2].contains("load=0.3"));
    }

    #[test]
    fn a_part_of_a_flag_is_set_if_the_flag_is() {
        let stalled = set(&base(&["bulk"]), &[("stall", "every=100ms,for=3ms")]).unwrap();
        let longer = set(&stalled, &[("stall.for", "5ms")]).unwrap();
        assert_eq!(longer.hardware().stall.unwrap().to_string(), "every=100ms,for=5ms");
    }

    #[test]
    fn every_mistake_names_the_key_and_the_remedy() {
        let plain = base(&["poisson:load=0.5", "bulk"]);
        let mistakes = [
            ("detph", "1"),
            ("colour", "1"),
            ("seed", "1"),
            ("quiet", "true"),
            ("depth", "0"),
            ("verify", "yes"),
            ("stall.for", "1ms"),
            ("link.rate", "1"),
            ("app.web.load", "1"),
            ("app.think", "1ms"),
            ("app.laod", "1"),
            ("app.load", "no"),
            ("app.load", "1,size=1B"),
            ("apps", "0"),
            ("app", "blk"),
        ];
        let messages = mistakes.map(|(key, value)| error(&plain, key, value));
        insta::assert_snapshot!(messages.join("\n"), @"
        detph is no setting of a run; did you mean depth?
        colour is no setting of a run; use one of address, app, apps, backend, coalesce, depth, dispatch, dma, drain-timeout, duration, gateway, hw-queue, idle, idle-timeout, interval, latency, link, neighbour, packets, policy, rx-depth, service, stack-cost, stall, transport, txqueue, verify, wake, wake-latency, warmup, or a part of one, as in app.load or stall.every
        seed tells the runs of a point apart; use --seed for the first one and --repetitions for their number
        quiet is no setting of a run; use one of address, app, apps, backend, coalesce, depth, dispatch, dma, drain-timeout, duration, gateway, hw-queue, idle, idle-timeout, interval, latency, link, neighbour, packets, policy, rx-depth, service, stack-cost, stall, transport, txqueue, verify, wake, wake-latency, warmup, or a part of one, as in app.load or stall.every
        invalid value '0' for '--depth <N>': 0 is not possible; use a whole number from 1 to 65536
        verify=yes: a switch is true or false
        stall.for: --stall is not set, so it has no for; add --stall
        link.rate is no setting of a run; --link has no parts; vary link itself
        app.web.load sets nothing: no app is named web; the apps are poisson-0, bulk-1
        app.think sets nothing: no app of that kind has the key think; the apps are poisson-0, bulk-1
        app.laod=1: --app poisson:size=1472B,load=0.5,when-blocked=wait,to=10.0.0.2:9: laod is not a key (did you mean load?); the keys of poisson are name, size, rate, load, when-blocked, budget, to
        app.load=no: --app poisson:size=1472B,when-blocked=wait,to=10.0.0.2:9,load=no: load: no is not a ratio: write a share, such as 0.9 or 90%
        app.load=1,size=1B: the value of one key has no comma
        apps=0: use a number of apps from 1 to 65536
        invalid value 'blk' for '--app <KIND:KEY=VALUE,...>': --app blk: blk is not a kind of app (did you mean bulk?); write one of bulk, cbr, poisson, onoff, reqresp, trace, sink, echo, such as cbr:rate=100Mbit
        ");
    }
}
