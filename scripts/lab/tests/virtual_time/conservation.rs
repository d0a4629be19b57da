//! Conservation of packets and Little's law hold exactly with any settings.
//!
//! The occupancy is integrated over events, and the times are summed packet by packet, both in whole nanoseconds:
//! between two moments at which the system is empty they are the same number.

use lab::runner::simulate_figures;
use lab::settings::RunSettings;
use proptest::prelude::*;
use proptest::sample::select;
use shared::exec::Virtual;
use shared::process::settings::MAX_EXACT;
use shared::report::{Ending, RunReport, Sample, Summary, Totals};
use shared::units::Nanos;

use super::setup::settings_of;

#[derive(Debug, Clone)]
struct Setting {
    flags: Vec<String>,
    stack_cost: Nanos,
}

/// An app that is valid with this policy and link.
fn app(bulk: bool, skip: bool, limited: bool) -> impl Strategy<Value = String> {
    let pace = if limited {
        select(vec!["load=0.4", "load=0.9", "load=1", "load=3", "rate=30kpps", "rate=1Gbit"]).boxed()
    } else {
        select(vec!["rate=30kpps", "rate=200kpps", "rate=1Mpps"]).boxed()
    };
    let blocked = if skip { select(vec!["wait", "skip"]).boxed() } else { Just("wait").boxed() };
    let open = (select(vec!["cbr", "poisson", "onoff"]), pace, blocked).prop_map(|(kind, pace, blocked)| {
        let phases =
            if kind == "onoff" { ",on=100us,off=300us,distribution=pareto,shape=1.4,phase=random" } else { "" };
        format!("{kind}:{pace},when-blocked={blocked}{phases}")
    });
    let closed = (1u32..50, select(vec!["fixed", "exponential"]))
        .prop_map(|(think, shape)| format!("reqresp:think={think}us,distribution={shape}"));
    let saturating = if bulk { Just("bulk:".to_owned()).boxed() } else { Just("cbr:rate=100kpps".to_owned()).boxed() };
    let to = select(vec!["", ",to=[fd00::2]:9"]);
    let budget = select(vec!["", "", ",budget=1500B", ",budget=4000B"]);
    let mix = select(vec!["", "", ":3/1452B:1", ":1/7B:2/70B:1"]);
    (prop_oneof![open, closed, saturating], 71u32..1452, mix, budget, to).prop_map(|(app, size, mix, budget, to)| {
        let comma = if app.ends_with(':') { "" } else { "," };
        format!("app={app}{comma}size={size}B{mix}{budget}{to}")
    })
}

fn below() -> impl Strategy<Value = (Vec<String>, bool)> {
    let link = select(vec!["10Mbit", "1Gbit", "7Gbit", "unlimited"]);
    let stall = select(vec![
        "",
        "",
        "stall=every=100us,for=30us",
        "stall=every=10us,for=9us",
        "stall=every=10us,for=9us,distribution=exponential",
        "stall=every=50us,for=9us,phase=random",
    ]);
    let coalesce = select(vec!["", "", "coalesce=frames=4,for=20us", "coalesce=frames=64,for=1us"]);
    let service = select(vec!["fixed", "exponential"]);
    let bytes = select(vec!["dma=none", "dma=copy", "verify"]);
    (1u32..20, link, 0u32..30, stall, coalesce, service, bytes).prop_map(
        |(queue, link, latency, stall, coalesce, service, bytes)| {
            let limited = link != "unlimited";
            let mut flags = vec![format!("hw-queue={queue}"), format!("link={link}"), bytes.to_owned()];
            // On an unlimited link only the latency takes time, and there is no service time to vary.
            flags.push(if limited { format!("latency={latency}us") } else { format!("latency={}us", latency + 1) });
            flags.extend(limited.then(|| format!("service={service}")));
            flags.extend([stall, coalesce].iter().filter(|flag| !flag.is_empty()).map(|&flag| flag.to_owned()));
            (flags, limited)
        },
    )
}

fn setting() -> impl Strategy<Value = Setting> {
    let policy = select(vec!["wait", "drop-newest", "drop-oldest", "deadline=15us"]);
    let cost = select(vec![0u64, 0, 0, 639, 4000]);
    (below(), policy, cost).prop_flat_map(|((below, limited), policy, cost)| {
        let waits = policy == "wait" || policy.starts_with("deadline");
        let apps = prop::collection::vec(app(waits || cost > 0, cost == 0, limited), 1..4);
        (apps, 1u32..20, 1u32..8, 1u32..25, 0..=MAX_EXACT).prop_map(move |(apps, depth, txqueue, packets, seed)| {
            let mut flags = below.clone();
            flags.extend(apps);
            flags.extend([
                format!("policy={policy}"),
                format!("depth={depth}"),
                format!("txqueue={txqueue}"),
                format!("packets={packets}"),
                format!("seed={seed}"),
                // The shortest interval, because these runs are short.
                "interval=1ms".to_owned(),
            ]);
            Setting { flags, stack_cost: Nanos(cost) }
        })
    })
}

fn sum(of: impl Iterator<Item = u64>) -> u64 {
    of.sum()
}

/// The series adds up to the totals, and no app is blocked for longer than the interval.
fn series(report: &RunReport) -> Result<(), TestCaseError> {
    let (totals, series) = (&report.totals, &report.series);
    let of = |field: fn(&Sample) -> u64| sum(series.iter().map(field));
    prop_assert_eq!(of(|sample| sample.delivered), totals.delivered);
    prop_assert_eq!(of(|sample| sample.dropped), totals.dropped);
    prop_assert_eq!(of(|sample| sample.refused), totals.refused);
    prop_assert_eq!(series.iter().map(|sample| sample.blocked_ns).sum::<u128>(), report.blocked.total_ns);
    let mut from = 0;
    for sample in series {
        prop_assert!(sample.occupancy <= report.ring.occupancy_max, "{sample:?}");
        prop_assert!(sample.blocked_ns <= u128::from(sample.time_ns - from) * report.apps.len() as u128, "{sample:?}");
        from = sample.time_ns;
    }
    prop_assert_eq!((from, series.last().map(|sample| sample.occupancy)), (report.elapsed_ns, Some(0)));
    Ok(())
}

/// The places where packets spent their latency add up to it, to the nanosecond.
fn split(settings: &RunSettings, report: &RunReport) -> Result<(), TestCaseError> {
    let split = report.latency_split.unwrap();
    let latencies: u128 = report.apps.iter().map(|app| total(&app.latency_ns)).sum();
    prop_assert_eq!((split.packets, split.latency_ns), (report.totals.delivered, latencies));
    prop_assert_eq!(split.places().iter().map(|(_, span)| span).sum::<u128>(), latencies);
    let hardware = split.hardware.unwrap();
    prop_assert_eq!(hardware.queue_ns + hardware.link_ns + hardware.delay_ns, split.hardware_ns);
    // No driver drops a frame here, so all that held a slot were delivered.
    prop_assert_eq!(split.ring_ns + split.hardware_ns, report.ring.held_ns);
    let policy = settings.stack().policy;
    prop_assert!(policy.has_queue() || split.device_queue_ns == 0);
    prop_assert!(settings.simulation.stack_cost > Nanos::ZERO || split.stack_ns == 0);
    let blocked = |stage: &str| report.blocked.stages[stage].total_ns;
    // Packets that were dropped or refused have waited too.
    match policy.to_string().as_str() {
        "wait" => prop_assert_eq!((split.budget_ns, split.room_ns), (blocked("budget"), blocked("room"))),
        _ => prop_assert!(split.budget_ns <= blocked("budget") && split.room_ns <= blocked("room")),
    }
    Ok(())
}

/// The exact sum of times, from their exact mean.
fn total(times: &Summary) -> u128 {
    (times.mean.unwrap_or(0.0) * times.count as f64).round() as u128
}

/// While an app waits for room, each slot is charged once.
fn blame(report: &RunReport) -> Result<(), TestCaseError> {
    let blame = report.blame.as_ref().unwrap();
    for row in &blame.rows {
        let slots: u128 = row.columns(true).sum();
        prop_assert_eq!(slots, u128::from(report.ring.depth) * row.blocked_ns);
        prop_assert!(row.stalled_ns.is_none_or(|stalled| stalled <= row.blocked_ns), "{row:?}");
    }
    let rows = || blame.rows.iter().map(|row| row.blocked_ns);
    prop_assert_eq!(rows().sum::<u128>(), report.blocked.stages["room"].total_ns);
    let apps: Vec<u128> = report.apps.iter().map(|app| app.blocked["room"].total_ns).collect();
    prop_assert_eq!(rows().collect::<Vec<_>>(), apps);
    Ok(())
}

/// The properties of every run that starts and ends empty.
fn check(settings: &RunSettings, report: &RunReport) -> Result<(), TestCaseError> {
    let totals = &report.totals;
    prop_assert!(report.ledger.balanced, "{:?}", report.ledger.violations);
    prop_assert_eq!(&report.ending, &Ending::Finished);
    prop_assert_eq!((totals.in_flight, totals.lost), (0, 0));
    prop_assert_eq!(totals.offered, totals.accepted + totals.refused);
    prop_assert_eq!(totals.accepted, totals.delivered + totals.dropped);
    let of = |field: fn(&Totals) -> u64| sum(report.apps.iter().map(|app| field(&app.totals)));
    prop_assert_eq!(of(|app| app.offered), totals.offered);
    prop_assert_eq!(of(|app| app.delivered), totals.delivered);
    prop_assert_eq!(sum(report.drops.values().copied()), totals.dropped);
    prop_assert_eq!(sum(report.refusals.values().copied()), totals.refused);
    prop_assert_eq!(report.driver.as_ref().map(|driver| driver.sent), Some(totals.delivered));
    prop_assert!(report.ring.occupancy_max <= settings.depth().get());
    prop_assert_eq!(report.ring.occupancy_ns, report.ring.held_ns);
    series(report)?;
    split(settings, report)?;
    blame(report)?;
    prop_assert!(report.blocked.stops.abs_diff(report.blocked.wakes) <= 1);
    let policy = settings.stack().policy;
    if !policy.has_queue() && !policy.to_string().starts_with("deadline") {
        // Here packets are submitted when they are accepted, so the sojourns are a third measure of the same time.
        let sojourns = (report.sojourn_ns.mean.unwrap_or(0.0) * report.sojourn_ns.count as f64).round() as u64;
        prop_assert_eq!(u128::from(sojourns), report.ring.held_ns);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn packets_and_nanoseconds_are_conserved(setting in setting()) {
        let settings = settings_of(&setting.flags, setting.stack_cost);
        let report = simulate_figures(&settings, Virtual::default());
        let report = report.map_err(|error| TestCaseError::fail(error.to_string()))?;
        check(&settings, &report)?;
    }
}
