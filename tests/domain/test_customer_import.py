"""Customer lists: what a file must be like, what each row comes to, and how an import moves on."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradepost.domain.customer_import import (
    APPROVAL_LIFETIME,
    LEASE,
    MOST_FAILURES,
    REPORT_LIFETIME,
    UPLOAD_LIFETIME,
    CustomerImport,
    Report,
    advanced,
    begin_check,
    checked,
    decided,
    failed_on,
    finished,
    let_go,
    taken_on,
)
from tradepost.domain.customer_sheet import (
    MAX_BYTES,
    MAX_ROWS,
    CheckedRow,
    Known,
    Outcome,
    PlannedCustomer,
    UnreadableFileError,
    called,
    decide,
    read_lines,
    read_sheet,
)
from tradepost.domain.errors import ConflictError, GoneError
from tradepost.domain.ids import person_key
from tradepost.domain.people import Member, MemberStatus, Party
from tradepost.domain.permissions import Role

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
OWNER = Party(type="member", id="acme.ola", name="Ola")
HEADER = "customer_company_name,customer_full_name,email"
ADDRESS = f"{HEADER},street,postal_code,city,country"


def rep(id_: str, name: str, email: str, status: MemberStatus = "active") -> Member:
    return Member(id=id_, store_id="acme", person=id_, role=Role.REP, name=name, email=email, status=status)


REPS = [
    rep("r-rita", "Rita Rep", "Rita@reps.test"),
    rep("r-otto", "Otto", "otto@reps.test"),
    rep("r-twin", "OTTO", "otto.two@reps.test"),
    rep("r-gone", "Gus", "gus@reps.test", "inactive"),
    rep("r-left", "Lea", "lea@reps.test", "revoked"),
    rep("r-new", "Iris", "iris@reps.test", "pending"),
]
KNOWN = Known(
    groups={"Retailers": "g-retail", "Cafés": "g-cafe"},
    tiers={"Wholesale": "t-whole"},
    sales_reps=called(REPS),
    taken=frozenset({person_key("taken@doors.test")}),
    default_group="g-default",
)


def outcomes(text: str | bytes, known: Known = KNOWN) -> list[Outcome]:
    """Return what becomes of each row of a file."""
    data = text.encode() if isinstance(text, str) else text
    ids: Iterator[str] = (f"id-{number}" for number in count(1))
    return list(decide(read_lines(read_sheet(data)), known, ids))


def planned(text: str | bytes) -> PlannedCustomer:
    """Return the customer that the one row of a file creates."""
    (outcome,) = outcomes(text)
    assert outcome.planned is not None, outcome.checked
    return outcome.planned


def told(text: str | bytes, known: Known = KNOWN) -> list[tuple[int, str, str | None, str | None]]:
    """Return row, status, reason and field of each row."""
    return [(each.row, each.status, each.reason, each.field) for each, _ in outcomes(text, known)]


@pytest.mark.parametrize(
    "text",
    [
        f"{HEADER}\nBlue Door,Ida Holm,ida@bluedoor.test\n",
        f"{HEADER}\r\nBlue Door,Ida Holm,ida@bluedoor.test\r\n",
        f"{HEADER}\rBlue Door,Ida Holm,ida@bluedoor.test\r",
        f"{HEADER}\nBlue Door,Ida Holm,ida@bluedoor.test",
        f"\ufeff{HEADER}\nBlue Door,Ida Holm,ida@bluedoor.test\n",
        f"{HEADER.replace(',', ';')}\nBlue Door;Ida Holm;ida@bluedoor.test\n",
        f"{HEADER.replace(',', '\t')}\nBlue Door\tIda Holm\tida@bluedoor.test\n",
        f"{HEADER.upper()}\nBlue Door,Ida Holm,ida@bluedoor.test\n",
        "Customer Company  Name, Customer-Full Name ,E_MAIL\n".replace("E_MAIL", "Email")
        + " Blue Door ,\u00a0Ida Holm,ida@bluedoor.test \n",
        "email;customer_full_name;customer_company_name;;\nida@bluedoor.test;Ida Holm;Blue Door;;\n",
        f'"{HEADER.replace(",", '","')}"\n"Blue Door","Ida Holm","ida@bluedoor.test"\n',
        f'\ufeff"{HEADER.replace(",", '";"')}"\n\n;;\nBlue Door;Ida Holm;ida@bluedoor.test\n',
    ],
)
def test_a_list_is_read_whatever_wrote_it(text: str) -> None:
    customer = planned(text)
    assert (customer.name, customer.contact_name, customer.email) == ("Blue Door", "Ida Holm", "ida@bluedoor.test")
    assert (customer.group_id, customer.price_tier_id, customer.kind) == ("g-default", None, "b2b")
    assert (customer.address, customer.send_invitation) == (None, False)


def test_a_row_may_name_its_group_price_list_kind_address_and_whether_it_is_invited() -> None:
    customer = planned(
        f"{HEADER},customer_group,price_list,kind,send_invitation,account_manager,address_label,address_company,"
        "address_name,street,postal_code,city,region,country\n"
        "Blue Door,Ida Holm,ida@bluedoor.test,Cafés,Wholesale,B2C,Yes,,Shop,Blue Door Ltd,Ida,Harbour 5,20457,Hamburg,HH,de\n"
    )
    assert (customer.group_id, customer.price_tier_id, customer.kind) == ("g-cafe", "t-whole", "b2c")
    assert customer.send_invitation is True
    assert customer.address is not None
    assert customer.address.model_dump(exclude_defaults=True) == {
        "label": "Shop",
        "company": "Blue Door Ltd",
        "name": "Ida",
        "street": "Harbour 5",
        "postal_code": "20457",
        "city": "Hamburg",
        "region": "HH",
        "country": "DE",
    }


@pytest.mark.parametrize(("cell", "invited"), [("yes", True), ("TRUE", True), ("1", True), ("No", False), ("false", False)])
def test_yes_and_no_are_written_in_many_ways(cell: str, *, invited: bool) -> None:
    text = f"{HEADER},send_invitation\nBlue Door,Ida,ida@bluedoor.test,{cell}\nRed Roof,Rut,rut@redroof.test,\n"
    assert [each.planned.send_invitation for each in outcomes(text) if each.planned] == [invited, False]


@pytest.mark.parametrize(
    ("data", "code", "line"),
    [
        (b"", "empty_file", None),
        (b"\r\n \n", "empty_file", None),
        (b"\xef\xbb\xbf", "empty_file", None),
        (b"\xef\xbb\xbf\n", "empty_file", None),
        (f"{HEADER}\n".encode(), "no_rows", 1),
        (f"{HEADER}\n,,\n\n".encode(), "no_rows", 1),
        (f"{HEADER}\nBlue Door,Ida,ida@bluedoor.test\n".encode("utf-16"), "encoding", 1),
        (f"{HEADER}\nBlue,Ida,i@b.test\nCafé,Ida,c@b.test\n".encode("latin-1"), "encoding", 3),
        (f"{HEADER}\rÜber,Ida,i@b.test\r".encode() + "Café,Ida,c@b.test\r".encode("cp1252"), "encoding", 3),
        (f"{HEADER}\nCaf".encode() + "é".encode()[:1], "encoding", 2),
        (f"{HEADER}\nBlue,Ida,i@b.test\nBl\0e,Ida,c@b.test\n".encode(), "nul_byte", 3),
        (f"{HEADER},colour\nBlue,Ida,i@b.test,blue\n".encode(), "unknown_column", 1),
        (f"{HEADER},,city\nBlue,Ida,i@b.test,,Ulm\n".encode(), "unknown_column", 1),
        (f"{HEADER},Email\nBlue,Ida,i@b.test,i@b.test\n".encode(), "duplicate_column", 1),
        (b"customer_company_name,email\nBlue,i@b.test\n", "missing_column", 1),
        (b"Blue Door,Ida,ida@bluedoor.test\n", "unknown_column", 1),
        (f'{HEADER}\nBlue,Ida,i@b.test\n"Red Roof,Rut,r@b.test\nGreen,Gil,g@b.test\n'.encode(), "unterminated_quote", 3),
        (f'{HEADER}\nBlue,"I\nd\na",i@b.test\nRed,Rut,"r@b'.encode(), "unterminated_quote", 5),
        (f'{HEADER}\nBlue,Ida,i@b.test\n"{"x" * 200_000}\nRed,Rut,r@b.test\n'.encode(), "unterminated_quote", 3),
        (f'"{HEADER}\nBlue,Ida,i@b.test\n'.encode(), "unterminated_quote", 1),
        (f"{HEADER}\nBlue,Ida,i@b.test\nRed Roof,Ru".encode(), "truncated", 3),
        (f"{HEADER}\n".encode() + b"x" * MAX_BYTES, "too_large", None),
    ],
)
def test_a_file_that_cannot_be_read_says_why_and_where(data: bytes, code: str, line: int | None) -> None:
    with pytest.raises(UnreadableFileError) as refused:
        read_sheet(data)
    assert (refused.value.mistake.code, refused.value.mistake.line) == (code, line)


def test_twenty_thousand_rows_are_taken_and_not_one_more() -> None:
    rows = "".join(f"Door {number},Ida,i{number}@doors.test\n" for number in range(MAX_ROWS))
    assert len(read_sheet(f"{HEADER}\n{rows}\n\n".encode()).rows) == MAX_ROWS
    with pytest.raises(UnreadableFileError) as refused:
        read_sheet(f"{HEADER}\n{rows}One more,Ida,more@doors.test\n".encode())
    assert (refused.value.mistake.code, refused.value.mistake.line) == ("too_many_rows", MAX_ROWS + 2)


@pytest.mark.parametrize(
    ("row", "reason", "field"),
    [
        (",Ida,ida@bluedoor.test", "required", "customer_company_name"),
        ("Blue Door, ,ida@bluedoor.test", "required", "customer_full_name"),
        ("Blue Door,Ida,", "required", "email"),
        ("Blue Door,Ida,ida at bluedoor", "invalid", "email"),
        (f"Blue Door,Ida,{'i' * 250}@bluedoor.test", "too_long", "email"),
        (f"{'x' * 201},Ida,ida@bluedoor.test", "too_long", "customer_company_name"),
        (f"Blue Door,{'x' * 201},ida@bluedoor.test", "too_long", "customer_full_name"),
        ("Blue\x07Door,Ida,ida@bluedoor.test", "invalid", "customer_company_name"),
        ('"Blue\nDoor",Ida,ida@bluedoor.test', "invalid", "customer_company_name"),
        ("\u200d,Ida,ida@bluedoor.test", "invalid", "customer_company_name"),
        ("Blue Door,Ida", "malformed_row", None),
        ("Blue Door,Ida,ida@bluedoor.test,more", "malformed_row", None),
        ('"Blue" Door,Ida,ida@bluedoor.test', "malformed_row", None),
    ],
)
def test_a_row_at_fault_fails_alone_and_says_where(row: str, reason: str, field: str | None) -> None:
    text = f"{HEADER}\nBefore,Bo,bo@doors.test\n{row}\nAfter,Al,al@doors.test\n"
    assert told(text) == [(2, "create", None, None), (3, "fail", reason, field), (4, "create", None, None)]


@pytest.mark.parametrize(
    ("cells", "reason", "field"),
    [
        (",20457,Hamburg,DE", "required", "street"),
        ("Harbour 5,,Hamburg,DE", "required", "postal_code"),
        ("Harbour 5,20457,,DE", "required", "city"),
        ("Harbour 5,20457,Hamburg,", "required", "country"),
        ("Harbour 5,20457,Hamburg,Germany", "invalid", "country"),
        (f"Harbour 5,{'1' * 21},Hamburg,DE", "too_long", "postal_code"),
        (f"{'x' * 201},20457,Hamburg,DE", "too_long", "street"),
    ],
)
def test_an_address_is_whole_or_not_there(cells: str, reason: str, field: str) -> None:
    assert told(f"{ADDRESS}\nBlue Door,Ida,ida@bluedoor.test,{cells}\n") == [(2, "fail", reason, field)]
    assert planned(f"{ADDRESS}\nBlue Door,Ida,ida@bluedoor.test,,,,\n").address is None


@pytest.mark.parametrize(
    ("column", "cell", "reason"),
    [
        ("price_list", "Retail", "unknown_price_list"),
        ("customer_group", "Nobody", "unknown_group"),
        ("account_manager", "Rita", "unknown_account_manager"),
        ("account_manager", "Otto", "unknown_account_manager"),
        ("account_manager", "nobody@reps.test", "unknown_account_manager"),
        ("account_manager", "Gus", "account_manager_not_active"),
        ("account_manager", "LEA@reps.test", "account_manager_not_active"),
        ("account_manager", "Iris", "account_manager_not_active"),
        ("kind", "b2x", "invalid"),
        ("send_invitation", "maybe", "invalid"),
    ],
)
def test_what_a_row_names_must_be_there(column: str, cell: str, reason: str) -> None:
    text = f"{HEADER},{column}\nBlue Door,Ida,ida@bluedoor.test,{cell}\nRed Roof,Rut,rut@redroof.test,\n"
    assert told(text) == [(2, "fail", reason, column), (3, "create", None, None)]


@pytest.mark.parametrize(
    ("cell", "manager"),
    [
        ("rita rep", "r-rita"),
        ("RITA@reps.test", "r-rita"),
        ("Otto@Reps.Test", "r-otto"),
        ("otto.two@reps.test", "r-twin"),
        ("", None),
    ],
)
def test_an_account_manager_is_named_by_address_or_by_a_name_that_no_other_has(cell: str, manager: str | None) -> None:
    assert planned(f"{HEADER},account_manager\nBlue Door,Ida,ida@bluedoor.test,{cell}\n").account_manager_id == manager


def test_where_the_imports_group_is_gone_rows_must_name_their_own() -> None:
    text = f"{HEADER},customer_group\nBlue Door,Ida,ida@bluedoor.test,\nRed Roof,Rut,rut@redroof.test,Retailers\n"
    gone = KNOWN._replace(default_group=None)
    assert told(text, gone) == [(2, "fail", "unknown_group", "customer_group"), (3, "create", None, None)]


def test_customers_who_are_there_already_are_skipped_in_any_letter_case() -> None:
    text = f"{HEADER}\nA,Ann,ANN@doors.test\nB,Ben,Taken@Doors.TEST\nC,Cat,ann@DOORS.test\nD,Dan,ann@doors.test\n"
    assert told(text) == [
        (2, "create", None, None),
        (3, "skip", "email_taken", "email"),
        (4, "skip", "duplicate_in_file", "email"),
        (5, "skip", "duplicate_in_file", "email"),
    ]
    assert [each.message for each, _ in outcomes(text)][2:] == ["is in row 2 already"] * 2


def test_a_row_is_numbered_as_a_spreadsheet_does() -> None:
    text = f'{HEADER}\n\n"Blue\nDoor",Ida,i@b.test\n,,\nRed Roof,Rut,r@b.test\n'
    assert [row for row, *_ in told(text)] == [3, 5]


def test_a_formula_is_a_name_like_any_other() -> None:
    assert planned(f"{HEADER}\n=1+1,@SUM(A1),ida@bluedoor.test\n").name == "=1+1"
    assert planned(f"{HEADER}\n-2+3,+4,ida@bluedoor.test\n").contact_name == "+4"


def test_two_hundred_characters_fit() -> None:
    assert planned(f"{HEADER}\n{'é' * 200},Ida,ida@bluedoor.test\n").name == "é" * 200


PRINTED = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=60)


@given(st.lists(st.tuples(PRINTED, PRINTED), min_size=1, max_size=8), st.sampled_from(",;\t"), st.booleans())
def test_what_was_written_as_csv_is_read_as_it_was(names: list[tuple[str, str]], delimiter: str, marked: bool) -> None:  # noqa: FBT001  # drawn by hypothesis
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=delimiter)
    writer.writerow(HEADER.split(","))
    writer.writerows((*pair, f"i{number}@doors.test") for number, pair in enumerate(names))
    found = outcomes(written.getvalue().encode("utf-8-sig" if marked else "utf-8"))
    assert [each.row for each, _ in found] == [*range(2, len(names) + 2)]
    for (company, person), (row, customer) in zip(names, found, strict=True):
        if customer is None:
            assert row.reason == "invalid"  # such as a letter without a look
        else:
            assert (customer.name, customer.contact_name) == (_composed(company), _composed(person))


def _composed(text: str) -> str:
    from unicodedata import normalize

    return normalize("NFC", text).strip()


@given(st.binary(max_size=300))
def test_no_file_breaks_the_reading(data: bytes) -> None:
    for content in (data, f"{HEADER},city\n".encode() + data):
        try:
            found = outcomes(content)
        except UnreadableFileError as refused:
            assert refused.mistake.code
        else:
            assert all(row.status in {"create", "skip", "fail"} for row, _ in found)


# The import itself


def an_import(**fields: object) -> CustomerImport:
    """Return an import that was begun now."""
    begun = CustomerImport(
        id="i", store_id="acme", group_id="g", created_at=NOW, created_by=OWNER, upload_until=NOW + UPLOAD_LIFETIME
    )
    return begun.model_copy(update=fields)


def a_report(create: int = 2) -> Report:
    """Return what a check found."""
    return Report(
        files="f", columns=(), rows=create, create=create, skip=0, fail=0, report_bytes=9, planned_bytes=9, mistakes=()
    )


def a_row(row: int = 2, *, invited: bool = False) -> PlannedCustomer:
    """Return a row to create."""
    (outcome,) = outcomes(f"{HEADER}\nBlue Door,Ida,ida@bluedoor.test\n")
    assert outcome.planned is not None
    return outcome.planned.model_copy(update={"row": row, "send_invitation": invited})


WAITING = checked(an_import(status="checking"), a_report(), at=NOW)
RUNNING = decided(WAITING, "running", by=OWNER, at=NOW)


def test_only_the_first_upload_is_checked_and_may_be_checked_again_after_a_crash() -> None:
    begun = begin_check(an_import(), "v1")
    assert begun is not None
    assert (begun.status, begun.upload_version) == ("checking", "v1")
    assert begin_check(begun, "v1") is begun
    assert begin_check(begun, "v2") is None
    assert begin_check(WAITING, "v1") is None


def test_what_waits_too_long_expires_by_itself() -> None:
    assert an_import().status_at(NOW + UPLOAD_LIFETIME - timedelta(seconds=1)) == "awaiting_upload"
    assert an_import().status_at(NOW + UPLOAD_LIFETIME) == "expired"
    assert WAITING.status_at(NOW + APPROVAL_LIFETIME) == "expired"
    assert RUNNING.status_at(NOW + APPROVAL_LIFETIME) == "running"


@pytest.mark.parametrize("status", ["awaiting_upload", "checking", "invalid", "running", "done", "rejected"])
def test_only_what_awaits_approval_is_decided_on(status: str) -> None:
    for decision in ("running", "rejected"):
        with pytest.raises(ConflictError) as refused:
            decided(an_import(status=status), decision, by=OWNER, at=NOW)
        assert (refused.value.code, refused.value.extra["import_status"]) == ("not_awaiting_approval", status)
    with pytest.raises(ConflictError):
        decided(WAITING, "running", by=OWNER, at=NOW + APPROVAL_LIFETIME)


def test_a_report_is_there_from_the_check_on_and_for_a_week() -> None:
    with pytest.raises(ConflictError):
        an_import().report_at(NOW)
    assert WAITING.report_at(NOW + REPORT_LIFETIME - timedelta(seconds=1)) == a_report()
    with pytest.raises(GoneError):
        WAITING.report_at(NOW + REPORT_LIFETIME)


def test_one_worker_at_a_time_and_a_dead_one_is_followed_by_its_own_message_at_once() -> None:
    first = taken_on(RUNNING, "m1", at=NOW)
    assert first is not None
    assert taken_on(first, "m2", at=NOW + LEASE - timedelta(seconds=1)) is None
    assert taken_on(first, "m1", at=NOW) is not None
    assert taken_on(first, "m2", at=NOW + LEASE) is not None
    assert taken_on(let_go(first), "m2", at=NOW) is not None
    assert taken_on(WAITING, "m1", at=NOW) is None


def test_progress_is_what_has_been_created_or_has_failed() -> None:
    assert (WAITING.progress, RUNNING.progress) == (0, 0)
    half = advanced(RUNNING, [a_row(invited=True)], 5, at=NOW)
    assert (half.progress, half.created, half.invited, half.next_offset) == (0.5, 1, 1, 5)
    whole = failed_on(half, a_row(3), 9, ConflictError("email_taken", "Taken."), at=NOW)
    assert (whole.progress, whole.created, whole.failed, whole.next_offset) == (1, 1, 1, 9)
    assert [(row.row, row.reason, row.message) for row in whole.failures] == [(3, "email_taken", "Taken.")]
    assert (finished(whole, at=NOW).status, finished(whole, at=NOW).worker) == ("done", None)
    nothing = decided(checked(an_import(status="checking"), a_report(0), at=NOW), "running", by=OWNER, at=NOW)
    assert (nothing.progress, finished(nothing, at=NOW).progress) == (0, 1)


def test_many_failures_are_counted_and_the_first_ones_shown() -> None:
    imported = RUNNING
    for row in range(MOST_FAILURES + 5):
        imported = failed_on(imported, a_row(row), row, ConflictError("email_taken", "Taken."), at=NOW)
    assert (imported.failed, len(imported.failures)) == (MOST_FAILURES + 5, MOST_FAILURES)
    assert isinstance(imported.failures[0], CheckedRow)
