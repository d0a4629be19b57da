//! The figures that every model predicts, with the same names and units.

/// The long-run figures of one model with given parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// The model in Kendall's notation, such as `M/D/1/K`.
    pub model: &'static str,
    /// Share of the offered packets that find no place (0 to 1).
    pub loss_ratio: f64,
    /// Mean time from acceptance to completion of accepted packets, in mean service times (1 or more).
    pub sojourn_mean: f64,
    /// Completed packets per mean service time.
    pub throughput: f64,
    /// Mean number of packets present, weighted by time (Little: throughput x sojourn).
    pub occupancy_mean: f64,
}

impl Prediction {
    /// Mean time an accepted packet waits before its own service begins, in mean service times.
    #[must_use]
    pub fn wait_mean(&self) -> f64 {
        // Prevents a negative result from rounding when no packet waits.
        (self.sojourn_mean - 1.0).max(0.0)
    }

    /// The mean sojourn in nanoseconds, for a given mean service time in nanoseconds.
    #[must_use]
    pub fn sojourn_mean_ns(&self, service_mean_ns: f64) -> f64 {
        self.sojourn_mean * service_mean_ns
    }

    /// The throughput in packets per second, for a given mean service time in nanoseconds.
    #[must_use]
    pub fn packets_per_second(&self, service_mean_ns: f64) -> f64 {
        self.throughput * 1e9 / service_mean_ns
    }
}

#[cfg(test)]
mod tests {
    use super::super::Model;

    #[test]
    fn converts_to_the_units_of_a_report() {
        let full = Model::Mm1k { load: 1.0, places: 16 }.predict().unwrap();
        assert!((full.wait_mean() - 7.5).abs() < 1e-12);
        assert!((full.sojourn_mean_ns(12_304.0) - 104_584.0).abs() < 1e-6);
        // 16 of 17 of the 81 274 packets a second that the link could carry.
        let rate = full.packets_per_second(12_304.0);
        assert!((rate - 1e9 / 12_304.0 * 16.0 / 17.0).abs() < 1e-6);
    }
}
