//! The connection to the peer: greeting, control messages, doorbells, and why it closed.
//!
//! This page specifies the protocol between a stack and a driver, for writing another implementation of either. It is
//! complete with three others; read them in this order:
//!
//! 1. this page: who connects, what is sent when, deadlines, the end, violations;
//! 2. [`control`](crate::control): the bytes of each record and of each message;
//! 3. [`ring::shm`](crate::ring::shm): the ring in shared memory (not needed for the transport `socket`);
//! 4. `netstack::app::PayloadHeader` in the crate `netstack`: the header in the payloads of apps. Only a sender whose
//!    packets are to be checked at the far end needs it.
//!
//! The content of frames is no part of the protocol. [What lies on the network](#what-lies-on-the-network) says what
//! this project's stack sends and expects there: a driver without a network behind it needs that to get any data.
//!
//! All of it is version 6 ([`VERSION`](crate::control::VERSION)). *Must* states what an honest peer does; the section
//! [Violations](#violations) states what happens if it does not. Times are nanoseconds of `CLOCK_MONOTONIC`, which both
//! processes share. There are two transports, `socket` and `shm`, and the stack chooses one in its greeting. There are
//! two directions: the *transmit ring* carries frames from the stack (its producer) to the driver (its consumer), the
//! *receive ring* from the driver (its producer) to the stack (its consumer). Both rings work in the same way.
//!
//! # The socket
//!
//! The driver listens on a Unix socket of type `SOCK_STREAM`, on a path of at most 107 bytes. The socket has mode 0600,
//! and a missing folder is made with mode 0700. A socket at that path on which no process listens is replaced. If a
//! process listens there (the driver connects and hangs up to find out), or if the file is no socket, the driver exits
//! with a message. It removes its socket when it exits. The stack connects. Each side reads the user of the other one
//! (`SO_PEERCRED`); it must be the user of this process or one of `--allow-uid`. If it is not, the driver answers
//! REFUSE with `NotAllowed` without having read anything, and the stack closes the connection before it sends anything.
//! While the path does not exist, or the connection is refused, not permitted or would block, the stack tries again
//! every 20 ms until its deadline.
//!
//! A driver serves one session at a time. Both sides write all integers in little-endian order. No write may block for
//! ever: a side goes on reading while what it wants to write is refused by the kernel, or two full sockets block each
//! other. What it reads must never wait for room elsewhere; the depth of the rings bounds it.
//!
//! # Greeting
//!
//! ```text
//!  stack                                   driver
//!    connect
//!    preamble (8 bytes), HELLO     ---->
//!                                  <----   ACCEPT                        or REFUSE, the last message
//!                                  <----   memory record, one per ring   (shm only)
//!    frames, completions           <--->   frames, completions           the session
//! ```
//!
//! 1. The stack sends the preamble, the 8 bytes `50 42 4b 1b 06 00 00 00`: the magic `PBK` and escape, then the version
//!    as u32. The preamble has this format in every version. The driver sends no preamble.
//! 2. Right behind it the stack sends one record, HELLO. It sends nothing else before it has the answer.
//! 3. The driver answers with one record, ACCEPT or REFUSE. If the preamble has another version, it answers REFUSE with
//!    the code `Version` without reading HELLO. If the first 4 bytes are not the magic, it reads 8 bytes and closes the
//!    connection without an answer.
//! 4. With `shm`, right behind ACCEPT (before any other byte, also before ALIVE or a doorbell) the driver sends one
//!    memory record for each granted ring, in the order in which ACCEPT lists the rings: see
//!    [`ring::shm`](crate::ring::shm). The stack must read ACCEPT with exactly its length, and then each memory record
//!    with a `recvmsg` of its own, of exactly 8 bytes: a plain read would close the descriptor.
//!
//! After REFUSE the driver shuts its writing side down, reads and ignores what still arrives until the stack closes
//! (for up to 1 s), and closes. The reason: the close of a Unix socket that holds unread bytes resets the connection.
//! The peer can still read what was written before, but then finds `ECONNRESET` in place of the end of the stream, and
//! its writes fail at once: a program that stops at the first error loses the answer.
//!
//! If the connection ends before the answer, the driver was busy with other clients or is about to exit: the stack
//! connects again, every 20 ms until its deadline. It does not connect again after REFUSE, whatever the code is. If the
//! answer is another record or message, or cannot be decoded, the stack closes without a message, and does not connect
//! again either.
//!
//! ## What HELLO asks for, and what is granted
//!
//! HELLO must list exactly one ring with direction `Transmit` and queue 0, and may list one with `Receive` and queue 0.
//! Rings with another queue are left out of the grant, and nothing else of them is checked. At most 64 rings may be
//! listed, in any order. Each ring of queue 0 has a depth from 1 to 65 536 (any number) and a slot size of at least
//! 1514; ask for 1514. What is invalid, also a list of more than 64, is refused with `InvalidRing`. The receive ring is
//! checked also if the driver would not grant it.
//!
//! ACCEPT lists the transmit ring first, and then the receive ring if it was asked for and the driver's backend can
//! receive. A driver that receives nothing leaves it out, and the stack decides whether it goes on without. The depth
//! of each granted ring is the smaller of what the stack asks for and what the driver was set to. The granted slot size
//! is 1514. The stack closes the connection without a message if ACCEPT lists no or more than two rings, a first one
//! that does not transmit, a second one that does not receive, a ring that it did not ask for, a queue other than 0, a
//! depth of 0 or above what it asked for, a slot size below 1514 (a larger one is accepted), an idle timeout below
//! 100 ms, or a link of 0 bit/s.
//!
//! The *wake point* in HELLO is a hint for a driver with the transport `socket`: once the transmit ring was full, the
//! stack uses no free slot until this many are free, so until then the driver need not publish each completion at once.
//! A driver may always publish each at once. `each` asks for that. The driver replaces a wake point above the granted
//! depth by the depth. With `shm` the event word says the same, and HELLO's wake point is not used.
//!
//! The *generation* numbers the sessions of a driver: 1, 2, ... It appears in ACCEPT, in the memory of each ring and in
//! the report, where it must be the same. No two sessions of one driver have the same.
//!
//! The driver checks in this order: user (`NotAllowed`), preamble and version (`Version`), HELLO (`BadGreeting` for
//! another record or message, an unknown kind, a length above 65 536, or a message that cannot be decoded or has bytes
//! behind its end), whether it is about to exit (`ShuttingDown`), idle timeout of at least 100 ms (`BadGreeting`),
//! rings (`InvalidRing`), whether another session runs (`Busy`), memory and descriptors (`NoResources`).
//!
//! The driver of this project greets other clients during a session, and refuses them with `Busy`. While the session is
//! at its end, up to 16 stacks wait for their answer instead. Neither is required: a simple driver may close other
//! connections at once (their stacks connect again until their deadline), or leave them unaccepted until its session is
//! over (their stacks give up at their deadline).
//!
//! # The session: who may send what
//!
//! | record | transport | from the stack | from the driver |
//! | --- | --- | --- | --- |
//! | frame | socket | of the transmit ring | of the receive ring, if granted |
//! | completion | socket | of the receive ring, if granted | of the transmit ring |
//! | doorbell | shm | at any time; see Doorbells | the same |
//! | memory | shm | never | right behind ACCEPT only |
//! | control: HELLO | both | first message only | never |
//! | control: ACCEPT, REFUSE | both | never | as the answer to HELLO only |
//! | control: ALIVE | both | at any time in a session | the same |
//! | control: BYE | both | once; behind it only ALIVE, completions and doorbells | once, the last record |
//!
//! A frame or completion record names no ring. None is needed: a side receives the frames of one ring only, and the
//! completions of the other one only.
//!
//! ## A ring, in either transport
//!
//! A ring has `depth` slots. A frame occupies a slot from its submission until its completion; so frames submitted and
//! not completed never exceed the depth. Frames have *positions*: 0, 1, 2, ... in the order of submission, counted
//! separately for each ring and session. The consumer takes frames in order and completes them in order, each exactly
//! once, when it has finished with it. Only the completion frees the slot. In the transport `socket`, a slot counts as
//! used from the moment that its frame is queued until its completion has been read; a frame may be completed only
//! after all of its bytes were read.
//!
//! The producer describes each frame with these fields. The consumer checks the length; all others are for statistics
//! and seeds, and the consumer must not depend on them for anything else:
//!
//! | field | meaning |
//! | --- | --- |
//! | length | bytes of the Ethernet frame, from the destination address to the end of the payload, without frame check sequence; at most 1514. A frame below 14 has status 1, see below |
//! | flow | transmit ring: the number of the app that sent it, from 0; 4 294 967 295 for a frame that no app sent (such as ARP). Receive ring: 0 |
//! | sequence | transmit ring: the number of the frame within its flow, from 0 for apps, and from 1 for frames that no app sent. Receive ring: counts the frames of the ring from 0. It need not be consecutive |
//! | submitted | when it was submitted; on the receive ring, when it began to occupy the receiving direction of the link |
//!
//! A completion has these:
//!
//! | field | meaning |
//! | --- | --- |
//! | position | of the frame; implicit in `shm` |
//! | status | 0 sent, 1 refused for its length (below 14 bytes), 2 refused for its headers, 3 refused for a checksum. On the receive ring always 0 |
//! | taken | when the hardware took the frame out of the ring; at most `at` |
//! | at | when the hardware finished with it; not in the future, and not before that of the completion before it |
//!
//! On the receive ring `taken` and `at` are when the stack took the frame and finished with it. Times of completion are
//! not a matter of violations: a producer counts an `at` in the future as now, a `taken` behind `at` as `at`, and an
//! `at` before the submission as the time of submission.
//!
//! Frames of the receive ring hold 14 to 1514 bytes of the network; nothing of their content was checked. The driver
//! leaves longer and shorter ones out, and counts them. While no slot is free, it reads nothing from its backend.
//!
//! What a driver checks beyond the length is up to it. The driver of this project checks nothing more by default. With
//! `--verify` it gives status 2 to a frame that is neither IPv4 nor IPv6 in Ethernet II (so also to ARP), or whose IP
//! or UDP lengths contradict the frame (frames of up to 60 bytes may be padded), and status 3 for a wrong checksum of
//! an IPv4 header or of UDP (0 is allowed over IPv4). It looks at UDP only in packets that are no fragments.
//!
//! ## Transport `socket`
//!
//! Each frame is a frame record, each completion a completion record; there are no groups, no doorbells and no
//! announcements. Many records may be written in one call, and a record may arrive in parts. Both sides must read
//! everything that arrives, also while they cannot work on it: a control message must not be stuck behind frames. So a
//! consumer needs memory for `depth` frames.
//!
//! ## Control messages
//!
//! A control message is a record on the socket, behind everything that its sender sent before it:
//!
//! - Before a side sends a control message, it publishes everything that it put into its rings. (For BYE after a
//!   violation see [The end](#the-end).)
//! - A side that receives one looks at its rings before it acts on the message.
//!
//! So the count of frames in BYE can be compared with the frames that arrived. At most [`MAX_UNREAD_CONTROL`] (16)
//! messages other than ALIVE may wait unread; one more is a violation. The limit bounds the memory of a reader that
//! queues messages. One that handles each message as it arrives needs no count: the second one is a violation anyway.
//!
//! ## Doorbells (`shm` only)
//!
//! A side that sleeps has announced what wakes it, and its peer rings when that has happened: see
//! [`ring::shm`](crate::ring::shm). A doorbell names no ring: the side that gets one looks at all its rings. A side
//! that has bytes queued for the socket that the kernel did not take sends no doorbell, because those bytes wake the
//! peer as well: it counts as rung, and need not be sent later. A doorbell is a record on the socket, not an eventfd,
//! because a flag that both processes can change at any time decides whether a write to an eventfd blocks: a peer could
//! block a side that rings.
//!
//! A receiver counts the doorbells that it has read since it last published anything itself, or last found in a ring
//! that the peer had published. The 4097th in a row is a violation (`DOORBELL_STORM`). It looks at its rings only
//! between two reads of the socket; while awake it reads in about one of 64 turns, and one read takes up to 256 KiB. So
//! all doorbells that lie in the socket together count as one row, also if frames were published between them: 4000
//! doorbells, one frame and 4000 more may end the session. An honest side rings at most once for each batch that it
//! publishes while its peer has announced sleep up to it, and once more for a plan; then it stays far below. Do not
//! ring for each frame regardless: a receiver that lost its CPU for a while finds them all at once.
//!
//! ## Signs of life
//!
//! Each side states in the greeting after how much silence it gives the peer up (at least 100 ms; the default is 60 s).
//! Let T be the smaller of both. Every T/4 a side that has sent nothing since the last such time sends ALIVE, unless
//! bytes are still queued that the kernel did not take. To send it T/4 after the last record is right as well. So no
//! sleep may be longer than T/4: 25 ms for the shortest timeout. What counts as sent and received: whole records of any
//! kind, and with `shm` also a published count that moved. A peer that works and completes nothing is alive if it sends
//! ALIVE. A side that has heard nothing for its own timeout closes the connection with `PEER_SILENT`. Time for which
//! this side itself did not run is no silence of the peer. With the first BYE of either side this ends. See
//! [`liveness`](crate::liveness).
//!
//! # The end
//!
//! The stack ends a session:
//!
//! 1. It stops submitting. It waits, for as long as it likes, until all its frames are completed: the driver discards
//!    what is not completed when BYE arrives. It needs a deadline of its own (this project's stack: `--drain-timeout`,
//!    by default 10 s): a driver whose backend takes no more frames completes nothing, and its ALIVE keeps the session
//!    up for ever.
//! 2. It publishes what it put into its rings, and sends BYE with the number of all frames that it ever submitted to
//!    the transmit ring in `frames`, and no report. It submits no frame after that. It goes on reading, taking
//!    completions, and taking and completing frames of the receive ring: so completions and doorbells may follow its
//!    BYE.
//! 3. The driver reads BYE, looks at the transmit ring once more, and compares `frames` with the number of frames that
//!    arrived, completed or not. If they are equal, its own BYE has the reason `Finished`, whatever the stack's reason
//!    is; if they are not, `Violation` (this end is counted as `MISCOUNTED`). In both cases steps 4 to 6 follow.
//! 4. The driver reads no more frames from its backend and takes no more from the ring, takes the completions of the
//!    receive ring that have arrived, makes its report, publishes all completions and all frames of the receive ring,
//!    and sends BYE with the number of frames that arrived in the transmit ring in `frames`. Nothing follows it. It
//!    must arrive within 2 s.
//! 5. The stack looks at its rings once more, settles the completions, and closes the socket. It must neither close nor
//!    shut its writing side down before it has the driver's BYE (or has given up): a driver that finds the end of the
//!    stream answers nothing.
//! 6. The driver waits, reading, until the stack has closed, for up to 1 s, and closes.
//!
//! The driver may leave first at any time, with BYE and a complete report: `Interrupted` (it was asked to stop),
//! `Fault` (it or its backend failed) or `Violation`. The stack then sends no BYE; it settles what has arrived and
//! closes. A driver's `Finished` that does not answer a BYE counts as a failure of the driver. An answer with any other
//! reason than `Finished` counts as one that left first, because both may have been sent at the same time; so does the
//! `Violation` of step 3.
//!
//! A side that finds a violation (other than `MISCOUNTED`) stops at once: it puts no more frames and completions, sends
//! no more doorbells, reads nothing more, sends BYE with the reason `Violation` and a text for people (the stack with
//! its `frames`, the driver with its report), and closes without waiting for an answer. What it put before that and has
//! not published it may publish in front of BYE, or drop: a driver counts a frame as completed if it has published the
//! completion, and otherwise as `discarded`.
//!
//! An end of the stream, `EPIPE` or `ECONNRESET` without BYE is `PEER_GONE`; then nothing is sent. If a write fails,
//! the peer's BYE may lie unread in the socket, because the peer left first or found a violation. So after `EPIPE` a
//! side drops what is queued, reads to the end of the stream, and only then decides. Linux keeps the bytes that were
//! written before a close readable, and returns `ECONNRESET` behind them.
//!
//! ## What the driver's report must hold
//!
//! The stack compares the report with what it knows. If one of these does not hold, the run ends as one whose driver
//! failed (exit status 3), as it does if the BYE that answers its own has no report:
//!
//! | value of the driver's BYE | must be |
//! | --- | --- |
//! | `frames` | `received` |
//! | `generation` | that of ACCEPT |
//! | `received` | the number of frames that the stack submitted. If the driver left first: at most that |
//! | `sent + bad_length + bad_header + bad_checksum + discarded` | `received` |
//! | `sent`, `bad_length`, `bad_header`, `bad_checksum` | the number of completions with status 0, 1, 2, 3 that the driver sent before its BYE |
//! | `sent_bytes` | the sum of the lengths of the frames completed with status 0 (the stack checks it unless it cannot know the lengths: an app `echo`, or layers of an extension) |
//! | `held_max` | at most the depth of the transmit ring |
//! | `hardware.occupancy_max` | at most the depth of the transmit ring |
//! | `hardware.starved_ns`, `hardware.active_ns` | each at most the time from the stack's connecting to its end of the session |
//! | `up.submitted` | if a receive ring was granted: the number of frames that the stack took out of it; those that were published before BYE are all taken |
//! | `up.completed` | if a receive ring was granted: at most that number |
//!
//! So `discarded` is what arrived and was not completed. Zero is right for every other number that a driver does not
//! count. `process.doorbells.missed` above 0 fails the run, because a wake-up was lost. If a receive ring was granted,
//! `up` must be there; a report without it claims 0 for all of its values. Without a receive ring the stack ignores
//! `up`. `up.submitted - up.completed` frames were in flight at the end.
//!
//! # Deadlines
//!
//! | what | who waits | how long | then |
//! | --- | --- | --- | --- |
//! | connecting, the answer and the memory of all rings, together | stack | `--connect-timeout`, by default 2 s | it closes and reports that; no message |
//! | preamble and HELLO, whole, from accepting the connection | driver | 2 s | it closes; no message |
//! | the kernel takes the bytes of ACCEPT and of the memory records | driver | 1 s | the session begins all the same, and what was not written is never sent: the stack closes at its deadline. To close at once is right as well |
//! | the client reads REFUSE and closes | driver | 1 s | it closes |
//! | a sign of life | each side | its idle timeout, at least 100 ms, by default 60 s | violation `PEER_SILENT` |
//! | ALIVE | each side | a quarter of the smaller idle timeout without anything sent | it sends ALIVE |
//! | the driver's BYE, behind the stack's | stack | 2 s | it closes; the driver failed |
//! | the close, behind the driver's BYE | driver | 1 s | it closes |
//! | one sleep | each side | 1 s, or until ALIVE is due if that is earlier | it wakes and looks |
//! | a doorbell that is due | each side | 1 s after that sleep | it counts a lost wake-up, which fails its own run; the session goes on |
//!
//! # Violations
//!
//! The names are those under which reports count them ([`CloseReason::name`]). Values are checked once, on a private
//! copy. Records before the violation count.
//!
//! | name | transport | cause |
//! | --- | --- | --- |
//! | `UNKNOWN_RECORD` | both | the first byte of a record is none of 1 to 5 |
//! | `BAD_CONTROL` | both | a control message of more than 65 536 bytes (found in its header), that cannot be decoded, or with bytes behind its end |
//! | `UNEXPECTED_RECORD` | both | a control message that may not be sent in a session (HELLO, ACCEPT, REFUSE); any but ALIVE behind BYE; more than 16 unread; a memory record in a session |
//! | `UNEXPECTED_RECORD` | socket | a doorbell; a frame for a side that consumes no ring; a completion for a side that produces for none |
//! | `UNEXPECTED_RECORD` | shm | a frame or completion record |
//! | `FRAME_TOO_LONG` | socket | a frame record of more than 1514 bytes (found in its header) |
//! | `RING_OVERRUN` | socket | a frame that arrives while `depth` frames are not completed; one counts as completed once its completion is fully written to the socket |
//! | `COMPLETION_OUT_OF_ORDER` | socket | a completion whose position is not that of the oldest frame that was written and not completed |
//! | `UNKNOWN_STATUS` | both | a status that is none of 0 to 3 |
//! | `INDEX_WENT_BACK` | shm | a published count below the one seen before |
//! | `INDEX_TOO_FAR` | shm | a count of frames above this side's published completions plus depth; a count of completions above this side's published frames |
//! | `GROUP_SIZE` | shm | a group without items, or with more than are published and not taken |
//! | `SLOT_LENGTH` | shm | a frame length of 0 or above 1514 in a record |
//! | `DOORBELL_STORM` | shm | more than 4096 doorbells in a row, as counted above |
//! | `PEER_SILENT` | both | no sign of life for the idle timeout |
//! | `MISCOUNTED` | both | the stack's BYE has another number of frames than arrived (the driver finds it) |
//!
//! These are violations in a session; for wrong bytes in a greeting see [Greeting](#greeting). For `RING_OVERRUN` and
//! `COMPLETION_OUT_OF_ORDER` a side may count a completion or frame as written once it is queued. That is laxer, and no
//! honest peer notices. But then the depth does not bound what a peer that never reads can make this side queue.
//!
//! `PEER_GONE` and `CONNECTION_FAILED` (another error of the system) are no violations. A record, seal, size or head of
//! the memory that is wrong at the hand-over makes the stack close without a message. Not violations: bytes of a record
//! that are stated as zero and are not, except in the memory record; any flow, sequence or time; texts of any content
//! (a side keeps 1024 bytes of a reason or warning, and 16 warnings); ALIVE at any time; a frame record of 0 to 13
//! bytes in the transport `socket`, or a frame of 1 to 13 bytes in `shm`: it is completed with status 1.
//!
//! # What lies on the network
//!
//! None of this is checked by the protocol. It is what this project's stack does unless flags say otherwise:
//!
//! - Its addresses are 10.0.0.1/24 and fd00::1/64 (`--address`). Its MAC address is 02:00:00, then the low 24 bits of
//!   its first address: 02:00:00:00:00:01. Apps send UDP to 10.0.0.2, port 9 (the port of discard).
//! - **Without a receive ring** 10.0.0.2 and fd00::2 have the MAC address 02:00:00:00:00:02 (`--neighbour`). The stack
//!   sends at once, and sends nothing but the packets of its apps.
//! - **With a receive ring** those defaults do not count. The stack asks for the MAC address of its next hop with ARP
//!   (IPv6: neighbour solicitations), at 0, 1 and 2 s, and its sends wait for the answer. After 3 s they fail.
//!   So the driver, or what lies behind it, must answer for 10.0.0.2, with any unicast MAC address.
//! - With a receive ring the stack answers ARP and neighbour solicitations for its own addresses. Another stack must do
//!   so too: its peer asks it. Answers and requests are frames of the transmit ring like all others.
//! - Frames are not padded: an ARP frame has 42 bytes. Padding of frames that arrive is ignored.
//!
//! # The least that a conforming side does
//!
//! **Stack, `socket`.** Connect; send preamble and HELLO (transport 0; one transmit ring, and one receive ring if it
//! wants one; wake point `each`; idle timeout 60 s) in one write; read the header of 8 bytes and the body of the
//! answer. Then, in a loop that polls the socket: send frame records while fewer than `depth` are outstanding; for each
//! completion check that its position is the next one and free its slot; complete each frame that arrives, in order,
//! with status 0 and both times now; send ALIVE every quarter of the smaller idle timeout. Once all frames are
//! completed: send BYE, read until the driver's BYE, close.
//!
//! **Driver, `socket`.** Listen; read preamble and HELLO; send ACCEPT. Then, in a loop: complete frames in order, with
//! both times now; if it receives, send frame records while fewer than `rx depth` are outstanding, and check the
//! completions; send ALIVE; at the stack's BYE, complete what it wants to complete, count the rest as `discarded`, send
//! BYE with the report, and read until the end of the stream. It may leave other clients alone until then.
//!
//! **`shm`.** The same, with the rings in memory in place of frame and completion records, and the reads of the
//! hand-over. The least that it takes is at the end of [`ring::shm`](crate::ring::shm). Its records on the socket are
//! control messages and doorbells only.
//!
//! # Example
//!
//! ```
//! use shared::connection::{CloseReason, Connection};
//! use shared::control::Control;
//!
//! let (stack, driver) = Connection::in_process();
//! stack.send_control(&Control::Alive);
//! assert_eq!(driver.next_control(), Some(Control::Alive));
//! drop(driver);
//! assert_eq!(stack.closed(), Some(CloseReason::PeerGone));
//! ```

mod exchange;
mod inbox;
mod memory;
mod outbox;
mod reason;
mod socket;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};

pub(crate) use memory::{Doorbell, Look, MemoryRing};
pub(crate) use outbox::{Outbox, Role};
pub use reason::{CloseReason, IndexError};
pub(crate) use socket::RecordRing;
use socket::Socket;
pub use socket::SocketStats;

use crate::control::{Control, encode_control};
use crate::exec::Signal;
use crate::ledger::Doorbells;

/// How many unread control messages a peer may cause; one more closes the connection. An honest peer needs two.
pub const MAX_UNREAD_CONTROL: usize = 16;

/// One side of a connection, with its ends of the rings.
///
/// It is used from one thread through an `Rc`: the executor's park moves its bytes, and tasks and the ends of the rings
/// use it. It closes when the last of them drops it.
#[derive(Debug)]
pub struct Connection {
    /// Notified when frames, completions or a control message arrived, or the connection closed.
    arrived: Rc<Signal>,
    /// Notified when a control message arrived, or the connection closed.
    control_arrived: Signal,
    /// Received control messages, oldest first.
    control: RefCell<VecDeque<Control>>,
    /// Whole records received, for the liveness check.
    records: Cell<u64>,
    /// Whether a farewell was sent or received.
    leaving: Cell<bool>,
    /// Whether `reason` is set: a copy that is cheap to read, because it is read for each frame.
    closed: Cell<bool>,
    reason: RefCell<Option<CloseReason>>,
    carrier: Carrier,
}

/// What carries control messages, doorbells, frames and completions.
#[derive(Debug)]
enum Carrier {
    /// The socket carries everything. Read in each turn.
    Socket {
        socket: Socket,
        producer: RefCell<Option<Rc<dyn RecordRing>>>,
        consumer: RefCell<Option<Rc<dyn RecordRing>>>,
    },
    /// The socket carries control messages and doorbells; frames and completions lie in shared memory.
    Memory {
        doorbell: Doorbell,
        rings: RefCell<Vec<Rc<dyn MemoryRing>>>,
        /// Turns left until the socket is read again.
        turns: Cell<u32>,
    },
    /// The peer is in this process; its rings are shared with it.
    InProcess { peer: Weak<Connection> },
}

impl Connection {
    /// A connection whose socket carries frames and completions as well. The greeting on `stream` is complete.
    ///
    /// # Errors
    /// If `stream` is no stream socket.
    pub fn over_socket(stream: OwnedFd) -> io::Result<Rc<Self>> {
        let socket = Socket::new(stream)?;
        Ok(Rc::new(Self::new(Carrier::Socket { socket, producer: RefCell::default(), consumer: RefCell::default() })))
    }

    /// A connection whose rings lie in shared memory. The greeting on `stream` is complete.
    ///
    /// # Errors
    /// If `stream` is no stream socket.
    pub fn beside_memory(stream: OwnedFd) -> io::Result<Rc<Self>> {
        let doorbell = Doorbell::new(Socket::new(stream)?);
        Ok(Rc::new(Self::new(Carrier::Memory { doorbell, rings: RefCell::default(), turns: Cell::new(0) })))
    }

    /// Both sides of a connection within this process, for virtual time and for tests.
    pub fn in_process() -> (Rc<Self>, Rc<Self>) {
        let mut right = None;
        let left = Rc::new_cyclic(|left| {
            let other = Rc::new(Self::new(Carrier::InProcess { peer: Weak::clone(left) }));
            let peer = Rc::downgrade(&other);
            right = Some(other);
            Self::new(Carrier::InProcess { peer })
        });
        // Always `Some`: the closure above was called.
        let right = right.unwrap_or_else(|| Rc::clone(&left));
        (left, right)
    }

    fn new(carrier: Carrier) -> Self {
        Self {
            arrived: Rc::default(),
            control_arrived: Signal::default(),
            control: RefCell::default(),
            records: Cell::new(0),
            leaving: Cell::new(false),
            closed: Cell::new(false),
            reason: RefCell::new(None),
            carrier,
        }
    }

    /// Notified when frames, completions or a control message arrived, or the connection closed.
    #[inline(always)]
    pub fn arrived(&self) -> &Signal {
        &self.arrived
    }

    /// The same signal, for the peer's end of a ring in this process.
    pub(crate) fn arrived_signal(&self) -> Rc<Signal> {
        Rc::clone(&self.arrived)
    }

    /// Notified when a control message arrived, or the connection closed. Separate from [`Connection::arrived`], so
    /// that a task that waits for a control message is not woken for each packet.
    pub fn control_arrived(&self) -> &Signal {
        &self.control_arrived
    }

    /// Sends a control message behind everything that was put into the rings, and at once, because control messages are
    /// few, and the process may end right after the last one. Also sends on a connection that closed for a violation,
    /// so that the peer receives the reason.
    pub fn send_control(&self, message: &Control) {
        let (Carrier::Socket { socket, .. } | Carrier::Memory { doorbell: Doorbell { socket, .. }, .. }) =
            &self.carrier
        else {
            return self.post_to_peer(message);
        };
        self.publish();
        let record = match encode_control(message) {
            Ok(record) => record,
            Err(error) => return self.close(error.into()),
        };
        self.note_leaving(message);
        if !self.reason.borrow().as_ref().is_some_and(CloseReason::peer_is_gone) {
            socket.send(&record, |from| self.left(from));
        }
    }

    fn post_to_peer(&self, message: &Control) {
        self.note_leaving(message);
        if let Some(peer) = self.peer() {
            peer.note_leaving(message);
            peer.control.borrow_mut().push_back(message.clone());
            peer.arrived.notify();
            peer.control_arrived.notify();
        }
    }

    fn note_leaving(&self, message: &Control) {
        self.leaving.set(self.leaving.get() || matches!(message, Control::Bye(_)));
    }

    /// Whether a control message has arrived that was not read yet.
    #[inline]
    pub fn has_control(&self) -> bool {
        !self.control.borrow().is_empty()
    }

    /// The next control message that arrived.
    pub fn next_control(&self) -> Option<Control> {
        self.control.borrow_mut().pop_front()
    }

    /// Why the connection closed, once it has.
    pub fn closed(&self) -> Option<CloseReason> {
        self.reason.borrow().clone()
    }

    /// Whether the connection closed.
    #[inline(always)]
    pub fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Closes the connection from this side, for a reason that it cannot detect itself. The first reason stays.
    pub fn close(&self, reason: CloseReason) {
        self.close_this_side(reason.clone());
        if let Some(peer) = self.peer() {
            peer.close_this_side(reason);
        }
    }

    /// After a violation what is queued is kept, so that BYE can follow it.
    fn close_this_side(&self, reason: CloseReason) {
        if let Some(socket) = self.socket() {
            socket.close(reason.peer_is_gone());
        }
        self.reason.borrow_mut().get_or_insert(reason);
        self.closed.set(true);
        self.arrived.notify();
        self.control_arrived.notify();
    }

    /// A count that grows with everything received from the peer: whole records, progress in the rings.
    pub fn received(&self) -> u64 {
        self.records.get().wrapping_add(self.sum_of_rings(|(received, _)| received))
    }

    /// A count that grows with everything sent to the peer or published for it.
    pub fn sent(&self) -> u64 {
        self.socket_stats().written_bytes.wrapping_add(self.sum_of_rings(|(_, sent)| sent))
    }

    fn sum_of_rings(&self, count: impl Fn((u64, u64)) -> u64) -> u64 {
        match &self.carrier {
            Carrier::Memory { rings, .. } => {
                rings.borrow().iter().fold(0, |sum: u64, ring| sum.wrapping_add(count(ring.counts())))
            }
            Carrier::Socket { .. } | Carrier::InProcess { .. } => 0,
        }
    }

    /// Whether either side has sent a farewell.
    pub fn is_leaving(&self) -> bool {
        self.leaving.get()
    }

    /// Sends ALIVE, unless earlier bytes are still queued because the peer does not read.
    pub fn send_alive(&self) {
        // Encoding fails only for a message that is too long, which ALIVE is not.
        if let (Some(socket), Ok(record)) = (self.socket(), encode_control(&Control::Alive)) {
            socket.send_if_none_is_queued(&record);
        }
    }

    /// Doorbells so far; zero if the peer is in this process: then no side sleeps.
    pub fn doorbells(&self) -> Doorbells {
        match &self.carrier {
            Carrier::Socket { socket, .. } => socket.stats().doorbells(),
            Carrier::Memory { doorbell, .. } => doorbell.counts(),
            Carrier::InProcess { .. } => Doorbells::default(),
        }
    }

    /// The traffic through the socket so far.
    pub fn socket_stats(&self) -> SocketStats {
        self.socket().map_or(SocketStats::default(), Socket::stats)
    }

    /// Bytes that wait to be written to the socket.
    pub fn unsent(&self) -> usize {
        self.socket().map_or(0, Socket::unsent)
    }

    fn socket(&self) -> Option<&Socket> {
        match &self.carrier {
            Carrier::Socket { socket, .. } => Some(socket),
            Carrier::Memory { doorbell, .. } => Some(&doorbell.socket),
            Carrier::InProcess { .. } => None,
        }
    }

    fn peer(&self) -> Option<Rc<Self>> {
        match &self.carrier {
            Carrier::InProcess { peer } => peer.upgrade(),
            Carrier::Socket { .. } | Carrier::Memory { .. } => None,
        }
    }
}

/// For the ends of rings.
impl Connection {
    /// Adds an end of a ring whose frames and completions are records on the socket, with the memory that they need.
    ///
    /// # Errors
    /// If this connection carries no such records, has an end of this role already, or there is no memory.
    pub(crate) fn add_record_ring(&self, role: Role, ring: Rc<dyn RecordRing>, outbox: Outbox) -> io::Result<()> {
        let Carrier::Socket { socket, .. } = &self.carrier else { return Err(not_of_this_kind()) };
        let Some(mut place) = self.record_ring(role).filter(|place| place.borrow().is_none()).map(RefCell::borrow_mut)
        else {
            return Err(not_of_this_kind());
        };
        socket.add_outbox(outbox).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        *place = Some(ring);
        Ok(())
    }

    /// Adds an end of a ring that lies in shared memory.
    ///
    /// # Errors
    /// If the rings of this connection do not lie in shared memory.
    pub(crate) fn add_memory_ring(&self, ring: Rc<dyn MemoryRing>) -> io::Result<()> {
        let Carrier::Memory { rings, .. } = &self.carrier else { return Err(not_of_this_kind()) };
        rings.borrow_mut().push(ring);
        Ok(())
    }

    /// Queues one frame or completion, which `encode` writes, for the end of role `from`. Returns whether it did: it
    /// does not on a closed connection.
    pub(crate) fn queue(&self, from: Role, encode: impl FnOnce(&mut Outbox)) -> bool {
        match &self.carrier {
            Carrier::Socket { socket, .. } => socket.queue(from, encode, |from| self.left(from)),
            Carrier::Memory { .. } | Carrier::InProcess { .. } => false,
        }
    }

    /// What rings the peer; `None` unless the rings lie in shared memory.
    pub(crate) fn doorbell(&self) -> Option<&Doorbell> {
        match &self.carrier {
            Carrier::Memory { doorbell, .. } => Some(doorbell),
            Carrier::Socket { .. } | Carrier::InProcess { .. } => None,
        }
    }

    fn record_ring(&self, role: Role) -> Option<&RefCell<Option<Rc<dyn RecordRing>>>> {
        match (&self.carrier, role) {
            (Carrier::Socket { producer, .. }, Role::Producer) => Some(producer),
            (Carrier::Socket { consumer, .. }, Role::Consumer) => Some(consumer),
            (Carrier::Memory { .. } | Carrier::InProcess { .. }, _) => None,
        }
    }

    /// Publishes what was put into the rings. What was put into a ring of records is queued already.
    fn publish(&self) {
        if let Carrier::Memory { doorbell, rings, .. } = &self.carrier {
            rings.borrow().iter().for_each(|ring| ring.publish(doorbell));
        }
    }
}

fn not_of_this_kind() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "the connection carries no such ring, or has one already")
}

impl Drop for Connection {
    /// Closes the connection, as the end of this side's process would.
    fn drop(&mut self) {
        if let Some(peer) = self.peer() {
            peer.close_this_side(CloseReason::PeerGone);
        }
    }
}
