"""Where the local stack keeps things: the state that survives a restart apart from what may be thrown away."""

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
SAM = ROOT / ".tools" / "sam"
ENGINE = ROOT / ".tools" / "engine"
CACHE = ROOT / ".cache"

REGION = "eu-central-1"
STACK_NAME = "tradepost"


@dataclass(frozen=True)
class Places:
    """The folders of one stack; two stacks with different homes do not touch each other."""

    home: Path

    @property
    def state(self) -> Path:
        """The engine's data, written when it stops."""
        return self.home / "state"

    @property
    def objects(self) -> Path:
        """The engine's S3 objects."""
        return self.home / "objects"

    @property
    def scratch(self) -> Path:
        """The engine's temporary folder; emptied at every start and stop."""
        return self.home / "scratch"

    @property
    def logs(self) -> Path:
        """What the engine, the build and the deployment had to say."""
        return self.home / "logs"

    @property
    def mail(self) -> Path:
        """Every mail sent, one JSON object a line."""
        return self.home / "mail.jsonl"

    @property
    def engine(self) -> Path:
        """Which port the engine has."""
        return self.home / "engine.json"

    def create(self) -> None:
        """Make the folders."""
        for folder in (self.state, self.objects, self.scratch, self.logs):
            folder.mkdir(parents=True, exist_ok=True)


LOCAL = Places(ROOT / ".local")


def clean_environment() -> dict[str, str]:
    """The caller's environment without its AWS settings, so that nothing local ever reaches a real account."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "SAM_", "PYTHON", "COVERAGE", "PYTEST", "VIRTUAL_ENV"))
    }
    return inherited | {
        "PATH": os.pathsep.join([str(VENV / "bin"), str(SAM / "bin"), os.environ.get("PATH", os.defpath)]),
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
