//! One line per interval during a run.
//!
//! Once a driver that is alive has completed nothing for [`STALLED`], the line states that.

use super::human;
use crate::report::Sample;
use crate::units::Nanos;

/// The header of the lines of [`interval_line`].
pub fn interval_header() -> String {
    columns(["interval", "delivered", "rate", "goodput", "dropped", "refused", "held", "blocked"].map(str::to_owned))
}

/// How long nothing may complete before the line names the driver: slow hardware needs some time for a frame.
pub const STALLED: Nanos = Nanos::from_secs(1);

/// The lines of a run, in order.
///
/// ```
/// use shared::report::{IntervalLines, Sample};
///
/// let mut lines = IntervalLines::default();
/// let at = |seconds: u64| Sample { time_ns: seconds * 1_000_000_000, occupancy: 8, ..Sample::default() };
/// let first = lines.next(&Sample { delivered: 5, ..at(1) });
/// assert!(first.starts_with("        interval") && first.lines().count() == 2);
/// assert!(lines.next(&at(3)).ends_with("(the driver has completed nothing for 2.00 s)"));
/// ```
#[derive(Debug, Clone, Default)]
pub struct IntervalLines {
    /// When the line before ended.
    previous: Option<Nanos>,
    /// For how long frames have been held without a completion.
    stalled: Nanos,
    /// The length of the interval before.
    length: Nanos,
    /// The line above the header; none if it is empty.
    title: String,
}

impl IntervalLines {
    /// The lines of a run, with `title` above them: what is run.
    pub fn titled(title: String) -> Self {
        Self { title, ..Self::default() }
    }

    /// The line of `sample`; the first line has the title and the header above it.
    pub fn next(&mut self, sample: &Sample) -> String {
        let header = match self.previous {
            Some(_) => String::new(),
            None if self.title.is_empty() => interval_header() + "\n",
            None => format!("{}\n{}\n", self.title, interval_header()),
        };
        let previous = self.previous.replace(Nanos(sample.time_ns)).unwrap_or_default();
        let stands = sample.delivered == 0 && sample.occupancy > 0;
        self.stalled = if stands { self.stalled + Nanos(sample.time_ns).since(previous) } else { Nanos::ZERO };
        let named = match self.stalled {
            stalled if stalled >= STALLED => {
                format!("  (the driver has completed nothing for {:.2} s)", stalled.as_secs_f64())
            }
            _ => String::new(),
        };
        let length = Nanos(sample.time_ns).since(previous);
        // What is left of a run after its last whole interval is too short for a rate.
        let line = match length.0 < self.length.0 / 10 {
            true => interval_line_without_rate(sample, previous),
            false => interval_line(sample, previous),
        };
        self.length = length;
        header + &line + &named
    }
}

/// What happened since `previous`, which is the `time_ns` of the sample before, or zero.
pub fn interval_line(sample: &Sample, previous: Nanos) -> String {
    let seconds = Nanos(sample.time_ns).since(previous).as_secs_f64();
    let per_second = |value: u64| if seconds > 0.0 { value as f64 / seconds } else { 0.0 };
    let rate = human::packet_rate(per_second(sample.delivered));
    with_rate(sample, previous, rate, human::bit_rate(per_second(sample.delivered_bytes) * 8.0))
}

fn interval_line_without_rate(sample: &Sample, previous: Nanos) -> String {
    with_rate(sample, previous, "-".to_owned(), "-".to_owned())
}

fn with_rate(sample: &Sample, previous: Nanos, rate: String, goodput: String) -> String {
    let end = Nanos(sample.time_ns);
    let (from, to, decimals) = (previous.as_secs_f64(), end.as_secs_f64(), decimals(previous, end));
    columns([
        format!("{from:.decimals$}-{to:.decimals$} s"),
        human::count(sample.delivered),
        rate,
        goodput,
        human::count(sample.dropped),
        human::count(sample.refused),
        sample.occupancy.to_string(),
        human::time(sample.blocked_ns as f64),
    ])
}

/// Returns how many decimals of a second are needed to print both ends of an interval, exactly or within a hundredth of
/// its length; 2 if it has no length.
fn decimals(from: Nanos, to: Nanos) -> usize {
    let fits = |decimals: &usize| {
        let unit = 10_u64.pow(9 - *decimals as u32);
        from.0.is_multiple_of(unit) && to.0.is_multiple_of(unit) || unit <= to.since(from).0 / 100
    };
    // Nine decimals are exact.
    if from == to { 2 } else { (2..9).find(fits).unwrap_or(9) }
}

fn columns([interval, delivered, rate, goodput, dropped, refused, held, blocked]: [String; 8]) -> String {
    format!(
        "{interval:>16}  {delivered:>11}  {rate:>9}  {goodput:>11}  {dropped:>11}  {refused:>11}  {held:>6}  {blocked:>7}"
    )
}
