//! `lab help units`: from the scales that parse them, and what `rate` and `load` count.

use clap::builder::StyledStr;
use shared::units::{BitRate, Quantity, wire_bits};

use super::{Text, columns, indented};

/// Bytes of the payload of a full-size Ethernet frame over IPv4, and of the headers before it.
const PAYLOAD: u64 = 1472;
const HEADERS: u64 = 14 + 20 + 8;

pub(super) fn text() -> StyledStr {
    let intro = "Each value has a unit, without a blank before it. A bare or an ambiguous number is refused, and the \
                 message has the right spelling.";
    let quantities = Quantity::ALL.map(|quantity| [quantity.to_string(), quantity.manual().to_owned()]);
    let prefixes = [["k M G", "1000, 1000^2 and 1000^3"], ["Ki Mi Gi", "1024, 1024^2 and 1024^3; for sizes alone"]];
    Text::new(intro)
        .under("Quantities", &columns(quantities))
        .under("Prefixes", &columns(prefixes.map(|row| row.map(str::to_owned))))
        .under("rate and load of an app", &indented(&rate_and_load()))
        .0
}

/// The difference, at a full-size frame and a link of 1 Gbit/s.
fn rate_and_load() -> String {
    let link = BitRate(1_000_000_000);
    let on_the_wire = wire_bits((HEADERS + PAYLOAD) as usize);
    let time = link.time_for_bits(on_the_wire);
    let rate = PAYLOAD as f64 * 8.0 / time.as_secs_f64() / 1e6;
    format!(
        "rate counts payload, as iperf3 does: bits per second, or packets per second (pps). load is the share of the \
         link's time that the frames take, with headers, check sequence, preamble and gap. A payload of {PAYLOAD}B over \
         IPv4 is {} B of the link's time, {time} at {link}. So there load=1 is rate={rate:.0}Mbit, and rate={link} is \
         more than the link carries.",
        on_the_wire / 8
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_figures_are_those_of_a_gigabit_link() {
        let text = super::rate_and_load();
        for figure in ["1538 B", "12304ns", "rate=957Mbit"] {
            assert!(text.contains(figure), "{figure}: {text}");
        }
    }
}
