"""`make run`, `make logs` and `make reset`: serve the product on this machine, see what it logs, forget its data."""

import argparse
import json
import os
import signal
import sys
import threading
from dataclasses import asdict

from local_stack.deploy import remember, remembered
from local_stack.engine import client_of, is_free, last_port
from local_stack.lambda_logs import recent_lines
from local_stack.places import LOCAL
from local_stack.progress import Progress, StepFailed
from local_stack.seed import LogIn, seed
from local_stack.stack import LocalStack, empty

DEFAULT_PORT = 8787
SEEDED = "/local/seeded"
ENGINE_CHECK_SECONDS = 1.0


def main() -> int:
    """Do what the command line asks; the exit status says whether it worked."""
    arguments = argparse.ArgumentParser(prog="bin/run", description=__doc__)
    arguments.add_argument("command", choices=["run", "logs", "reset"], nargs="?", default="run")
    try:
        match arguments.parse_args().command:
            case "reset":
                empty(LOCAL)
                sys.stdout.write("The local data is gone.\n")
                return 0
            case "logs":
                return show_logs()
            case _:
                return run(wanted_port())
    except StepFailed as failure:
        sys.stderr.write(f"\n{failure.report()}\n")
        return 1
    except Interrupted:
        sys.stdout.write("\nStopped.\n")
        return 130


def run(port: int) -> int:
    """Serve until Ctrl-C or SIGTERM."""
    progress = Progress()
    stop = threading.Event()
    with LocalStack(LOCAL, port=port, progress=interruptible(progress)) as stack:
        log_ins = seeded(stack, progress)
        for wanted in (signal.SIGINT, signal.SIGTERM):
            signal.signal(wanted, lambda *_: stop.set())
        sys.stdout.write(welcome(stack.base_url, log_ins, progress.total()))
        sys.stdout.flush()
        while not stop.wait(ENGINE_CHECK_SECONDS):
            if not stack.engine.is_running():
                raise StepFailed("The local engine ended unexpectedly.", log=stack.engine.log)
        sys.stdout.write("\nStopping; the data is kept ... ")
        sys.stdout.flush()
    sys.stdout.write("done.\n")
    return 0


def show_logs() -> int:
    """Print what the Lambdas of the running stack logged last."""
    port = last_port(LOCAL)
    if port is None or is_free(port):
        raise StepFailed("Nothing is running here: start it with make run.")
    sys.stdout.writelines(f"{line}\n" for line in recent_lines(client_of(port, "logs")))
    return 0


class Interrupted(BaseException):
    """The person at the terminal gave up while the stack was starting."""


def interruptible(progress: Progress) -> Progress:
    """Let Ctrl-C and SIGTERM end the start in order, taking down what is up already."""

    def interrupt(*_: object) -> None:
        for wanted in (signal.SIGINT, signal.SIGTERM):
            signal.signal(wanted, signal.SIG_IGN)
        raise Interrupted

    for wanted in (signal.SIGINT, signal.SIGTERM):
        signal.signal(wanted, interrupt)
    return progress


def seeded(stack: LocalStack, progress: Progress) -> list[LogIn]:
    """The demo log-ins, after filling the stack once; what was seeded is forgotten only with the data."""
    known = remembered(stack.engine, SEEDED)
    if known is None:
        with progress.step("Filling a demo store"):
            log_ins = seed(stack.base_url)
        if log_ins:
            remember(stack.engine, SEEDED, json.dumps([asdict(log_in) for log_in in log_ins]))
        return log_ins
    return [LogIn(**log_in) for log_in in json.loads(known)]


def wanted_port() -> int:
    """The environment's PORT."""
    text = os.environ.get("PORT") or str(DEFAULT_PORT)
    if not text.isdecimal() or not 0 < int(text) < 2**16:
        raise StepFailed(f"PORT must be a number from 1 to 65535, not {text!r}.")
    return int(text)


def welcome(url: str, log_ins: list[LogIn], seconds: float) -> str:
    """What a person needs to go on."""
    lines = [
        "",
        f"Tradepost is serving ({seconds:.0f} s to start)",
        "",
        f"  API and pages   {url}/v1",
        f"  Documentation   {url}/v1/docs",
        f"  Mail            {url}/_mail",
        "  Logs            make logs",
        "",
    ]
    if log_ins:
        width = max(len(log_in.email) for log_in in log_ins)
        roles = max(len(log_in.role) for log_in in log_ins)
        lines += [
            "  Demo log-ins",
            *(f"    {who.role:<{roles}}   {who.email:<{width}}   {who.password}" for who in log_ins),
            "",
        ]
    lines += ["  Ctrl-C stops it and keeps the data; `make reset` empties it.", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
