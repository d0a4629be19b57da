//! The text of a run: its setup, the ledger, times, waiting, ring, hardware, apps and warnings.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::{Display, Formatter, Result, Write as _};

use serde_json::Value;

use super::{human, line, plain, table};
use crate::ledger::Doorbells;
use crate::report::{AppReport, Ending, HardwareReport, ProcessReport, RunReport, StageReport, Summary, Totals};

/// Lines of text, without a line feed after the last.
impl Display for RunReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let mut text = String::new();
        self.write(&mut text)?;
        f.write_str(text.trim_end())
    }
}

impl RunReport {
    fn write(&self, out: &mut String) -> Result {
        self.write_setup(out)?;
        if self.is_repeated() {
            // Show one loss, one rate and one mean, those of all runs, and not also the counts of the first run.
            self.write_balance(out)?;
            self.write_theory(out)?;
            let counts = format!("of seed {}, one of these runs, are in the JSON report", self.seed);
            line(out, "Counts", counts)?;
            return self.write_warnings(out);
        }
        self.write_ledger(out)?;
        self.write_times(out)?;
        self.write_theory(out)?;
        self.write_blocked(out)?;
        self.write_below(out)?;
        self.budget.iter().try_for_each(|budget| write!(out, "{budget}"))?;
        self.write_apps(out)?;
        self.write_warnings(out)
    }

    /// Whether the result is an estimate over several runs.
    fn is_repeated(&self) -> bool {
        self.estimate.is_some_and(|estimate| estimate.replications > 1)
    }

    /// What --quiet prints on standard error instead of the whole text, one line each: the warnings and what failed.
    pub fn shortcomings(&self) -> Vec<String> {
        let ending = match &self.ending {
            Ending::Finished => None,
            Ending::Interrupted => Some("interrupted; the results are partial".to_owned()),
            Ending::PeerInterrupted => Some("the driver was interrupted; the results are partial".to_owned()),
            Ending::PeerFailed(why) => Some(format!("the driver failed; the results are partial: {}", plain(why))),
        };
        let violations = &self.ledger.violations;
        let balance = violations.iter().map(|violation| format!("the ledger does not balance: {}", plain(violation)));
        let warnings = self.warnings.iter().map(|warning| format!("warning: {}", plain(&warning.text)));
        ending.into_iter().chain(balance).chain(warnings).collect()
    }

    fn write_warnings(&self, out: &mut String) -> Result {
        self.warnings.iter().try_for_each(|warning| line(out, "Warning", plain(&warning.text)))
    }

    /// How the run ended, and its settings.
    fn write_setup(&self, out: &mut String) -> Result {
        let span = match self.estimate {
            Some(estimate) if self.is_repeated() => {
                format!("{} times, in {} time", human::count(estimate.replications), plain(&self.clock))
            }
            _ => format!("after {} of {} time", human::time(self.elapsed_ns as f64), plain(&self.clock)),
        };
        let ending = match &self.ending {
            Ending::Finished => format!("finished {span}"),
            Ending::Interrupted => format!("interrupted {span}; the results are partial"),
            Ending::PeerInterrupted => format!("the driver was interrupted {span}; the results are partial"),
            Ending::PeerFailed(why) => format!("the driver failed {span}; the results are partial: {}", plain(why)),
        };
        line(out, "Run", ending)?;
        let mut config = format!("depth {}", self.ring.depth);
        if self.ring.txqueue > 0 {
            write!(config, " + txqueue {} = capacity {}", self.ring.txqueue, self.ring.capacity)?;
        }
        let (stack, driver) = (&self.config.netstack, &self.config.driver);
        for (settings, key) in [(stack, "policy"), (stack, "transport"), (stack, "dispatch"), (driver, "link")] {
            // A simulation is one process without a transport.
            if key == "transport" && self.config.simulate.is_some() {
                continue;
            }
            config.extend(setting(settings, key).map(|value| format!(", {key} {value}")));
        }
        line(out, "Config", config)?;
        for app in self.apps.iter().take(MOST_APPS) {
            line(out, "App", plain(&app.spec))?;
        }
        if self.apps.len() > MOST_APPS {
            let others = human::count((self.apps.len() - MOST_APPS) as u64);
            line(out, "App", format!("{others} more are in the JSON report"))?;
        }
        if let Some(host) = &self.host {
            let (name, kernel, cpu) = (plain(&host.name), plain(&host.kernel), plain(&host.cpu));
            let git = plain(&host.git_revision);
            line(out, "Host", format!("{name}, kernel {kernel}, {cpu}, CPUs {}, git {git}", host.cpus))?;
        }
        if self.is_repeated() {
            return Ok(());
        }
        line(out, "Seed", format!("{}, arrivals {}", self.seed, plain(&self.arrivals_digest)))
    }

    fn write_balance(&self, out: &mut String) -> Result {
        line(out, "Ledger", if self.ledger.balanced { "balanced" } else { "DOES NOT BALANCE" })?;
        self.ledger.violations.iter().try_for_each(|violation| line(out, "", plain(violation)))
    }

    /// The counts of packets, and the rate.
    fn write_ledger(&self, out: &mut String) -> Result {
        self.write_balance(out)?;
        let totals = &self.totals;
        let loss = format!("loss {} of the accepted", human::percent(totals.loss_ratio));
        let drops = if self.drops.is_empty() { loss } else { format!("{loss}: {}", reasons(&self.drops)) };
        let rows = [
            ("offered", totals.offered, String::new()),
            ("refused", totals.refused, reasons(&self.refusals)),
            ("accepted", totals.accepted, String::new()),
            ("delivered", totals.delivered, String::new()),
            ("dropped", totals.dropped, drops),
            ("in flight", totals.in_flight, String::new()),
            ("lost", totals.lost, String::new()),
        ];
        let width = rows.iter().map(|(_, count, _)| human::count(*count).len()).max().unwrap_or(0);
        for (fate, count, remark) in rows {
            line(out, &format!("  {fate}"), format!("{:>width$}  {}", human::count(count), remark))?;
        }
        let goodput = human::known(human::bit_rate, self.rate.bits_per_second);
        let packets = human::known(human::packet_rate, self.rate.packets_per_second);
        line(out, "Rate", format!("{goodput} of payload, {packets}"))
    }

    fn write_times(&self, out: &mut String) -> Result {
        let row = |label: &str, times: &Summary| {
            let &Summary { count, mean, p50, p99, p999, max, .. } = times;
            let times = [mean, p50 as f64, p99 as f64, p999 as f64, max as f64];
            let cell = |time| if count == 0 { "-".to_owned() } else { human::time(time) };
            [&[label.to_owned()][..], &times.map(cell)].concat()
        };
        let header = ["Times of the delivered", "mean", "p50", "p99", "p99.9", "max"].map(str::to_owned).to_vec();
        let sojourn = row("  sojourn from acceptance", &self.sojourn_ns);
        table(out, &[header, sojourn, row("  latency from intended time", &self.latency_ns)])
    }

    /// The estimate over several runs, and the prediction of theory.
    fn write_theory(&self, out: &mut String) -> Result {
        self.estimate.iter().try_for_each(|estimate| write!(out, "{estimate}"))?;
        self.theory.iter().try_for_each(|theory| write!(out, "{theory}"))
    }

    /// The time that apps spent waiting.
    fn write_blocked(&self, out: &mut String) -> Result {
        let blocked = &self.blocked;
        let (stops, wakes) = (human::count(blocked.stops), human::count(blocked.wakes));
        line(out, "Blocked", format!("{}, stops {stops}, wakes {wakes}", human::time(blocked.total_ns as f64)))?;
        for (stage, StageReport { total_ns, waits_ns }) in &blocked.stages {
            let mut waits = human::time(*total_ns as f64);
            if waits_ns.count > 0 {
                let [p50, p99, max] = [waits_ns.p50, waits_ns.p99, waits_ns.max].map(|wait| human::time(wait as f64));
                write!(waits, ", waits {}, p50 {p50}, p99 {p99}, max {max}", human::count(waits_ns.count))?;
            }
            line(out, &format!("  {}", plain(stage)), waits)?;
        }
        Ok(())
    }

    /// Everything below the device layer: ring, hardware, doorbells, both processes.
    fn write_below(&self, out: &mut String) -> Result {
        let ring = &self.ring;
        let (p50, p99, max) = (ring.occupancy_p50, ring.occupancy_p99, ring.occupancy_max);
        line(
            out,
            "Ring",
            format!("slots held: mean {}, p50 {p50}, p99 {p99}, max {max}", human::mean(ring.occupancy_mean)),
        )?;
        let hardware = &self.hardware;
        let [starved, busy, stalled] =
            [hardware.starved_ns, hardware.busy_ns, hardware.stalled_ns].map(|span| human::time(span as f64));
        if self.driver.is_some() || *hardware != HardwareReport::default() {
            let most = hardware.occupancy_max;
            line(out, "Hardware", format!("starved {starved}, busy {busy}, stalled {stalled}, frames at most {most}"))?;
        }
        let Doorbells { rung, suppressed, spurious, missed } = self.doorbells;
        let [rung, suppressed, spurious, missed] = [rung, suppressed, spurious, missed].map(human::count);
        let bells = format!("rung {rung}, suppressed {suppressed}, spurious {spurious}, missed {missed}");
        line(out, "Doorbells", bells)?;
        let late = &self.wakeups.late_ns;
        if late.max > 0 {
            let [p50, p99, max] = [late.p50, late.p99, late.max].map(|late| human::time(late as f64));
            line(out, "Woken late", format!("p50 {p50}, p99 {p99}, max {max}, wake-ups {}", human::count(late.count)))?;
        }
        line(out, "Netstack", usage(&self.process, Some(self.wakes.netstack_per_thousand)))?;
        match &self.driver {
            Some(driver) => {
                let [received, sent] = [driver.received, driver.sent].map(human::count);
                let usage = usage(&driver.process, self.wakes.driver_per_thousand);
                line(
                    out,
                    "Driver",
                    format!("{usage}, received {received}, sent {sent}, ended: {}", plain(&driver.ended)),
                )
            }
            None => line(out, "Driver", "ended before it sent its report and the hardware's counters"),
        }
    }

    /// Each app, if there are several. If there are very many, only those that were blocked most, in their order in the
    /// report, and the sums of the others.
    fn write_apps(&self, out: &mut String) -> Result {
        if self.apps.len() < 2 {
            return Ok(());
        }
        let header = ["Apps", "offered", "refused", "delivered", "dropped", "lost", "loss", "goodput"];
        let header = [&header[..], &["sojourn p50", "p99", "latency p50", "p99", "blocked"]].concat();
        let mut rows = vec![header.into_iter().map(str::to_owned).collect()];
        let mut most_blocked: Vec<usize> = (0..self.apps.len()).collect();
        // Stable, so that of equally blocked apps the first are shown.
        most_blocked.sort_by_key(|index| Reverse(blocked(&self.apps[*index])));
        let others = most_blocked.split_off(self.apps.len().min(MOST_APPS));
        most_blocked.sort_unstable();
        for app in most_blocked.into_iter().map(|index| &self.apps[index]) {
            let (sojourn, latency) = (&app.sojourn_ns, &app.latency_ns);
            let times = [sojourn.p50, sojourn.p99, latency.p50, latency.p99].map(|span| span.map(|span| span as f64));
            let name = plain(&app.name);
            rows.push(app_row(name, &app.totals, app.rate.bits_per_second, times, blocked(app)));
        }
        if !others.is_empty() {
            let apps = || others.iter().map(|index| &self.apps[*index]);
            let goodput = apps().filter_map(|app| app.rate.bits_per_second).reduce(|sum, rate| sum + rate);
            let totals = apps().fold(Totals::default(), |sum, app| sum.and(&app.totals));
            let name = format!("{} others", human::count(others.len() as u64));
            rows.push(app_row(name, &totals, goodput, [None; 4], apps().map(blocked).sum()));
        }
        table(out, &rows)?;
        if self.apps_without_quantiles > 0 {
            let apps = human::count(self.apps_without_quantiles);
            line(out, "", format!("{apps} apps share their histograms: quantiles of each are not known"))?;
        }
        Ok(())
    }
}

/// How many apps the text shows one by one.
const MOST_APPS: usize = 20;

/// Time that an app was blocked, at all stages.
fn blocked(app: &AppReport) -> u128 {
    app.blocked.values().map(|stage| stage.total_ns).sum()
}

fn app_row(name: String, totals: &Totals, goodput: Option<f64>, times: [Option<f64>; 4], blocked: u128) -> Vec<String> {
    let counts = [totals.offered, totals.refused, totals.delivered, totals.dropped, totals.lost];
    let mut row = vec![format!("  {name}")];
    row.extend(counts.map(human::count));
    row.extend([human::percent(totals.loss_ratio), human::known(human::bit_rate, goodput)]);
    row.extend(times.map(|time| human::known(human::time, time)));
    row.push(human::time(blocked as f64));
    row
}

fn reasons(counts: &BTreeMap<String, u64>) -> String {
    let reason = |(why, count): (&String, &u64)| format!("{} {}", plain(why), human::count(*count));
    counts.iter().map(reason).collect::<Vec<_>>().join(", ")
}

fn usage(process: &ProcessReport, wakes: Option<f64>) -> String {
    let idle = &process.idle;
    let [cpu, spun, slept] = [process.cpu_ns, idle.spin_ns, idle.sleep_ns].map(|span| human::time(span as f64));
    let wakes = wakes.map(|wakes| format!(" ({} per thousand packets)", human::mean(wakes))).unwrap_or_default();
    format!("CPU {cpu}, spun {spun}, slept {slept} in {} times{wakes}", human::count(idle.sleeps))
}

/// A setting, as it was spelled.
fn setting(settings: &Value, key: &str) -> Option<String> {
    match settings.get(key)? {
        Value::Null => None,
        Value::String(text) => Some(plain(text)),
        other => Some(plain(&other.to_string())),
    }
}
