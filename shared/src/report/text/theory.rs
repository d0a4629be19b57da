//! The text of the prediction of theory, of the estimate over several runs, and of the budget of CPU time.

use std::fmt::{Display, Formatter, Result};

use super::{human, line, plain, table};
use crate::report::{BudgetReport, ComponentBudget, EstimateReport, FigureReport, JudgedReport, TheoryReport, Verdict};

impl FigureReport {
    /// As text, with each number formatted by `form`; `packets` is the denominator of a share.
    fn shown(&self, form: fn(f64) -> String, packets: u64) -> String {
        let mean = form(self.mean);
        match (self.half_width, self.below) {
            (Some(half_width), _) => format!("{mean} +- {}", form(half_width)),
            (None, Some(bound)) => {
                format!("below {} if drops are independent (none of {})", form(bound), human::count(packets))
            }
            (None, None) => format!("{mean} in each run: no spread, so no interval"),
        }
    }
}

/// Lines of text, each with a line feed.
impl Display for TheoryReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let (measured, mut out) = (&self.measured, String::new());
        let since = match measured.since_ns {
            0 => String::new(),
            since => format!(", measured from {} on", human::time(since as f64)),
        };
        line(&mut out, "Theory", format!("{}{since}", self.model))?;
        let share = |ratio: f64| match ratio {
            // Too rare for any run to measure.
            0.0..1e-6 if ratio > 0.0 => "almost none".to_owned(),
            _ => human::percent(ratio),
        };
        let row = |label: String, form: fn(f64) -> String, predicted, measured| {
            vec![format!("  {label}"), form(predicted), human::known(form, measured)]
        };
        let mut rows = vec![
            ["  ", "predicted", "measured"].map(str::to_owned).to_vec(),
            row(format!("loss ({})", measured.loss_is), share, self.loss_ratio, measured.loss_ratio),
            row(measured.time().to_owned(), human::time, self.sojourn_mean_ns, measured.sojourn_mean_ns),
            row("delivered".to_owned(), human::packet_rate, self.packets_per_second, measured.packets_per_second),
        ];
        if let (Some(predicted), Some(measured)) = (self.admitted, measured.admitted) {
            rows.push(vec!["  admitted, exactly".to_owned(), human::count(predicted), human::count(measured)]);
        }
        table(&mut out, &rows)?;
        for finding in &self.findings {
            line(&mut out, "", finding)?;
        }
        if let Some(verdict) = self.verdict {
            let answer = match verdict {
                Verdict::Yes => "yes",
                Verdict::No => "no",
                Verdict::Unknown => "unknown: the figures are too uncertain to decide",
            };
            let how = match self.judged {
                Some(JudgedReport { figures, joint_level, level }) => format!(
                    "{figures} figures, each judged at {} so that all hold together at {} (Bonferroni)",
                    human::percent(level),
                    human::percent(joint_level)
                ),
                None => "nothing is random, so the comparison is exact".to_owned(),
            };
            line(&mut out, "  agrees", format!("{answer}; {how}"))?;
        }
        f.write_str(&out)
    }
}

/// Lines of text, each with a line feed.
impl Display for EstimateReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let mut out = String::new();
        let Self { replications, first_seed, last_seed, packets, .. } = *self;
        if !self.random {
            line(&mut out, "Estimate", "one run: nothing in it is random, so it is the same under every seed")?;
            return f.write_str(&out);
        }
        // Not in a table: the notes are too long for a column.
        for (label, shown) in [
            ("Loss", self.loss_ratio.shown(human::percent, packets)),
            ("Delivered", self.packets_per_second.shown(human::packet_rate, packets)),
            ("Sojourn", self.sojourn_mean_ns.shown(human::time, packets)),
        ] {
            line(&mut out, label, shown)?;
        }
        let asked = self.precision.map(|asked| format!(", asked for +- {} of each mean", human::percent(asked)));
        let runs = format!("{} runs, seeds {first_seed} to {last_seed}", human::count(replications));
        let level = human::percent(self.level);
        line(&mut out, "Estimate", format!("means of {runs}, each interval at {level}{}", asked.unwrap_or_default()))?;
        f.write_str(&out)
    }
}

/// Lines of text, each with a line feed.
impl Display for BudgetReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let mut out = String::new();
        let (sum, allowance) = (human::time(self.ns_per_packet), human::time(self.allowance_ns as f64));
        let share = human::percent(self.allowance_share);
        line(&mut out, "Budget", format!("{sum} of CPU time per packet in both processes: {share} of {allowance}"))?;
        let mut rows = vec![["  component", "ns/packet", "+-", "share", "samples"].map(str::to_owned).to_vec()];
        for (name, process) in [("netstack", &self.netstack), ("driver", &self.driver)] {
            let whole = human::time(process.ns_per_packet);
            let blank = String::new;
            rows.push(vec![format!("  {name}"), whole, blank(), blank(), human::count(process.samples)]);
            rows.extend(process.components.iter().map(row));
            rows.push(row(&process.spin));
        }
        table(&mut out, &rows)?;
        let period = human::time(self.period_ns as f64);
        line(&mut out, "", format!("one sample in {period}; spin is in no sum, and its share is of all CPU time"))?;
        if !self.kernel_sampled {
            line(
                &mut out,
                "",
                "the kernel was not sampled (kernel.perf_event_paranoid); its time is spread over the components",
            )?;
        }
        f.write_str(&out)
    }
}

fn row(component: &ComponentBudget) -> Vec<String> {
    let (cost, error) = (human::time(component.ns_per_packet), human::time(component.error_ns));
    vec![
        format!("    {}", plain(&component.name)),
        cost,
        error,
        human::percent(component.share),
        human::count(component.samples),
    ]
}
