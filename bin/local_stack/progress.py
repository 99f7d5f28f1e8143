"""Say what is being done, how long it took and, when it fails, why."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TAIL_LINES = 30


class StepFailed(Exception):  # noqa: N818 - reads as what happened
    """A step of starting the stack did not work; the message is for the person at the terminal."""

    def __init__(self, message: str, *, log: Path | None = None) -> None:
        """Say what failed and which log tells more."""
        super().__init__(message)
        self.log = log

    def report(self) -> str:
        """The message and the end of the log."""
        if self.log is None or not self.log.exists():
            return str(self)
        tail = self.log.read_text(errors="replace").rstrip().splitlines()[-TAIL_LINES:]
        return "\n".join([str(self), f"The end of {self.log}:", "", *(f"    {line}" for line in tail)])


class Progress:
    """One line a step, with its time."""

    def __init__(self, *, silent: bool = False) -> None:
        """Write to the terminal, or keep silent."""
        self._silent = silent
        self._began = time.monotonic()

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Announce a step, then add how long it took."""
        began = time.monotonic()
        self._write(f"  {what} ... ")
        try:
            yield
        except Exception:
            self._write("failed\n")
            raise
        except BaseException:
            self._write("stopped\n")
            raise
        self._write(f"{time.monotonic() - began:.1f} s\n")

    def note(self, text: str) -> None:
        """A line of its own."""
        self._write(f"  {text}\n")

    def total(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    def _write(self, text: str) -> None:
        if not self._silent:
            sys.stdout.write(text)
            sys.stdout.flush()
