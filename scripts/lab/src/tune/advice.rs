//! What a depth costs, and where the result of a search must not be trusted: pure functions of the settings.

use shared::report::human;
use shared::units::{LinkRate, Nanos, wire_bits};

use netstack::app::{AppSpec, Process, Shape, Traffic};

use crate::settings::RunSettings;

/// A queue that takes longer than this to drain delays every packet behind it for longer than interactive traffic
/// accepts: the target of CoDel (RFC 8289, section 4.3).
const ACCEPTED_DELAY: Nanos = Nanos::from_millis(5);

/// Periods whose pattern repeats within this many of the longest one lock to each other in a run.
const MOST_CYCLES: u64 = 1000;

/// How long the hardware takes to send `depth` of the largest frames of the apps; `None` over an unlimited link.
pub(super) fn full_ring(settings: &RunSettings, depth: u32) -> Option<Nanos> {
    let LinkRate::Limited(rate) = settings.hardware().link else { return None };
    let bits =
        |app: &AppSpec| wire_bits(usize::try_from(app.sizes().largest().0).unwrap_or(usize::MAX) + app.headers());
    let largest = settings.apps().iter().map(|app| rate.time_for_bits(bits(app))).max()?;
    Some(Nanos(largest.0.saturating_mul(u64::from(depth))))
}

/// A warning if a full ring of `depth` slots delays packets for long.
pub(super) fn bufferbloat(settings: &RunSettings, depth: u32) -> Option<String> {
    let delay = full_ring(settings, depth).filter(|delay| *delay > ACCEPTED_DELAY)?;
    Some(format!(
        "a full ring of {} slots takes {} to send, and every packet behind it waits that long (bufferbloat); waiting \
         needs fewer slots",
        human::count(u64::from(depth)),
        human::time(delay.0 as f64)
    ))
}

/// A warning if everything that comes and goes has a fixed period and the periods fit into each other: then whether
/// bursts meet stalls depends on their phases alone, and the next depth or another period may give another loss.
pub(super) fn commensurate(settings: &RunSettings) -> Option<String> {
    let periods = periods(settings);
    let longest = *periods.iter().max()?;
    let together = periods.iter().try_fold(1, |all, period| lcm(all, *period));
    let locked = periods.len() > 1 && together.is_some_and(|all| all <= longest.saturating_mul(MOST_CYCLES));
    locked.then(|| {
        format!(
            "bursts and stalls have fixed periods, and their pattern repeats every {}: their phases decide what is lost; \
             use distribution=exponential or phase=random, or vary stall.phase",
            human::time(together.unwrap_or_default() as f64)
        )
    })
}

/// The fixed periods of bursts and stalls in nanoseconds.
fn periods(settings: &RunSettings) -> Vec<u64> {
    let bursts = settings.apps().iter().filter_map(|app| match app.traffic() {
        Traffic::Open { process: Process::OnOff(phases), .. } if phases.shape == Shape::Fixed => {
            Some(phases.on.0.saturating_add(phases.off.0))
        }
        _ => None,
    });
    let stalls = settings.hardware().stall.filter(|stall| !stall.is_random()).map(|stall| stall.every().0);
    bursts.chain(stalls).filter(|period| *period > 0).collect()
}

fn lcm(one: u64, other: u64) -> Option<u64> {
    let (mut divisor, mut rest) = (one, other);
    while rest != 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    (one / divisor).checked_mul(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::points::setting::set;

    fn settings(apps: &[&str], flags: &[(&str, &str)]) -> RunSettings {
        let mut settings = RunSettings::defaults();
        settings.set_apps(apps).unwrap();
        set(&settings, flags).unwrap()
    }

    #[test]
    fn depth_costs_the_time_that_a_full_ring_takes() {
        let gigabit = settings(&["bulk"], &[("link", "1Gbit")]);
        assert_eq!(full_ring(&gigabit, 100), Some(Nanos(1_230_400)));
        assert!(bufferbloat(&gigabit, 400).is_none());
        assert!(bufferbloat(&gigabit, 407).unwrap().contains("5.01 ms"));
        assert_eq!(full_ring(&settings(&["bulk"], &[("link", "unlimited")]), 100), None);
    }

    #[test]
    fn periods_that_fit_into_each_other_are_reported() {
        let stall = |every: &str| settings(&["onoff:rate=1Gbit,on=2ms,off=6ms"], &[("stall", every)]);
        let text = commensurate(&stall("every=100ms,for=3ms")).unwrap();
        assert!(text.contains("repeats every 200 ms"), "{text}");
        assert_eq!(commensurate(&stall("every=100000007ns,for=3ms")), None);
        assert_eq!(commensurate(&settings(&["onoff:rate=1Gbit,on=2ms,off=6ms"], &[])), None);
        let random = &["onoff:rate=1Gbit,on=2ms,off=6ms,distribution=exponential"];
        assert_eq!(commensurate(&settings(random, &[("stall", "every=100ms,for=3ms")])), None);
    }
}
