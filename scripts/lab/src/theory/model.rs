//! A model with its parameters as one value, for scenarios and reports.

use std::fmt;

use super::{Pace, ParameterError, Prediction};
use super::{dd1k, erlang_b, finite_source, md1k, mm1k, unbounded};

/// The model that fits a run, with its parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Model {
    /// Constant rate, fixed service ([`dd1k`]). Times are exact, because the result depends on their ratio.
    Dd1k {
        /// The arrivals.
        pace: Pace,
        /// The service time.
        service_ns: u64,
        /// The depth, including the packet in service.
        places: u32,
    },
    /// Poisson arrivals, exponential service ([`mm1k`]).
    Mm1k {
        /// Arrival rate over service rate.
        load: f64,
        /// The depth, including the packet in service.
        places: u32,
    },
    /// Poisson arrivals, fixed service ([`md1k`]).
    Md1k {
        /// Arrival rate over service rate.
        load: f64,
        /// The depth, including the packet in service.
        places: u32,
    },
    /// Poisson arrivals, an independent latency for each packet, no queue ([`erlang_b`]).
    ErlangB {
        /// Arrival rate times mean holding time, in erlangs.
        offered: f64,
        /// The largest number of packets at once: the depth.
        servers: u32,
    },
    /// Sources that wait for the response, then think ([`finite_source`]).
    FiniteSource {
        /// The number of sources, each with at most one packet.
        sources: u32,
        /// Mean service time over mean think time.
        ratio: f64,
    },
    /// M/M/1 with an unbounded queue ([`unbounded`]).
    Mm1 {
        /// Arrival rate over service rate, below 1.
        load: f64,
    },
    /// M/D/1 with an unbounded queue ([`unbounded`]).
    Md1 {
        /// Arrival rate over service rate, below 1.
        load: f64,
    },
}

impl Model {
    /// The long-run figures.
    ///
    /// # Errors
    /// When a parameter is invalid for this model; the message names it, its value and the remedy.
    pub fn predict(&self) -> Result<Prediction, ParameterError> {
        match *self {
            Self::Dd1k { pace, service_ns, places } => dd1k::predict(pace, service_ns, places),
            Self::Mm1k { load, places } => mm1k::predict(load, places),
            Self::Md1k { load, places } => md1k::predict(load, places),
            Self::ErlangB { offered, servers } => erlang_b::predict(offered, servers),
            Self::FiniteSource { sources, ratio } => finite_source::predict(sources, ratio),
            Self::Mm1 { load } => unbounded::mm1(load),
            Self::Md1 { load } => unbounded::md1(load),
        }
    }
}

/// The notation with its parameters filled in, such as `M/D/1/16 at load 0.95`.
impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Dd1k { pace, service_ns, places } => write!(f, "D/D/1/{places} at load {}", pace.load(service_ns)),
            Self::Mm1k { load, places } => write!(f, "M/M/1/{places} at load {load}"),
            Self::Md1k { load, places } => write!(f, "M/D/1/{places} at load {load}"),
            Self::ErlangB { offered, servers } => {
                write!(f, "M/G/{servers}/{servers} at {offered} erlangs")
            }
            Self::FiniteSource { sources, ratio } => {
                write!(f, "M/M/1//{sources} at service/think {ratio}")
            }
            Self::Mm1 { load } => write!(f, "M/M/1 at load {load}"),
            Self::Md1 { load } => write!(f, "M/D/1 at load {load}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::assert_digits;
    use super::*;

    #[test]
    fn evaluates_and_prints() {
        let pace = Pace::every(10_000).unwrap();
        let table: Vec<(Model, &str, &str, &str)> = vec![
            (Model::Dd1k { pace, service_ns: 15_000, places: 4 }, "D/D/1/4 at load 1.5", "D/D/1/K", "0.3333"),
            (Model::Mm1k { load: 0.9, places: 8 }, "M/M/1/8 at load 0.9", "M/M/1/K", "0.070271"),
            (Model::Md1k { load: 0.9, places: 8 }, "M/D/1/8 at load 0.9", "M/D/1/K", "0.027264"),
            (Model::ErlangB { offered: 8.0, servers: 8 }, "M/G/8/8 at 8 erlangs", "M/G/c/c (Erlang-B)", "0.235570"),
            (Model::FiniteSource { sources: 4, ratio: 0.5 }, "M/M/1//4 at service/think 0.5", "M/M/1//N", "0.0"),
            (Model::Mm1 { load: 0.5 }, "M/M/1 at load 0.5", "M/M/1", "0.0"),
            (Model::Md1 { load: 0.5 }, "M/D/1 at load 0.5", "M/D/1", "0.0"),
        ];
        for (model, printed, name, loss) in table {
            let prediction = model.predict().unwrap();
            assert_eq!(model.to_string(), printed);
            assert_eq!(prediction.model, name);
            assert_digits(prediction.loss_ratio, loss);
        }
    }

    #[test]
    fn every_model_refuses_invalid_parameters() {
        let pace = Pace::every(10).unwrap();
        for model in [
            Model::Dd1k { pace, service_ns: 0, places: 4 },
            Model::Dd1k { pace, service_ns: 10, places: 0 },
            Model::Mm1k { load: f64::NAN, places: 4 },
            Model::Md1k { load: 0.5, places: 0 },
            Model::ErlangB { offered: -1.0, servers: 4 },
            Model::FiniteSource { sources: 0, ratio: 1.0 },
            Model::FiniteSource { sources: 4, ratio: 0.0 },
            Model::Mm1 { load: 1.0 },
            Model::Md1 { load: 2.0 },
        ] {
            assert!(model.predict().is_err(), "{model}");
        }
    }
}
