"""Control messages: their encoding as bytes, and their decoding with all checks (part 2 of the specification)."""

import struct
from dataclasses import dataclass
from typing import List, Optional

SOCKET, SHM = 0, 1
TRANSMIT, RECEIVE = 0, 1
FINISHED, INTERRUPTED, VIOLATION, FAULT = 0, 1, 2, 3
REASONS = ["Finished", "Interrupted", "Violation", "Fault"]
VERSION_REFUSED, BUSY, INVALID_RING, BAD_GREETING, SHUTTING_DOWN, NOT_ALLOWED, NO_RESOURCES = range(7)
REFUSALS = ["Version", "Busy", "InvalidRing", "BadGreeting", "ShuttingDown", "NotAllowed", "NoResources"]
OTHER_WARNING = 17


class BadMessage(Exception):
    """Bytes that are no message."""


@dataclass
class Ring:
    direction: int
    depth: int
    queue: int = 0
    slot_size: int = 1514


@dataclass
class Hello:
    transport: int
    rings: List[Ring]
    wake: str
    idle_timeout_ns: int


@dataclass
class Accept:
    generation: int
    rings: List[Ring]
    link: Optional[int]
    settings: str
    idle_timeout_ns: int
    stalls: Optional[tuple] = None


@dataclass
class Refuse:
    code: int
    reason: str


@dataclass
class Bye:
    reason: int
    frames: int
    text: str = ""
    report: Optional[dict] = None


@dataclass
class Alive:
    pass


# The report in the order of its bytes. Q is u64, I is u32, X is u128, T is text.
REPORT = [
    ("generation", "Q"), ("received", "Q"), ("sent", "Q"), ("sent_bytes", "Q"), ("bad_length", "Q"),
    ("bad_header", "Q"), ("bad_checksum", "Q"), ("discarded", "Q"), ("held_max", "I"), ("ended", "T"),
    ("hardware.starved_ns", "Q"), ("hardware.busy_ns", "Q"), ("hardware.stalled_ns", "Q"),
    ("hardware.occupancy_max", "I"), ("hardware.active_ns", "Q"), ("hardware.queued_ns", "X"),
    ("hardware.delayed_ns", "X"), ("process.cpu_ns", "Q"), ("process.idle.spin_ns", "Q"),
    ("process.idle.sleep_ns", "Q"), ("process.idle.sleeps", "Q"), ("process.doorbells.rung", "Q"),
    ("process.doorbells.suppressed", "Q"), ("process.doorbells.spurious", "Q"), ("process.doorbells.missed", "Q"),
]
WAY_UP = ["submitted", "bytes", "too_long", "too_short", "completed", "no_slot_ns"]


# Encoding.

def u8(value):
    return struct.pack("<B", value)


def u16(value):
    return struct.pack("<H", value)


def u32(value):
    return struct.pack("<I", value)


def u64(value):
    return struct.pack("<Q", value)


def text(value):
    data = value.encode()
    return u64(len(data)) + data


def option(value, encode):
    return u8(0) if value is None else u8(1) + encode(value)


def items(values, encode):
    return u64(len(values)) + b"".join(encode(value) for value in values)


def _ring(ring):
    return u32(ring.direction) + u16(ring.queue) + u32(ring.depth) + u32(ring.slot_size)


def _report(report):
    put = {"Q": u64, "I": u32, "T": text, "X": lambda value: value.to_bytes(16, "little")}
    data = b"".join(put[kind](report.get(name, "" if kind == "T" else 0)) for name, kind in REPORT)
    data += option(report.get("up"), lambda up: b"".join(u64(up.get(name, 0)) for name in WAY_UP))
    data += option(report.get("backend"), lambda backend: text(backend[0]) + u64(backend[1]))
    return data + items(report.get("warnings", []), lambda warning: u32(warning[0]) + text(warning[1]))


def encode(message):
    """The bytes of a message, without the header of its record."""
    if isinstance(message, Hello):
        return (u32(0) + u32(message.transport) + items(message.rings, _ring) + text(message.wake)
                + u64(message.idle_timeout_ns))
    if isinstance(message, Accept):
        # This program states no stalls.
        return (u32(1) + u64(message.generation) + items(message.rings, _ring) + option(message.link, u64) + u8(0)
                + text(message.settings) + u64(message.idle_timeout_ns))
    if isinstance(message, Refuse):
        return u32(2) + u32(message.code) + text(message.reason)
    if isinstance(message, Bye):
        reason = u32(message.reason)
        if message.reason in (VIOLATION, FAULT):
            reason += text(message.text)
        return u32(3) + reason + u64(message.frames) + option(message.report, _report)
    assert isinstance(message, Alive)
    return u32(4)


# Decoding.

class _Reader:
    """Takes values from the front of a message."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, size):
        if size > len(self.data) - self.at:
            raise BadMessage("it ends too early")
        self.at += size
        return self.data[self.at - size:self.at]

    def number(self, size):
        return int.from_bytes(self.take(size), "little")

    def u8(self):
        return self.number(1)

    def u16(self):
        return self.number(2)

    def u32(self):
        return self.number(4)

    def u64(self):
        return self.number(8)

    def enum(self, variants):
        index = self.u32()
        if index >= variants:
            raise BadMessage(f"index {index} of an enum with {variants} variants")
        return index

    def text(self):
        try:
            return bytes(self.take(self.u64())).decode()
        except UnicodeDecodeError:
            raise BadMessage("a text is no UTF-8") from None

    def option(self, read):
        tag = self.u8()
        if tag > 1:
            raise BadMessage(f"tag {tag} of an option")
        return read() if tag else None

    def items(self, read):
        return [read() for _ in range(self.u64())]

    def ring(self):
        direction, queue = self.enum(2), self.u16()
        return Ring(direction, self.u32(), queue, self.u32())

    def stalls(self):
        return (self.text(), self.u64(), self.text())

    def report(self):
        get = {"Q": self.u64, "I": self.u32, "T": self.text, "X": lambda: self.number(16)}
        report = {name: get[kind]() for name, kind in REPORT}
        report["up"] = self.option(lambda: {name: self.u64() for name in WAY_UP})
        report["backend"] = self.option(lambda: (self.text(), self.u64()))
        report["warnings"] = self.items(lambda: (min(self.u32(), OTHER_WARNING), self.text()))
        return report


def decode(data):
    """The message that the bytes hold; BadMessage if they hold none, or more than one."""
    read = _Reader(data)
    kind = read.enum(5)
    if kind == 0:
        message = Hello(read.enum(2), read.items(read.ring), read.text(), read.u64())
    elif kind == 1:
        generation, rings, link = read.u64(), read.items(read.ring), read.option(read.u64)
        stalls, settings = read.option(read.stalls), read.text()
        message = Accept(generation, rings, link, settings, read.u64(), stalls)
    elif kind == 2:
        message = Refuse(read.enum(len(REFUSALS)), read.text())
    elif kind == 3:
        reason = read.enum(len(REASONS))
        why = read.text() if reason in (VIOLATION, FAULT) else ""
        message = Bye(reason, read.u64(), why, read.option(read.report))
    else:
        message = Alive()
    if read.at != len(data):
        raise BadMessage("bytes behind its end")
    return message
