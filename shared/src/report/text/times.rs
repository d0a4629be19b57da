//! The text of times: how long the delivered packets took, where they spent that time, and who waited for whom.

use std::fmt::{Display, Formatter, Result, Write as _};

use super::{human, line, plain, table};
use crate::report::{BlameReport, FairnessReport, RunReport, SplitReport, StageReport, Summary};

impl RunReport {
    /// The times of the delivered packets, and where they spent them.
    pub(super) fn write_times(&self, out: &mut String) -> Result {
        if self.latency_ns.count == 0 {
            return Ok(());
        }
        out.push('\n');
        let row = |label: &str, times: &Summary| {
            let &Summary { mean, p50, p99, p999, max, .. } = times;
            let mean = [label.to_owned(), human::known(human::time, mean)];
            [&mean[..], &[p50, p99, p999, max].map(human::span)].concat()
        };
        let header = ["Times of the delivered", "mean", "p50", "p99", "p99.9", "max"].map(str::to_owned).to_vec();
        let latency = row("  latency (from the intended time)", &self.latency_ns);
        table(out, &[header, latency, row("  sojourn (from acceptance)", &self.sojourn_ns)])?;
        self.latency_split.iter().try_for_each(|split| write!(out, "{split}"))
    }

    /// The time that apps spent waiting, and how fast a full ring stopped them and room let them go on.
    pub(super) fn write_blocked(&self, out: &mut String) -> Result {
        if self.blocked.total_ns > 0 {
            out.push('\n');
            self.write_stages(out)?;
            // A single app waits for itself.
            let shown = self.blame.iter().filter(|_| self.apps.len() > 1);
            shown.into_iter().try_for_each(|blame| write!(out, "{blame}"))?;
        }
        let pressure = &self.backpressure;
        for (label, times) in [("Full to stop", &pressure.full_to_stop_ns), ("Room to send", &pressure.room_to_send_ns)]
        {
            if times.count > 0 {
                let [p50, p99, max] = [times.p50, times.p99, times.max].map(human::span);
                line(out, label, format!("p50 {p50}, p99 {p99}, max {max}, {} times", human::count(times.count)))?;
            }
        }
        Ok(())
    }

    /// The apps by stage: the share of the run for which each waited, and how long its waits were.
    fn write_stages(&self, out: &mut String) -> Result {
        let stages = self.blocked.stages.iter().filter(|(_, stage)| stage.total_ns > 0);
        let stages: Vec<&str> = stages.map(|(name, _)| name.as_str()).collect();
        let cell = |total_ns: u128, p99: Option<u64>| {
            let p99 = p99.map(|p99| format!(", p99 {}", human::time(p99 as f64)));
            if total_ns == 0 { "-".to_owned() } else { format!("{}{}", self.share(total_ns), p99.unwrap_or_default()) }
        };
        let mut header = vec!["Blocked, share of the run and p99 of a wait".to_owned()];
        header.extend(stages.iter().map(|stage| format!("for {}", plain(stage))));
        let mut rows = vec![header];
        let (shown, others) = self.most_blocked();
        for app in shown.into_iter().map(|index| &self.apps[index]) {
            let waits = |stage: &&str| {
                let StageReport { total_ns, waits_ns } = app.blocked.get(*stage).copied().unwrap_or_default();
                cell(total_ns, waits_ns.p99)
            };
            rows.push([vec![format!("  {}", plain(&app.name))], stages.iter().map(waits).collect()].concat());
        }
        if !others.is_empty() {
            let total = |stage: &&str| {
                let of = |index: &usize| self.apps[*index].blocked.get(*stage).map_or(0, |waits| waits.total_ns);
                cell(others.iter().map(of).sum(), None)
            };
            let name = format!("  {}, added up", human::counted(others.len() as u64, "other"));
            rows.push([vec![name], stages.iter().map(total).collect()].concat());
        }
        table(out, &rows)
    }
}

/// Lines of text, each with a line feed: the places at which any time was spent.
impl Display for SplitReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if self.packets == 0 || self.latency_ns == 0 {
            return Ok(());
        }
        let mut out = String::new();
        let header = ["Where it was spent", "mean", "of the latency"].map(str::to_owned).to_vec();
        let rows = self.places().into_iter().filter(|(_, span)| *span > 0).map(|(place, span)| {
            let mean = human::time(span as f64 / self.packets as f64);
            vec![format!("  {place}"), mean, human::percent(span as f64 / self.latency_ns as f64)]
        });
        table(&mut out, &std::iter::once(header).chain(rows).collect::<Vec<_>>())?;
        f.write_str(&out)
    }
}

/// Lines of text, each with a line feed: the time for which each app waited, by who held the slots. Slot-time is divided
/// by the depth, so each row adds up to the wait.
impl Display for BlameReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let others = self.name_of_others();
        let names = || self.apps.iter().map(|name| plain(name)).chain(others.clone());
        let mut header = vec!["Who held the slots meanwhile".to_owned(), "waited".to_owned()];
        header.extend(names().map(|name| format!("for {name}")));
        let with_stack = self.has_stack();
        header.extend(with_stack.then(|| "for the stack".to_owned()));
        header.push("slots free".to_owned());
        let stalls = self.rows.iter().any(|row| row.stalled_ns.is_some());
        header.extend(stalls.then(|| "hardware stalled".to_owned()));
        let mut rows = vec![header];
        for (name, row) in names().zip(&self.rows).filter(|(_, row)| row.blocked_ns > 0) {
            let mut cells = vec![format!("  {name}"), human::time(row.blocked_ns as f64)];
            let depth = f64::from(self.depth.max(1));
            cells.extend(row.columns(with_stack).map(|slots| human::time(slots as f64 / depth)));
            cells.extend(row.stalled_ns.map(|stalled| human::time(stalled as f64)));
            rows.push(cells);
        }
        let mut out = String::new();
        if rows.len() > 1 {
            table(&mut out, &rows)?;
        }
        f.write_str(&out)
    }
}

/// A line of text with a line feed.
impl Display for FairnessReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let (Some(jain), Some(deviation), Some(app)) = (self.jain_index, self.max_min_deviation, &self.app) else {
            return Ok(());
        };
        let mut out = String::new();
        let side = if deviation < 0.0 { "below" } else { "above" };
        let worst = match human::percent(deviation.abs()) {
            _ if deviation == 0.0 => "each app has its max-min share".to_owned(),
            share => format!("furthest from its max-min share: {}, {share} {side} it", plain(app)),
        };
        line(&mut out, "Fairness", format!("Jain's index {jain:.4}; {worst}"))?;
        f.write_str(&out)
    }
}
