"""The Unix socket: the preamble, records, and a connection that reads and writes them without blocking."""

import os
import select
import socket
import struct
import time

from . import messages

VERSION = 6
MAGIC = b"PBK\x1b"
PREAMBLE = MAGIC + struct.pack("<I", VERSION)
FRAME, COMPLETION, CONTROL, MEMORY, DOORBELL = 1, 2, 3, 4, 5
MEMORY_RECORD = bytes([4, 0, 0, 0, 1, 0, 0, 0])
DOORBELL_RECORD = bytes([5, 0, 0, 0, 0, 0, 0, 0])
MAX_FRAME = 1514
MAX_CONTROL = 65536
MAX_READ = 256 * 1024

_FRAME = struct.Struct("<BBHIQQQ")
_COMPLETION = struct.Struct("<BB6xQQQ")
_CONTROL = struct.Struct("<B3xI")


class Violation(Exception):
    """The peer broke the protocol; `name` is that of the specification."""

    def __init__(self, name, what):
        super().__init__(f"{name}: {what}")
        self.name = name


class PeerGone(Exception):
    """The stream ended without BYE."""


def frame_record(frame, flow, sequence, submitted):
    return _FRAME.pack(FRAME, 0, len(frame), flow, sequence, submitted, 0) + frame


def completion_record(position, status, taken, at):
    return _COMPLETION.pack(COMPLETION, status, position, taken, at)


def control_record(message):
    data = messages.encode(message)
    assert len(data) <= MAX_CONTROL
    return _CONTROL.pack(CONTROL, len(data)) + data


def peer_user(sock):
    """The user id of the process at the other end."""
    _pid, uid, _gid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return uid


def allowed(sock):
    """Whether the other end belongs to our user."""
    return peer_user(sock) == os.geteuid()


def read_exactly(sock, size, deadline):
    """`size` bytes of a blocking socket, and not one more. EOFError if it ends, TimeoutError at the deadline."""
    data = b""
    while len(data) < size:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("no answer of the peer in time")
        sock.settimeout(left)
        more = sock.recv(size - len(data))
        if not more:
            raise EOFError("the connection ended while it was greeted")
        data += more
    return data


def read_message(sock, deadline):
    """One control message of the greeting; BadMessage if it is another record or cannot be decoded."""
    first = read_exactly(sock, 1, deadline)
    if first[0] != CONTROL:
        raise messages.BadMessage(f"a record of kind {first[0]}")
    _kind, size = _CONTROL.unpack(first + read_exactly(sock, 7, deadline))
    if size > MAX_CONTROL:
        raise messages.BadMessage(f"a message of {size} bytes")
    return messages.decode(read_exactly(sock, size, deadline))


class Connection:
    """The socket in a session. Nothing in it blocks but `wait`."""

    def __init__(self, sock):
        sock.setblocking(False)
        self.sock = sock
        self.inbox = bytearray()
        self.outbox = bytearray()
        self.ended = False   # nothing more can be read
        self.broken = False  # nothing more can be written; what lies in the socket can still be read

    def send(self, data):
        """Queues bytes; `flush` writes them."""
        if not self.broken:
            self.outbox += data

    def flush(self):
        """Writes what the kernel takes. True if that was anything."""
        wrote = False
        try:
            while self.outbox:
                del self.outbox[:self.sock.send(self.outbox)]
                wrote = True
        except BlockingIOError:
            pass
        except (BrokenPipeError, ConnectionResetError):
            self.broken = True
            self.outbox.clear()
        return wrote

    def wait(self, seconds):
        """Sleeps until something can be read, or what is queued can be written, or the time is over."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN | (select.POLLOUT if self.outbox else 0))
        poll.poll(seconds * 1000)

    def read(self):
        """Reads what has arrived, up to a bound. Sets `ended` at the end of the stream."""
        try:
            data = self.sock.recv(MAX_READ)
            self.ended = not data
            self.inbox += data
        except BlockingIOError:
            pass
        except ConnectionResetError:
            self.ended = True

    def records(self):
        """The whole records that have been read, each as a tuple that begins with its kind."""
        at = 0
        inbox = self.inbox
        try:
            while at < len(inbox):
                kind = inbox[at]
                left = len(inbox) - at
                if kind == FRAME:
                    if left < 4:
                        break
                    length = inbox[at + 2] | inbox[at + 3] << 8
                    if length > MAX_FRAME:
                        raise Violation("FRAME_TOO_LONG", f"a frame of {length} bytes")
                    size = 32 + length
                    if left < size:
                        break
                    record = (FRAME, bytes(inbox[at + 32:at + size]))
                elif kind == COMPLETION:
                    size = 32
                    if left < size:
                        break
                    record = _COMPLETION.unpack_from(inbox, at)
                elif kind == CONTROL:
                    if left < 8:
                        break
                    _kind, length = _CONTROL.unpack_from(inbox, at)
                    if length > MAX_CONTROL:
                        raise Violation("BAD_CONTROL", f"a control message of {length} bytes")
                    size = 8 + length
                    if left < size:
                        break
                    try:
                        record = (CONTROL, messages.decode(bytes(inbox[at + 8:at + size])))
                    except messages.BadMessage as error:
                        raise Violation("BAD_CONTROL", str(error)) from None
                elif kind in (MEMORY, DOORBELL):
                    size = 8
                    if left < size:
                        break
                    record = (kind,)
                else:
                    raise Violation("UNKNOWN_RECORD", f"a record of kind {kind}")
                at += size
                yield record
        finally:
            del inbox[:at]

    def close(self):
        self.sock.close()
