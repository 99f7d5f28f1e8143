"""The bucket of customer imports: the form with which a file is uploaded, the file, and what was made of it."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final, NamedTuple
from urllib.parse import unquote_plus

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

from tradepost.domain.errors import GoneError
from tradepost.settings import settings

# The bucket's own name and region in the address: the common address of S3 sends uploads to new buckets elsewhere.
_CONFIG: Final = Config(signature_version="s3v4", s3={"addressing_style": "virtual"}, connect_timeout=2, read_timeout=10)
_UPLOADS: Final = "uploads"


class Upload(NamedTuple):
    """A file that has come, in the very version that did."""

    store_id: str
    import_id: str
    version: str


@cache
def _client() -> Any:
    return botocore.session.get_session().create_client("s3", config=_CONFIG)


def upload_key(store_id: str, import_id: str) -> str:
    """Return under which name the one file of an import is uploaded."""
    return f"{_UPLOADS}/{store_id}/{import_id}.csv"


def upload_form(key: str, *, most_bytes: int, seconds: int) -> Mapping[str, Any]:
    """Return where and with which fields a browser or a program uploads one file: `url` and `fields`. Whoever has it can."""
    form: Mapping[str, Any] = _client().generate_presigned_post(
        settings().imports_bucket,
        key,
        Conditions=[["content-length-range", 0, most_bytes]],
        ExpiresIn=seconds,
    )
    return form


def uploads_in(notification: Mapping[str, Any]) -> list[Upload]:
    """Return the files that S3 tells of. There are none in the message with which it tries the queue out."""
    found = []
    for record in notification.get("Records", ()):
        told = record["s3"]["object"]
        folder, store_id, name = unquote_plus(told["key"]).split("/")
        if folder == _UPLOADS:
            found.append(Upload(store_id, name.removesuffix(".csv"), told["versionId"]))
    return found


def read_upload(upload: Upload, *, most_bytes: int) -> bytes:
    """Return the uploaded file, but not much more of it than it may hold."""
    key = upload_key(upload.store_id, upload.import_id)
    answer = _client().get_object(Bucket=settings().imports_bucket, Key=key, VersionId=upload.version)
    content: bytes = answer["Body"].read(most_bytes + 1)
    return content


def write_lines(name: str, lines: Iterable[str]) -> int:
    """Keep lines under a name; returns how many bytes they are."""
    content = "".join(f"{line}\n" for line in lines).encode()
    _client().put_object(Bucket=settings().imports_bucket, Key=name, Body=content)
    return len(content)


def read_lines(name: str, offset: int, *, most_bytes: int) -> list[tuple[str, int]]:
    """Return the whole lines in a stretch of what is kept under a name, each with the offset behind it.

    Raises `GoneError` if it is not kept any more.
    """
    stretch = f"bytes={offset}-{offset + most_bytes - 1}"
    try:
        answer = _client().get_object(Bucket=settings().imports_bucket, Key=name, Range=stretch)
    except ClientError as error:
        # Whoever may not list a bucket is not told that something is missing there.
        if error.response["Error"]["Code"] in {"NoSuchKey", "AccessDenied"}:
            raise GoneError("report_gone", "The rows of this report are not kept any more.") from error
        raise
    lines = []
    for line in answer["Body"].read().splitlines(keepends=True):
        if not line.endswith(b"\n"):
            break
        offset += len(line)
        lines.append((line.decode(), offset))
    return lines
