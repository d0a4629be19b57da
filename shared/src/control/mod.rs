//! Records and messages: the bytes on the Unix socket. [`connection`](crate::connection) specifies what is sent when.
//!
//! The stack sends a preamble of 8 bytes (magic and version), then both sides exchange records. All integers are in
//! little-endian order and without padding but what is listed. Offsets and lengths are in bytes. What is listed as zero
//! is sent as zero and ignored by the receiver.
//!
//! # Records
//!
//! The first byte of a record is its kind, which gives its length.
//!
//! | kind | what | bytes |
//! | --- | --- | --- |
//! | 1 | frame (transport `socket`) | 32 + length of the frame |
//! | 2 | completion (transport `socket`) | 32 |
//! | 3 | control message | 8 + length of the message |
//! | 4 | memory (transport `shm`, right behind ACCEPT) | 8, with one descriptor |
//! | 5 | doorbell (transport `shm`) | 8 |
//!
//! Frame:
//!
//! | offset | bytes | what |
//! | --- | --- | --- |
//! | 0 | 1 | 1 |
//! | 1 | 1 | zero |
//! | 2 | 2 | u16 length of the frame, at most 1514 |
//! | 4 | 4 | u32 flow |
//! | 8 | 8 | u64 sequence |
//! | 16 | 8 | u64 submitted, in nanoseconds |
//! | 24 | 8 | zero |
//! | 32 | length | the frame |
//!
//! Completion:
//!
//! | offset | bytes | what |
//! | --- | --- | --- |
//! | 0 | 1 | 2 |
//! | 1 | 1 | u8 status, 0 to 3 |
//! | 2 | 6 | zero |
//! | 8 | 8 | u64 position |
//! | 16 | 8 | u64 taken, in nanoseconds |
//! | 24 | 8 | u64 at, in nanoseconds |
//!
//! Control message:
//!
//! | offset | bytes | what |
//! | --- | --- | --- |
//! | 0 | 1 | 3 |
//! | 1 | 3 | zero |
//! | 4 | 4 | u32 length of the message, at most 65 536 ([`MAX_CONTROL`]) |
//! | 8 | length | the message: see below |
//!
//! Memory is always `04 00 00 00 01 00 00 00`, sent with one `sendmsg` that has exactly one descriptor (`SCM_RIGHTS`)
//! as its ancillary data; all 8 bytes are checked. A doorbell is `05 00 00 00 00 00 00 00`.
//!
//! # How messages are encoded
//!
//! A message is a value of [`Control`] in the format of bincode 1.3 with fixed width integers, little endian, at most
//! 65 536 bytes, and nothing behind its end:
//!
//! | type | encoding |
//! | --- | --- |
//! | u8, u16, u32, u64, u128 | 1, 2, 4, 8, 16 bytes, little endian |
//! | bool | not used |
//! | float | not used |
//! | text | u64 number of bytes, then that many bytes of UTF-8; no zero at the end |
//! | list of X | u64 number of items, then the items |
//! | option of X | u8 0 for none; or u8 1, then X |
//! | enum | u32 index of the variant, then the fields of that variant |
//! | struct | its fields in order: no names, no tags, no padding, no alignment |
//!
//! Every field is always there. There are no optional fields at the end: a change of a message raises the version. A
//! tag of an option above 1, an index that an enum does not have (but see the code of a warning), and text that is no
//! UTF-8 cannot be decoded.
//!
//! # Messages
//!
//! The message begins with the index of its kind:
//!
//! | index | message | fields |
//! | --- | --- | --- |
//! | 0 | HELLO | below |
//! | 1 | ACCEPT | below |
//! | 2 | REFUSE | below |
//! | 3 | BYE | below |
//! | 4 | ALIVE | none |
//!
//! HELLO ([`Hello`]):
//!
//! | field | type | meaning and range |
//! | --- | --- | --- |
//! | transport | enum | 0 `socket`, 1 `shm` |
//! | rings | list of ring | the rings asked for, at most 64 |
//! | wake | text | the wake point: `each` (1 slot), `half` (half of the depth, rounded up), or a decimal number of slots from 1 to 4 294 967 295, such as `16`, in ASCII digits (a `+` or zeros in front are accepted, spaces are not). Text, not an enum. HELLO with any other text cannot be decoded |
//! | idle_timeout_ns | u64 | after how much silence the stack gives the driver up; at least 100 000 000 |
//!
//! A ring ([`RingInfo`], 14 bytes):
//!
//! | field | type | meaning and range |
//! | --- | --- | --- |
//! | direction | enum | 0 transmit (stack to driver), 1 receive (driver to stack) |
//! | queue | u16 | 0; the driver leaves rings with another one out |
//! | depth | u32 | slots, 1 to 65 536 |
//! | slot_size | u32 | bytes per slot, at least 1514; 1514 in ACCEPT |
//!
//! ACCEPT ([`Accept`]):
//!
//! | field | type | meaning and range |
//! | --- | --- | --- |
//! | generation | u64 | the number of the session |
//! | rings | list of ring | the rings granted: one that transmits, then none or one that receives |
//! | link_bits_per_second | option of u64 | rate of the link, above 0; none is unlimited |
//! | stalls | option of stalls | when the hardware stalls; none if it does not, or if the driver does not say |
//! | settings | text | the driver's settings as JSON, for the report; `{}` or any other text is accepted |
//! | idle_timeout_ns | u64 | after how much silence the driver gives the stack up; at least 100 000 000 |
//!
//! Stalls ([`StallSchedule`](crate::stalls::StallSchedule)) are of interest to a stack that reports who is to blame for
//! a wait; any other may skip the values, and a driver may send none:
//!
//! | field | type | meaning and range |
//! | --- | --- | --- |
//! | stall | text | as the flag `--stall` spells it: `every=100ms,for=5ms`, perhaps with `,phase=3ms`, `,phase=random` or `,distribution=exponential` |
//! | seed | u64 | of random ones |
//! | origin | text | the start of the session, a time of `CLOCK_MONOTONIC` spelled as a number and a unit (`s`, `ms`, `us`, `ns`), exactly: `123456789ns`. The stack ignores stalls whose origin does not lie between its HELLO and ACCEPT |
//!
//! REFUSE ([`Refuse`]):
//!
//! | field | type | meaning and range |
//! | --- | --- | --- |
//! | code | enum | 0 `Version`, 1 `Busy`, 2 `InvalidRing`, 3 `BadGreeting`, 4 `ShuttingDown`, 5 `NotAllowed`, 6 `NoResources` |
//! | reason | text | for people |
//!
//! BYE ([`Bye`]):
//!
//! | field | type | meaning and range |
//! | --- | --- | --- |
//! | reason | enum | 0 `Finished`, 1 `Interrupted`, 2 `Violation` with a text (the other side broke the protocol), 3 `Fault` with a text (this side failed) |
//! | frames | u64 | from the stack: frames submitted to the transmit ring. From the driver: frames that arrived in it |
//! | report | option of report | from the stack none, from the driver always there |
//!
//! # The driver's report
//!
//! [`DriverReport`](crate::report::DriverReport), with the offset of each field for an empty text `ended`; what is
//! behind that text moves by its length. [`connection`](crate::connection) states which values the stack checks; the
//! others are for its report, and 0 is right where nothing is counted.
//!
//! | offset | field | type | meaning |
//! | --- | --- | --- | --- |
//! | 0 | generation | u64 | as in ACCEPT |
//! | 8 | received | u64 | frames that arrived in the transmit ring, taken or not |
//! | 16 | sent | u64 | frames completed with status 0 |
//! | 24 | sent_bytes | u64 | the sum of their lengths |
//! | 32 | bad_length | u64 | frames completed with status 1 |
//! | 40 | bad_header | u64 | with status 2 |
//! | 48 | bad_checksum | u64 | with status 3 |
//! | 56 | discarded | u64 | frames that arrived and were not completed |
//! | 64 | held_max | u32 | the most frames at once that arrived and were not completed; at most the depth |
//! | 68 | ended | text | how the session ended, for people: `finished` |
//! | 76 | hardware.starved_ns | u64 | time the hardware was idle while the ring held frames |
//! | 84 | hardware.busy_ns | u64 | time it served frames |
//! | 92 | hardware.stalled_ns | u64 | time lost to stalls |
//! | 100 | hardware.occupancy_max | u32 | the most frames that the hardware held at once; at most the depth |
//! | 104 | hardware.active_ns | u64 | from the first submission to the last completion |
//! | 112 | hardware.queued_ns | u128 | time that completed frames waited in the hardware, summed |
//! | 128 | hardware.delayed_ns | u128 | time from the end of transmission to completion, summed |
//! | 144 | process.cpu_ns | u64 | CPU time of the driver |
//! | 152 | process.idle.spin_ns | u64 | time spent spinning |
//! | 160 | process.idle.sleep_ns | u64 | time spent asleep |
//! | 168 | process.idle.sleeps | u64 | how often it went to sleep |
//! | 176 | process.doorbells.rung | u64 | doorbells sent |
//! | 184 | process.doorbells.suppressed | u64 | batches published without one |
//! | 192 | process.doorbells.spurious | u64 | doorbells received for nothing |
//! | 200 | process.doorbells.missed | u64 | doorbells that were due and did not come: 0 |
//! | 208 | up | option of way up | there if a receive ring was granted, otherwise ignored |
//! | 209 | backend | option of backend | may be none |
//! | 210 | warnings | list of warning | may be empty |
//!
//! Way up (48 bytes), all u64: `submitted` (frames put into the receive ring), `bytes` (the sum of their lengths),
//! `too_long` and `too_short` (frames left out, above 1514 and below 14 bytes), `completed` (completions of the receive
//! ring that the driver has taken), `no_slot_ns` (time for which no slot was free).
//!
//! Backend: `kind`, a text (`model`, `tap`, `wire`), and `blocked_ns`, a u64 (time for which it took no frame).
//!
//! Warning: `code`, an enum, and `text`. The codes: 0 `WAKE_UPS_LOST`, 1 `DRIVER_MISSING`, 2 `FAREWELL_MISSING`, 3
//! `HARDWARE_STARVED`, 4 `DRIVER_LATE`, 5 `DRAIN_TIMED_OUT`, 6 `NEIGHBOUR_UNKNOWN`, 7 `BEYOND_64_BITS`, 8
//! `NOTHING_DELIVERED`, 9 `INTERVAL_TOO_WIDE`, 10 `INTERRUPTED`, 11 `CAPTURE_INCOMPLETE`, 12 `FRAMES_LEFT_OUT`, 13
//! `SETTINGS_LEFT_OUT`, 14 `NO_EFFECT`, 15 `NOT_PROFILED`, 16 `LINES_DROPPED`; any higher one is read as `OTHER` (17).
//!
//! # Examples
//!
//! Whole records. HELLO with `shm`, a transmit ring of 64 slots and a receive ring of 32, wake point `each`, 60 s:
//!
//! ```text
//! 03 00 00 00 40 00 00 00  00 00 00 00 01 00 00 00  02 00 00 00 00 00 00 00
//! 00 00 00 00 00 00 40 00 00 00 ea 05 00 00         01 00 00 00 00 00 20 00 00 00 ea 05 00 00
//! 04 00 00 00 00 00 00 00 65 61 63 68               00 58 47 f8 0d 00 00 00
//! ```
//!
//! ACCEPT of both, generation 7, 1 Gbit/s, no stalls, settings `{}`, 60 s:
//!
//! ```text
//! 03 00 00 00 4c 00 00 00  01 00 00 00 07 00 00 00 00 00 00 00  02 00 00 00 00 00 00 00
//! 00 00 00 00 00 00 40 00 00 00 ea 05 00 00         01 00 00 00 00 00 20 00 00 00 ea 05 00 00
//! 01 00 ca 9a 3b 00 00 00 00  00  02 00 00 00 00 00 00 00 7b 7d  00 58 47 f8 0d 00 00 00
//! ```
//!
//! REFUSE `Busy` with the reason `busy`, ALIVE, BYE of a stack (`Finished`, 10 frames), and BYE of a stack (`Violation`
//! with the text `x`, 10 frames):
//!
//! ```text
//! 03 00 00 00 14 00 00 00  02 00 00 00 01 00 00 00  04 00 00 00 00 00 00 00 62 75 73 79
//! 03 00 00 00 04 00 00 00  04 00 00 00
//! 03 00 00 00 11 00 00 00  03 00 00 00 00 00 00 00  0a 00 00 00 00 00 00 00  00
//! 03 00 00 00 1a 00 00 00  03 00 00 00 02 00 00 00  01 00 00 00 00 00 00 00 78  0a 00 00 00 00 00 00 00  00
//! ```
//!
//! BYE of a driver has 17 bytes in front of its report: `03 00 00 00`, the reason `00 00 00 00`, u64 frames, and `01`.
//! With `ended` = `finished`, `up` and `backend` none and no warnings, the message has 243 bytes (17 + 218 + 8). Its
//! record, for generation 7 and 10 frames of 600 bytes in all that were sent, of which 8 were held at most:
//!
//! ```text
//! 03 00 00 00 f3 00 00 00  03 00 00 00 00 00 00 00  0a 00 00 00 00 00 00 00  01
//! 07 00 00 00 00 00 00 00  0a 00 00 00 00 00 00 00  0a 00 00 00 00 00 00 00  58 02 00 00 00 00 00 00
//! (32 zeros: bad_length to discarded)
//! 08 00 00 00  08 00 00 00 00 00 00 00 66 69 6e 69 73 68 65 64
//! (142 zeros: hardware, process, up, backend, warnings)
//! ```

mod message;
mod preamble;
mod record;
pub mod stream;

pub use message::{Accept, Bye, ByeReason, Control, Direction, Hello, Refuse, RefuseCode, RingInfo, TransportKind};
pub use preamble::{PREAMBLE_LEN, VERSION, check_preamble, preamble};
pub use record::{
    COMPLETION_LEN, DOORBELL_RECORD, FRAME_HEADER_LEN, MAX_CONTROL, MEMORY_RECORD, Parsed, WireError,
    encode_completion, encode_control, encode_frame_header, parse,
};
