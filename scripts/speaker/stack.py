"""The stack: connects to a driver, sends UDP datagrams, receives what comes, and checks the driver's report."""

import collections
import os
import socket
import time

from . import frames, messages, rings, wire
from .session import IDLE_TIMEOUT_NS, Session

RETRY = 0.02


class Failed(Exception):
    """The run failed; the text says why."""


def run(options):
    """Runs one session. Returns the summary; `failures` in it is empty if all went well."""
    started = time.monotonic_ns()
    transport = messages.SHM if options.transport == "shm" else messages.SOCKET
    asked = [messages.Ring(messages.TRANSMIT, options.depth)]
    if options.rx_depth:
        asked.append(messages.Ring(messages.RECEIVE, options.rx_depth))
    hello = messages.Hello(transport, asked, "each", IDLE_TIMEOUT_NS)
    sock, accept = greet(options.socket, hello, time.monotonic() + options.connect_timeout)
    receives = len(accept.rings) == 2
    if options.receive and not receives:
        sock.close()
        raise Failed("the driver grants no receive ring")
    session = open_session(sock, transport, accept)
    try:
        stack = Stack(session, options)
        stack.work(time.monotonic() + options.timeout)
        stack.end()
    except wire.Violation as violation:
        session.say(messages.Bye(messages.VIOLATION, session.producer.submitted, str(violation)))
        raise Failed(f"the driver broke the protocol: {violation}") from None
    except wire.PeerGone as gone:
        raise Failed(str(gone)) from None
    finally:
        session.close()
    elapsed = time.monotonic_ns() - started
    failures = check_report(session, accept, receives, elapsed) + stack.failures
    return stack.summary(accept, failures)


def greet(path, hello, deadline):
    """Connects and greets until a driver answers. Returns the socket and ACCEPT."""
    why = "no answer"
    while time.monotonic() < deadline:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.connect(path)
            if not wire.allowed(sock):
                raise Failed(f"the driver belongs to user {wire.peer_user(sock)}")
            sock.settimeout(max(0.001, deadline - time.monotonic()))
            sock.sendall(wire.PREAMBLE + wire.control_record(hello))
            answer = wire.read_message(sock, deadline)
        except (FileNotFoundError, ConnectionError, PermissionError, BlockingIOError, EOFError) as error:
            # No driver listens yet, or it is about to exit, or busy with other clients.
            why = str(error)
            sock.close()
            time.sleep(RETRY)
        except (messages.BadMessage, TimeoutError) as error:
            sock.close()
            raise Failed(f"the greeting failed: {error}") from None
        except BaseException:
            sock.close()
            raise
        else:
            try:
                check_accept(hello, answer)
            except Failed:
                sock.close()
                raise
            return sock, answer
    raise Failed(f"no driver answers on {path}: {why}")


def check_accept(hello, answer):
    if isinstance(answer, messages.Refuse):
        raise Failed(f"refused with {messages.REFUSALS[answer.code]}: {answer.reason}")
    if not isinstance(answer, messages.Accept):
        raise Failed(f"the driver answers with {type(answer).__name__}")
    asked = {ring.direction: ring.depth for ring in hello.rings}
    directions = [ring.direction for ring in answer.rings]
    if directions not in ([messages.TRANSMIT], [messages.TRANSMIT, messages.RECEIVE]):
        raise Failed(f"rings with the directions {directions} are granted")
    for ring in answer.rings:
        depth_holds = 1 <= ring.depth <= asked.get(ring.direction, 0)
        if ring.queue != 0 or ring.slot_size < wire.MAX_FRAME or not depth_holds:
            raise Failed(f"{ring} is granted")
    if answer.idle_timeout_ns < 100_000_000 or answer.link == 0:
        raise Failed("the idle timeout or the link of ACCEPT is too small")


def open_session(sock, transport, accept):
    """The rings of a session, in memory that is received first if they are shared."""
    if transport == messages.SOCKET:
        connection = wire.Connection(sock)
        producer = rings.SocketProducer(accept.rings[0].depth, connection)
        consumer = rings.SocketConsumer(accept.rings[1].depth, connection) if accept.rings[1:] else None
        return Session(connection, transport, accept.idle_timeout_ns, producer, consumer)
    memories = []
    try:
        for ring in accept.rings:
            fd = receive_memory(sock)
            try:
                memories.append(rings.check_and_map(fd, accept.generation, ring.depth))
            finally:
                os.close(fd)
    except (rings.BadMemory, OSError) as error:
        for memory in memories:
            memory.close()
        sock.close()
        raise Failed(f"the memory of a ring: {error}") from None
    consumer = rings.SharedConsumer(memories[1]) if memories[1:] else None
    return Session(wire.Connection(sock), transport, accept.idle_timeout_ns, rings.SharedProducer(memories[0]),
                   consumer)


def receive_memory(sock):
    """The descriptor of one memory record. The socket still has the timeout of the greeting."""
    data, fds, flags, _ = socket.recv_fds(sock, len(wire.MEMORY_RECORD), 1, socket.MSG_CMSG_CLOEXEC)
    if data != wire.MEMORY_RECORD or len(fds) != 1 or flags & socket.MSG_CTRUNC:
        for fd in fds:
            os.close(fd)
        raise rings.BadMemory(f"the record {data.hex()} with {len(fds)} descriptors")
    return fds[0]


class Stack:
    """The work of a session."""

    def __init__(self, session, options):
        self.session = session
        self.options = options
        self.answers = collections.deque()  # to ARP requests
        self.answered = 0
        self.sent = 0
        self.datagrams = 0
        self.with_header = 0
        self.gaps = 0
        self.expected = {}  # the next sequence number, by app
        self.failures = []

    def work(self, deadline):
        """Until all is sent, completed and received."""
        producer = self.session.producer
        while not self._done():
            if time.monotonic() > deadline:
                self.failures.append(f"after {self.options.timeout} s: {self.sent} sent, {producer.completed} "
                                     f"completed, {self.datagrams} received")
                return
            self.session.turn()
            self._receive()
            if self.session.bye is not None:
                return
            self._send()

    def end(self):
        """Says BYE and waits for the driver's, unless that has come."""
        session = self.session
        if session.bye is not None:
            why = messages.REASONS[session.bye.reason]
            self.failures.append(f"the driver left first: {why} {session.bye.text}".rstrip())
            return
        session.say(messages.Bye(messages.FINISHED, session.producer.submitted))
        deadline = time.monotonic() + 2
        while session.bye is None:
            if time.monotonic() > deadline:
                raise Failed("the driver does not answer BYE")
            session.turn()
            self._receive()
        if session.bye.reason != messages.FINISHED:
            self.failures.append(f"the driver ends with {messages.REASONS[session.bye.reason]}: {session.bye.text}")

    def _done(self):
        producer = self.session.producer
        return (self.sent >= self.options.packets and producer.completed == producer.submitted and not self.answers
                and self.datagrams >= self.options.receive)

    def _send(self):
        producer = self.session.producer
        while producer.room():
            now = time.monotonic_ns()
            if self.answers:
                producer.submit(self.answers.popleft(), 1, self.answered, now)
                self.answered += 1
            elif self.sent < self.options.packets:
                data = frames.payload(self.options.size, self.sent, now)
                frame = frames.udp(frames.STACK_MAC, frames.DRIVER_MAC, frames.STACK_IP, frames.DRIVER_IP, data)
                producer.submit(frame, 0, self.sent, now)
                self.sent += 1
            else:
                return

    def _receive(self):
        """Takes and completes the frames that have arrived."""
        consumer = self.session.consumer
        while consumer is not None:
            frame = consumer.take()
            if frame is None:
                return
            taken = time.monotonic_ns()
            self._read(frame)
            consumer.complete(0, taken, time.monotonic_ns())

    def _read(self, frame):
        answer = frames.arp_answer(frame, frames.STACK_MAC, frames.STACK_IP)
        if answer is not None:
            self.answers.append(answer)
            return
        try:
            datagram = frames.read_udp(frame)
        except frames.BadFrame as bad:
            self.failures.append(f"a received frame: {bad}")
            return
        if datagram is None or datagram[0] != frames.STACK_IP:
            return
        self.datagrams += 1
        header = frames.read_payload(datagram[2])
        if header is not None:
            app, sequence, _intended = header
            self.with_header += 1
            self.gaps += sequence != self.expected.get(app, sequence)
            self.expected[app] = sequence + 1

    def summary(self, accept, failures):
        session = self.session
        up = session.bye.report and session.bye.report["up"]
        return {
            "role": "stack",
            "transport": self.options.transport,
            "generation": accept.generation,
            "depth": accept.rings[0].depth,
            "rx_depth": accept.rings[1].depth if accept.rings[1:] else None,
            "submitted": session.producer.submitted,
            "completed": session.producer.completed,
            "by_status": session.producer.by_status,
            "arp_answers": self.answered,
            "frames_received": session.consumer.taken if session.consumer else 0,
            "datagrams_received": self.datagrams,
            "with_header": self.with_header,
            "sequence_gaps": self.gaps,
            "lost_up": max(0, up["submitted"] - session.consumer.taken) if up and session.consumer else 0,
            "doorbells_rung": session.rung,
            "driver_reason": messages.REASONS[session.bye.reason],
            "driver_report": session.bye.report,
            "failures": failures,
        }


def check_report(session, accept, receives, elapsed_ns):
    """What is wrong in the driver's report, as a list of texts."""
    bye, producer = session.bye, session.producer
    report = bye.report
    if report is None:
        return ["the driver's BYE has no report"]
    wrong = []

    def demand(name, holds, limit):
        if not holds(report[name], limit):
            wrong.append(f"{name} of the driver's report is {report[name]}, and we have {limit}")

    def equal(value, limit):
        return value == limit

    def at_most(value, limit):
        return value <= limit

    left_first = bye.reason != messages.FINISHED
    counted = sum(report[name] for name in ("sent", "bad_length", "bad_header", "bad_checksum", "discarded"))
    demand("received", equal, bye.frames)
    demand("received", at_most if left_first else equal, producer.submitted)
    demand("received", equal, counted)
    demand("generation", equal, accept.generation)
    for status, name in enumerate(("sent", "bad_length", "bad_header", "bad_checksum")):
        demand(name, equal, producer.by_status[status])
    demand("sent_bytes", equal, producer.sent_bytes)
    demand("held_max", at_most, producer.depth)
    demand("hardware.occupancy_max", at_most, producer.depth)
    demand("hardware.starved_ns", at_most, elapsed_ns)
    demand("hardware.active_ns", at_most, elapsed_ns)
    demand("process.doorbells.missed", equal, 0)
    if receives and report["up"] is None:
        wrong.append("the driver's report has no way up")
    return wrong
