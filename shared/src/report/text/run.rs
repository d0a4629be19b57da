//! The text of a run: first what was asked and the answer, then the details.
//!
//! What the clock or the policy makes zero in any case is left out; the JSON report has all of it.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::{Display, Formatter, Result, Write as _};

use serde_json::Value;

use super::{human, line, plain, table, traffic};
use crate::ledger::Doorbells;
use crate::report::{AppReport, Ending, ProcessReport, RunReport, Summary, Totals};

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
        let failed = self.ending != Ending::Finished || !self.ledger.balanced;
        // What limits the meaning of all that follows comes first.
        if failed {
            self.write_ending(out)?;
        }
        self.write_question(out)?;
        if self.is_repeated() {
            // Show one loss, one rate and one mean, those of all runs, and not also the counts of the first run.
            self.estimate.iter().try_for_each(|estimate| write!(out, "{estimate}"))?;
        } else {
            self.write_answer(out)?;
        }
        if !failed {
            self.write_ending(out)?;
        }
        self.write_warnings(out)?;
        out.push('\n');
        self.write_setup(out)?;
        if self.is_repeated() {
            let counts = format!("of seed {}, one of these runs, are in the JSON report", self.seed);
            line(out, "Counts", counts)?;
            return self.theory.iter().try_for_each(|theory| write!(out, "{theory}"));
        }
        self.write_ledger(out)?;
        self.up.iter().try_for_each(|up| write!(out, "{up}"))?;
        self.write_own(out)?;
        self.write_times(out)?;
        self.write_theory(out)?;
        self.write_blocked(out)?;
        self.write_below(out)?;
        self.budget.iter().try_for_each(|budget| write!(out, "{budget}"))?;
        self.write_apps(out)?;
        self.far.iter().try_for_each(|far| write!(out, "\n\nThe far host\n{far}\n"))
    }

    /// Whether the result is an estimate over several runs.
    fn is_repeated(&self) -> bool {
        self.estimate.is_some_and(|estimate| estimate.replications > 1)
    }

    /// What was run.
    fn write_question(&self, out: &mut String) -> Result {
        let apps: Vec<_> = self.apps.iter().map(|app| (&*app.name, &*app.spec)).collect();
        line(out, "Traffic", traffic(&apps))?;
        let mut config = format!("depth {}", self.ring.depth);
        if self.ring.txqueue > 0 {
            write!(config, " + txqueue {} = capacity {}", self.ring.txqueue, self.ring.capacity)?;
        }
        let (stack, driver) = (&self.config.netstack, &self.config.driver);
        let shown = [(stack, "policy"), (stack, "transport"), (stack, "dispatch"), (driver, "link"), (driver, "stall")];
        for (settings, key) in shown {
            // A simulation is one process without a transport.
            if key == "transport" && self.config.simulate.is_some() {
                continue;
            }
            config.extend(setting(settings, key).map(|value| format!(", {key} {value}")));
        }
        line(out, "Config", config)
    }

    /// What people ask first: loss, rate, latency, and how long the apps were blocked.
    fn write_answer(&self, out: &mut String) -> Result {
        let totals = &self.totals;
        let accepted = human::count(totals.accepted);
        let loss = match (totals.accepted, totals.dropped) {
            (0, _) => "nothing was accepted".to_owned(),
            (_, 0) => format!("0 %: none of {accepted} accepted packets was dropped"),
            (_, dropped) => format!(
                "{}: {} of {accepted} accepted packets were dropped ({})",
                human::known(human::percent, totals.loss_ratio),
                human::count(dropped),
                reasons(&self.drops)
            ),
        };
        line(out, "Loss", loss)?;
        let goodput = human::known(human::bit_rate, self.rate.bits_per_second);
        let packets = human::known(human::packet_rate, self.rate.packets_per_second);
        line(out, "Delivered", format!("{goodput} of payload, {packets}: {} packets", human::count(totals.delivered)))?;
        if self.latency_ns.count > 0 {
            let Summary { mean, p50, p99, .. } = self.latency_ns;
            let (mean, p50, p99) = (human::known(human::time, mean), human::span(p50), human::span(p99));
            line(
                out,
                "Latency",
                format!("mean {mean}, p50 {p50}, p99 {p99} of the delivered packets, from their intended times"),
            )?;
        }
        let total = self.blocked.total_ns as f64;
        let blocked = match self.blocked.total_ns {
            0 => "no app had to wait".to_owned(),
            _ if self.apps.len() == 1 => {
                let waits = self.blocked.stages.values().map(|stage| stage.waits_ns.count).sum();
                let waits = human::counted(waits, "wait");
                format!("{} ({} of the run), in {waits}", human::time(total), self.share(self.blocked.total_ns))
            }
            _ => format!("{} in all, of {} apps", human::time(total), human::count(self.apps.len() as u64)),
        };
        line(out, "Blocked", blocked)
    }

    /// A time as a share of the run.
    pub(super) fn share(&self, span: u128) -> String {
        if self.elapsed_ns == 0 { "-".to_owned() } else { human::percent(span as f64 / self.elapsed_ns as f64) }
    }

    /// How the run ended, and whether the ledger balances.
    fn write_ending(&self, out: &mut String) -> Result {
        let span = match self.estimate {
            Some(estimate) if self.is_repeated() => {
                format!("{} times, in {} time", human::count(estimate.replications), plain(&self.clock))
            }
            _ => format!("after {} of {} time", human::time(self.elapsed_ns as f64), plain(&self.clock)),
        };
        let ending = match &self.ending {
            Ending::Finished if self.ledger.balanced => format!("finished {span}; the ledger balances"),
            Ending::Finished => format!("finished {span}"),
            Ending::Interrupted => format!("interrupted {span}; the results are partial"),
            Ending::PeerInterrupted => format!("the driver was interrupted {span}; the results are partial"),
            Ending::PeerFailed(why) => format!("the driver failed {span}; the results are partial: {}", plain(why)),
        };
        line(out, "Run", ending)?;
        if self.ledger.balanced {
            return Ok(());
        }
        line(out, "Ledger", "DOES NOT BALANCE")?;
        self.ledger.violations.iter().try_for_each(|violation| line(out, "", plain(violation)))
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

    fn write_setup(&self, out: &mut String) -> Result {
        // A single app is in the first line.
        let apps = if self.apps.len() > 1 { &*self.apps } else { &[] };
        for app in apps.iter().take(MOST_APPS) {
            line(out, "App", plain(&app.spec))?;
        }
        if let Some(others @ 1..) = apps.len().checked_sub(MOST_APPS) {
            let others = human::count(others as u64);
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

    /// The fate of each packet.
    fn write_ledger(&self, out: &mut String) -> Result {
        let totals = &self.totals;
        let [offered, accepted, refused] = [totals.offered, totals.accepted, totals.refused].map(human::count);
        let reasons_of = |counts: &BTreeMap<String, u64>| match counts.is_empty() {
            true => String::new(),
            false => format!(" ({})", reasons(counts)),
        };
        let refused = format!("refused {refused}{}", reasons_of(&self.refusals));
        line(out, "Ledger", format!("offered {offered} = accepted {accepted} + {refused}"))?;
        let [delivered, dropped] = [totals.delivered, totals.dropped].map(human::count);
        let mut fates = format!("accepted {accepted} = delivered {delivered} + dropped {dropped}");
        fates.push_str(&reasons_of(&self.drops));
        for (fate, count) in [("in flight", totals.in_flight), ("lost", totals.lost)] {
            if count > 0 {
                write!(fates, " + {fate} {}", human::count(count))?;
            }
        }
        line(out, "", fates)
    }

    /// What the stack sent itself.
    fn write_own(&self, out: &mut String) -> Result {
        let Some(AppReport { totals, .. }) = self.stack.as_ref().filter(|stack| stack.totals.offered > 0) else {
            return Ok(());
        };
        let refused = match totals.refused {
            0 => String::new(),
            refused => format!("; {} found no room", human::count(refused)),
        };
        let [offered, delivered] = [totals.offered, totals.delivered].map(human::count);
        line(out, "The stack", format!("sent {delivered} of {offered} answers and requests of its own{refused}"))
    }

    fn write_theory(&self, out: &mut String) -> Result {
        self.estimate.iter().try_for_each(|estimate| write!(out, "{estimate}"))?;
        self.theory.iter().try_for_each(|theory| write!(out, "{theory}"))
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
        self.write_hardware(out)?;
        // A simulation has one process, which never sleeps.
        if self.config.simulate.is_some() {
            return Ok(());
        }
        let Doorbells { rung, suppressed, spurious, missed } = self.doorbells;
        let [rung, suppressed, spurious, missed] = [rung, suppressed, spurious, missed].map(human::count);
        let bells = format!("rung {rung}, suppressed {suppressed}, spurious {spurious}, missed {missed}");
        line(out, "Doorbells", bells)?;
        line(out, "Netstack", usage(&self.process, self.wakes.netstack_per_thousand))?;
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

    fn write_hardware(&self, out: &mut String) -> Result {
        let Some(hardware) = self.hardware() else { return Ok(()) };
        let mut spans = vec![("starved", hardware.starved_ns), ("busy", hardware.busy_ns)];
        spans.extend(self.stalls_since_ns.map(|_| ("stalled", hardware.stalled_ns)));
        let spans = spans.iter().map(|(what, span)| format!("{what} {}", human::time(*span as f64)));
        let spans = spans.collect::<Vec<_>>().join(", ");
        line(out, "Hardware", format!("{spans}, frames at most {}", hardware.occupancy_max))?;
        let late = &self.wakeups.late_ns;
        if late.max > Some(0) {
            let [p50, p99, max] = [late.p50, late.p99, late.max].map(human::span);
            line(out, "Woken late", format!("p50 {p50}, p99 {p99}, max {max}, wake-ups {}", human::count(late.count)))?;
        }
        Ok(())
    }

    /// Each app, if there are several. If there are very many, only those that were blocked most, in their order in the
    /// report, and the sums of the others.
    fn write_apps(&self, out: &mut String) -> Result {
        if self.apps.len() < 2 {
            return Ok(());
        }
        out.push('\n');
        let header = ["Apps", "offered", "refused", "delivered", "dropped", "lost", "loss", "goodput"];
        let header = [&header[..], &["sojourn p50", "p99", "latency p50", "p99", "blocked"]].concat();
        let mut rows = vec![header.into_iter().map(str::to_owned).collect()];
        let (shown, others) = self.most_blocked();
        for app in shown.into_iter().map(|index| &self.apps[index]) {
            let (sojourn, latency) = (&app.sojourn_ns, &app.latency_ns);
            let times = [sojourn.p50, sojourn.p99, latency.p50, latency.p99].map(|span| span.map(|span| span as f64));
            let name = plain(&app.name);
            rows.push(app_row(name, &app.totals, app.rate.bits_per_second, times, blocked(app)));
        }
        if !others.is_empty() {
            let apps = || others.iter().map(|index| &self.apps[*index]);
            let goodput = apps().filter_map(|app| app.rate.bits_per_second).reduce(|sum, rate| sum + rate);
            let totals = apps().fold(Totals::default(), |sum, app| sum.and(&app.totals));
            let name = human::counted(others.len() as u64, "other");
            rows.push(app_row(name, &totals, goodput, [None; 4], apps().map(blocked).sum()));
        }
        table(out, &rows)?;
        self.fairness.iter().try_for_each(|fairness| write!(out, "{fairness}"))?;
        if self.apps_without_quantiles > 0 {
            let apps = human::count(self.apps_without_quantiles);
            line(out, "", format!("{apps} apps share their histograms: quantiles of each are not known"))?;
        }
        Ok(())
    }
}

impl RunReport {
    /// The apps that the text shows one by one, in their order in the report, and the others.
    pub(super) fn most_blocked(&self) -> (Vec<usize>, Vec<usize>) {
        let mut most_blocked: Vec<usize> = (0..self.apps.len()).collect();
        // Stable, so that of equally blocked apps the first are shown.
        most_blocked.sort_by_key(|index| Reverse(blocked(&self.apps[*index])));
        let others = most_blocked.split_off(self.apps.len().min(MOST_APPS));
        most_blocked.sort_unstable();
        (most_blocked, others)
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
    row.extend([human::known(human::percent, totals.loss_ratio), human::known(human::bit_rate, goodput)]);
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
