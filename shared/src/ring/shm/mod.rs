//! The shm transport: the ring lies in memory that both processes map.
//!
//! This page specifies the memory and how both sides follow each other in it, for writing another implementation.
//! [`connection`](crate::connection) specifies the rest: greeting, control messages, doorbells, end. Integers are in
//! the machine's byte order; both sides run on one machine.
//!
//! # How the memory is handed over
//!
//! The driver makes the memory, because it decides depth and generation; so no memory is made for a stack that is
//! refused. It is a memfd of ordinary pages, of exactly the size of the ring, sealed
//! with `F_SEAL_SHRINK`, `F_SEAL_GROW` and `F_SEAL_SEAL`. Right behind ACCEPT the driver sends its descriptor
//! as the only one of an `SCM_RIGHTS` message, with the 8 bytes `04 00 00 00 01 00 00 00`.
//! The stack must receive it with `recvmsg`: a plain read of those bytes closes it. The stack checks
//! kind, seals, size and the head of the memory before it uses the memory, and closes the connection if
//! a check fails.
//!
//! # Layout
//!
//! | at | what | written by |
//! | --- | --- | --- |
//! | 0 | u64 magic, the bytes `PBKRING1` | driver, once |
//! | 8 | u64 generation, as in ACCEPT | driver, once |
//! | 16 | u64 depth, as in ACCEPT | driver, once |
//! | 24 | u64 stride, 1664 | driver, once |
//! | 128 | u64 frames published | producer |
//! | 256 | u64 frames completed | consumer |
//! | 384 | u64 producer's event: the count of completions that wakes it, 0 if it is awake | producer |
//! | 512 | u64 consumer's event: the count of frames that wakes it, 0 if it is awake | consumer |
//! | 640 | u64 consumer's plan: the count of completions by which it wakes by itself, or 0 | consumer |
//! | 1024 + 8 i | u64 completion of slot i: status in the 4 lowest bits, `CLOCK_MONOTONIC` in ns above | consumer |
//! | s + 1664 i | slot i; s is 1024 + 8 depth, rounded up to a multiple of 128 | producer |
//!
//! | in a slot at | what |
//! | --- | --- |
//! | 0 | u32 length of the frame, 1 to 1514 |
//! | 4 | u32 flow |
//! | 8 | u64 sequence number |
//! | 16 | u64 time of submission, nanoseconds of `CLOCK_MONOTONIC` |
//! | 24 | u64 zero |
//! | 32 | the frame |
//!
//! Words of the head are 128 bytes apart, so that no two writers share a pair of cache lines. Each
//! has one writer. Depth and stride are there for debugging: both sides keep private copies, and
//! neither reads them again after the greeting.
//!
//! # How frames and completions move
//!
//! Counts start at 0 and never go back; frame n lies in slot n modulo depth, and so does its
//! completion. The producer fills slots and then publishes (stores with release ordering) the new
//! count; the consumer loads it with acquire ordering. The consumer completes frames in order: it writes
//! their completions and then publishes the new count of completions; only then do the slots belong to
//! the producer again. So the count of frames is at least the count of completions, and at most depth more.
//! Both sides publish in batches, at the latest before they wait for anything.
//!
//! # How a side sleeps
//!
//! Before a side sleeps, it publishes, writes into its event word the count at which it must be woken, passes a
//! sequentially consistent fence, and looks at the peer's count once more; if that moved, the side does not sleep.
//! After the sleep, or if it does not sleep, it writes 0. A side that publishes passes such a fence afterwards, reads
//! the peer's event word, and rings if that is above the old count and not above the new. The side whose fence comes
//! second sees what the other side wrote before its own fence: so either the sleeper sees the new count, or the
//! publisher sees that the sleeper sleeps, and no wake-up is lost.
//!
//! A consumer announces the next frame, or none if frames wait for the hardware
//! already. A producer announces the next completion if an app waits for its budget, for a response or
//! for the end of the run. If it waits only for room, it announces the completion that reaches its
//! wake point, and does so before it spins, not only before it sleeps.
//!
//! A consumer with frames in its hardware sleeps until a time, not until it is woken. Its plan is the count
//! of completions that it will have published by then. It writes the plan before it announces sleep, and does
//! not sleep if the producer's event, read behind the fence, is a smaller count. A producer that announced
//! sleep reads the plan behind its own fence, and rings if the plan is a larger count than it announced: the
//! consumer then makes an earlier plan.
//!
//! No wake-up by the peer depends on time, but each sleep ends after a second at the latest. If the count that
//! a side announced is reached by the end of a sleep, the peer has rung or is about to; if no doorbell
//! comes for another second, the wake-up was lost. That is counted, and a run in which it happened
//! fails.
//!
//! # What is checked, and the effect of a false value
//!
//! | value from the peer | effect if it is false |
//! | --- | --- |
//! | a count that goes back, or above its bound | the connection closes: `Index` |
//! | a length of 0 or above 1514, read and checked once | the connection closes: `SlotLength` |
//! | an unknown status | the connection closes: `Wire` |
//! | an event word or a plan | this side rings without need, at most once for each batch and each sleep |
//! | a doorbell that does not come | this side wakes after its longest sleep, and counts the missed doorbell |
//! | a doorbell without reason | this side looks at the ring; 4096 in a row close the connection: `DoorbellStorm` |
//! | flow, sequence, times, the frame | statistics are wrong, and so is the frame |

mod consumer;
mod end;
mod handover;
mod layout;
mod memory;
mod producer;
mod protocol;
mod slot;
mod staging;
mod submit;
mod words;

pub use consumer::ShmConsumer;
pub use handover::{HandoverError, hand_over, receive};
pub use layout::{Head, SLOT_HEADER};
pub use memory::{MemoryError, SharedMemory};
pub use producer::ShmProducer;
pub use protocol::{AWAKE, Announcement, Reader, Writer, plan, planned_beyond, sleeps_until};
pub use words::{Word, Words};
