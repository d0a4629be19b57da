//! `lab help report`: the figures of a run's report that matter, by their names in JSON.

use clap::builder::StyledStr;
use shared::report::RUN_SCHEMA;

use super::{Text, columns, indented};

/// A heading, and the paths below it with their meanings. `{...}` lists names at the end of a path.
type Section = (&'static str, &'static [(&'static str, &'static str)]);

const SECTIONS: [Section; 7] = [
    (
        "What was run",
        &[
            ("config", "Every setting of both programs, by the names of their flags. lab run --from repeats the run."),
            ("seed", "The seed. The same seed gives the same arrivals under every policy and depth."),
            ("clock", "real: two processes. virtual: a simulation."),
            ("arrivals_digest", "A hash of what the apps drew: two runs with the same one saw the same arrivals."),
            ("elapsed_ns", "How long the run took, until the ring was empty."),
        ],
    ),
    (
        "The ledger: offered = accepted + refused, accepted = delivered + dropped + in_flight + lost",
        &[
            ("totals.offered", "Packets that the apps wanted to send, counted at their intended times."),
            ("totals.accepted", "Admitted to the device: granted room under wait, arrived there under other policies."),
            ("totals.refused", "Left with the app: the send would have blocked, was cancelled, or the run had ended."),
            ("totals.delivered", "Completed by the hardware without error."),
            ("totals.dropped", "Discarded, at a place and for a reason: see drops."),
            ("totals.in_flight", "Under way when the drain timed out."),
            ("totals.lost", "Of unknown fate, because the peer died."),
            ("totals.loss_ratio", "dropped / accepted."),
            (
                "ledger.balanced",
                "Whether the stack's own counts agree; a claim of the driver that cannot be true is in ending and violation. If not, trust no other figure.",
            ),
            (
                "drops",
                "Packets dropped for each reason, such as DEVICE_RING_FULL (drop-newest), DEVICE_QUEUE_FULL \
                 (drop-oldest) and DEVICE_DEADLINE.",
            ),
        ],
    ),
    (
        "How much, how long",
        &[
            ("rate.{packets_per_second,bits_per_second}", "Delivered; bits are those of the payload: the goodput."),
            ("sojourn_ns.{mean,p50,p99,p999,max}", "From acceptance to completion: what a meter in the stack sees."),
            (
                "latency_ns.{mean,p50,p99,p999,max}",
                "From the intended time to completion: what the app sees. Only this holds the wait of a blocked sender.",
            ),
            (
                "latency_split",
                "Where delivered packets spent it: at the app, waiting for room, in the ring, on the link, ...",
            ),
        ],
    ),
    (
        "Who waited",
        &[
            ("blocked.stops", "Sends that found no free slot."),
            ("blocked.wakes", "Waiters that were granted one."),
            ("blocked.total_ns", "Time that all apps were blocked, in sum; below it by stage."),
            ("blame", "Whose packets held the slots while each app waited for room."),
            ("backpressure", "How fast it acted: from a full ring to a sender that stops, from room to its next send."),
            ("fairness", "How evenly the apps were served."),
            ("ring.depth", "Slots of the ring, in force."),
            ("ring.{occupancy_mean,occupancy_max}", "Slots held, the hardware's included, weighted by time."),
        ],
    ),
    (
        "What the machine did",
        &[
            (
                "hardware.starved_ns",
                "Time that the hardware stood idle while the ring held frames: the machine, not the model, set the \
                 result.",
            ),
            ("wakeups.late_ns.{p50,p99,max}", "How late this machine woke the stack."),
            ("doorbells.{rung,suppressed}", "Signals to a sleeping peer, and those that were not needed."),
            ("warnings", "What makes figures doubtful, each with a code. --strict makes them errors."),
        ],
    ),
    (
        "In parts",
        &[
            ("apps", "The same counts and times for each app."),
            ("series", "What happened in each --interval: delivered, dropped, refused, occupancy, blocked_ns."),
        ],
    ),
    (
        "If there are any",
        &[
            ("theory", "What a queueing model predicts for the run, and whether it agrees."),
            ("estimate", "Means of repeated simulations, with intervals."),
            ("budget", "Nanoseconds of CPU time per packet, with --profile."),
        ],
    ),
];

pub(super) fn text() -> StyledStr {
    let intro = format!(
        "--json FILE writes the report of a run as one JSON value, schema {RUN_SCHEMA}; - writes it to standard output. \
         Names do not move between versions, and a figure that does not exist is null. Text is rendered from the same \
         value."
    );
    let rows = |of: &[(&str, &str)]| columns(of.iter().map(|(path, is)| [(*path).to_owned(), (*is).to_owned()]));
    let text = SECTIONS.iter().fold(Text::new(&intro), |text, (heading, of)| text.under(heading, &rows(of)));
    let use_it = "--fail-if 'latency_ns.p99 > 5ms' takes any of these paths, and short names: loss, goodput, latency, \
                  sojourn, blocked. lab report shows reports as tables, CSV and figures.";
    text.under("What to do with it", &indented(use_it)).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threshold::every_figure;

    /// The paths that one row lists.
    fn paths(row: &str) -> Vec<String> {
        let Some((group, names)) = row.trim_end_matches('}').split_once('{') else { return vec![row.to_owned()] };
        names.split(',').map(|name| format!("{group}{name}")).collect()
    }

    #[test]
    fn every_name_exists_in_a_report() {
        let report = every_figure();
        let mut found = 0;
        for (row, _) in SECTIONS.iter().flat_map(|(_, of)| *of) {
            for path in paths(row) {
                let pointer = format!("/{}", path.replace('.', "/"));
                assert!(report.pointer(&pointer).is_some(), "{path}");
                found += 1;
            }
        }
        assert!(found > 35, "{found}");
    }
}
