"""The files of exports on S3: written in parts, whole or not at all, and the links by which people get them."""

import os
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import botocore.session
import pytest

from tests.support.faults import failing, refusal
from tradepost.aws.exports import (
    abort_upload,
    begin_upload,
    complete_upload,
    delete_file,
    download_link,
    file_key,
    upload_part,
)
from tradepost.domain.errors import GoneError
from tradepost.domain.exports import Part

KEY = file_key("acme", "01kc2m4q6z3b5n7v2c4d6f3g5h")
# S3 takes no smaller parts but the last one.
FIRST, LAST = b"a" * (5 << 20), b"the end"
GONE = refusal("S3", "NoSuchUpload")


@pytest.fixture
def bucket(aws: None) -> Iterator[Any]:
    """The bucket of exports, as somebody else sees it."""
    client = botocore.session.get_session().create_client("s3")
    region = {"LocationConstraint": os.environ["AWS_DEFAULT_REGION"]}
    client.create_bucket(Bucket=os.environ["EXPORTS_BUCKET"], CreateBucketConfiguration=region)
    yield client
    client.close()


def content(bucket: Any) -> bytes | None:
    """Return what the file holds; None if there is none."""
    listed = bucket.list_objects_v2(Bucket=os.environ["EXPORTS_BUCKET"]).get("Contents", ())
    if [each["Key"] for each in listed] != [KEY]:
        return None
    held: bytes = bucket.get_object(Bucket=os.environ["EXPORTS_BUCKET"], Key=KEY)["Body"].read()
    return held


def uploaded() -> tuple[str, list[Part]]:
    """Upload two parts."""
    upload_id = begin_upload(KEY)
    return upload_id, [upload_part(KEY, upload_id, 1, FIRST), upload_part(KEY, upload_id, 2, LAST)]


def test_a_file_is_there_as_soon_as_its_parts_are_put_together(bucket: Any) -> None:
    upload_id, parts = uploaded()
    assert [part.size for part in parts] == [len(FIRST), len(LAST)]
    assert content(bucket) is None
    complete_upload(KEY, upload_id, parts)
    assert content(bucket) == FIRST + LAST
    delete_file(KEY)
    delete_file(KEY)
    assert content(bucket) is None


def test_a_part_that_is_written_again_takes_the_place_of_the_one_before(bucket: Any) -> None:
    upload_id, (first, _) = uploaded()
    again = upload_part(KEY, upload_id, 2, b"another end")
    complete_upload(KEY, upload_id, [first, again])
    assert content(bucket) == FIRST + b"another end"


def test_a_file_that_was_put_together_before_is_as_good(bucket: Any) -> None:
    upload_id, parts = uploaded()
    complete_upload(KEY, upload_id, parts)
    with failing("CompleteMultipartUpload", GONE):
        complete_upload(KEY, upload_id, parts)
    assert content(bucket) == FIRST + LAST


@pytest.mark.parametrize("code", ["404", "403"])
def test_an_upload_that_has_ended_without_a_file_is_gone(bucket: Any, code: str) -> None:
    upload_id, parts = uploaded()
    with (
        failing("CompleteMultipartUpload", GONE),
        failing("HeadObject", refusal("HeadObject", code)),
        pytest.raises(GoneError) as raised,
    ):
        complete_upload(KEY, upload_id, parts)
    assert raised.value.code == "upload_gone"


def test_a_file_of_an_earlier_upload_is_not_taken_for_this_one_even_if_it_is_as_large(bucket: Any) -> None:
    upload_id = begin_upload(KEY)
    complete_upload(KEY, upload_id, [upload_part(KEY, upload_id, 1, b"who was allowed then")])
    upload_id = begin_upload(KEY)
    part = upload_part(KEY, upload_id, 1, b"who is so by now....")
    with failing("CompleteMultipartUpload", GONE), pytest.raises(GoneError):
        complete_upload(KEY, upload_id, [part])
    assert content(bucket) == b"who was allowed then"


def test_a_part_of_an_upload_that_has_ended_is_not_written(bucket: Any) -> None:
    upload_id, _ = uploaded()
    with failing("UploadPart", GONE), pytest.raises(GoneError):
        upload_part(KEY, upload_id, 3, LAST)


def test_an_upload_is_aborted_and_once_more_is_no_failure(bucket: Any) -> None:
    upload_id, _ = uploaded()
    abort_upload(KEY, upload_id)
    assert not bucket.list_multipart_uploads(Bucket=os.environ["EXPORTS_BUCKET"]).get("Uploads")
    with failing("AbortMultipartUpload", GONE):
        abort_upload(KEY, upload_id)


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("UploadPart", "InternalError"),
        ("CompleteMultipartUpload", "SlowDown"),
        ("AbortMultipartUpload", "InternalError"),
        ("CreateMultipartUpload", "AccessDenied"),
    ],
)
def test_any_other_failure_of_s3_is_one(bucket: Any, operation: str, code: str) -> None:
    upload_id, parts = uploaded()
    calls: dict[str, Callable[[], Any]] = {
        "UploadPart": lambda: upload_part(KEY, upload_id, 3, LAST),
        "CompleteMultipartUpload": lambda: complete_upload(KEY, upload_id, parts),
        "AbortMultipartUpload": lambda: abort_upload(KEY, upload_id),
        "CreateMultipartUpload": lambda: begin_upload(KEY),
    }
    error = refusal(operation, code)
    with failing(operation, error), pytest.raises(type(error), match=code):
        calls[operation]()


def test_a_failure_while_it_looks_for_the_file_is_one(bucket: Any) -> None:
    upload_id, parts = uploaded()
    error = refusal("HeadObject", "500")
    with failing("CompleteMultipartUpload", GONE), failing("HeadObject", error), pytest.raises(type(error), match="500"):
        complete_upload(KEY, upload_id, parts)


def test_a_link_names_the_file_in_plain_letters_and_as_it_is_called(aws: None) -> None:
    link = urlsplit(download_link(KEY, 'Größe "1\\2".csv', "text/csv; charset=utf-8", seconds=900))
    asked = {name: value for name, (value,) in parse_qs(link.query).items()}
    assert (link.netloc, link.path) == ("tradepost-test-exports.s3.eu-west-1.amazonaws.com", f"/{KEY}")
    disposition = asked["response-content-disposition"]
    assert disposition == "attachment; filename=\"Gr__e _1_2_.csv\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%221%5C2%22.csv"
    assert (asked["response-content-type"], asked["X-Amz-Expires"]) == ("text/csv; charset=utf-8", "900")
    # A link of the second version of signatures would last as long as anybody wishes.
    assert re.fullmatch(r"[0-9a-f]{64}", asked["X-Amz-Signature"])
