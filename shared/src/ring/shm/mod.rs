//! The shm transport: the ring lies in memory that both processes see.
//!
//! This page says all that another program needs to know to speak it. Integers are in the
//! machine's byte order; both sides run on one machine.
//!
//! # How a session begins
//!
//! The greeting is that of every session: preamble, HELLO (which asks for `shm`), ACCEPT. The driver
//! makes the memory, since depth and generation are its to decide, and a stack that is refused has
//! made nothing in vain. It is a memfd of ordinary pages, of exactly the size of the ring, sealed
//! with `F_SEAL_SHRINK`, `F_SEAL_GROW` and `F_SEAL_SEAL`. Right behind ACCEPT its descriptor
//! travels as the only one of an `SCM_RIGHTS` message, with the 8 bytes `04 00 00 00 01 00 00 00`.
//! It has to be received with `recvmsg`: a plain read of those bytes closes it. The stack checks
//! kind, seals, size and the head of the memory before it believes in it, and ends the session if
//! something is wrong.
//!
//! From there on the socket carries control messages as in every session, and doorbells: the 8
//! bytes `05 00 00 00 00 00 00 00`. Before a side sends a control message, it publishes everything
//! that it put into the ring; who reads one looks at the ring before he acts on it.
//!
//! A doorbell is a record on the socket, not an eventfd, because whether an eventfd blocks is
//! decided by a flag that both processes can change at any time: a peer could let a side hang in
//! the middle of ringing. Calls on a socket say for themselves that they must not block. Waking a
//! sleeping processor takes ten times as long as either.
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
//! | 1024 + 8 i | u64 completion of slot i: status in the 4 lowest bits, nanoseconds of `CLOCK_MONOTONIC` above | consumer |
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
//! has one writer. Depth and stride are there for people with a debugger: both sides know them, and
//! neither reads them again.
//!
//! # How it moves
//!
//! Counts start at 0 and never go back; frame n lies in slot n modulo depth, and so does its
//! completion. The producer fills slots and then publishes (stores with release ordering) the new
//! count; the consumer loads it with acquire ordering. It completes frames in order: it writes
//! their completions and then publishes the new count of those; only then do the slots belong to
//! the producer again. So frames published are at least frames completed, and at most depth more.
//! Both publish a few at a time, at the latest before they wait for anything.
//!
//! Before a side sleeps, it publishes, writes into its event word the count that it wants to be
//! woken for, passes a sequentially consistent fence, and looks at the peer's count once more; if it
//! moved, it does not sleep. Awake again, it writes 0. Whoever publishes passes such a fence
//! afterwards, reads the peer's event word, and rings if that is above the old count and not above
//! the new. A consumer sleeps for the next frame, or for none if frames wait for the hardware
//! already. A producer sleeps for the next completion if an app waits for its budget, for a response or
//! for the end of the run. If all it waits for is room, it sleeps for the completion that reaches its
//! wake point. That it announces as soon as it looks in vain, before it spins.
//!
//! A consumer with frames in its hardware sleeps until a time, not until a completion. It writes
//! its plan before it announces sleep, and does not sleep if the producer's event, read behind the
//! fence, is earlier. A producer that announced sleep reads the plan behind its own fence, and rings
//! if it is later than what it waits for: the consumer then plans anew.
//!
//! No wake-up by the peer depends on time, but each sleep ends after a second at the latest. If what
//! a side announced is there by the end of a sleep, the peer has rung or is about to; if no doorbell
//! comes for another second, the wake-up was lost. That is counted, and a run in which it happened has
//! failed.
//!
//! # What is not believed
//!
//! | claim | what comes of a lie |
//! | --- | --- |
//! | a count that goes back, or above what it can be | the session ends: `Index` |
//! | a length of 0 or above 1514, read and checked once | the session ends: `SlotLength` |
//! | an unknown status | the session ends: `Wire` |
//! | an event word or a plan | this side rings in vain, at most once for each batch and each sleep |
//! | a doorbell that does not come | this side wakes by itself, and counts it |
//! | a doorbell | this side looks; the session ends after 4096 for which neither side gave a reason: `DoorbellStorm` |
//! | flow, sequence, times, the frame | statistics are wrong, and so is the frame |

mod bells;
mod consumer;
mod end;
mod handover;
mod intake;
mod layout;
mod memory;
mod producer;
mod protocol;
mod slot;
mod staging;
mod words;

pub use bells::ShmStats;
pub use consumer::ShmConsumer;
pub use handover::{HandoverError, hand_over, receive};
pub use layout::Head;
pub use memory::{MemoryError, SharedMemory};
pub use producer::ShmProducer;
pub use protocol::{AWAKE, Reader, Writer, plan, planned_beyond, sleeps_until};
pub use words::{Word, Words};
