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
//! | 0 | u64 magic, the bytes `PBKRING2` | driver, once |
//! | 8 | u64 generation, as in ACCEPT | driver, once |
//! | 16 | u64 depth, as in ACCEPT | driver, once |
//! | 24 | u64 slot size, 1600: 64 for a small frame and 1536 for a larger one | driver, once |
//! | 128 | u64 frames published | producer |
//! | 256 | u64 frames completed | consumer |
//! | 384 | u64 producer's event: the count of completions that wakes it, 0 if it is awake; with the highest bit set, it spins | producer |
//! | 512 | u64 consumer's event: the count of frames that wakes it, 0 if it is awake | consumer |
//! | 640 | u64 consumer's plan: the count of completions by which it wakes by itself, or 0 | consumer |
//! | f + 32 i, f is 1024 | record i of a group of frames | producer |
//! | c + 32 i, c is f + 32 depth | record i of a group of completions | consumer |
//! | a + 64 i, a is c + 32 depth | the frame of slot i, if it has at most 64 bytes | producer |
//! | b + 1536 i, b is a + 64 depth | the frame of slot i, if it has more | producer |
//!
//! i counts from 0 to depth - 1; c, a and b are rounded up to multiples of 128. Small frames lie side by side, so that
//! they take one cache line each, and few pages at any depth.
//!
//! | in a record of frames at | what |
//! | --- | --- |
//! | 0 | u32 length of each frame, 1 to 1514 |
//! | 4 | u32 flow |
//! | 8 | u64 sequence number of the first frame; the others follow, and wrap |
//! | 16 | u64 time of submission |
//! | 24 | u32 number of frames, at least 1 |
//! | 28 | u32 zero |
//!
//! | in a record of completions at | what |
//! | --- | --- |
//! | 0 | u64 time at which the hardware took the frames |
//! | 8 | u64 time at which it completed them, at least the former |
//! | 16 | u64 zero |
//! | 24 | u32 number of completions, at least 1 |
//! | 28 | u32 status |
//!
//! Times are nanoseconds of `CLOCK_MONOTONIC`. Words of the head are 128 bytes apart, so that no two writers share a
//! pair of cache lines. Each has one writer. Magic, generation, depth and slot size are checked once, when the memory is
//! handed over; both sides keep private copies, and neither reads them again.
//!
//! # How frames and completions move
//!
//! Counts start at 0 and never go back; they count frames and completions, not groups. Frame n lies in slot n modulo
//! depth. A group consists of consecutive frames that differ in the sequence number only, or of consecutive completions
//! with one status and the same times; it never has more items than are published with it. A writer need not form
//! groups: a group of one is valid. Record n lies at place n modulo depth; there are never more groups than items
//! outstanding, so that place is free.
//!
//! The producer fills slots, writes the records of their groups, and then publishes (stores with release ordering) the
//! new count; the consumer loads it with acquire ordering. The consumer completes frames in order: it writes the records
//! of their completions and then publishes the new count of completions; only then do the slots belong to
//! the producer again. So the count of frames is at least the count of completions, and at most depth more.
//! Both sides publish in batches, at the latest before they wait for anything. A reader copies a record once, checks the
//! copy, and does not look at the record again.
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
//! wake point, and does so before it spins, not only before it sleeps: so the consumer may batch completions up to it.
//! While it spins, the highest bit of the word is set as well. Then the event is above every count, so the consumer
//! does not ring.
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
//! | a group without items, or with more than are published | the connection closes: `Index` |
//! | an unknown status | the connection closes: `Wire` |
//! | a time of completion in the future, a time of taking behind it | counts as now, as the time of completion |
//! | an event word or a plan | this side rings without need, at most once for each batch and each sleep |
//! | a doorbell that does not come | this side wakes after its longest sleep, and counts the missed doorbell |
//! | a doorbell without reason | this side looks at the ring; 4096 in a row close the connection: `DoorbellStorm` |
//! | flow, sequence, other times, the frame | statistics are wrong, and so is the frame |

mod consumer;
mod end;
mod handover;
mod layout;
mod memory;
mod producer;
mod protocol;
mod record;
mod staging;
mod submit;
mod words;

pub use consumer::ShmConsumer;
pub use handover::{HandoverError, hand_over, receive};
pub use layout::{Head, RECORD};
pub use memory::{MemoryError, SharedMemory};
pub use producer::ShmProducer;
pub use protocol::{AWAKE, Announcement, Reader, Writer, plan, planned_beyond, waits_until};
pub use words::{Word, Words};
