"""The driver: listens, greets one stack after the other, completes its frames, and sends some to it."""

import collections
import os
import re
import signal
import socket
import stat
import sys
import threading
import time

from . import frames, messages, rings, wire
from .session import IDLE_TIMEOUT_NS, Session

MAX_GREETED = 16  # clients that are refused at once beside a session


class Refused(Exception):
    """The client is refused with this code."""

    def __init__(self, code, reason):
        super().__init__(reason)
        self.code = code


def run(options):
    """Serves sessions until it is told to stop, or one with `--once`. Returns the summary of the last one."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    listener = listen(options.socket)
    summary = {"role": "driver", "failures": ["no session"] if options.once else []}
    generation = 0
    try:
        while not stop.is_set():
            client = accept_client(listener, stop)
            if client is None:
                break
            opened = greet(client, options, generation + 1)
            if opened is None:
                continue
            generation += 1
            summary = Driver(opened, options, generation, listener, stop).serve()
            if options.once:
                break
            for failure in summary["failures"]:
                print(f"speaker: session {generation}: {failure}", file=sys.stderr)
    finally:
        listener.close()
        try:
            os.unlink(options.socket)
        except FileNotFoundError:
            pass
    return summary


def listen(path):
    folder = os.path.dirname(path)
    if folder:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)  # the socket gets mode 0600
    try:
        listener.bind(path)
    finally:
        os.umask(mask)
    listener.listen(64)
    return listener


def remove_stale(path):
    """Removes a socket left behind by a process that has ended."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)


def accept_client(listener, stop):
    """The next client, or None if this program shall stop."""
    listener.settimeout(0.1)
    while not stop.is_set():
        try:
            return listener.accept()[0]
        except TimeoutError:
            pass
    return None


def read_greeting(sock):
    """HELLO of a client, checked. Refused if it is to be refused; EOFError or TimeoutError: close it, no answer."""
    if not wire.allowed(sock):
        raise Refused(messages.NOT_ALLOWED, f"user {wire.peer_user(sock)} may not connect")
    deadline = time.monotonic() + 2
    preamble = wire.read_exactly(sock, len(wire.PREAMBLE), deadline)
    if preamble[:4] != wire.MAGIC:
        raise EOFError("no preamble")
    if preamble != wire.PREAMBLE:
        raise Refused(messages.VERSION_REFUSED, f"this driver speaks version {wire.VERSION}")
    try:
        hello = wire.read_message(sock, deadline)
    except messages.BadMessage as error:
        raise Refused(messages.BAD_GREETING, str(error)) from None
    if not isinstance(hello, messages.Hello):
        raise Refused(messages.BAD_GREETING, f"{type(hello).__name__} instead of HELLO")
    if not re.fullmatch("each|half|[0-9]{1,10}", hello.wake) or hello.wake.strip("0") == "":
        raise Refused(messages.BAD_GREETING, f"the wake point {hello.wake}")
    if hello.idle_timeout_ns < 100_000_000:
        raise Refused(messages.BAD_GREETING, "an idle timeout below 100 ms")
    asked = [ring for ring in hello.rings if ring.queue == 0]
    directions = sorted(ring.direction for ring in asked)
    if directions not in ([messages.TRANSMIT], [messages.TRANSMIT, messages.RECEIVE]) or len(hello.rings) > 64:
        raise Refused(messages.INVALID_RING, "one transmit ring and at most one receive ring can be granted")
    for ring in asked:
        if not 1 <= ring.depth <= 65536 or ring.slot_size < wire.MAX_FRAME:
            raise Refused(messages.INVALID_RING, str(ring))
    return hello


def refuse(sock, code, reason):
    """Answers REFUSE and waits until the client has read it."""
    sock.settimeout(1)
    deadline = time.monotonic() + 1
    sock.sendall(wire.control_record(messages.Refuse(code, reason)))
    sock.shutdown(socket.SHUT_WR)
    try:
        while True:
            wire.read_exactly(sock, 1, deadline)
    except (EOFError, OSError):
        pass


def greet(sock, options, generation):
    """Answers a client. Returns (session, transport) if it was accepted, else None.

    Without options, another session runs: the client is refused whatever it asks for.
    """
    try:
        hello = read_greeting(sock)
        if options is None:
            raise Refused(messages.BUSY, "another session runs")
        return accept(sock, hello, options, generation), hello.transport
    except Refused as refused:
        try:
            refuse(sock, refused.code, str(refused))
        except OSError:
            pass
    except (EOFError, OSError):
        pass
    sock.close()
    return None


def accept(sock, hello, options, generation):
    """Grants rings: sends ACCEPT and the memory of the rings, and begins a session."""
    mine = {messages.TRANSMIT: options.depth, messages.RECEIVE: options.rx_depth}
    granted = []
    for direction in (messages.TRANSMIT, messages.RECEIVE):
        for ring in hello.rings:
            if ring.queue == 0 and ring.direction == direction and mine[direction]:
                granted.append(messages.Ring(direction, min(ring.depth, mine[direction])))
    made = []
    try:
        if hello.transport == messages.SHM:
            try:
                for ring in granted:
                    made.append(rings.create(generation, ring.depth))
            except OSError as error:
                raise Refused(messages.NO_RESOURCES, str(error)) from None
        sock.settimeout(1)
        answer = messages.Accept(generation, granted, None, "{}", IDLE_TIMEOUT_NS)
        sock.sendall(wire.control_record(answer))
        for fd, _memory in made:
            socket.send_fds(sock, [wire.MEMORY_RECORD], [fd])
    except BaseException:
        for _fd, memory in made:
            memory.close()
        raise
    finally:
        for fd, _memory in made:
            os.close(fd)
    connection = wire.Connection(sock)
    if made:
        consumer = rings.SharedConsumer(made[0][1])
        producer = rings.SharedProducer(made[1][1]) if made[1:] else None
    else:
        consumer = rings.SocketConsumer(granted[0].depth, connection)
        producer = rings.SocketProducer(granted[1].depth, connection) if granted[1:] else None
    return Session(connection, hello.transport, hello.idle_timeout_ns, producer, consumer)


class Driver:
    """The work of a session."""

    def __init__(self, opened, options, generation, listener, stop):
        self.session, self.transport = opened
        self.options = options
        self.generation = generation
        self.listener = listener
        self.stop = stop
        self.greeters = []
        self.answers = collections.deque()  # to ARP requests
        self.answered = 0
        self.sent_bytes = 0
        self.datagrams = 0
        self.with_header = 0
        self.pushed = 0  # datagrams put into the receive ring
        self.failures = []

    def serve(self):
        """The session from its first turn to its end. Returns the summary."""
        session = self.session
        reason, ended = messages.INTERRUPTED, "interrupted"
        try:
            while session.bye is None and not self.stop.is_set():
                self._refuse_others()
                session.turn()
                self._consume()
                if session.bye is None:
                    self._produce()
            if session.bye is not None:
                reason, ended = self._compare(session.bye)
            session.say(self._bye(reason, ended))
            session.wait_for_end(1)
        except wire.Violation as violation:
            reason, ended = messages.VIOLATION, str(violation)
            self.failures.append(f"the stack broke the protocol: {violation}")
            session.say(self._bye(reason, ended))
        except wire.PeerGone as gone:
            ended = str(gone)
            self.failures.append(ended)
        finally:
            session.close()
        if session.bye is not None and session.bye.reason != messages.FINISHED:
            self.failures.append(f"the stack ends with {messages.REASONS[session.bye.reason]} {session.bye.text}")
        if session.producer is not None and self.pushed < self.options.send:
            self.failures.append(f"{self.pushed} of {self.options.send} datagrams were sent to the stack")
        return self._summary(ended)

    def _compare(self, bye):
        """The reason of the answer to the stack's BYE, and how the session ended."""
        arrived = self.session.consumer.arrived
        if bye.frames == arrived:
            return messages.FINISHED, "finished"
        text = f"MISCOUNTED: the stack states {bye.frames} frames, and {arrived} arrived"
        self.failures.append(text)
        return messages.VIOLATION, text

    def _consume(self):
        """Takes and completes the frames that have arrived."""
        consumer = self.session.consumer
        while True:
            frame = consumer.take()
            if frame is None:
                return
            taken = time.monotonic_ns()
            status = self._read(frame)
            if status == 0:
                self.sent_bytes += len(frame)
            consumer.complete(status, taken, time.monotonic_ns())

    def _read(self, frame):
        """Checks a frame. Returns the status of its completion."""
        try:
            datagram = frames.read_udp(frame)
        except frames.BadFrame as bad:
            self.failures.append(f"a frame of the stack: {bad}")
            return bad.status
        if datagram is not None:
            self.datagrams += 1
            self.with_header += frames.read_payload(datagram[2]) is not None
            return 0
        answer = frames.arp_answer(frame, frames.DRIVER_MAC, frames.DRIVER_IP)
        if answer is not None:
            self.answers.append(answer)
        return 0

    def _produce(self):
        """Sends answers and datagrams to the stack while there is room."""
        producer = self.session.producer
        while producer is not None and producer.room():
            now = time.monotonic_ns()
            if self.answers:
                frame = self.answers.popleft()
                self.answered += 1
            elif self.pushed < self.options.send:
                data = frames.payload(self.options.size, self.pushed, now)
                frame = frames.udp(frames.DRIVER_MAC, frames.STACK_MAC, frames.DRIVER_IP, frames.STACK_IP, data)
                self.pushed += 1
            else:
                return
            producer.submit(frame, 0, producer.submitted, now)

    def _refuse_others(self):
        """Clients that come while the session runs."""
        self.listener.setblocking(False)
        try:
            client = self.listener.accept()[0]
        except OSError:
            return
        self.greeters = [greeter for greeter in self.greeters if greeter.is_alive()]
        if len(self.greeters) >= MAX_GREETED:
            client.close()
            return
        greeter = threading.Thread(target=greet, args=(client, None, 0), daemon=True)
        greeter.start()
        self.greeters.append(greeter)

    def _bye(self, reason, ended):
        session, consumer = self.session, self.session.consumer
        report = {
            "generation": self.generation,
            "received": consumer.arrived,
            "sent": consumer.by_status[0],
            "sent_bytes": self.sent_bytes,
            "bad_length": consumer.by_status[1],
            "bad_header": consumer.by_status[2],
            "bad_checksum": consumer.by_status[3],
            "discarded": consumer.arrived - consumer.completed,
            "held_max": consumer.held_max,
            "ended": ended,
            "process.cpu_ns": time.process_time_ns(),
            "process.doorbells.rung": session.rung,
        }
        if session.producer is not None:
            report["up"] = {
                "submitted": session.producer.submitted,
                "bytes": session.producer.submitted_bytes,
                "completed": session.producer.completed,
            }
        return messages.Bye(reason, consumer.arrived, ended, report)

    def _summary(self, ended):
        session, producer, consumer = self.session, self.session.producer, self.session.consumer
        return {
            "role": "driver",
            "transport": "shm" if self.transport == messages.SHM else "socket",
            "generation": self.generation,
            "depth": consumer.depth,
            "rx_depth": producer.depth if producer else None,
            "received": consumer.arrived,
            "by_status": consumer.by_status,
            "datagrams": self.datagrams,
            "with_header": self.with_header,
            "arp_answers": self.answered,
            "datagrams_sent_up": self.pushed,
            "frames_sent_up": producer.submitted if producer else 0,
            "completed_up": producer.completed if producer else 0,
            "doorbells_rung": session.rung,
            "ended": ended,
            "failures": self.failures,
        }
