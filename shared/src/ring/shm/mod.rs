//! The shm transport: the ring lies in memory that both processes map.
//!
//! This page specifies the memory and how both sides follow each other in it, for writing another implementation.
//! [`connection`](crate::connection) specifies the rest: greeting, control messages, doorbells, end. Integers are in
//! the machine's byte order; both sides run on one machine. (All are words of 64 bits. Where a table lists two halves
//! of 32 bits, the one at the lower offset is the lower half; these offsets are those of a little-endian machine.)
//!
//! Each ring has a memory of its own: the transmit ring (the stack is the producer), and the receive ring (the driver
//! is) if one is granted. The layout is the same.
//!
//! # How the memory is handed over
//!
//! The driver makes the memory of both rings, because it decides depth and generation; so no memory is made for a stack
//! that is refused. It is a memfd of ordinary pages, of exactly the size of the ring, sealed with `F_SEAL_SHRINK`,
//! `F_SEAL_GROW` and `F_SEAL_SEAL`, and not against writing. All pages must be committed (`fallocate`): a page that is
//! missing later kills the process that touches it. Everything but the four words that the driver writes once is 0.
//!
//! Right behind ACCEPT the driver sends the descriptor of each ring, in the order in which ACCEPT lists the rings, each
//! as the only one of an `SCM_RIGHTS` message of its own, with the 8 bytes `04 00 00 00 01 00 00 00`. Nothing else may
//! be sent before or between them. The stack must receive each with `recvmsg` of 8 bytes: a plain read of those bytes
//! closes it. The stack checks that the message has these 8 bytes and one descriptor; that all three seals are set
//! (more may be); that the file system of the descriptor (`fstatfs`) is tmpfs, `0x01021994`, which huge pages are not;
//! that the size is exactly that of the granted depth; that it can be mapped, shared, for reading and writing; and the
//! four words at 0 to 24. If a check fails, it closes the connection without a message.
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
//! i counts from 0 to depth - 1; c, a and b are rounded up to multiples of 128. The size of the memory is b + 1536
//! depth, not rounded. Small frames lie side by side, so that they take one cache line each, and few pages at any
//! depth.
//!
//! | depth | c | a | b | size |
//! | --- | --- | --- | --- | --- |
//! | 1 | 1152 | 1280 | 1408 | 2944 |
//! | 3 | 1152 | 1280 | 1536 | 6144 |
//! | 64 | 3072 | 5120 | 9216 | 107 520 |
//! | 1024 | 33 792 | 66 560 | 132 096 | 1 704 960 |
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
//! | 28 | u32 status, 0 to 3 |
//!
//! Times are nanoseconds of `CLOCK_MONOTONIC`. What the fields mean is specified in [`connection`](crate::connection).
//! Words of the head are 128 bytes apart, so that no two writers share a pair of cache lines. Each has one writer, and
//! is read and written as a whole, with one aligned access of 8 bytes. Magic, generation, depth and slot size are
//! checked once, when the memory is handed over; both sides keep private copies, and neither reads them again.
//!
//! # How frames and completions move
//!
//! Counts start at 0 and never go back; they count frames and completions, not groups. Frame n lies in slot n modulo
//! depth. A group consists of consecutive frames that differ in the sequence number only, or of consecutive completions
//! with one status and the same times; it never has more items than are published with it. A writer need not form
//! groups: a group of one is valid. Groups of frames and groups of completions are numbered from 0 too, each on its
//! own; the record of group n lies at place n modulo depth of its array. There are never more groups than items
//! outstanding, so that place is free. (So if all groups have one item, frame n has record n and slot n, modulo depth.)
//! The frames of a group may go on at slot 0. Groups of completions need not match groups of frames.
//!
//! The producer fills slots, writes the records of their groups, and then publishes (stores with release ordering) the
//! new count; the consumer loads it with acquire ordering. The consumer completes frames in order: it writes the
//! records of their completions and then publishes the new count of completions; only then do the slots belong to the
//! producer again, which must read the records of the completions before it uses the slots. So the count of frames is
//! at least the count of completions, and at most depth more. Both sides publish in batches, at the latest before they
//! wait for anything, and before they send a control message. A reader copies a record once, checks the copy, and does
//! not look at the record again. It keeps its own counts in private memory, and never reads back what it wrote.
//!
//! # How a side sleeps
//!
//! A side is a reader of the peer's count (the producer reads the count of completions, the consumer that of frames)
//! and a writer of its own. The event word of the peer is the one at 512 for a producer, and the one at 384 for a
//! consumer, in the same ring. It sleeps in `poll` on the socket. Before that, as a reader:
//!
//! 1. it publishes what it has put;
//! 2. it stores the count at which it must be woken into its event word: above the count that it has seen, and never
//!    above what can be reached (for a producer: at most the count of its frames);
//! 3. it passes a sequentially consistent fence;
//! 4. it loads the peer's count (acquire). If that has moved at all, it does not sleep;
//! 5. after the sleep, or if it does not sleep, it stores 0 into the event word.
//!
//! A side that publishes, as a writer:
//!
//! 1. it stores the new count (release);
//! 2. it passes a sequentially consistent fence;
//! 3. it loads the peer's event word, and rings if `old < event <= new`, where old and new are its own counts before
//!    and after.
//!
//! The side whose fence comes second sees what the other side wrote before its own fence: so either the sleeper sees
//! the new count, or the publisher sees that the sleeper sleeps, and no wake-up is lost. A side with two rings does
//! steps 1 to 4 for each before it sleeps once.
//!
//! A consumer announces the next frame, or none (0) if frames wait for the hardware already. A producer announces the
//! next completion if an app waits for its budget, for a response or for the end of the run. If it waits only for room,
//! it announces the completion that reaches its wake point, and does so before it spins, not only before it sleeps: so
//! the consumer may batch completions up to it. While it spins, the highest bit of the word is set as well. Then the
//! event is above every count, so the consumer does not ring. A producer that waits for nothing, or wakes by a timer of
//! its own, announces 0. While the producer announces 0, its consumer publishes each completion as it happens. While it
//! announces a count, the consumer may batch completions up to that count, and must publish them when that completion
//! happens.
//!
//! A consumer with frames in its hardware sleeps until a time, not until it is woken. Its plan is the count of
//! completions that it will have published by then. It writes the plan before it announces sleep, and does not sleep if
//! the producer's event, read behind the fence, is a smaller count. A producer that announced sleep reads the plan
//! behind its own fence, and rings if the plan is a larger count than it announced: the consumer then makes an earlier
//! plan. After the sleep the consumer stores 0 into the plan.
//!
//! No wake-up by the peer depends on time, but each sleep ends after a second at the latest. If the count that a side
//! announced is reached by the end of a sleep, the peer has rung or is about to; if no doorbell comes for another
//! second, the wake-up was lost. That is counted, and a run in which it happened fails.
//!
//! # What a simple implementation may leave out
//!
//! - **Groups.** It may write groups of one. It must read groups of any size.
//! - **Sleep.** A side that never sleeps without looking again by itself, say every millisecond, leaves its event word
//!   0 for ever. Then its peer never rings it.
//! - **Plan.** A consumer that publishes each completion when it happens leaves the plan 0.
//! - **The announcement of a spin.** It may leave the event word 0 while it spins. A reader of the peer's event word
//!   clears the highest bit only to find out how many completions it may batch; for the test `old < event <= new` it
//!   does not.
//! - **The ring for the plan.** A producer that announces nothing never rings for a plan.
//! - **The checks of the seals and of the file system.** They protect a stack only from a driver that lies: memory that
//!   shrinks, or a huge page that is missing, kills the stack. A stack that trusts its driver may leave both out. The
//!   other checks of the hand-over find mistakes, and stay.
//!
//! It must access each word of the head as a whole, also in a language without atomics: a copy byte by byte may tear
//! it. (In Python `struct` with `<Q` moves single bytes; a `memoryview` cast to `Q` does not.)
//!
//! It may not leave out the doorbell for a peer that sleeps. A language without a fence can do this in place of steps 2
//! and 3 of the writer: in each turn of its loop it reads the peer's event word again, and rings if `0 < event <=
//! published` and it has not rung for that very value (a doorbell left out because bytes are queued for the socket
//! counts as rung: those bytes wake the peer). The word and the count stay as they are while the peer sleeps,
//! so a later turn finds them, and the peer wakes late by one turn. Such a program must not sleep for long itself after
//! it published (some milliseconds at a time), and must make its stores in the order stated above, record before count.
//! (On x86-64 stores of one thread become visible in their order. Elsewhere it needs release and acquire ordering from
//! somewhere, such as a lock.)
//!
//! The least for a consumer: in each turn, read the socket without waiting; load the count of frames; for each frame
//! between its own count and that one, copy the record (if none is left of the last group) and the frame, write the
//! record of one completion, and store the new count of completions; look at the producer's event word and ring if it
//! is due.
//!
//! The least for a producer: in each turn, read the socket without waiting; load the count of completions and read the
//! records up to it; while fewer than depth frames are outstanding, write a frame and a record of one, and then store
//! the new count of frames; look at the consumer's event word and ring if it is due.
//!
//! # What is checked, and the effect of a false value
//!
//! The names are those of [`connection`](crate::connection).
//!
//! | value from the peer | effect if it is false |
//! | --- | --- |
//! | a count that goes back, or above its bound | the connection closes: `INDEX_WENT_BACK`, `INDEX_TOO_FAR` |
//! | a length of 0 or above 1514, read and checked once | the connection closes: `SLOT_LENGTH` |
//! | a group without items, or with more than are published | the connection closes: `GROUP_SIZE` |
//! | an unknown status | the connection closes: `UNKNOWN_STATUS` |
//! | a time of completion in the future, a time of taking behind it | counts as now, as the time of completion |
//! | an event word or a plan | this side rings without need, at most once for each batch and each sleep |
//! | a doorbell that does not come | this side wakes after its longest sleep, and counts the missed doorbell |
//! | a doorbell without reason | this side looks at the ring; more than 4096 in a row close the connection: `DOORBELL_STORM` |
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
