//! How evenly several apps were served.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the delivered payload was divided among the apps.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct FairnessReport {
    /// Jain's index of the apps' delivered bytes: 1 if all have the same, 1 / n if one of n has all (Jain, Chiu and Hawe,
    /// DEC TR-301, 1984). Null if nothing was delivered.
    pub jain_index: Option<f64>,
    /// The largest deviation of an app's delivered bytes from its max-min share of all delivered bytes, as a part of that
    /// share; negative if the app got less. Null if nothing was delivered.
    pub max_min_deviation: Option<f64>,
    /// The name of that app.
    pub app: Option<String>,
}

/// What an app wanted and what it got, in bytes of payload.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Demand {
    /// What it offered; infinite for an app that always has more to send.
    pub wanted: f64,
    /// What was delivered of it.
    pub got: f64,
}

impl FairnessReport {
    /// The fairness among apps with these names and demands.
    pub fn of<'a>(apps: impl Iterator<Item = (&'a str, Demand)>) -> Self {
        let (names, demands): (Vec<_>, Vec<_>) = apps.unzip();
        let shares = max_min_shares(&demands);
        let deviations = demands.iter().zip(&shares).map(|(app, share)| (app.got - share) / share);
        let named = names.into_iter().zip(deviations).filter(|(_, deviation)| deviation.is_finite());
        let worst = named.max_by(|(_, a), (_, b)| a.abs().total_cmp(&b.abs()));
        Self {
            jain_index: jain_index(demands.iter().map(|app| app.got)),
            max_min_deviation: worst.map(|(_, deviation)| deviation),
            app: worst.map(|(name, _)| name.to_owned()),
        }
    }
}

/// Jain's index of `amounts`, as [`FairnessReport::jain_index`]; `None` if all are zero.
pub fn jain_index(amounts: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum, squares) = amounts
        .fold((0u32, 0.0, 0.0), |(count, sum, squares), amount| (count + 1, sum + amount, squares + amount * amount));
    (squares > 0.0).then(|| sum * sum / (f64::from(count) * squares))
}

/// The max-min fair division of all that was got: no app has more than it wanted, and an app that has less than it
/// wanted has as much as any other (Bertsekas and Gallager, Data Networks, section 6.5.2).
fn max_min_shares(demands: &[Demand]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..demands.len()).collect();
    order.sort_by(|a, b| demands[*a].wanted.total_cmp(&demands[*b].wanted));
    let mut left: f64 = demands.iter().map(|app| app.got).sum();
    let mut shares = vec![0.0; demands.len()];
    for (place, &app) in order.iter().enumerate() {
        // The apps from here on want at least as much as this one, so each may have an equal part of what is left.
        let equal = left / (demands.len() - place) as f64;
        shares[app] = equal.min(demands[app].wanted);
        left -= shares[app];
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apps(demands: &[(f64, f64)]) -> Vec<Demand> {
        demands.iter().map(|(wanted, got)| Demand { wanted: *wanted, got: *got }).collect()
    }

    #[test]
    fn a_small_demand_is_met_and_the_rest_is_divided_equally() {
        let shares = max_min_shares(&apps(&[(f64::INFINITY, 60.0), (10.0, 10.0), (f64::INFINITY, 50.0)]));
        assert_eq!(shares, [55.0, 10.0, 55.0]);
    }

    #[test]
    fn the_worst_deviation_names_its_app() {
        let names = ["greedy", "small", "starved"];
        let demands = apps(&[(f64::INFINITY, 80.0), (10.0, 10.0), (f64::INFINITY, 30.0)]);
        let fairness = FairnessReport::of(names.into_iter().zip(demands));
        let deviation = fairness.max_min_deviation.unwrap();
        assert!((deviation.abs() - 25.0 / 55.0).abs() < 1e-12, "{deviation}");
        assert!(matches!(fairness.app.as_deref(), Some("greedy" | "starved")));
    }

    #[test]
    fn equal_shares_are_fair_and_nothing_has_no_fairness() {
        let even = FairnessReport::of(["a", "b"].into_iter().zip(apps(&[(f64::INFINITY, 5.0), (f64::INFINITY, 5.0)])));
        assert_eq!((even.jain_index, even.max_min_deviation), (Some(1.0), Some(0.0)));
        let none = FairnessReport::of(["a", "b"].into_iter().zip(apps(&[(10.0, 0.0), (10.0, 0.0)])));
        assert_eq!(none, FairnessReport::default());
    }
}
