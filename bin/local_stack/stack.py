"""A whole stack, up and answering: for `make run` on its fixed address, for the tests on addresses of their own."""

import fcntl
import os
import shutil
import signal
import subprocess
import time
from contextlib import ExitStack
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import httpx

from local_stack.deploy import Deployment, deploy, standing_stack
from local_stack.engine import Engine
from local_stack.front import Front
from local_stack.lambda_logs import recent_lines
from local_stack.mailbox import Mailbox
from local_stack.places import STACK_NAME, Places
from local_stack.progress import Progress, StepFailed
from local_stack.ses_events import SesEvents

HEALTH = "/v1/health"
HEALTH_SECONDS = 30.0
# Libraries cannot be imported by the first Lambda faster than this on a busy machine.
PATIENCE = httpx.Timeout(HEALTH_SECONDS)


class LocalStack:
    """Engine, deployment and front; entering brings them up, leaving takes them down and keeps the data."""

    def __init__(self, places: Places, *, port: int = 0, progress: Progress | None = None) -> None:
        """Serve on `port`, or on any free one."""
        self._places = places
        self._port = port
        self._progress = progress or Progress(silent=True)
        self._open = ExitStack()
        self._deployment: Deployment | None = None
        self.engine: Engine
        self.front: Front
        self.mailbox: Mailbox

    @property
    def base_url(self) -> str:
        """The address of the API and the pages."""
        return self.front.url

    @property
    def outputs(self) -> dict[str, str]:
        """What the deployed stack tells of itself."""
        assert self._deployment is not None  # noqa: S101 - set on entering
        return self._deployment.outputs

    def client(self, service: str) -> Any:
        """A boto3 client for one of the stack's services."""
        return self.engine.client(service)

    def mails(self, to: str = "") -> list[dict[str, Any]]:
        """The mails sent so far, newest first, as `/_mail/messages` shows them."""
        return [mail.as_message() for mail in self.mailbox.newest_first(to)]

    def logs(self) -> list[str]:
        """What the Lambdas logged last."""
        return list(recent_lines(self.client("logs")))

    def function(self, logical_id: str) -> str:
        """The name that a function of the template got."""
        found = self.client("cloudformation").describe_stack_resource(StackName=STACK_NAME, LogicalResourceId=logical_id)
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    def kill(self, logical_id: str) -> int:
        """Kill all processes of a function, whatever they are doing, as if their machine were gone; how many there were."""
        home = f"{self.engine.scratch}/ministack-lambda-{self.function(logical_id)}-"
        listed = subprocess.run(["ps", "-axww", "-o", "pid=,args="], check=True, capture_output=True, text=True).stdout
        ids = [int(line.split()[0]) for line in listed.splitlines() if home in line]
        for process in ids:
            os.kill(process, signal.SIGKILL)
        return len(ids)

    def __enter__(self) -> Self:
        """Bring everything up; on failure take down what was up already."""
        try:
            self._start()
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Take everything down."""
        self._open.close()

    def _start(self) -> None:
        self._places.create()
        self._open.enter_context(_Lock(self._places))
        self.mailbox = Mailbox(self._places.mail)
        self.front = self._open.enter_context(Front(self._port, self.mailbox))
        with self._progress.step("Starting the local engine"):
            self.engine = self._open.enter_context(Engine(self._places, mail_endpoint=self.front.ses_endpoint))
        self.front.know_engine(self.engine.url, SesEvents(self.engine))
        if standing_stack(self.engine) is None:
            self.mailbox.clear()
        self._deployment = deploy(self.engine, self._places, public_url=self.front.url, progress=self._progress)
        self.front.open_api(self.engine.url + self._deployment.api_path)
        with self._progress.step(f"Asking {HEALTH}"):
            self._expect_health()

    def _expect_health(self) -> None:
        """A deployment that ended well proves nothing: ask a route."""
        give_up = time.monotonic() + HEALTH_SECONDS
        while True:
            answer = httpx.get(self.base_url + HEALTH, timeout=PATIENCE, trust_env=False)
            if answer.status_code == HTTPStatus.OK:
                return
            if time.monotonic() > give_up or answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
                message = f"The stack is deployed, but GET {HEALTH} answers {answer.status_code}: {answer.text[:2000]}"
                raise StepFailed(message, log=self.engine.log)
            time.sleep(1)


class _Lock:
    """One stack at a time in one home."""

    def __init__(self, places: Places) -> None:
        self._file = (places.home / "lock").open("w")

    def __enter__(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as refused:
            self._file.close()
            raise StepFailed("The local stack of this folder is running already; stop it first.") from refused

    def __exit__(self, *_: object) -> None:
        self._file.close()


def empty(places: Places) -> None:
    """Forget all data of a stack that is not running."""
    if not places.home.exists():
        return
    with _Lock(places):
        shutil.rmtree(places.home)
