//! The text of the way up.

use std::collections::BTreeMap;
use std::fmt::{Display, Formatter, Result, Write as _};

use super::{human, line, plain, table};
use crate::report::{SocketReport, UpReport, UpTotals};

/// Lines of text, each with a line feed: the ledger of the way up, and a table of the sockets.
impl Display for UpReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let mut out = String::new();
        let UpTotals { received, delivered, consumed, dropped, in_flight, lost } = self.totals;
        let [frames, delivered] = [received, delivered].map(human::count);
        let mut fates = format!("{frames} frames = delivered {delivered}");
        for (fate, count, reasons) in
            [("consumed", consumed, Some(&self.consumed)), ("dropped", dropped, Some(&self.drops))]
                .into_iter()
                .chain([("in flight", in_flight, None), ("lost", lost, None)])
        {
            if count > 0 {
                write!(fates, " + {fate} {}", human::count(count))?;
                reasons.into_iter().try_for_each(|reasons| write!(fates, " ({})", listed(reasons)))?;
            }
        }
        line(&mut out, "Received", fates)?;
        self.write_sockets(&mut out)?;
        f.write_str(&out)
    }
}

fn listed(reasons: &BTreeMap<String, u64>) -> String {
    let each = reasons.iter().map(|(reason, count)| format!("{reason} {}", human::count(*count)));
    each.collect::<Vec<_>>().join(", ")
}

impl UpReport {
    fn write_sockets(&self, out: &mut String) -> Result {
        if self.sockets.is_empty() {
            return Ok(());
        }
        let answers = self.sockets.iter().any(|socket| socket.round_trip_ns.count > 0 || socket.timeouts > 0);
        let mut header: Vec<_> =
            ["Sockets", "port", "received", "missing", "reordered", "duplicates", "dropped", "latency p50", "p99"]
                .map(str::to_owned)
                .into();
        header.extend(["round trip p50", "p99", "timeouts"].iter().filter(|_| answers).map(|&name| name.to_owned()));
        let rows = self.sockets.iter().map(|socket| row(socket, answers));
        table(out, &std::iter::once(header).chain(rows).collect::<Vec<_>>())
    }
}

fn row(socket: &SocketReport, answers: bool) -> Vec<String> {
    let mut cells = vec![format!("  {}", plain(&socket.name)), socket.port.to_string()];
    cells.push(human::count(socket.received));
    // Without a header in the payloads nothing is known of their order.
    let checked = |count: String| if socket.checked > 0 { count } else { "-".to_owned() };
    cells.push(checked(socket.missing.to_string()));
    cells.extend([socket.reordered, socket.duplicates].map(|count| checked(human::count(count))));
    cells.push(human::count(socket.dropped));
    cells.extend([socket.latency_ns.p50, socket.latency_ns.p99].map(human::span));
    if answers {
        cells.extend([socket.round_trip_ns.p50, socket.round_trip_ns.p99].map(human::span));
        cells.push(human::count(socket.timeouts));
    }
    cells
}
