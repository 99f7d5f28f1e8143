"""Put the product on the engine with the same `sam build` and `sam deploy` that put it on AWS."""

import fcntl
import hashlib
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from botocore.exceptions import ClientError

from local_stack.engine import Engine
from local_stack.places import CACHE, ROOT, SAM, STACK_NAME, Places, clean_environment
from local_stack.progress import Progress, StepFailed

TEMPLATE = ROOT / "template.yaml"
CODE = ("functions", "layers/shared")
SENDER = "no-reply@tradepost.example"
DEPLOYED = "/local/deployed"
HEALTHY = {"CREATE_COMPLETE", "UPDATE_COMPLETE"}


@dataclass(frozen=True)
class Deployment:
    """What a deployed stack tells of itself."""

    outputs: dict[str, str]

    @property
    def api_path(self) -> str:
        """The stage on the engine; on AWS it is the output `ApiUrl` itself."""
        found = re.fullmatch(r"https?://([^./]+)\.[^/]+/([^/]+)/?", self.outputs["ApiUrl"])
        if not found:
            raise StepFailed(f"The stack's output ApiUrl is not the address of a stage: {self.outputs['ApiUrl']}")
        return f"/_aws/execute-api/{found[1]}/{found[2]}"


def deploy(engine: Engine, places: Places, *, public_url: str, progress: Progress) -> Deployment:
    """Build and deploy, unless exactly this is deployed already."""
    template = read_template(TEMPLATE)
    parameters = local_parameters(template, public_url)
    wanted = fingerprint(parameters)
    standing = standing_stack(engine)
    if standing is not None and remembered(engine, DEPLOYED) == wanted:
        progress.note("Nothing changed since the last start: no build, no deployment.")
        return standing
    with only_one_build():
        with progress.step("Building the Lambdas and their layer (sam build)"):
            sam("build", "--cached", "--parallel", log=places.logs / "build.log")
        with progress.step("Deploying the stack to the local engine (sam deploy)"):
            sam(
                *("deploy", "--config-env", "local", "--stack-name", STACK_NAME, "--no-progressbar"),
                *(("--parameter-overrides", *(f"{k}={v}" for k, v in parameters.items())) if parameters else ()),
                log=places.logs / "deploy.log",
                endpoint=engine.url,
            )
    standing = standing_stack(engine)
    if standing is None:
        raise StepFailed("sam deploy ended well, but the stack is not there.", log=engine.log)
    with progress.step("Switching on what the engine leaves out of a template"):
        enable_expiry(engine, template)
        verify_sender(engine)
    remember(engine, DEPLOYED, wanted)
    return standing


def standing_stack(engine: Engine) -> Deployment | None:
    """The stack as it stands, if it stands."""
    try:
        [stack] = engine.client("cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"]
    except ClientError:
        return None
    if stack["StackStatus"] not in HEALTHY:
        return None
    return Deployment({output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])})


def sam(*arguments: str, log: Path, endpoint: str | None = None) -> None:
    """Run the SAM command line, its words in a log."""
    environment = clean_environment() | {
        "SAM_CLI_TELEMETRY": "0",
        "__SAM_CLI_APP_DIR": str(CACHE / "sam"),
        "TRADEPOST_CACHE": str(CACHE),
    }
    if endpoint:
        environment["AWS_ENDPOINT_URL"] = endpoint
    (CACHE / "sam").mkdir(parents=True, exist_ok=True)
    with log.open("wb") as written:
        finished = subprocess.run(
            [str(SAM / "bin" / "sam"), *arguments],
            check=False,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
        )
    if finished.returncode:
        raise StepFailed(f"sam {arguments[0]} failed.", log=log)


@contextmanager
def only_one_build() -> Iterator[None]:
    """`make run` and `make test` share one build folder: the second waits for the first."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def local_parameters(template: dict[str, Any], public_url: str) -> dict[str, str]:
    """Values for those of the template's parameters that differ on a developer's machine."""
    values = {
        "PublicUrl": public_url,
        "SenderAddress": SENDER,
        "DeletionProtection": "false",
        "StoreSignup": "open",
        # The engine knows no firewall.
        "EnableWaf": "false",
    }
    return {name: value for name, value in values.items() if name in template.get("Parameters", {})}


def fingerprint(parameters: dict[str, str]) -> str:
    """Changes whenever a deployment would."""
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode())
    files = [TEMPLATE, ROOT / "samconfig.toml", *(f for folder in CODE for f in (ROOT / folder).rglob("*"))]
    for file in sorted(files):
        if file.is_file() and "__pycache__" not in file.parts:
            digest.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def remembered(engine: Engine, name: str) -> str | None:
    """A value kept in the engine itself, so that it is forgotten together with the data it speaks of."""
    try:
        return str(engine.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])
    except ClientError:
        return None


def remember(engine: Engine, name: str, value: str) -> None:
    """Keep a value in the engine."""
    engine.client("ssm").put_parameter(Name=name, Value=value, Type="String", Overwrite=True)


def enable_expiry(engine: Engine, template: dict[str, Any]) -> None:
    """Switch on the expiry of items, which the engine leaves out of a template."""
    dynamodb = engine.client("dynamodb")
    cloudformation = engine.client("cloudformation")
    for logical_id, resource in template["Resources"].items():
        wish = resource.get("Properties", {}).get("TimeToLiveSpecification")
        if resource["Type"] == "AWS::DynamoDB::Table" and wish and wish.get("Enabled"):
            found = cloudformation.describe_stack_resource(StackName=STACK_NAME, LogicalResourceId=logical_id)
            table = found["StackResourceDetail"]["PhysicalResourceId"]
            if dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]["TimeToLiveStatus"] != "ENABLED":
                dynamodb.update_time_to_live(
                    TableName=table,
                    TimeToLiveSpecification={"AttributeName": wish["AttributeName"], "Enabled": True},
                )


def verify_sender(engine: Engine) -> None:
    """Let the stack send mail, as its operator would by proving the domain to SES."""
    domain = SENDER.rpartition("@")[2]
    try:
        engine.client("sesv2").create_email_identity(EmailIdentity=domain)
    except ClientError as refused:
        if refused.response["Error"]["Code"] != "AlreadyExistsException":
            raise


def read_template(path: Path) -> dict[str, Any]:
    """The template as plain data; `!Ref` and its kind become their arguments."""
    loaded: dict[str, Any] = yaml.load(path.read_text(), Loader=_TemplateLoader)  # noqa: S506 - a SafeLoader
    return loaded


class _TemplateLoader(yaml.SafeLoader):
    """Knows CloudFormation's short tags."""


def _short_tag(loader: _TemplateLoader, _suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.MappingNode)  # noqa: S101 - YAML has no fourth kind
    return loader.construct_mapping(node, deep=True)


_TemplateLoader.add_multi_constructor("!", _short_tag)
