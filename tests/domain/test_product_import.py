"""Product lists: prices as they are written, in every currency."""

from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tradepost.domain.catalog import Product
from tradepost.domain.product_import import Header, Planned, legend, plan, read_header, read_lines
from tradepost.domain.values import MAX_AMOUNT, Price

NOW = datetime(2026, 11, 22, tzinfo=UTC)
DECIMALS = {"EUR": 2, "JPY": 0, "KWD": 3, "CLF": 4}


def planned(text: str, currency: str = "EUR", before: Product | None = None) -> list[Planned]:
    """Return what becomes of each row of a list, in a store with one price tier."""
    header = read_header(text)
    means = legend(header, dict.fromkeys(header.tier_names, "tier"), currency)
    return [plan(line, before, means, at=NOW) for line in read_lines(text, header)]


@given(st.integers(0, MAX_AMOUNT), st.sampled_from(sorted(DECIMALS)), st.sampled_from([",", ";"]))
def test_every_amount_is_read_as_it_was_written(amount: int, currency: str, delimiter: str) -> None:
    written = f"{Decimal(amount).scaleb(-DECIMALS[currency]):f}"
    if delimiter == ";":
        written = written.replace(".", ",")
    (row,) = planned(f"number{delimiter}name{delimiter}price:A\nX{delimiter}Y{delimiter}{written}\n", currency)
    assert row.after is not None, row.refusal
    assert row.after.prices == {"tier": Price(amount=amount, currency=currency)}


@given(st.text())
def test_no_text_breaks_the_reading_of_a_list(text: str) -> None:
    rows = planned(f"number,name,weight_grams,active,price:A\n{text}")
    assert all(row.status in {"created", "failed"} for row in rows)
    assert all(row.refusal is not None for row in rows if row.status == "failed")


@given(st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Z"]), min_size=1, max_size=50))
def test_a_list_that_was_carried_out_is_unchanged_the_second_time(name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    text = f"number,name,price:A\nX,{quoted},1.50\n"
    (first,) = planned(text)
    if first.after is None:
        return
    (second,) = planned(text, before=first.after)
    assert second.status == "unchanged"


def test_the_delimiter_is_the_one_that_parts_the_header() -> None:
    assert read_header('number;"price:A, B"').delimiter == ";"
    assert read_header('number,"price:A; B"').delimiter == ","
    assert read_header("number") == Header(("number",), ",")
