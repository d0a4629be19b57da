//! Control messages: greeting, refusal, farewell.

use serde::{Deserialize, Serialize};

use crate::report::DriverReport;
use crate::ring::WakePoint;

/// A control message, either way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Control {
    /// Stack to driver, first: what it asks for.
    Hello(Hello),
    /// Driver to stack: the session begins.
    Accept(Box<Accept>),
    /// Driver to stack: the session does not begin.
    Refuse(Refuse),
    /// Either way, last: nothing follows but, from the driver, its own `Bye`.
    Bye(Box<Bye>),
}

/// What a stack asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// How frames shall travel.
    pub transport: TransportKind,
    /// The rings it wants, in any number; a driver may serve fewer kinds than there are.
    pub rings: Vec<RingInfo>,
    /// How many slots must be free before the stack uses one of them again, once its ring was full. Until then
    /// a driver that has no event word to read (on the socket) need not wake for single completions. A stack to
    /// which single completions can matter (an app that does not always wait, a budget, a response) says `each`.
    pub wake: WakePoint,
}

/// One ring, as asked for or as granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RingInfo {
    /// Which way frames travel.
    pub direction: Direction,
    /// Which of several rings of that direction.
    pub queue: u16,
    /// Slots. The depth in force is the smaller of what both ask for.
    pub depth: u32,
    /// Bytes per slot.
    pub slot_size: u32,
}

/// Which way the frames of a ring travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// From the stack to the driver.
    Transmit,
    /// From the driver to the stack.
    Receive,
}

/// How frames and completions travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum TransportKind {
    /// Over the Unix socket, in batches.
    #[cfg_attr(not(target_os = "linux"), default)]
    Socket,
    /// Through shared memory.
    #[cfg_attr(target_os = "linux", default)]
    Shm,
}

/// What the driver grants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Accept {
    /// Tells this session from all others of the driver.
    pub generation: u64,
    /// The rings in force.
    pub rings: Vec<RingInfo>,
    /// Link rate in bits a second; `None` is unlimited.
    pub link_bits_per_second: Option<u64>,
    /// The driver's resolved settings as JSON, for the report.
    pub settings: String,
}

/// Why the driver does not serve a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refuse {
    /// For programs.
    pub code: RefuseCode,
    /// For people: what is wrong and what to do.
    pub reason: String,
}

/// The kinds of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefuseCode {
    /// The preamble names another version.
    Version,
    /// Another stack is being served.
    Busy,
    /// A ring was asked for that cannot be.
    InvalidRing,
    /// The first message was not a `Hello`, or could not be read.
    BadGreeting,
    /// The driver is about to exit.
    ShuttingDown,
    /// The stack belongs to a user that this driver does not serve.
    NotAllowed,
    /// The driver's system has no memory or descriptors left.
    NoResources,
}

impl RefuseCode {
    /// One word, for reports to count.
    pub fn name(self) -> &'static str {
        match self {
            Self::Version => "VERSION",
            Self::Busy => "BUSY",
            Self::InvalidRing => "INVALID_RING",
            Self::BadGreeting => "BAD_GREETING",
            Self::ShuttingDown => "SHUTTING_DOWN",
            Self::NotAllowed => "NOT_ALLOWED",
            Self::NoResources => "NO_RESOURCES",
        }
    }
}

/// The end of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bye {
    /// Why it ends.
    pub reason: ByeReason,
    /// From the stack: how many frames it submitted. From the driver: how many it received.
    pub frames: u64,
    /// From the driver: its counters, complete.
    pub report: Option<DriverReport>,
}

/// Why a session ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ByeReason {
    /// The run is over.
    Finished,
    /// This side was interrupted.
    Interrupted,
    /// The other side broke the protocol.
    Violation(String),
    /// This side failed for a reason of its own.
    Fault(String),
}
