"""Rings: a producer and a consumer for each transport, all with the same few methods.

A producer has `room`, `submit` and `settled`; a consumer has `take` and `complete`. `look` finds what the peer has
published, `publish` publishes what this side has put, and `bell_due` says whether the peer must be woken. In the
transport `socket` these three have nothing to do: there, the session passes the records that arrive to
`on_completion` and `on_frame`.
"""

import collections
import ctypes
import fcntl
import mmap
import os
import struct

from . import wire

HEAD = struct.Struct("=8sQQQ")
MAGIC = b"PBKRING2"
SLOT_SIZE = 1600
SMALL, LARGE = 64, 1536
# Places of the words in the head, counted in words of 8 bytes.
PUBLISHED, COMPLETED, PRODUCER_EVENT, CONSUMER_EVENT = 128 // 8, 256 // 8, 384 // 8, 512 // 8
FRAMES_AT = 1024
FRAME_GROUP = struct.Struct("=IIQQII")
COMPLETION_GROUP = struct.Struct("=QQQII")
SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
TMPFS = 0x01021994


class BadMemory(Exception):
    """The memory of a ring is not what the specification demands."""


class Memory:
    """The mapped memory of a ring, and the places in it."""

    def __init__(self, fd, depth):
        self.depth = depth
        self.completions_at, self.small_at, self.large_at, size = layout(depth)
        self.map = mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        # A view of native words is read and written with one access of 8 bytes; struct does not promise that.
        self.words = memoryview(self.map).cast("Q")

    def slot(self, position, length):
        """Where the frame with this position and length lies."""
        place = position % self.depth
        return self.small_at + SMALL * place if length <= SMALL else self.large_at + LARGE * place

    def close(self):
        self.words.release()
        self.map.close()


def layout(depth):
    """The offsets of the completions, the small frames and the large ones, and the size."""
    completions = _round(FRAMES_AT + 32 * depth)
    small = _round(completions + 32 * depth)
    large = _round(small + SMALL * depth)
    return completions, small, large, large + LARGE * depth


def _round(offset):
    return -(-offset // 128) * 128


def create(generation, depth):
    """Makes the memory of a ring, as a driver does. Returns its descriptor and the mapped memory."""
    size = layout(depth)[3]
    fd = os.memfd_create("ring", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(fd, size)
        os.posix_fallocate(fd, 0, size)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, SEALS)
        memory = Memory(fd, depth)
        HEAD.pack_into(memory.map, 0, MAGIC, generation, depth, SLOT_SIZE)
    except BaseException:
        os.close(fd)
        raise
    return fd, memory


def check_and_map(fd, generation, depth):
    """Checks the memory that a driver sent, and maps it, as a stack does."""
    seals = fcntl.fcntl(fd, fcntl.F_GET_SEALS)
    if seals & SEALS != SEALS:
        raise BadMemory(f"the seals are {seals:#x}")
    statfs = (ctypes.c_long * 64)()  # its first field is the type of the file system
    if ctypes.CDLL(None, use_errno=True).fstatfs(fd, statfs) != 0 or statfs[0] != TMPFS:
        raise BadMemory(f"the file system is {statfs[0]:#x}")
    size = os.fstat(fd).st_size
    if size != layout(depth)[3]:
        raise BadMemory(f"{size} bytes for a depth of {depth}")
    memory = Memory(fd, depth)
    head = HEAD.unpack_from(memory.map, 0)
    if head != (MAGIC, generation, depth, SLOT_SIZE):
        memory.close()
        raise BadMemory(f"the head is {head}")
    return memory


class Producer:
    """What both producers have in common."""

    def __init__(self, depth):
        self.depth = depth
        self.submitted = 0
        self.completed = 0
        self.submitted_bytes = 0
        self.by_status = [0, 0, 0, 0]
        self.sent_bytes = 0
        self.lengths = collections.deque()

    def room(self):
        return self.submitted - self.completed < self.depth

    def _count_submitted(self, frame):
        self.lengths.append(len(frame))
        self.submitted_bytes += len(frame)
        self.submitted += 1

    def _count_completed(self, status):
        length = self.lengths.popleft()
        self.completed += 1
        self.by_status[status] += 1
        if status == 0:
            self.sent_bytes += length


class Consumer:
    """What both consumers have in common."""

    def __init__(self, depth):
        self.depth = depth
        self.arrived = 0
        self.taken = 0
        self.completed = 0
        self.held_max = 0
        self.by_status = [0, 0, 0, 0]

    def _count_completed(self, status):
        self.completed += 1
        self.by_status[status] += 1


class SocketProducer(Producer):
    def __init__(self, depth, connection):
        super().__init__(depth)
        self.connection = connection

    def submit(self, frame, flow, sequence, now):
        assert self.room()
        self.connection.send(wire.frame_record(frame, flow, sequence, now))
        self._count_submitted(frame)

    def on_completion(self, status, position):
        if position != self.completed or self.completed == self.submitted:
            raise wire.Violation("COMPLETION_OUT_OF_ORDER", f"position {position} instead of {self.completed}")
        if status > 3:
            raise wire.Violation("UNKNOWN_STATUS", f"status {status}")
        self._count_completed(status)

    def look(self):
        return False

    publish = bell_due = look

    def close(self):
        pass


class SocketConsumer(Consumer):
    def __init__(self, depth, connection):
        super().__init__(depth)
        self.connection = connection
        self.waiting = collections.deque()

    def on_frame(self, frame):
        if self.arrived - self.completed >= self.depth:
            raise wire.Violation("RING_OVERRUN", f"more than {self.depth} frames")
        self.waiting.append(frame)
        self.arrived += 1
        self.held_max = max(self.held_max, self.arrived - self.completed)

    def take(self):
        """The next frame, or None."""
        if not self.waiting:
            return None
        self.taken += 1
        return self.waiting.popleft()

    def complete(self, status, taken, at):
        self.connection.send(wire.completion_record(self.completed, status, taken, at))
        self._count_completed(status)

    def look(self):
        return False

    publish = bell_due = look

    def close(self):
        pass


class _Shared:
    """A side of a ring in shared memory."""

    def _store(self, word, count):
        """Publishes a count. True if it is a new one."""
        if count == self.published:
            return False
        self.memory.words[word] = count
        self.published = count
        return True

    def _load(self, word, seen, most):
        """The peer's count, checked."""
        count = self.memory.words[word]
        if count < seen:
            raise wire.Violation("INDEX_WENT_BACK", f"from {seen} to {count}")
        if count > most:
            raise wire.Violation("INDEX_TOO_FAR", f"{count} is above {most}")
        return count

    def bell_due(self):
        """Whether the peer sleeps until a count that is published, and has not been rung for it.

        It is asked in every turn. That stands for the fence between the store of the count and the load of the
        event word, which this language does not have.
        """
        event = self.memory.words[self.peer_event]
        if not 0 < event <= self.published or event == self.rung:
            return False
        self.rung = event
        return True

    def close(self):
        self.memory.close()


class SharedProducer(_Shared, Producer):
    peer_event = CONSUMER_EVENT

    def __init__(self, memory):
        super().__init__(memory.depth)
        self.memory = memory
        self.published = 0
        self.rung = 0
        self.groups = 0  # groups of completions that were read

    def submit(self, frame, flow, sequence, now):
        """Puts a frame and a group of one; `publish` publishes them."""
        assert self.room()
        at = self.memory.slot(self.submitted, len(frame))
        self.memory.map[at:at + len(frame)] = frame
        record = FRAMES_AT + 32 * (self.submitted % self.depth)
        FRAME_GROUP.pack_into(self.memory.map, record, len(frame), flow, sequence, now, 1, 0)
        self._count_submitted(frame)

    def publish(self):
        return self._store(PUBLISHED, self.submitted)

    def look(self):
        """Reads the completions that the peer has published. True if there were any."""
        before = self.completed
        count = self._load(COMPLETED, before, self.published)
        while self.completed < count:
            record = self.memory.completions_at + 32 * (self.groups % self.depth)
            _taken, _at, _zero, number, status = COMPLETION_GROUP.unpack_from(self.memory.map, record)
            if not 1 <= number <= count - self.completed:
                raise wire.Violation("GROUP_SIZE", f"a group of {number} completions")
            if status > 3:
                raise wire.Violation("UNKNOWN_STATUS", f"status {status}")
            self.groups += 1
            for _ in range(number):
                self._count_completed(status)
        return count > before


class SharedConsumer(_Shared, Consumer):
    peer_event = PRODUCER_EVENT

    def __init__(self, memory):
        super().__init__(memory.depth)
        self.memory = memory
        self.published = 0
        self.rung = 0
        self.groups = 0  # groups of frames that were read
        self.left = 0    # frames of the last group that are not taken
        self.length = 0  # of each of them

    def look(self):
        """Finds the frames that the peer has published. True if there are new ones."""
        before = self.arrived
        self.arrived = self._load(PUBLISHED, before, self.published + self.depth)
        self.held_max = max(self.held_max, self.arrived - self.completed)
        return self.arrived > before

    def take(self):
        """A copy of the next frame, or None."""
        if self.taken == self.arrived:
            return None
        if self.left == 0:
            record = FRAMES_AT + 32 * (self.groups % self.depth)
            length, _flow, _sequence, _time, number, _zero = FRAME_GROUP.unpack_from(self.memory.map, record)
            if not 1 <= number <= self.arrived - self.taken:
                raise wire.Violation("GROUP_SIZE", f"a group of {number} frames")
            if not 1 <= length <= wire.MAX_FRAME:
                raise wire.Violation("SLOT_LENGTH", f"a frame of {length} bytes")
            self.groups += 1
            self.left, self.length = number, length
        at = self.memory.slot(self.taken, self.length)
        self.left -= 1
        self.taken += 1
        return self.memory.map[at:at + self.length]

    def complete(self, status, taken, at):
        """Puts a group of one completion; `publish` publishes it."""
        record = self.memory.completions_at + 32 * (self.completed % self.depth)
        COMPLETION_GROUP.pack_into(self.memory.map, record, taken, at, 0, 1, status)
        self._count_completed(status)

    def publish(self):
        return self._store(COMPLETED, self.completed)
