//! Parses what DPDK's testpmd prints about a port at each interval.

/// What a port has received up to one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    /// Packets received since the start.
    pub(super) packets: u64,
    /// Packets per second since the previous sample, by the clock of testpmd.
    pub(super) rate: f64,
}

/// Finds samples in lines.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// The packets of a sample whose rate has not been read yet.
    packets: Option<u64>,
}

impl Reader {
    /// Returns the sample that `line` completes, if it completes one.
    pub(super) fn line(&mut self, line: &str) -> Option<Sample> {
        let line = line.trim_start();
        if let Some(figures) = line.strip_prefix("RX-packets:") {
            self.packets = first_figure(figures);
            None
        } else {
            let rate: u64 = line.strip_prefix("Rx-pps:").and_then(first_figure)?;
            Some(Sample { packets: self.packets.take()?, rate: rate as f64 })
        }
    }
}

fn first_figure(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

/// The time in which packets flowed throughout. It starts after the first sample with packets, because they flowed for
/// only a part of that sample.
#[derive(Debug, Default)]
pub(super) struct Window {
    last: Option<Sample>,
    packets: u64,
    seconds: f64,
}

/// A whole sample without packets, after one with packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NothingReceived;

impl Window {
    /// Adds a sample. Samples before the first packet do not count.
    pub(super) fn add(&mut self, sample: Sample) -> Result<(), NothingReceived> {
        if let Some(last) = self.last {
            let more = sample.packets.saturating_sub(last.packets);
            if more == 0 || sample.rate <= 0.0 {
                return Err(NothingReceived);
            }
            self.packets += more;
            self.seconds += more as f64 / sample.rate;
        }
        if sample.packets > 0 {
            self.last = Some(sample);
        }
        Ok(())
    }

    /// The length of the window in seconds, by the clock of testpmd.
    pub(super) fn seconds(&self) -> f64 {
        self.seconds
    }

    /// Packets per second within it.
    pub(super) fn rate(&self) -> f64 {
        if self.seconds > 0.0 { self.packets as f64 / self.seconds } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Output of testpmd 22.11.
    const OUTPUT: &str = include_str!("testpmd.txt");

    fn samples(text: &str) -> Vec<Sample> {
        let mut reader = Reader::default();
        text.lines().filter_map(|line| reader.line(line)).collect()
    }

    #[test]
    fn samples_are_found_among_other_lines() {
        let packets: Vec<_> = samples(OUTPUT).iter().map(|sample| (sample.packets, sample.rate as u64)).collect();
        assert_eq!(
            packets,
            [(0, 0), (24_675_520, 12_336_741), (74_799_456, 25_059_896), (121_931_968, 23_564_252)],
            "the sums at the end have no rate and are not samples"
        );
    }

    #[test]
    fn the_first_sample_with_packets_only_begins_the_window() {
        let mut window = Window::default();
        for sample in samples(OUTPUT) {
            window.add(sample).unwrap();
        }
        // Two samples of two seconds each.
        assert!((window.seconds() - 4.0).abs() < 0.01, "{window:?}");
        let mean = (121_931_968.0 - 24_675_520.0) / window.seconds();
        assert!((window.rate() - mean).abs() < 1.0, "{window:?}");
    }

    #[test]
    fn a_stream_that_stops_has_no_rate() {
        let mut window = Window::default();
        let sample = |packets, rate| Sample { packets, rate };
        assert_eq!(window.add(sample(0, 0.0)), Ok(()));
        assert_eq!(window.add(sample(5, 5.0)), Ok(()));
        assert_eq!(window.rate(), 0.0);
        assert_eq!(window.add(sample(5, 0.0)), Err(NothingReceived));
    }
}
