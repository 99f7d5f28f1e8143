"""The bucket of exports: files that are written in parts, the links by which people get them, and their end."""

import hashlib
import re
from collections.abc import Sequence
from functools import cache
from typing import Any, Final
from urllib.parse import quote

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

from tradepost.domain.errors import GoneError
from tradepost.domain.exports import Part
from tradepost.settings import settings

# The bucket's own name and region in the address: the common address of S3 sends links to new buckets elsewhere.
# Putting the parts of a large file together takes S3 its time.
_CONFIG: Final = Config(signature_version="s3v4", s3={"addressing_style": "virtual"}, connect_timeout=2, read_timeout=60)


@cache
def _client() -> Any:
    return botocore.session.get_session().create_client("s3", config=_CONFIG)


def file_key(store_id: str, export_id: str) -> str:
    """Return under which name the file of an export is kept."""
    return f"exports/{store_id}/{export_id}"


def download_link(key: str, file_name: str, media_type: str, *, seconds: int) -> str:
    """Return the address at which whoever has it gets a file for so long, to be saved under a name."""
    # RFC 6266: a name in plain ASCII for those who know no other, and the name itself.
    plain = re.sub(r"[^ !#-\[\]-~]", "_", file_name)
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(file_name, safe='')}"
    asked = {
        "Bucket": settings().exports_bucket,
        "Key": key,
        "ResponseContentDisposition": disposition,
        "ResponseContentType": media_type,
    }
    link: str = _client().generate_presigned_url("get_object", Params=asked, ExpiresIn=seconds)
    return link


def delete_file(key: str) -> None:
    """Delete a file, if there is one."""
    _client().delete_object(Bucket=settings().exports_bucket, Key=key)


def delete_beside(key: str) -> None:
    """Delete what is kept beside a file, under names that begin with its own: also what nobody noted before it died."""
    bucket = settings().exports_bucket
    for page in _client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{key}/"):
        for kept in page.get("Contents", ()):
            delete_file(kept["Key"])


def write_file(key: str, content: bytes) -> None:
    """Keep a small file as a whole."""
    _client().put_object(Bucket=settings().exports_bucket, Key=key, Body=content)


def read_file(key: str) -> bytes:
    """Return a small file. Raises `GoneError` if it is not kept any more."""
    try:
        answer = _client().get_object(Bucket=settings().exports_bucket, Key=key)
    except ClientError as error:
        # Whoever may not list a bucket is not told that something is missing there.
        if error.response["Error"]["Code"] in {"NoSuchKey", "AccessDenied"}:
            raise GoneError("file_gone", "This file is not kept any more.") from error
        raise
    content: bytes = answer["Body"].read()
    return content


def begin_upload(key: str) -> str:
    """Begin a file; returns by which name S3 knows the upload."""
    upload_id: str = _client().create_multipart_upload(Bucket=settings().exports_bucket, Key=key)["UploadId"]
    return upload_id


def upload_part(key: str, upload_id: str, number: int, content: bytes) -> Part:
    """Keep the part of a file that has a number, the first one being 1; one that was kept before is replaced.

    Raises `GoneError` if the upload was ended by somebody else.
    """
    try:
        answer = _client().upload_part(
            Bucket=settings().exports_bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=content
        )
    except ClientError as error:
        raise _understood(error) from error
    return Part(etag=answer["ETag"], size=len(content))


def complete_upload(key: str, upload_id: str, parts: Sequence[Part]) -> None:
    """Put the parts of a file together; that this was done before is as good.

    Raises `GoneError` if the upload was ended or changed by somebody else, and there is no such file.
    """
    listed = [{"PartNumber": number, "ETag": part.etag} for number, part in enumerate(parts, start=1)]
    try:
        _client().complete_multipart_upload(
            Bucket=settings().exports_bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": listed}
        )
    except ClientError as error:
        refused = _understood(error)
        if not (isinstance(refused, GoneError) and _is_made_of(key, parts)):
            raise refused from error


def abort_upload(key: str, upload_id: str) -> None:
    """End an upload without a file, and let go of its parts; one that has ended is left as it is."""
    try:
        _client().abort_multipart_upload(Bucket=settings().exports_bucket, Key=key, UploadId=upload_id)
    except ClientError as error:
        if not isinstance(_understood(error), GoneError):
            raise


def _understood(error: ClientError) -> Exception:
    # A part that is another by now than the one that was noted is as good as gone.
    if error.response["Error"]["Code"] in {"NoSuchUpload", "InvalidPart"}:
        return GoneError("upload_gone", "The upload of this file has ended.")
    return error


def _is_made_of(key: str, parts: Sequence[Part]) -> bool:
    """Tell whether a file is there and consists of these very parts."""
    try:
        kept = _client().head_object(Bucket=settings().exports_bucket, Key=key)
    except ClientError as error:
        # Whoever may not list a bucket is not told that something is missing there.
        if error.response["Error"]["Code"] in {"404", "403"}:
            return False
        raise
    # S3 calls a file after what it calls the parts.
    digests = b"".join(bytes.fromhex(part.etag.strip('"')) for part in parts)
    name = f'"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"'
    return (kept["ETag"], kept["ContentLength"]) == (name, sum(part.size for part in parts))
