//! `lab theory`: prints what queueing theory predicts, without a run.

use clap::{Args, Subcommand};
use driver::settings::HardwareSettings;
use netstack::device::Policy;
use netstack::settings::SendSettings;
use shared::process::exit::Status;
use shared::process::help::{MODEL, OUTPUT, RING, examples};
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
#[command(after_help = examples([
    (
        "Loss and delay of random traffic at 0.9 of the link, with room for 8 packets",
        "lab theory mm1k --load 0.9 --places 8",
    ),
    (
        "The model of a run, by the flags of the run",
        "lab theory for --app poisson:load=0.9 --policy drop-newest --depth 8 --service exponential",
    ),
    (
        "How deep must a ring be for bursts of 64 packets?",
        "lab theory token-bucket --burst 64 --rate 0.9 --service-time 12304ns",
    ),
]))]
pub(crate) struct TheoryArgs {
    #[command(subcommand)]
    model: ModelArgs,

    /// Mean service time, such as 12304ns.
    ///
    /// With it, times are also printed in seconds and not only in service times.
    #[arg(long, help_heading = MODEL, value_name = "TIME", global = true)]
    service_time: Option<Nanos>,

    /// Print nothing: the exit status says whether there are figures.
    #[arg(long, help_heading = OUTPUT, env = "PUSHBACK_QUIET", global = true)]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum ModelArgs {
    /// Constant rate, fixed service, K places: exact. Needs --service-time.
    #[command(after_help = examples([
    (
        "Twice what the link carries",
        "lab theory dd1k --interarrival 6152ns --service-time 12304ns --places 64",
    ),
    (
        "A little more than it carries",
        "lab theory dd1k --interarrival 12us --service-time 12304ns --places 64",
    ),
    (
        "Less than it carries",
        "lab theory dd1k --interarrival 20us --service-time 12304ns --places 64",
    ),
]))]
    Dd1k {
        /// Time from packet to packet.
        #[arg(long, help_heading = MODEL, value_name = "TIME")]
        interarrival: Nanos,
        /// Places, including the packet in service: the depth.
        #[arg(long, help_heading = MODEL, value_name = "K")]
        places: u32,
    },
    /// Poisson arrivals, exponential service, K places.
    #[command(after_help = examples([
    (
        "At 0.9 of the link",
        "lab theory mm1k --load 0.9 --places 8",
    ),
    (
        "With times in seconds",
        "lab theory mm1k --load 0.9 --places 8 --service-time 12304ns",
    ),
    (
        "Overloaded",
        "lab theory mm1k --load 2 --places 64",
    ),
]))]
    Mm1k {
        /// Arrival rate over service rate.
        #[arg(long, help_heading = MODEL)]
        load: f64,
        /// Places, including the packet in service: the depth.
        #[arg(long, help_heading = MODEL, value_name = "K")]
        places: u32,
    },
    /// Poisson arrivals, fixed service, K places.
    #[command(after_help = examples([
    (
        "At 0.9 of the link",
        "lab theory md1k --load 0.9 --places 8",
    ),
    (
        "With times in seconds",
        "lab theory md1k --load 0.9 --places 8 --service-time 12304ns",
    ),
    (
        "Overloaded",
        "lab theory md1k --load 2 --places 64",
    ),
]))]
    Md1k {
        /// Arrival rate over service rate.
        #[arg(long, help_heading = MODEL)]
        load: f64,
        /// Places, including the packet in service: the depth.
        #[arg(long, help_heading = MODEL, value_name = "K")]
        places: u32,
    },
    /// Poisson arrivals, c servers, no queue.
    #[command(after_help = examples([
    (
        "Eight slots, each held for the whole latency",
        "lab theory erlang-b --offered 5 --servers 8",
    ),
    (
        "Twice the slots",
        "lab theory erlang-b --offered 5 --servers 16",
    ),
    (
        "With times in seconds",
        "lab theory erlang-b --offered 5 --servers 8 --service-time 1ms",
    ),
]))]
    ErlangB {
        /// Arrival rate times mean holding time, in erlangs.
        #[arg(long, help_heading = MODEL)]
        offered: f64,
        /// The largest number of packets at once: the depth.
        #[arg(long, help_heading = MODEL, value_name = "C")]
        servers: u32,
    },
    /// N sources that wait for the response, then think; exponential service.
    #[command(after_help = examples([
    (
        "Ten sources that think ten times as long as a service takes",
        "lab theory finite-source --sources 10 --ratio 0.1",
    ),
    (
        "Sources that hardly think",
        "lab theory finite-source --sources 10 --ratio 5",
    ),
    (
        "With times in seconds",
        "lab theory finite-source --sources 10 --ratio 0.1 --service-time 12304ns",
    ),
]))]
    FiniteSource {
        /// How many sources.
        #[arg(long, help_heading = MODEL, value_name = "N")]
        sources: u32,
        /// Mean service time over mean think time.
        #[arg(long, help_heading = MODEL)]
        ratio: f64,
    },
    /// Poisson arrivals, exponential service, unbounded queue.
    #[command(after_help = examples([
    (
        "At half of the link",
        "lab theory mm1 --load 0.5",
    ),
    (
        "Close to all of it",
        "lab theory mm1 --load 0.99",
    ),
    (
        "With times in seconds",
        "lab theory mm1 --load 0.9 --service-time 12304ns",
    ),
]))]
    Mm1 {
        /// Arrival rate over service rate, below 1.
        #[arg(long, help_heading = MODEL)]
        load: f64,
    },
    /// Poisson arrivals, fixed service, unbounded queue.
    #[command(after_help = examples([
    (
        "At half of the link",
        "lab theory md1 --load 0.5",
    ),
    (
        "Close to all of it",
        "lab theory md1 --load 0.99",
    ),
    (
        "With times in seconds",
        "lab theory md1 --load 0.9 --service-time 12304ns",
    ),
]))]
    Md1 {
        /// Arrival rate over service rate, below 1.
        #[arg(long, help_heading = MODEL)]
        load: f64,
    },
    /// Bursts of sigma packets at rate rho: the depth that never drops, and the worst delay.
    #[command(after_help = examples([
    (
        "Bursts of 64 packets",
        "lab theory token-bucket --burst 64 --rate 0.9",
    ),
    (
        "Beside stalls of 100 service times",
        "lab theory token-bucket --burst 64 --rate 0.9 --stall 100",
    ),
    (
        "With times in seconds",
        "lab theory token-bucket --burst 64 --rate 0.9 --service-time 12304ns",
    ),
]))]
    TokenBucket {
        /// Sigma, in packets.
        #[arg(long, help_heading = MODEL)]
        burst: f64,
        /// Rho, in packets per service time.
        #[arg(long, help_heading = MODEL)]
        rate: f64,
        /// The longest time without service, in service times.
        #[arg(long, help_heading = MODEL, default_value_t = 0.0)]
        stall: f64,
    },
    /// The model that fits a run with these flags.
    For(Box<ForArgs>),
}

#[derive(Debug, Args)]
#[command(after_help = examples([
    (
        "A ring that drops",
        "lab theory for --app poisson:load=0.9 --policy drop-newest --depth 8",
    ),
    (
        "Frames of random length",
        "lab theory for --app poisson:load=0.9 --policy drop-newest --depth 8 --service exponential",
    ),
    (
        "Evenly spaced packets, above the rate of the link",
        "lab theory for --app cbr:load=1.5 --policy drop-newest --depth 64",
    ),
]))]
struct ForArgs {
    /// Slots of the ring, 1 to 65536.
    #[arg(long, help_heading = RING, env = "PUSHBACK_DEPTH", value_name = "N", default_value = "1024")]
    depth: Depth,

    /// What happens when the ring is full: wait, drop-newest, drop-oldest, deadline=TIME.
    #[arg(long, help_heading = RING, env = "PUSHBACK_POLICY", default_value_t)]
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
    let text = args.text()?;
    if !args.quiet {
        say(None, text);
    }
    Ok(Status::Fine)
}

impl TheoryArgs {
    fn text(&self) -> Result<String, Failure> {
        let service_ns = self.service_time.map(|service| service.0 as f64);
        let (model, service_ns) = match self.model {
            ModelArgs::Dd1k { interarrival, places } => {
                (constant(interarrival, self.service_time, places)?, service_ns)
            }
            ModelArgs::Mm1k { load, places } => (Model::Mm1k { load, places }, service_ns),
            ModelArgs::Md1k { load, places } => (Model::Md1k { load, places }, service_ns),
            ModelArgs::ErlangB { offered, servers } => (Model::ErlangB { offered, servers }, service_ns),
            ModelArgs::FiniteSource { sources, ratio } => (Model::FiniteSource { sources, ratio }, service_ns),
            ModelArgs::Mm1 { load } => (Model::Mm1 { load }, service_ns),
            ModelArgs::Md1 { load } => (Model::Md1 { load }, service_ns),
            ModelArgs::TokenBucket { burst, rate, stall } => {
                return depth_for(TokenBucket { burst, rate }, stall, service_ns);
            }
            ModelArgs::For(ref run) => {
                if service_ns.is_some() {
                    let remedy = "follows from --link and the size of the app's packets here; leave it out";
                    return Err(Failure::Flag { flag: "service-time", remedy });
                }
                let fit = fit(&run.settings())?;
                (fit.model, Some(fit.service_mean_ns))
            }
        };
        Ok(figures(&model, &model.predict()?, service_ns))
    }
}

/// The depth that never loses, and the worst delay in it.
fn depth_for(bucket: TokenBucket, stall: f64, service_ns: Option<f64>) -> Result<String, Failure> {
    let TokenBucket { burst, rate } = bucket;
    let bound = bound(bucket, Server { rate: 1.0, latency: stall })?;
    Ok(format!(
        "Token bucket of {burst} packets, {rate} per service time, worst stall {stall}\n  \
         depth that never loses  {}\n  worst delay             {}",
        bound.depth,
        time(bound.delay, service_ns)
    ))
}

/// The D/D/1/K model, which needs both times exactly.
fn constant(interarrival: Nanos, service: Option<Nanos>, places: u32) -> Result<Model, Failure> {
    let remedy = "D/D/1/K depends on how the two times divide each other; give it, as in --service-time 12304ns";
    let service = service.ok_or(Failure::Flag { flag: "service-time", remedy })?;
    Ok(Model::Dd1k { pace: Pace::every(interarrival.0)?, service_ns: service.0, places })
}

/// With six digits, so that figures can be compared.
fn figures(model: &Model, prediction: &Prediction, service_ns: Option<f64>) -> String {
    let throughput = match service_ns {
        Some(service_ns) => human::packet_rate(prediction.packets_per_second(service_ns)),
        None => format!("{:.6} packets per service time", prediction.throughput),
    };
    format!(
        "{model}\n  loss          {:.6} ({})\n  mean sojourn  {}\n  delivered     {throughput}\n  slots held    {:.6}",
        prediction.loss_ratio,
        human::percent(prediction.loss_ratio),
        time(prediction.sojourn_mean, service_ns),
        prediction.occupancy_mean
    )
}

fn time(services: f64, service_ns: Option<f64>) -> String {
    match service_ns {
        Some(service_ns) => format!("{} ({services:.6} service times)", human::time(services * service_ns)),
        None => format!("{services:.6} service times"),
    }
}
