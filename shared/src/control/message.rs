//! Control messages: greeting, refusal, farewell. [`control`](super) specifies their bytes: the order of fields and
//! variants is part of the protocol.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::depth::WakePoint;
use crate::report::DriverReport;
use crate::stalls::StallSchedule;

/// A control message, either way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Control {
    /// Stack to driver, first: what it asks for.
    Hello(Hello),
    /// Driver to stack: the session begins.
    Accept(Box<Accept>),
    /// Driver to stack: the session does not begin.
    Refuse(Refuse),
    /// Either way, the last message. Behind that of the stack, completions may follow; behind that of the driver,
    /// nothing.
    Bye(Box<Bye>),
    /// Either way, in a session: a sign of life. Nothing else was sent since the last look.
    Alive,
}

/// The longest text of a peer that is kept, in bytes. Reasons and warnings are sentences.
const LONGEST_TEXT: usize = 1_024;

/// The most warnings of a peer that are kept.
const MOST_WARNINGS: usize = 16;

impl Control {
    /// The same message with its texts cut to what is worth keeping, each with a note of what was left out: a peer
    /// can write much more than a person reads, in each of a thousand sessions.
    #[must_use]
    pub(super) fn bounded(mut self) -> Self {
        match &mut self {
            Self::Refuse(refuse) => cut(&mut refuse.reason),
            Self::Bye(bye) => {
                if let ByeReason::Violation(what) | ByeReason::Fault(what) = &mut bye.reason {
                    cut(what);
                }
                if let Some(report) = &mut bye.report {
                    cut(&mut report.ended);
                    let left_out = report.warnings.len().saturating_sub(MOST_WARNINGS);
                    report.warnings.truncate(MOST_WARNINGS);
                    report.warnings.iter_mut().for_each(|warning| cut(&mut warning.text));
                    if let (1.., Some(last)) = (left_out, report.warnings.last_mut()) {
                        last.text.push_str(&format!(" [and {left_out} more warnings]"));
                    }
                }
            }
            // The settings stay whole, because programs read them; the limit of a message bounds them.
            Self::Hello(_) | Self::Accept(_) | Self::Alive => {}
        }
        self
    }
}

/// Cuts `text` to [`LONGEST_TEXT`] bytes, and appends how many bytes are left out.
fn cut(text: &mut String) {
    if text.len() > LONGEST_TEXT {
        let left_out = text.len() - text.floor_char_boundary(LONGEST_TEXT);
        text.truncate(text.len() - left_out);
        text.push_str(&format!(" [{left_out} more bytes]"));
    }
}

/// What a stack asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// How frames shall travel.
    pub transport: TransportKind,
    /// The rings it wants, in any number; a driver may serve fewer kinds than there are.
    pub rings: Vec<RingInfo>,
    /// How many slots must be free before the stack uses one of them again, once its ring was full. Until then a driver
    /// that has no event word to read (on the socket) need not wake for single completions. A stack to which single
    /// completions can matter (an app that does not always wait, a budget, a response) sends `each`. Encoded as text.
    pub wake: WakePoint,
    /// After how many nanoseconds of silence the stack gives the driver up: at least 100 ms.
    pub idle_timeout_ns: u64,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
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
    /// The number of this session, which no other session of the driver has.
    pub generation: u64,
    /// The rings in force.
    pub rings: Vec<RingInfo>,
    /// Link rate in bits a second; `None` is unlimited.
    pub link_bits_per_second: Option<u64>,
    /// When the hardware stalls, by CLOCK_MONOTONIC; `None` if it does not.
    pub stalls: Option<StallSchedule>,
    /// The driver's resolved settings as JSON, for the report.
    pub settings: String,
    /// After how many nanoseconds of silence the driver gives the stack up: at least 100 ms.
    pub idle_timeout_ns: u64,
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
    /// The stack requested a ring that the driver cannot provide.
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
    /// The name under which reports count it.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{Parsed, encode_control, parse};
    use crate::report::{Warning, WarningCode};

    fn received(message: &Control) -> Control {
        let record = encode_control(message).unwrap();
        match parse(&record).unwrap() {
            Some((Parsed::Control(message), _)) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_a_peer_writes_is_kept_up_to_a_bound_and_the_rest_is_counted() {
        // Two bytes each, so that the bound falls on a boundary, and behind one byte, so that it does not.
        for text in ["\u{e9}".repeat(20_000), format!("x{}", "\u{e9}".repeat(20_000))] {
            let refuse = Control::Refuse(Refuse { code: RefuseCode::Busy, reason: text.clone() });
            let Control::Refuse(refuse) = received(&refuse) else { panic!() };
            let (kept, rest) = refuse.reason.split_once(" [").unwrap();
            assert!(kept.len() <= LONGEST_TEXT && text.starts_with(kept));
            assert_eq!(rest, format!("{} more bytes]", text.len() - kept.len()));
        }
        let warnings = vec![Warning::new(WarningCode::NoEffect, "w".repeat(2_000)); 20];
        let report = DriverReport { ended: "e".repeat(9_000), warnings, ..DriverReport::default() };
        let reason = ByeReason::Violation("v".repeat(5_000));
        let bye = Control::Bye(Box::new(Bye { reason, frames: 1, report: Some(report) }));
        let Control::Bye(mut bye) = received(&bye) else { panic!() };
        let report = bye.report.take().unwrap();
        assert!(report.ended.len() < 1_100 && report.warnings.len() == MOST_WARNINGS);
        assert!(report.warnings[15].text.ends_with("[976 more bytes] [and 4 more warnings]"));
        assert!(matches!(bye.reason, ByeReason::Violation(what) if what.ends_with("[3976 more bytes]")));
    }

    #[test]
    fn an_honest_message_arrives_as_it_was() {
        let bye = Bye { reason: ByeReason::Fault("a fault".to_owned()), frames: 3, report: None };
        for message in [Control::Alive, Control::Bye(Box::new(bye))] {
            assert_eq!(received(&message), message);
        }
    }
}
