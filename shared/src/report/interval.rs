//! One line per interval, while a run goes on.

use super::{Sample, human};
use crate::units::Nanos;

/// What stands above the lines of [`interval_line`].
pub fn interval_header() -> String {
    columns(["interval", "delivered", "rate", "goodput", "dropped", "refused", "held", "blocked"].map(str::to_owned))
}

/// What happened since `previous`, which is the `time_ns` of the sample before, or zero.
pub fn interval_line(sample: &Sample, previous: Nanos) -> String {
    let (from, to) = (previous.as_secs_f64(), Nanos(sample.time_ns).as_secs_f64());
    let per_second = |value: u64| if to > from { value as f64 / (to - from) } else { 0.0 };
    columns([
        format!("{from:.2}-{to:.2} s"),
        human::count(sample.delivered),
        human::packet_rate(per_second(sample.delivered)),
        human::bit_rate(per_second(sample.delivered_bytes) * 8.0),
        human::count(sample.dropped),
        human::count(sample.refused),
        sample.occupancy.to_string(),
        human::time(sample.blocked_ns as f64),
    ])
}

fn columns([interval, delivered, rate, goodput, dropped, refused, held, blocked]: [String; 8]) -> String {
    format!(
        "{interval:>16}  {delivered:>11}  {rate:>9}  {goodput:>11}  {dropped:>11}  {refused:>11}  {held:>6}  {blocked:>7}"
    )
}
