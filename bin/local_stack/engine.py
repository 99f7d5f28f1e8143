"""The engine: AWS as one child process on a loopback port, its data kept for the next start."""

import json
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import boto3
from botocore.config import Config

from local_stack.places import ENGINE, REGION, Places, clean_environment
from local_stack.progress import StepFailed

if TYPE_CHECKING:
    from subprocess import Popen

LOOPBACK = "127.0.0.1"
START_SECONDS = 30.0
STOP_SECONDS = 60.0
POLL_SECONDS = 0.05
ACCOUNT = "000000000000"
MAIN = Path(__file__).with_name("engine_main.py")


class Engine:
    """Starts on entering, stops on leaving; what it knew is there again at the next start."""

    def __init__(self, places: Places, *, mail_endpoint: str) -> None:
        """Keep the data in `places`; let the Lambdas send their mail to `mail_endpoint`."""
        self._places = places
        self._mail_endpoint = mail_endpoint
        self._process: Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Where the AWS API is."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def log(self) -> Path:
        """What the engine says."""
        return self._places.logs / "engine.log"

    @property
    def scratch(self) -> Path:
        """Where the Lambdas' processes live; nothing of another engine does."""
        return self._places.scratch

    def __enter__(self) -> Self:
        """Start and wait until it answers."""
        self._empty_scratch()
        self._places.create()
        self.port = self._choose_port()
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [plain_interpreter(), str(MAIN), str(site_packages(ENGINE))],
                cwd=self._places.home,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the parent, which stops the engine when all else has ended
            )
        self._wait_until_ready(self._process)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop, giving it the time to save its data."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._empty_scratch()

    def is_running(self) -> bool:
        """Whether the process is still there."""
        return self._process is not None and self._process.poll() is None

    def client(self, service: str) -> Any:
        """A boto3 client for one of the engine's services."""
        return client_of(self.port, service)

    def _environment(self) -> dict[str, str]:
        return clean_environment() | {
            "BIND_HOST": LOOPBACK,
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_HOST": LOOPBACK,
            "MINISTACK_REGION": REGION,
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "AWS_ACCESS_KEY_ID": ACCOUNT,
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self._places.state),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self._places.objects),
            "TMPDIR": str(self._places.scratch),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "DOCKER_HOST": "unix:///nonexistent",
            "PYTHONNOUSERSITE": "1",
            "TZ": "UTC",
            "AWS_ENDPOINT_URL_SESV2": self._mail_endpoint,
        }

    def _choose_port(self) -> int:
        """The port of the last start, since queues are known by their addresses; if it is taken, move the data."""
        last = last_port(self._places)
        port = last if last and is_free(last) else free_port()
        if last and port != last:
            readdress(self._places.state, f"{LOOPBACK}:{last}", f"{LOOPBACK}:{port}")
        self._places.engine.write_text(json.dumps({"port": port}))
        return port

    def _wait_until_ready(self, process: "Popen[bytes]") -> None:
        give_up = time.monotonic() + START_SECONDS
        while time.monotonic() < give_up:
            if process.poll() is not None:
                raise StepFailed("The local engine ended at once.", log=self.log)
            try:
                with urllib.request.urlopen(f"{self.url}/_ministack/ready", timeout=2):  # noqa: S310 - loopback
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(POLL_SECONDS)
        raise StepFailed(f"The local engine did not answer within {START_SECONDS:.0f} s.", log=self.log)

    def _empty_scratch(self) -> None:
        shutil.rmtree(self._places.scratch, ignore_errors=True)


def client_of(port: int, service: str) -> Any:
    """A boto3 client for one of the services of the engine on this port."""
    make: Any = boto3.client  # its stubs know every service, but not a name that is only known at run time
    return make(
        service,
        endpoint_url=f"http://{LOOPBACK}:{port}",
        region_name=REGION,
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106 - the engine takes any
        config=Config(retries={"max_attempts": 2}, read_timeout=120),
    )


def last_port(places: Places) -> int | None:
    """The port on which the engine runs, or ran last."""
    if not places.engine.exists():
        return None
    return int(json.loads(places.engine.read_text())["port"])


def plain_interpreter() -> str:
    """The Python that the virtual environments were made from."""
    return str(getattr(sys, "_base_executable", sys.executable))


def site_packages(environment: Path) -> Path:
    """Where a virtual environment keeps its packages."""
    return environment / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"


def free_port() -> int:
    """A loopback port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether a loopback port can be bound."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def readdress(state: Path, old: str, new: str) -> None:
    """Write the engine's new address into its saved data."""
    pattern = re.compile(re.escape(old) + r"(?=[^0-9])")
    for file in state.glob("*.json"):
        text = file.read_text()
        if old in text:
            draft = file.with_suffix(".moved")
            draft.write_text(pattern.sub(new, text))
            draft.replace(file)
