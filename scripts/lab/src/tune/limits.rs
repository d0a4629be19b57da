//! The limits that a depth must meet.

use schemars::JsonSchema;
use serde::Serialize;
use shared::process::help::LIMITS;
use shared::report::human;
use shared::units::{BitRate, Nanos, Percent};

use crate::points::estimate::{Estimate, Estimated};

/// The limits of `lab tune`; a depth must meet all that are set.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Limits {
    /// The largest share of packets that may be dropped, such as 0.1%.
    ///
    /// Of those that were accepted.
    #[arg(long, help_heading = LIMITS, env = "PUSHBACK_MAX_LOSS", value_name = "PERCENT", required_unless_present = "min_goodput")]
    max_loss: Option<Percent>,

    /// The largest p99 of the latency, such as 2ms.
    ///
    /// The latency counts from the time at which the app wanted to send, to completion.
    #[arg(long, help_heading = LIMITS, env = "PUSHBACK_MAX_P99", value_name = "TIME")]
    max_p99: Option<Nanos>,

    /// The largest p99 of the sojourn, such as 1ms.
    ///
    /// The sojourn is the time from acceptance to completion.
    #[arg(long, help_heading = LIMITS, env = "PUSHBACK_MAX_SOJOURN_P99", value_name = "TIME")]
    max_sojourn_p99: Option<Nanos>,

    /// The least payload per second that must be delivered, such as 900Mbit.
    #[arg(long, help_heading = LIMITS, env = "PUSHBACK_MIN_GOODPUT", value_name = "RATE")]
    min_goodput: Option<BitRate>,
}

/// A limit that is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Limit {
    MaxLoss,
    MaxP99,
    MaxSojournP99,
    MinGoodput,
}

impl Limit {
    /// Whether a deeper ring can help to meet it. Where senders wait, most of the latency arises in front of the ring,
    /// and a deeper one can shorten it.
    pub(crate) fn needs_depth(self, senders_wait: bool) -> bool {
        match self {
            Self::MaxLoss | Self::MinGoodput => true,
            Self::MaxP99 => senders_wait,
            Self::MaxSojournP99 => false,
        }
    }

    /// The flag that sets it.
    pub(crate) fn flag(self) -> &'static str {
        match self {
            Self::MaxLoss => "--max-loss",
            Self::MaxP99 => "--max-p99",
            Self::MaxSojournP99 => "--max-sojourn-p99",
            Self::MinGoodput => "--min-goodput",
        }
    }
}

/// A limit that is not met: which, and how.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Broken {
    pub(crate) limit: Limit,
    /// `0.3 % lost, at most 0.1 % allowed`.
    pub(crate) text: String,
}

impl Limits {
    /// The limits that a point breaks. Of a figure with an interval, the bound that is worse counts.
    pub(crate) fn broken(&self, point: &Estimated) -> Vec<Broken> {
        let most = |limit, key, allowed: Option<f64>, text: fn(f64) -> String, what: &str| {
            let worst = worst(point.figure(key), true);
            let allowed = allowed?;
            // Without a figure nothing was delivered, so no time is known: that is not within a limit.
            match worst {
                Some(worst) if worst <= allowed => None,
                Some(worst) => {
                    Some(Broken { limit, text: format!("{what} {}", beyond(worst, allowed, text, "above")) })
                }
                None => Some(Broken { limit, text: format!("{what} is unknown: nothing was delivered") }),
            }
        };
        let nanos = |time: Option<Nanos>| time.map(|time| time.0 as f64);
        let least = self.min_goodput.and_then(|least| {
            let (goodput, least) = (worst(point.figure("bits_per_second"), false).unwrap_or(0.0), least.0 as f64);
            let text = format!("goodput {}", beyond(goodput, least, human::bit_rate, "below"));
            (goodput < least).then_some(Broken { limit: Limit::MinGoodput, text })
        });
        let loss = self.max_loss.map(|loss| loss.0);
        [
            most(Limit::MaxLoss, "loss_ratio", loss, human::percent, "loss"),
            least,
            most(Limit::MaxP99, "latency_p99_ns", nanos(self.max_p99), human::time, "p99 of latency"),
            most(Limit::MaxSojournP99, "sojourn_p99_ns", nanos(self.max_sojourn_p99), human::time, "p99 of sojourn"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// `is 0.12 %, above 0.1 %`; where both are printed alike, by how much the limit is missed.
fn beyond(value: f64, limit: f64, text: fn(f64) -> String, side: &str) -> String {
    let (value_text, limit_text) = (text(value), text(limit));
    if value_text == limit_text {
        return format!("is {side} {limit_text} by {} of it", human::percent((value - limit).abs() / limit));
    }
    format!("is {value_text}, {side} {limit_text}")
}

/// The bound of an estimate that is worse, or its mean if it has none.
fn worst(estimate: Estimate, high_is_worse: bool) -> Option<f64> {
    match estimate.bounds {
        Some((_, high)) if high_is_worse => Some(high),
        Some((low, _)) => Some(low),
        None => estimate.mean,
    }
}
