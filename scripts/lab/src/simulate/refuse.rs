//! Scenarios in which packets take no time, so that virtual time would never advance.

use netstack::app::Traffic;
use shared::units::{LinkRate, Nanos};

use super::Scenario;

/// A scenario that would never end in virtual time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Timeless {
    /// The hardware takes no time.
    #[error(
        "--link unlimited without --latency: a packet would take no time at all, and virtual time would stand \
         still; set --latency 10us, or --stack-cost 1us for what the stack's own work takes"
    )]
    Hardware,
    /// An app that is never blocked.
    #[error(
        "--app {app} under --policy {policy}: it is never blocked, so it would offer packets for ever in no \
         time; set --stack-cost 1us for what each packet costs the stack, or use an app with a rate"
    )]
    App {
        /// The app's settings.
        app: String,
        /// The policy's.
        policy: String,
    },
    /// A request loop that takes no time.
    #[error("--app {app}: a packet that the driver refuses comes back in no time; set think above zero")]
    Think {
        /// The app's settings.
        app: String,
    },
    /// `sync` cannot wait for the CPU.
    #[error(
        "--stack-cost {0} with --dispatch sync: sync cannot wait, not even for the stack's CPU, so every packet \
         would be refused; use another --dispatch, or --stack-cost 0s"
    )]
    Sync(Nanos),
    /// `when-blocked=skip` cannot wait for the CPU.
    #[error(
        "--stack-cost {cost} with --app {app}: when-blocked=skip sends at once or not at all, and cannot wait for \
         the stack's CPU; use when-blocked=wait, or --stack-cost 0s"
    )]
    Skip {
        /// The CPU cost of a packet.
        cost: Nanos,
        /// The app's settings.
        app: String,
    },
}

/// Checks that `scenario` can be simulated.
///
/// # Errors
/// [`Timeless`], whose text names what to change.
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
