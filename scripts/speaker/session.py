"""A session: the turns of the loop in which both sides publish, ring, sleep, read and look."""

import time

from . import messages, wire

IDLE_TIMEOUT_NS = 60_000_000_000
DOORBELLS_IN_A_ROW = 4096
# The longest sleep. In shared memory the peer does not wake this program, because it announces no sleep: it looks by itself.
# On the socket everything wakes it.
SLEEP = {messages.SHM: 0.001, messages.SOCKET: 0.1}


class Session:
    def __init__(self, connection, transport, peer_timeout_ns, producer=None, consumer=None):
        self.connection = connection
        self.transport = transport
        self.producer = producer
        self.consumer = consumer
        self.rings = [ring for ring in (producer, consumer) if ring is not None]
        self.alive_every = min(IDLE_TIMEOUT_NS, peer_timeout_ns) / 4e9
        self.last_turn = self.heard = self.sent = time.monotonic()
        self.moved = True    # whether the last turn found anything: then the next one does not sleep
        self.ending = False  # one side has said BYE
        self.bye = None      # that of the peer
        self.rung = 0        # doorbells sent
        self.doorbells = 0   # doorbells received in a row

    def turn(self):
        """One turn. Returns whether anything arrived. The peer's BYE, if it came, is in `bye` afterwards.

        The rings are looked at behind the read of the socket, so what the peer published before a control message
        is found before anyone acts on the message.
        """
        self._write()
        self.connection.wait(0 if self.moved else min(SLEEP[self.transport], self.alive_every / 2))
        self.connection.read()
        records = 0
        for record in self.connection.records():
            self._handle(record)
            records += 1
        self.moved = records > 0
        for ring in self.rings:
            if ring.look():
                self.doorbells = 0
                self.moved = True
        if self.connection.ended and self.bye is None:
            raise wire.PeerGone("the peer closed the connection without BYE")
        self._watch()
        return self.moved

    def say(self, message):
        """Sends a control message, behind everything that was put into the rings."""
        self._publish()
        self.connection.send(wire.control_record(message))
        self.connection.flush()
        if isinstance(message, messages.Bye):
            self.ending = True

    def wait_for_end(self, seconds):
        """Writes what is queued, and reads and ignores what comes, until the peer closes or the time is over."""
        deadline = time.monotonic() + seconds
        while not self.connection.ended and time.monotonic() < deadline:
            self.connection.flush()
            self.connection.wait(max(0, deadline - time.monotonic()))
            self.connection.read()
            self.connection.inbox.clear()

    def close(self):
        for ring in self.rings:
            ring.close()
        self.connection.close()

    def _publish(self):
        for ring in self.rings:
            if ring.publish():
                self.sent = time.monotonic()
                self.doorbells = 0

    def _write(self):
        self._publish()
        # Bytes that the kernel did not take wake the peer as well as a doorbell.
        if not self.connection.outbox and any([ring.bell_due() for ring in self.rings]):
            self.connection.send(wire.DOORBELL_RECORD)
            self.rung += 1
        if not self.ending and not self.connection.outbox and time.monotonic() - self.sent >= self.alive_every:
            self.connection.send(wire.control_record(messages.Alive()))
        if self.connection.flush():
            self.sent = time.monotonic()

    def _watch(self):
        """Gives up a peer that is silent, but not for time in which this process did not run."""
        now = time.monotonic()
        if self.moved:
            self.heard = now
        if now - self.last_turn > 1:
            self.heard += now - self.last_turn
        self.last_turn = now
        if not self.ending and self.bye is None and now - self.heard > IDLE_TIMEOUT_NS / 1e9:
            raise wire.Violation("PEER_SILENT", "no sign of life")

    def _handle(self, record):
        kind = record[0]
        if kind == wire.CONTROL:
            message = record[1]
            if isinstance(message, messages.Alive):
                return
            if not isinstance(message, messages.Bye) or self.bye is not None:
                raise wire.Violation("UNEXPECTED_RECORD", f"{type(message).__name__} in a session")
            self.bye = message
        elif kind == wire.DOORBELL and self.transport == messages.SHM:
            self.doorbells += 1
            if self.doorbells > DOORBELLS_IN_A_ROW:
                raise wire.Violation("DOORBELL_STORM", f"{self.doorbells} doorbells in a row")
        elif kind == wire.FRAME and self.transport == messages.SOCKET and self.consumer is not None:
            self.consumer.on_frame(record[1])
        elif kind == wire.COMPLETION and self.transport == messages.SOCKET and self.producer is not None:
            self.producer.on_completion(record[1], record[2])
        else:
            raise wire.Violation("UNEXPECTED_RECORD", f"a record of kind {kind}")
