//! Renders the outcome of a run as its report.

use std::collections::BTreeMap;

use shared::ledger::{Counters, Doorbells, DropReason, Imbalance, RefuseReason};
use shared::report::{
    AppReport, BackpressureReport, BlameReport, BlockedReport, ConfigReport, Demand, Distributions, DriverReport,
    Ending, FairnessReport, HardwareSplit, HostReport, LedgerReport, Origin, ProcessReport, RUN_SCHEMA, RingReport,
    RunReport, SplitReport, StageReport, SteadyReport, Summary, Totals, WakesReport, WakeupsReport, Warning,
    WarningCode, machine_warning, ratio,
};
use shared::ring::Depth;
use shared::units::Nanos;

use super::apps::Joined;
use super::claims::{Known, contradictions};
use super::outcome::{Outcome, Snapshot};
use super::plan::{Length, Plan};
use super::up_report::{up_imbalance, up_report};
use crate::account::{Account, Activity, Stage, Tally, Timed};
use crate::app::{Kind, ResolvedApp};

/// The parts of a report that are known before or beside the run itself.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// Every resolved setting.
    pub config: ConfigReport,
    /// `real` or `virtual`.
    pub clock: String,
    /// The machine and the program.
    pub host: Option<HostReport>,
    /// When, by which program and by which command it is made.
    pub origin: Origin,
    /// Hash of what the apps drew.
    pub arrivals_digest: String,
    /// What the process used.
    pub process: ProcessReport,
    /// Slots of the receive ring; zero without a way up.
    pub rx_depth: u32,
    /// Interval lines that were dropped because their reader did not read them.
    pub lines_dropped: u64,
    /// The driver's grant; `None` if there was none.
    pub grant: Option<Grant>,
}

/// What the stack knows of the driver's session.
#[derive(Debug, Clone, Copy)]
pub struct Grant {
    /// Its number.
    pub generation: u64,
    /// When the stack asked for it: the session began later.
    pub asked: Nanos,
}

/// The settings of an app that sends on a socket which an extension opened.
const OWN_SOCKET: &str = "socket";

/// The name in reports of a farewell that cannot be true.
const MISCOUNTED: &str = "MISCOUNTED";

/// Renders `outcome` of `plan` on a ring of `depth` slots as a report.
pub fn assemble(outcome: Outcome, plan: &Plan, depth: Depth, context: Context) -> RunReport {
    let mut total = Counters::default();
    outcome.accounts().for_each(|account| total += &account.counters());
    let ledger = ledger(&outcome, &total, depth);
    let contradicted = contradicted(&outcome, &total, depth, context.grant);
    let doorbells = both(context.process.doorbells, outcome.driver.as_ref().map(|driver| driver.process.doorbells));
    let hardware = outcome.driver.as_ref().map(|driver| driver.hardware.clone());
    let mut report = RunReport {
        schema: RUN_SCHEMA.to_owned(),
        config: context.config,
        stalls_since_ns: plan.stalls.map(|stalls| outcome.began.since(stalls.origin).0),
        seed: plan.seed,
        clock: context.clock,
        host: context.host,
        origin: context.origin,
        arrivals_digest: context.arrivals_digest,
        elapsed_ns: outcome.ended.since(outcome.began).0,
        totals: totals(&total),
        ledger,
        drops: by_reason(DropReason::ALL, DropReason::name, |reason| total.dropped_for(reason)),
        refusals: by_reason(RefuseReason::ALL, RefuseReason::name, |reason| total.refused_for(reason)),
        rate: activity(&outcome).rate(total.delivered, total.delivered_bytes),
        sojourn_ns: (&*outcome.times.of(Timed::Sojourn)).into(),
        latency_ns: (&*outcome.times.of(Timed::Latency)).into(),
        latency_split: split(&outcome),
        distributions: distributions(&outcome),
        steady: outcome.warm.and_then(|warm| steady(&warm, &outcome)),
        theory: None,
        estimate: None,
        budget: None,
        blocked: blocked(&outcome),
        blame: blame(&outcome, depth),
        backpressure: BackpressureReport {
            full_to_stop_ns: (&outcome.room.full_to_stop).into(),
            room_to_send_ns: (&outcome.device.room_to_send).into(),
        },
        fairness: fairness(&outcome, plan),
        ring: ring(&outcome, plan, depth),
        hardware,
        doorbells,
        wakes: wakes(&context.process, outcome.driver.as_ref(), total.delivered),
        wakeups: WakeupsReport { late_ns: (&outcome.late).into() },
        violation: outcome.violation.or((!contradicted.is_empty()).then_some(MISCOUNTED)).map(str::to_owned),
        apps: outcome.apps.iter().map(app_report).collect(),
        stack: outcome.up.as_ref().map(|up| account_report(&up.account, "the stack itself")),
        far: None,
        up: outcome.up.as_ref().map(|up| up_report(up, &outcome, context.rx_depth)),
        apps_without_quantiles: outcome.accounts().filter(|account| account.histograms().is_none()).count() as u64,
        process: context.process,
        lines_dropped: context.lines_dropped,
        warnings: warnings(&outcome, plan, &total, doorbells.missed),
        ending: ending(outcome.ending, &contradicted),
        series_interval_ns: outcome.series_interval.0,
        series: outcome.series,
        driver: outcome.driver,
    };
    report.warnings.extend(machine_warning(&report));
    report.warnings.extend(report.dropped_lines());
    report.warnings.extend(report.beyond_64_bits());
    report
}

/// The doorbells of both sides; of this side alone if the driver did not report.
fn both(ours: Doorbells, theirs: Option<Doorbells>) -> Doorbells {
    let theirs = theirs.unwrap_or_default();
    Doorbells {
        rung: ours.rung.saturating_add(theirs.rung),
        suppressed: ours.suppressed.saturating_add(theirs.suppressed),
        spurious: ours.spurious.saturating_add(theirs.spurious),
        missed: ours.missed.saturating_add(theirs.missed),
    }
}

/// Every sleep ends with a wake.
fn wakes(stack: &ProcessReport, driver: Option<&DriverReport>, delivered: u64) -> WakesReport {
    let per_thousand = |process: &ProcessReport| ratio(process.idle.sleeps, delivered).map(|share| share * 1e3);
    WakesReport {
        netstack_per_thousand: per_thousand(stack),
        driver_per_thousand: driver.and_then(|driver| per_thousand(&driver.process)),
    }
}

fn totals(counters: &Counters) -> Totals {
    let (accepted, dropped) = (counters.accepted, counters.dropped());
    Totals {
        offered: counters.offered,
        accepted,
        refused: counters.refused(),
        delivered: counters.delivered,
        dropped,
        in_flight: counters.in_flight,
        lost: counters.lost,
        loss_ratio: ratio(dropped, accepted),
    }
}

/// Compares the apps' accounts with the ring's own count.
fn ledger(outcome: &Outcome, total: &Counters, depth: Depth) -> LedgerReport {
    let mut violations = total.check("totals");
    let own = outcome.up.as_ref().map(|up| &up.account);
    for account in outcome.accounts().chain(own) {
        violations.extend(account.counters().check(account.name()));
    }
    let own = own.map(|account| account.counters()).unwrap_or_default();
    let unsettled = ("in flight + lost", total.in_flight + total.lost + own.in_flight + own.lost);
    let counted = ("under way by the ring's count", outcome.in_flight + outcome.lost_at_submit);
    violations.extend(Imbalance::between("ring", unsettled, counted));
    violations.extend(outcome.up.iter().flat_map(up_imbalance));
    let mut violations: Vec<String> = violations.iter().map(ToString::to_string).collect();
    let held = outcome.occupancy.most;
    if held > u64::from(depth.get()) {
        violations.push(format!("ring: {held} slots were held at once, of {depth}"));
    }
    LedgerReport { balanced: violations.is_empty(), violations }
}

/// The claims of the driver's farewell that cannot be true.
fn contradicted(outcome: &Outcome, total: &Counters, depth: Depth, grant: Option<Grant>) -> Vec<String> {
    let Some(driver) = &outcome.driver else { return Vec::new() };
    let frame_bytes = outcome.apps.iter().map(|Joined { account, app, .. }| {
        let counters = account.counters();
        // An echo answers over the version of IP that it was asked over.
        let spec = app.as_ref()?.spec();
        if matches!(spec.kind(), Kind::Echo) && counters.delivered > 0 {
            return None;
        }
        Some(counters.delivered_bytes + counters.delivered * spec.headers() as u64)
    });
    // The payload of the stack's own frames is the frame.
    let own = outcome.up.as_ref().map(|up| up.account.counters()).unwrap_or_default();
    let frame_bytes = frame_bytes.chain([Some(own.delivered_bytes)]);
    let total = &{
        let mut all = *total;
        all += &own;
        all
    };
    let known = Known {
        generation: grant.map(|grant| grant.generation),
        lasted: grant.map(|grant| outcome.ended.since(grant.asked)),
        depth,
        total,
        up_received: outcome.up.as_ref().map(|up| up.counters.received),
        submitted: outcome.ring.submitted,
        left_first: outcome.left_first,
        frame_bytes: frame_bytes.sum::<Option<u64>>().filter(|_| outcome.frames_keep_length),
    };
    contradictions(outcome.claimed_frames, driver, &known)
}

/// How the run ended, if the driver's farewell is `contradicted`. An earlier failure of the driver is kept: it explains
/// more.
fn ending(ending: Ending, contradicted: &[String]) -> Ending {
    match ending {
        Ending::Finished | Ending::Interrupted | Ending::PeerInterrupted if !contradicted.is_empty() => {
            Ending::PeerFailed(format!("the driver's farewell cannot be true: {}", contradicted.join("; ")))
        }
        ending => ending,
    }
}

fn by_reason<R: Copy, const N: usize>(
    all: [R; N],
    name: impl Fn(R) -> &'static str,
    count: impl Fn(R) -> u64,
) -> BTreeMap<String, u64> {
    all.into_iter().map(|reason| (name(reason).to_owned(), count(reason))).filter(|(_, count)| *count > 0).collect()
}

fn activity(outcome: &Outcome) -> Activity {
    outcome.accounts().map(|account| account.activity()).fold(Activity::default(), Activity::and)
}

/// The figures since the warm-up; `None` if nothing was delivered since.
fn steady(warm: &Snapshot, outcome: &Outcome) -> Option<SteadyReport> {
    let all = Snapshot::of(outcome.accounts(), outcome.ended);
    let delivered = all.counters.delivered - warm.counters.delivered;
    let bytes = all.counters.delivered_bytes - warm.counters.delivered_bytes;
    if delivered == 0 {
        return None;
    }
    let (accepted, dropped) =
        (all.counters.accepted - warm.counters.accepted, all.counters.dropped() - warm.counters.dropped());
    Some(SteadyReport {
        after_ns: warm.at.since(outcome.began).0,
        offered: all.counters.offered - warm.counters.offered,
        accepted,
        refused: all.counters.refused() - warm.counters.refused(),
        delivered,
        dropped,
        loss_ratio: ratio(dropped, accepted),
        sojourn_mean_ns: (all.sojourn_ns - warm.sojourn_ns) as f64 / delivered as f64,
        latency_mean_ns: (all.latency_ns - warm.latency_ns) as f64 / delivered as f64,
        packets_per_second: activity(outcome).since(warm.at).rate(delivered, bytes).packets_per_second,
    })
}

fn blocked(outcome: &Outcome) -> BlockedReport {
    let stage = |stage: Stage| {
        let waits = outcome.times.of(Timed::Wait(stage));
        (stage.name().to_owned(), StageReport { total_ns: waits.sum(), waits_ns: (&*waits).into() })
    };
    let total_ns = outcome.accounts().map(|account| account.blocked_ns()).sum();
    let stages = Stage::ALL.into_iter().map(stage).collect();
    BlockedReport { stops: outcome.ring.stops, wakes: outcome.ring.wakes, total_ns, stages }
}

/// The latency by place, with that of the driver's own places if it is known.
fn split(outcome: &Outcome) -> Option<SplitReport> {
    let split = outcome.device.split?;
    let Some(driver) = &outcome.driver else { return Some(split) };
    let hardware = &driver.hardware;
    let parts = HardwareSplit {
        queue_ns: hardware.queued_ns,
        link_ns: u128::from(hardware.busy_ns) + u128::from(hardware.stalled_ns),
        delay_ns: hardware.delayed_ns,
    };
    Some(split.with_hardware(parts, outcome.device.taken_early_ns))
}

fn distributions(outcome: &Outcome) -> Distributions {
    Distributions {
        sojourn_ns: (&*outcome.times.of(Timed::Sojourn)).into(),
        latency_ns: (&*outcome.times.of(Timed::Latency)).into(),
        full_to_stop_ns: (&outcome.room.full_to_stop).into(),
        room_to_send_ns: (&outcome.device.room_to_send).into(),
    }
}

/// Who held the slots while others waited; `None` if that was not recorded.
fn blame(outcome: &Outcome, depth: Depth) -> Option<BlameReport> {
    let rows = outcome.room.blame.clone()?;
    let names: Vec<String> = outcome.accounts().map(|account| account.name().to_owned()).collect();
    Some(BlameReport::of(depth.get(), &names, rows))
}

/// How evenly several apps were served.
fn fairness(outcome: &Outcome, plan: &Plan) -> Option<FairnessReport> {
    let demand = |Joined { account, app, .. }: &Joined| {
        let counters = account.counters();
        let got = counters.delivered_bytes as f64;
        let spec = app.as_ref().map(ResolvedApp::spec);
        let size = match spec {
            _ if counters.delivered > 0 => got / counters.delivered as f64,
            Some(spec) => {
                let (sum, weights) = spec.sizes().mean(|size| size.0);
                sum as f64 / weights as f64
            }
            None => 0.0,
        };
        // With a number of packets to send, it has an end.
        let endless = matches!(plan.length, Length::Duration(_)) && spec.is_some_and(|spec| spec.kind() == Kind::Bulk);
        Demand { wanted: if endless { f64::INFINITY } else { counters.offered as f64 * size }, got }
    };
    // An app that offered nothing, such as one that only receives, had no share to get.
    let apps: Vec<_> = outcome.apps.iter().filter(|app| app.account.counters().offered > 0).collect();
    (apps.len() > 1).then(|| FairnessReport::of(apps.iter().map(|app| (app.account.name(), demand(app)))))
}

fn ring(outcome: &Outcome, plan: &Plan, depth: Depth) -> RingReport {
    let txqueue = if plan.policy.has_queue() { plan.txqueue } else { 0 };
    RingReport {
        depth: depth.get(),
        wake_point: plan.wake_point,
        txqueue,
        capacity: u64::from(depth.get()) + u64::from(txqueue),
        occupancy_mean: outcome.occupancy.mean,
        occupancy_max: outcome.occupancy.most as u32,
        occupancy_p50: outcome.occupancy.p50,
        occupancy_p99: outcome.occupancy.p99,
        occupancy_ns: outcome.occupancy.integral_ns,
        held_ns: outcome.device.held_ns,
    }
}

fn app_report(Joined { account, app, .. }: &Joined) -> AppReport {
    account_report(account, &app.as_ref().map_or_else(|| OWN_SOCKET.to_owned(), |app| app.spec().to_string()))
}

fn account_report(account: &Account, spec: &str) -> AppReport {
    let counters = account.counters();
    let waits = |stage: Stage| {
        let timed = Timed::Wait(stage);
        let report = StageReport { total_ns: account.tally(timed).sum, waits_ns: app_times(account, timed) };
        (stage.name().to_owned(), report)
    };
    AppReport {
        name: account.name().to_owned(),
        spec: spec.to_owned(),
        totals: totals(&counters),
        rate: account.activity().rate(counters.delivered, counters.delivered_bytes),
        sojourn_ns: app_times(account, Timed::Sojourn),
        latency_ns: app_times(account, Timed::Latency),
        blocked: Stage::ALL.into_iter().map(waits).collect(),
    }
}

/// The times of one app; their quantiles are not known if it shares its histograms.
fn app_times(account: &Account, timed: Timed) -> Summary {
    match account.histograms() {
        Some(own) => (&*own.of(timed)).into(),
        None => {
            let Tally { count, max, sum } = account.tally(timed);
            Summary::without_quantiles(count, sum as f64 / count as f64, max)
        }
    }
}

fn warnings(outcome: &Outcome, plan: &Plan, total: &Counters, missed: u64) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |code, text: String| warnings.push(Warning::new(code, text));
    plan.without_effect.iter().for_each(|text| warn(WarningCode::NoEffect, text.clone()));
    if missed > 0 {
        let text = format!(
            "{missed} wake-ups were lost: a process slept although there was work, because its peer did not ring"
        );
        warn(WarningCode::WakeUpsLost, text);
    }
    match &outcome.driver {
        None => warn(
            WarningCode::DriverMissing,
            "the driver did not report; figures of the hardware are missing".to_owned(),
        ),
        Some(driver) => driver.warnings.iter().for_each(|warning| warn(warning.code, warning.text.clone())),
    }
    if outcome.ending == Ending::Finished && total.in_flight > 0 {
        let text = format!(
            "{} packets were still under way when the drain timed out; raise --drain-timeout for a complete ledger",
            total.in_flight
        );
        warn(WarningCode::DrainTimedOut, text);
    }
    for Joined { account, app, .. } in &outcome.apps {
        let counters = account.counters();
        if counters.offered > 0
            && counters.accepted == 0
            && let Some(app) = app
            && let Some(hop) = plan.unknown_hop(app)
        {
            let text = format!(
                "{}: the Ethernet address of {hop} is not known, so nothing could be sent to {}; add it, as in \
                 --neighbour {hop}=02:00:00:00:00:02, or send to another address",
                account.name(),
                app.spec().to().ip()
            );
            warn(WarningCode::NeighbourUnknown, text);
        }
    }
    let (came, taken) = outcome.up.as_ref().map_or((0, 0), |up| (up.datagrams(), up.delivered));
    if outcome.ending == Ending::Finished && total.offered + came > 0 && total.delivered + taken == 0 {
        let received = if came > 0 { format!(", nor any of {came} that came for a socket") } else { String::new() };
        let text = format!(
            "none of the {} packets that were offered was delivered{received}; the refusals and drops above show where \
             they ended",
            total.offered
        );
        warn(WarningCode::NothingDelivered, text);
    }
    warnings
}
