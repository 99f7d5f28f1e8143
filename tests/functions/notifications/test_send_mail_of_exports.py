"""Mails about exports: to whoever asked for one, as long as it is so, and without any way to the file but a log-in."""

from datetime import timedelta
from typing import Any

import pytest
from pynamodb.expressions.operand import Path

from tests.support.exporting import change, finish
from tests.support.html import HtmlPage
from tests.support.mail import deliver
from tests.support.reps import Rep, allocate, hire
from tests.support.table import everything, stored
from tests.support.world import Shop
from tradepost.domain.clock import now
from tradepost.domain.exports import EmptyBecause, ExportFailure
from tradepost.domain.outbox import ExportMail, ExportNews
from tradepost.domain.people import SYSTEM
from tradepost.table.people import member_key
from tradepost.table.records import Record
from tradepost.table.shapes import store_owner
from tradepost.table.transaction import Transaction


@pytest.fixture
def rep(shop: Shop) -> Rep:
    """A sales rep, whom a customer is allocated to."""
    rep = hire(shop, "Rhea")
    allocate(shop, shop.add_customer("Harbour & Lights"), rep)
    deliver()
    return rep


def asked(rep: Rep) -> str:
    """Let the rep ask for an export; returns its id."""
    reply = rep.client.post("/v1/exports", {"kind": "orders", "from": "2026-01-01"})
    assert reply.status == 202, reply.text
    return str(reply.json["id"])


def announce(export_id: str, event: ExportNews) -> None:
    """Announce a mail, as the end of an export does."""
    tx = Transaction(store_owner("acme"), SYSTEM, SYSTEM, now())
    tx.announce(ExportMail(store_id="acme", export_id=export_id, event=event))
    tx.commit()


def news() -> list[tuple[str, str | None]]:
    """Return what became of the mails about exports."""
    items = [item for item in stored("outbox") if item["message"]["type"] == "export_news"]
    return [(item["status"], item["failure"]) for item in items]


def set_store(shop: Shop, **settings: Any) -> None:
    etag = shop.owner.get("/v1/store").json["etag"]
    assert shop.owner.patch("/v1/store", settings, etag=etag).status == 200


def test_whoever_asked_for_an_export_is_told_that_it_is_there(shop: Shop, rep: Rep) -> None:
    set_store(shop, branding={"display_name": "Acme Wholesale"}, domain="order.acme.test")
    export_id, before = asked(rep), len(deliver())
    finish(export_id, rows=1234)
    announce(export_id, "done")
    (mail,) = deliver()[before:]
    page = HtmlPage(mail.html)
    assert (mail.to, mail.subject, "Acme Wholesale" in mail.sender) == (rep.email, "Your export of orders is ready", True)
    assert "Hello Rhea, the export of orders that you asked Acme Wholesale for" in page.text
    assert "Rows: 1,234" in page.text
    assert "from 2026-01-01, days in Europe/Berlin" in page.text
    assert {link["href"] for link in page.all("a")} == {"https://order.acme.test/"}
    assert "amazonaws" not in mail.html + everything()
    assert news() == [("done", None)]


def test_of_an_empty_one_it_is_said_why(shop: Shop, rep: Rep) -> None:
    export_id, before = asked(rep), len(deliver())
    finish(export_id, rows=0, empty_because=EmptyBecause(filter="period", detail="No order was placed since 2026-01-01."))
    announce(export_id, "done")
    (mail,) = deliver()[before:]
    assert "Rows: 0. No order was placed since 2026-01-01." in HtmlPage(mail.html).text


def test_whoever_asked_for_an_export_is_told_that_it_came_to_nothing(shop: Shop, rep: Rep) -> None:
    export_id, before = asked(rep), len(deliver())
    change(export_id, status="failed", failure=ExportFailure(code="too_often", detail="The file could not be written."))
    announce(export_id, "failed")
    (mail,) = deliver()[before:]
    assert (mail.to, mail.subject) == (rep.email, "Your export of orders has failed")
    assert "The file could not be written." in HtmlPage(mail.html).text


@pytest.mark.parametrize(
    ("event", "fields"),
    [
        ("done", {"status": "cancelled"}),
        ("done", {"status": "failed"}),
        ("failed", {}),
        ("done", {"gone": "scope_changed"}),
        ("done", {"generated_at": now() - timedelta(days=8)}),
    ],
    ids=["cancelled", "failed", "done_after_all", "gone", "expired"],
)
def test_what_is_not_so_any_more_is_not_mailed(shop: Shop, rep: Rep, event: ExportNews, fields: dict[str, Any]) -> None:
    export_id, before = asked(rep), len(deliver())
    finish(export_id, **fields)
    announce(export_id, event)
    assert deliver()[before:] == []
    assert news() == [("failed", "obsolete")]


def test_a_rep_that_has_lost_a_customer_meanwhile_is_not_told_of_a_file_that_it_does_not_get(shop: Shop, rep: Rep) -> None:
    export_id, before = asked(rep), len(deliver())
    finish(export_id)
    announce(export_id, "done")
    (customer,) = shop.owner.get("/v1/customers").json["items"]
    allocate(shop, customer, None)
    assert deliver()[before:] == []


def test_whoever_is_away_is_not_mailed(shop: Shop, rep: Rep) -> None:
    export_id, before = asked(rep), len(deliver())
    finish(export_id)
    announce(export_id, "done")
    Record(*member_key(rep.id, "acme")).update([Path("data.status").set("inactive")])
    assert deliver()[before:] == []
    assert news() == [("failed", "obsolete")]


def test_the_store_says_it_in_words_of_its_own(shop: Shop, rep: Rep) -> None:
    words = "{{ name }}: {{ export.file_name }}, {{ export.rows }}{% for filter in export.filters %}, {{ filter }}{% endfor %}"
    body = {"subject": "{{ export.kind }}", "html": f"<p>{words}</p>", "text": words}
    assert shop.owner.put("/v1/email-templates/export_ready", body).status == 201
    export_id, before = asked(rep), len(deliver())
    finish(export_id)
    announce(export_id, "done")
    (mail,) = deliver()[before:]
    assert mail.subject == "orders"
    assert "Rhea: acme-orders-2026-01-01-to-" in HtmlPage(mail.html).text
    assert ".csv, 3, from 2026-01-01, days in Europe/Berlin" in HtmlPage(mail.html).text
