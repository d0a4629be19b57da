//! The places in which a packet spends its latency, in words.

use shared::report::SplitReport;

/// Of each place its name in [`SplitReport::places`], what a packet does there, in a sentence, and what it waits for.
const PLACES: [(&str, &str, &str); 11] = [
    ("source", "at the source", "the app was late, or waited with an earlier packet"),
    ("budget", "waiting for the send budget", "waiting for bytes of the app's send budget"),
    ("neighbour", "waiting for the neighbour's address", "waiting for the Ethernet address of the next hop"),
    ("stack", "in the stack", "waiting for the stack's CPU, and on it"),
    ("room", "waiting for room in the ring", "waiting for a free slot of the ring"),
    ("device queue", "in the device's queue", "in the transmit queue before the ring"),
    ("ring", "in the ring", "in the ring, until the hardware took it"),
    ("hardware queue", "in the hardware's queue", "in the hardware, until the link was free"),
    ("link", "on the link", "being transmitted, with the stalls that interrupted it"),
    ("delay and coalescing", "in the hardware after transmission", "from the end of transmission to completion"),
    ("hardware", "in the hardware", "from the hardware's taking it to completion"),
];

/// Each place with time, in order, and the ring in any case: a packet may be expected there.
pub(super) fn shown(split: &SplitReport) -> Vec<(&'static str, u128)> {
    split.places().into_iter().filter(|(place, time)| *time > 0 || *place == "ring").collect()
}

/// What each of the places that are shown means.
pub(super) fn glossary(split: &SplitReport) -> String {
    let meaning = |place: &str| PLACES.iter().find(|(name, ..)| *name == place).map(|(.., meaning)| *meaning);
    let entry = |(place, _): (&'static str, u128)| Some(format!("{place}: {}", meaning(place)?));
    let entries: Vec<_> = shown(split).into_iter().filter_map(entry).collect();
    format!("From the intended time to completion, mean of the delivered packets. {}.", entries.join("; "))
}

/// The place with the most time, as in `on the link`, and its share of the latency; `None` if there is no latency.
pub(super) fn longest(split: &SplitReport) -> Option<(&'static str, f64)> {
    let (place, time) = split.places().into_iter().max_by_key(|(_, time)| *time).filter(|(_, time)| *time > 0)?;
    let (_, there, _) = PLACES.iter().find(|(name, ..)| *name == place)?;
    Some((there, time as f64 / split.latency_ns.max(1) as f64))
}

#[cfg(test)]
mod tests {
    use shared::report::HardwareSplit;

    use super::*;

    const SPLIT: SplitReport = SplitReport {
        packets: 2,
        latency_ns: 100,
        source_ns: 60,
        budget_ns: 0,
        neighbour_ns: 0,
        stack_ns: 0,
        room_ns: 0,
        device_queue_ns: 0,
        ring_ns: 0,
        hardware_ns: 40,
        hardware: None,
    };

    #[test]
    fn every_place_is_in_words() {
        let split = SplitReport { hardware: Some(HardwareSplit::default()), ..SPLIT };
        for (place, _) in SPLIT.places().into_iter().chain(split.places()) {
            assert!(PLACES.iter().any(|(name, ..)| *name == place), "{place}");
        }
    }

    #[test]
    fn places_without_time_are_left_out_but_for_the_ring() {
        assert_eq!(shown(&SPLIT), [("source", 60), ("ring", 0), ("hardware", 40)]);
        assert!(glossary(&SPLIT).contains("ring: in the ring, until the hardware took it; hardware: "));
        assert_eq!(longest(&SPLIT), Some(("at the source", 0.6)));
        assert_eq!(longest(&SplitReport::default()), None);
    }
}
