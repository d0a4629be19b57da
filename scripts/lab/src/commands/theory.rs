//! `lab theory`: prints what queueing theory predicts, without a run.

use clap::{Args, Subcommand};
use driver::settings::HardwareSettings;
use netstack::device::Policy;
use netstack::settings::SendSettings;
use shared::process::exit::Status;
use shared::process::json::say;
use shared::report::human;
use shared::ring::Depth;
use shared::units::Nanos;

use super::common::Failure;
use crate::settings::RunSettings;
use crate::theory::applies::fit;
use crate::theory::token_bucket::{Server, TokenBucket, bound};
use crate::theory::{Model, Pace, Prediction};

#[derive(Debug, Args)]
pub(crate) struct TheoryArgs {
    #[command(subcommand)]
    model: ModelArgs,

    /// Mean service time; with it, times are also printed in seconds and not only in service times.
    #[arg(long, value_name = "TIME", global = true)]
    service_time: Option<Nanos>,
}

#[derive(Debug, Subcommand)]
enum ModelArgs {
    /// Constant rate, fixed service, K places: exact. Needs --service-time.
    Dd1k {
        /// Time from packet to packet.
        #[arg(long, value_name = "TIME")]
        interarrival: Nanos,
        /// Places, including the packet in service: the depth.
        #[arg(long, value_name = "K")]
        places: u32,
    },
    /// Poisson arrivals, exponential service, K places.
    Mm1k {
        /// Arrival rate over service rate.
        #[arg(long)]
        load: f64,
        /// Places, including the packet in service: the depth.
        #[arg(long, value_name = "K")]
        places: u32,
    },
    /// Poisson arrivals, fixed service, K places.
    Md1k {
        /// Arrival rate over service rate.
        #[arg(long)]
        load: f64,
        /// Places, including the packet in service: the depth.
        #[arg(long, value_name = "K")]
        places: u32,
    },
    /// Poisson arrivals, c servers, no queue.
    ErlangB {
        /// Arrival rate times mean holding time, in erlangs.
        #[arg(long)]
        offered: f64,
        /// The largest number of packets at once: the depth.
        #[arg(long, value_name = "C")]
        servers: u32,
    },
    /// N sources that wait for the response, then think; exponential service.
    FiniteSource {
        /// How many sources.
        #[arg(long, value_name = "N")]
        sources: u32,
        /// Mean service time over mean think time.
        #[arg(long)]
        ratio: f64,
    },
    /// Poisson arrivals, exponential service, unbounded queue.
    Mm1 {
        /// Arrival rate over service rate, below 1.
        #[arg(long)]
        load: f64,
    },
    /// Poisson arrivals, fixed service, unbounded queue.
    Md1 {
        /// Arrival rate over service rate, below 1.
        #[arg(long)]
        load: f64,
    },
    /// Bursts of sigma packets at rate rho: the depth that never drops, and the worst delay.
    TokenBucket {
        /// Sigma, in packets.
        #[arg(long)]
        burst: f64,
        /// Rho, in packets per service time.
        #[arg(long)]
        rate: f64,
        /// The longest time, in service times, for which the server may serve nothing.
        #[arg(long, default_value_t = 0.0)]
        stall: f64,
    },
    /// The model that fits a run with these flags.
    For(Box<ForArgs>),
}

#[derive(Debug, Args)]
struct ForArgs {
    /// Slots of the ring, 1 to 65536.
    #[arg(long, env = "PUSHBACK_DEPTH", value_name = "N", default_value = "1024")]
    depth: Depth,

    /// What the device does when the ring is full: wait, drop-newest, drop-oldest, deadline=TIME.
    #[arg(long, env = "PUSHBACK_POLICY", default_value_t)]
    policy: Policy,

    #[command(flatten)]
    sending: SendSettings,
    #[command(flatten)]
    hardware: HardwareSettings,
}

impl ForArgs {
    /// The settings of a run with these flags. Settings that no model has keep their defaults.
    fn settings(&self) -> RunSettings {
        let mut settings = RunSettings::defaults();
        settings.set_depth(self.depth);
        let stack = &mut settings.netstack.stack;
        (stack.policy, stack.sending) = (self.policy, self.sending.clone());
        settings.driver.driver.hardware = self.hardware.clone();
        settings
    }
}

/// Prints the figures of a model.
///
/// # Errors
/// If the model has no figures for these parameters.
pub(crate) fn main(args: &TheoryArgs) -> Result<Status, Failure> {
    let service_ns = args.service_time.map(|service| service.0 as f64);
    let (model, service_ns) = match args.model {
        ModelArgs::Dd1k { interarrival, places } => (constant(interarrival, args.service_time, places)?, service_ns),
        ModelArgs::Mm1k { load, places } => (Model::Mm1k { load, places }, service_ns),
        ModelArgs::Md1k { load, places } => (Model::Md1k { load, places }, service_ns),
        ModelArgs::ErlangB { offered, servers } => (Model::ErlangB { offered, servers }, service_ns),
        ModelArgs::FiniteSource { sources, ratio } => (Model::FiniteSource { sources, ratio }, service_ns),
        ModelArgs::Mm1 { load } => (Model::Mm1 { load }, service_ns),
        ModelArgs::Md1 { load } => (Model::Md1 { load }, service_ns),
        ModelArgs::TokenBucket { burst, rate, stall } => {
            let bound = bound(TokenBucket { burst, rate }, Server { rate: 1.0, latency: stall })?;
            say(None, format_args!("Token bucket of {burst} packets, {rate} per service time, worst stall {stall}"));
            say(None, format_args!("  depth that never loses  {}", bound.depth));
            say(None, format_args!("  worst delay             {}", time(bound.delay, service_ns)));
            return Ok(Status::Fine);
        }
        ModelArgs::For(ref run) => {
            let fit = fit(&run.settings())?;
            (fit.model, Some(fit.service_mean_ns))
        }
    };
    print(&model, &model.predict()?, service_ns);
    Ok(Status::Fine)
}

/// The D/D/1/K model, which needs both times exactly.
fn constant(interarrival: Nanos, service: Option<Nanos>, places: u32) -> Result<Model, Failure> {
    let remedy = "D/D/1/K depends on how the two times divide each other; give it, as in --service-time 12304ns";
    let service = service.ok_or(Failure::Flag { flag: "service-time", remedy })?;
    Ok(Model::Dd1k { pace: Pace::every(interarrival.0)?, service_ns: service.0, places })
}

/// Prints six digits, so that figures can be compared.
fn print(model: &Model, prediction: &Prediction, service_ns: Option<f64>) {
    let throughput = match service_ns {
        Some(service_ns) => human::packet_rate(prediction.packets_per_second(service_ns)),
        None => format!("{:.6} packets per service time", prediction.throughput),
    };
    say(None, model);
    say(None, format_args!("  loss        {:.6}", prediction.loss_ratio));
    say(None, format_args!("  mean time   {}", time(prediction.sojourn_mean, service_ns)));
    say(None, format_args!("  delivered   {throughput}"));
    say(None, format_args!("  slots held  {:.6}", prediction.occupancy_mean));
}

fn time(services: f64, service_ns: Option<f64>) -> String {
    match service_ns {
        Some(service_ns) => format!("{} ({services:.6} service times)", human::time(services * service_ns)),
        None => format!("{services:.6} service times"),
    }
}
