//! Setups in which a packet can cost no time at all: virtual time would stand still for ever.

use netstack::app::Traffic;
use shared::units::{LinkRate, Nanos};

use super::Scenario;

/// A setup that never comes to an end in virtual time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Timeless {
    /// Hardware that takes no time.
    #[error(
        "--link unlimited without --latency: a packet would take no time at all, and virtual time would stand \
         still; set --latency 10us, or --stack-cost 1us for what the stack's own work takes"
    )]
    Hardware,
    /// An app that is never told to wait.
    #[error(
        "--app {app} under --policy {policy}: nothing ever makes it wait, so it would offer packets for ever in no \
         time; set --stack-cost 1us for what each packet costs the stack, or use an app with a rate"
    )]
    App {
        /// The app's settings.
        app: String,
        /// The policy's.
        policy: String,
    },
    /// A request that is answered and thought about in no time.
    #[error("--app {app}: a packet that the driver refuses comes back in no time; set think above zero")]
    Think {
        /// The app's settings.
        app: String,
    },
    /// A packet that may not wait, and has to.
    #[error(
        "--stack-cost {0} with --dispatch sync: nothing waits there, not even for the stack's CPU, and every packet \
         would be refused; use another way, or --stack-cost 0s"
    )]
    Sync(Nanos),
    /// A try that takes time is no try.
    #[error(
        "--stack-cost {cost} with --app {app}: when-blocked=skip sends at once or not at all, and cannot wait for \
         the stack's CPU; use when-blocked=wait, or --stack-cost 0s"
    )]
    Skip {
        /// What a packet costs.
        cost: Nanos,
        /// The app's settings.
        app: String,
    },
}

/// Whether `scenario` can be simulated.
///
/// # Errors
/// [`Timeless`], with what to change.
pub(super) fn check(scenario: &Scenario) -> Result<(), Timeless> {
    let (stack, driver, cost) = (&scenario.stack.stack, &scenario.driver.driver, scenario.only.stack_cost);
    let free = cost == Nanos::ZERO;
    if free && driver.hardware.link == LinkRate::Unlimited && driver.hardware.latency == Nanos::ZERO {
        return Err(Timeless::Hardware);
    }
    if !free && !stack.sending.dispatch.waits() {
        return Err(Timeless::Sync(cost));
    }
    for spec in &stack.sending.apps {
        let app = || spec.to_string();
        match spec.traffic() {
            Traffic::Bulk { .. } if free && stack.policy.never_waits() => {
                return Err(Timeless::App { app: app(), policy: stack.policy.to_string() });
            }
            Traffic::ReqResp { think: Nanos::ZERO, .. } if free && stack.policy.never_waits() => {
                return Err(Timeless::Think { app: app() });
            }
            Traffic::Open { when_blocked: netstack::app::WhenBlocked::Skip, .. } if !free => {
                return Err(Timeless::Skip { cost, app: app() });
            }
            _ => {}
        }
    }
    Ok(())
}
