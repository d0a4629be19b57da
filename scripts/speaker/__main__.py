"""The command line: `python3 -m speaker stack|driver`. Exit status 0 if all went well, 1 if not."""

import argparse
import json
import sys

from . import driver, frames, stack


def number(least, most):
    def parse(text):
        value = int(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is not from {least} to {most}")
        return value
    return parse


def arguments():
    parser = argparse.ArgumentParser(prog="speaker", description=__doc__)
    roles = parser.add_subparsers(dest="role", required=True)
    depth, count = number(1, 65536), number(0, 2**32)
    one = roles.add_parser("stack", help="connect to a driver and send UDP datagrams")
    two = roles.add_parser("driver", help="listen for stacks and complete their frames")
    for role in (one, two):
        role.add_argument("--socket", required=True, help="path of the driver's socket")
        role.add_argument("--size", type=number(0, frames.MAX_PAYLOAD), default=200, help="bytes of a payload")
        role.add_argument("--json", metavar="FILE", help="write the summary there instead of to standard output")
    one.add_argument("--transport", choices=["shm", "socket"], default="shm")
    one.add_argument("--packets", type=count, default=0, help="datagrams to send")
    one.add_argument("--depth", type=depth, default=64, help="slots of the transmit ring")
    one.add_argument("--rx-depth", type=number(0, 65536), default=64, help="slots of the receive ring; 0: none")
    one.add_argument("--receive", type=count, default=0, help="datagrams to wait for")
    one.add_argument("--timeout", type=float, default=30, help="seconds for sending and receiving")
    one.add_argument("--connect-timeout", type=float, default=2, help="seconds for connecting and the greeting")
    two.add_argument("--depth", type=depth, default=64, help="most slots of the transmit ring")
    two.add_argument("--rx-depth", type=number(0, 65536), default=64, help="the same for the receive ring; 0: none")
    two.add_argument("--once", action="store_true", help="exit after the first session")
    two.add_argument("--send", type=count, default=0, help="datagrams to send to the stack")
    return parser.parse_args()


def main():
    options = arguments()
    try:
        summary = (stack if options.role == "stack" else driver).run(options)
    except (stack.Failed, OSError) as error:
        summary = {"role": options.role, "failures": [str(error)]}
    text = json.dumps(summary, indent=2) + "\n"
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            file.write(text)
    else:
        sys.stdout.write(text)
    for failure in summary["failures"][:10]:
        print(f"speaker: {failure}", file=sys.stderr)
    return 1 if summary["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
