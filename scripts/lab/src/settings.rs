//! The settings of one run, in real or in virtual time: the flags of a command, resolved.

use clap::Parser;
use driver::session::Dma;
use driver::settings::{BackendSettings, CaptureSettings, DriverSettings, HardwareSettings, Settings as DriverArgs};
use netstack::app::{AppSpec, SpecError};
use netstack::device::Policy;
use netstack::dispatch::Dispatch;
use netstack::process::Args as StackArgs;
use netstack::settings::{LineSettings, SessionSettings, StackSettings};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shared::control::TransportKind;
use shared::exec::IdleMode;
use shared::process::help::{HARDWARE, RUNS};
use shared::process::parent::Lifetime;
use shared::process::settings::{Common, Endpoint, Output, StreamOutput, Waiting};
use shared::report::ConfigReport;
use shared::ring::{Depth, WakePoint};
use shared::units::{LinkRate, Nanos};

/// The settings of both processes, and those that only a simulation has.
///
/// A setting that both processes have is set in both, by one of the methods.
///
/// ```
/// use lab::settings::RunSettings;
/// use shared::ring::{Depth, WakePoint};
///
/// let mut settings = RunSettings::defaults();
/// settings.set_depth(Depth::new(16).unwrap());
/// settings.set_apps(&["poisson:load=0.9", "bulk"])?;
/// assert_eq!((settings.depth().get(), settings.apps().len()), (16, 2));
/// # Ok::<_, netstack::app::SpecError>(())
/// ```
#[derive(Debug, Clone)]
pub struct RunSettings {
    /// The settings of the stack's process.
    pub netstack: StackArgs,
    /// The settings of the driver's process.
    pub driver: DriverArgs,
    /// The settings that only a simulation has.
    pub simulation: SimulationSettings,
    /// The host at the other end of the wire, if there are two.
    pub far: Option<Box<Self>>,
}

/// The settings that only a simulation has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema, Parser)]
#[command(name = "simulation")]
#[serde(default)]
pub struct SimulationSettings {
    /// How long a packet occupies the stack's one CPU, such as 4us.
    #[arg(long, help_heading = HARDWARE, env = "PUSHBACK_STACK_COST", value_name = "TIME", default_value = "0s")]
    pub stack_cost: Nanos,

    /// When the steady state begins. [default: after a tenth of the run]
    ///
    /// Its figures count from this time after the start of the run.
    #[arg(long, help_heading = RUNS, env = "PUSHBACK_WARMUP", value_name = "TIME")]
    pub warmup: Option<Nanos>,

    /// How late each sleep ends, such as 50us.
    ///
    /// This is how long the machine takes to wake a CPU.
    #[arg(long, help_heading = HARDWARE, env = "PUSHBACK_WAKE_LATENCY", value_name = "TIME", default_value = "0s")]
    pub wake_latency: Nanos,
}

impl RunSettings {
    /// The settings of a run that apply in real and in virtual time. Settings that only real time has, and settings of
    /// a single start such as the paths of files, keep their defaults.
    pub fn new(common: &Common, stack: StackSettings, driver: &DriverSettings) -> Self {
        Self {
            netstack: StackArgs {
                endpoint: Endpoint::default(),
                lifetime: Lifetime::default(),
                common: common.clone(),
                waiting: Waiting::default(),
                stack,
                session: SessionSettings::default(),
                lines: LineSettings::default(),
                output: Output::default(),
                stream: StreamOutput::default(),
            },
            driver: DriverArgs {
                endpoint: Endpoint::default(),
                lifetime: Lifetime::default(),
                common: common.clone(),
                waiting: Waiting::default(),
                driver: driver.clone(),
                backend: BackendSettings::default(),
                capture: CaptureSettings::default(),
                once: true,
                quiet: false,
                output: Output::default(),
            },
            simulation: SimulationSettings::default(),
            far: None,
        }
    }

    /// The default settings. The environment is ignored.
    pub fn defaults() -> Self {
        fn without_flags<A: Parser>() -> A {
            let command = A::command().mut_args(|arg| arg.env(None::<&str>));
            A::from_arg_matches(&command.get_matches_from([""])).unwrap_or_else(|error| error.exit())
        }
        Self {
            netstack: without_flags(),
            driver: without_flags(),
            simulation: SimulationSettings::default(),
            far: None,
        }
    }

    /// The ring's depth in force: the smaller of the depths that both processes ask for.
    pub fn depth(&self) -> Depth {
        self.netstack.common.depth.min(self.driver.common.depth)
    }

    /// The receive ring's depth in force: the smaller of the depths that both processes ask for.
    pub fn rx_depth(&self) -> Depth {
        self.netstack.common.rx_depth.min(self.driver.common.rx_depth)
    }

    /// The seed of the arrivals.
    pub fn seed(&self) -> u64 {
        self.netstack.common.seed
    }

    /// The apps.
    pub fn apps(&self) -> &[AppSpec] {
        &self.stack().sending.apps
    }

    /// The stack's settings that apply in real and in virtual time.
    pub fn stack(&self) -> &StackSettings {
        &self.netstack.stack
    }

    /// The settings of the hardware model.
    pub fn hardware(&self) -> &HardwareSettings {
        &self.driver.driver.hardware
    }

    /// Whether anything in the run depends on the seed.
    pub fn is_random(&self) -> bool {
        let hardware = self.hardware();
        self.apps().iter().any(AppSpec::is_random)
            || hardware.service.is_random()
            || hardware.stall.is_some_and(|stall| stall.is_random())
    }

    /// The same settings with another seed.
    #[must_use]
    pub fn with_seed(&self, seed: u64) -> Self {
        let mut other = self.clone();
        other.set_seed(seed);
        other
    }

    /// Sets the seed of both processes.
    pub fn set_seed(&mut self, seed: u64) {
        // The far host's seed keeps its distance, so that repetitions differ in it too.
        let step = seed.wrapping_sub(self.seed());
        if let Some(far) = &mut self.far {
            far.set_seed(far.seed().wrapping_add(step));
        }
        (self.netstack.common.seed, self.driver.common.seed) = (seed, seed);
    }

    /// Sets the depth that both processes ask for.
    pub fn set_depth(&mut self, depth: Depth) {
        (self.netstack.common.depth, self.driver.common.depth) = (depth, depth);
    }

    /// Sets how both processes wait.
    pub fn set_waiting(&mut self, waiting: &Waiting) {
        self.netstack.waiting.clone_from(waiting);
        self.driver.waiting.clone_from(waiting);
    }

    /// Sets how both processes wait when there is nothing to do.
    pub fn set_idle(&mut self, idle: IdleMode) {
        (self.netstack.waiting.idle, self.driver.waiting.idle) = (idle, idle);
    }

    /// Sets the apps, each spelled as `--app` takes it.
    ///
    /// # Errors
    /// [`SpecError`] if one of them is not an app.
    pub fn set_apps(&mut self, apps: &[impl AsRef<str>]) -> Result<(), SpecError> {
        self.set_app_specs(apps.iter().map(|app| app.as_ref().parse()).collect::<Result<_, _>>()?);
        Ok(())
    }

    /// Sets the apps.
    pub fn set_app_specs(&mut self, apps: Vec<AppSpec>) {
        self.netstack.stack.sending.apps = apps;
    }

    /// Sets what the device does when the ring is full, and how many slots must be free before waiters are served.
    pub fn set_policy(&mut self, policy: Policy, wake: WakePoint) {
        let stack = &mut self.netstack.stack;
        (stack.policy, stack.sending.wake) = (policy, Some(wake));
    }

    /// Sets the way to call the layers.
    pub fn set_dispatch(&mut self, way: Dispatch) {
        self.netstack.stack.sending.dispatch = way;
    }

    /// Sets the transport of frames between the processes.
    pub fn set_transport(&mut self, transport: TransportKind) {
        self.netstack.session.transport = transport;
    }

    /// Sets whether the driver copies frames out of the ring.
    pub fn set_dma(&mut self, dma: Dma) {
        self.driver.driver.dma = dma;
    }

    /// Sets how long the stack waits for the driver to answer, and at the end for the ring to drain.
    pub fn set_timeouts(&mut self, timeout: Nanos) {
        (self.netstack.session.connect_timeout, self.netstack.stack.layers.drain_timeout) = (timeout, timeout);
    }

    /// Lets the apps offer packets for `duration`.
    pub fn set_duration(&mut self, duration: Nanos) {
        let length = &mut self.netstack.stack.length;
        (length.duration, length.packets) = (Some(duration), None);
    }

    /// Lets each app offer this many packets.
    pub fn set_packets(&mut self, packets: u64) {
        let length = &mut self.netstack.stack.length;
        (length.duration, length.packets) = (None, Some(packets));
    }

    /// Sets the rate of the link.
    pub fn set_link(&mut self, link: LinkRate) {
        self.driver.driver.hardware.link = link;
    }

    /// Lets the stack print no line for each interval.
    pub fn set_quiet(&mut self) {
        self.netstack.lines = LineSettings { quiet: true };
    }

    /// The settings as a report of a simulation holds them.
    pub(crate) fn in_report(&self) -> ConfigReport {
        ConfigReport {
            netstack: serde_json::to_value(&self.netstack).unwrap_or_default(),
            driver: serde_json::to_value(&self.driver).unwrap_or_default(),
            simulate: serde_json::to_value(self.simulation).ok(),
            far: self.far.as_ref().map(|far| Box::new(far.in_report())),
        }
    }
}
