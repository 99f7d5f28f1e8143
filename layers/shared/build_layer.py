"""The shared layer: every Lambda gets the same small, ready-compiled set of libraries, so cold starts stay short.

Libraries come as Linux wheels for the Lambda runtime whatever machine builds them. They are then cut down to what the
product uses and compiled, because the runtime cannot write byte code itself and would compile at every cold start.
"""

import compileall
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from py_compile import PycInvalidationMode

SOURCE = Path(__file__).resolve().parent
REQUIREMENTS = SOURCE / "requirements.txt"
CACHE = Path(os.environ.get("TRADEPOST_CACHE", SOURCE.parent.parent / ".cache")) / "layer"

RUNTIME = (3, 13)
PLATFORM = "x86_64-manylinux_2_28"  # Amazon Linux 2023 has glibc 2.34; wheels for 2.28 are the newest common ones

# A service that is not named here cannot be called from a Lambda: botocore raises UnknownServiceError.
AWS_SERVICES = frozenset({"dynamodb", "s3", "secretsmanager", "sesv2", "sns", "sqs", "ssm", "sts"})
# Languages in which an e-mail template may format numbers and dates; `root` is what all others fall back to.
LOCALES = frozenset({"root", "en", "en_GB", "en_US", "de", "es", "fr", "it", "nl"})


def main(artifacts: Path) -> None:
    """Leave the finished layer in `artifacts`, building its libraries only when their pins or this file changed."""
    if sys.version_info[:2] != RUNTIME:
        sys.exit(f"The layer must be compiled by Python {RUNTIME[0]}.{RUNTIME[1]}, not {sys.version.split()[0]}.")
    target = artifacts / "python"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(cached_libraries(), target)
    shutil.copytree(
        SOURCE / "tradepost",
        target / "tradepost",
        ignore=shutil.ignore_patterns("__pycache__", "*.pyc", "*.pyi"),
    )
    compile_tree(target / "tradepost", root=artifacts)
    print(f"Layer: {size_of(target) / 2**20:.1f} MiB unpacked")


def cached_libraries() -> Path:
    """The pruned, compiled libraries for the present pins; moved into place whole, so two builds never share a half."""
    key = hashlib.sha256(REQUIREMENTS.read_bytes() + Path(__file__).read_bytes()).hexdigest()[:16]
    finished = CACHE / key
    if finished.is_dir():
        return finished
    CACHE.mkdir(parents=True, exist_ok=True)
    draft = CACHE / f"{key}.{os.getpid()}"
    shutil.rmtree(draft, ignore_errors=True)
    install(draft / "python")
    prune(draft / "python")
    compile_tree(draft / "python", root=draft)
    try:
        (draft / "python").rename(finished)
    except OSError:
        if not finished.is_dir():
            raise
    shutil.rmtree(draft)
    for stale in CACHE.iterdir():
        if stale.name != key and "." not in stale.name:
            shutil.rmtree(stale, ignore_errors=True)
    return finished


def install(target: Path) -> None:
    """Install the pinned libraries as the Lambda runtime needs them, refusing what would have to be compiled."""
    subprocess.run(
        [
            *uv(),
            *("pip", "install", "--quiet", "--no-config", "--require-hashes", "--only-binary", ":all:"),
            *("--python", sys.executable, "--python-version", f"{RUNTIME[0]}.{RUNTIME[1]}"),
            *("--python-platform", PLATFORM, "--link-mode", "copy"),
            *("--requirements", str(REQUIREMENTS), "--target", str(target)),
        ],
        check=True,
    )


def uv() -> list[str]:
    """The project's own uv, which `make setup` puts beside its Python; failing that, one on the PATH."""
    own = Path(sys.executable).parent / "uv"
    found = str(own) if own.exists() else shutil.which("uv")
    if not found:
        sys.exit("uv is missing: run `make setup` first.")
    return [found]


def prune(libraries: Path) -> None:
    """Drop what no Lambda reads: every other AWS service, other locales, typing stubs, tests and install records."""
    keep_only(libraries / "botocore" / "data", AWS_SERVICES)
    keep_only(libraries / "boto3" / "data", frozenset())
    for examples in libraries.glob("*/data/*/*/examples-1.json*"):
        examples.unlink()
    for locale in (libraries / "babel" / "locale-data").glob("*.dat"):
        if locale.stem not in LOCALES:
            locale.unlink()
    # Time zones come from tzdata; python-liquid imports pytz, but no template may use it.
    shutil.rmtree(libraries / "pytz" / "zoneinfo", ignore_errors=True)
    # email-validator asks the DNS only when told to check deliverability, which no request should wait for.
    shutil.rmtree(libraries / "dns", ignore_errors=True)
    # Stripe's types of parameters and of thin events, more than half of it, are for type checkers; no code loads them.
    for name in ("params", "events"):
        shutil.rmtree(libraries / "stripe" / name, ignore_errors=True)
    for folder in sorted(libraries.rglob("*")):
        if folder.is_dir() and folder.name in {"__pycache__", "tests", "test", "bin", "examples"}:
            shutil.rmtree(folder)
    for pattern in ("*.pyi", "*.pyx", "*.pxd", "*.c", "*.h", "*.dist-info/RECORD", "*.dist-info/INSTALLER"):
        for file in libraries.rglob(pattern):
            file.unlink()


def keep_only(folder: Path, names: frozenset[str]) -> None:
    """Remove the sub-folders of `folder` that are not named; its files stay."""
    for child in folder.iterdir():
        if child.is_dir() and child.name not in names:
            shutil.rmtree(child)


def compile_tree(tree: Path, *, root: Path) -> None:
    """Compile `tree` so that the byte code is used as it is: archives lose the times that Python would compare."""
    compiled = compileall.compile_dir(
        tree,
        quiet=1,
        stripdir=str(root),
        prependdir="/opt",
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
        workers=0,
    )
    if not compiled:
        sys.exit(f"{tree} does not compile.")


def size_of(tree: Path) -> int:
    """Bytes of all files below `tree`."""
    return sum(file.stat().st_size for file in tree.rglob("*") if file.is_file())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
