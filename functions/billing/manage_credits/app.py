"""/v1/resellers/{id}/credits: what a reseller has been credited, which is spent by invoices where rules say so."""

from functools import partial
from typing import Annotated

from pydantic import Field

from tradepost.domain.billing import CreditEntry
from tradepost.domain.errors import ConflictError, Fault, InvalidError, NotFoundError
from tradepost.domain.invoicing import Amount
from tradepost.domain.people import Party
from tradepost.domain.permissions import Permission
from tradepost.domain.resellers import Reseller
from tradepost.domain.values import Instant, Money, Text, Value
from tradepost.http.app import Answer, Ask, Caller, Cursor, Limit, Page, make_app
from tradepost.http.callers import CallerInfo
from tradepost.http.pages import make_cursor, read_cursor
from tradepost.table.credits import Account, CreditChange, change_balance, credit_balance_key, find_balance, list_entries
from tradepost.table.resellers import reseller_key
from tradepost.table.shapes import Key

app = make_app()


class NewCredit(Value):
    """What to add to a credit balance; what is negative is taken from it again. The reason is for the reseller to read."""

    amount: Money
    reason: Text


class CreditAnswer(Answer):
    """One change of a credit balance, and what it came to by that. `invoice_id` is the bill that used it or gave it back."""

    id: str
    at: Instant
    amount: Amount
    balance: Amount
    reason: str
    actor: Party
    invoice_id: str | None


class CreditPage(Page[CreditAnswer]):
    """A page of the changes of a credit balance, newest first, and what there is at present."""

    balance: Annotated[Amount, Field(description="What there is to be spent.")]


def _named(ask: Ask) -> list[Key]:
    reseller_id = ask.path["reseller_id"]
    return [reseller_key(ask.store, reseller_id), credit_balance_key(ask.store, reseller_id)]


@app.get("/v1/resellers/<reseller_id>/credits", allow=Permission.BROWSE_BILLING, reads=_named)
def list_credits(reseller_id: str, caller: Caller, limit: Limit = 50, cursor: Cursor = None) -> CreditPage:
    """Show a reseller's credit balance, and what made it, newest first: to the store, and to the reseller itself."""
    store = caller.store
    _reseller(reseller_id, caller)
    bound = ("credits", store.id, reseller_id)
    entries, following = list_entries(store.id, reseller_id, limit=limit, after=read_cursor(cursor, *bound))
    return CreditPage(
        balance=Amount(amount=find_balance(caller.reader, store.id, reseller_id), currency=store.currency),
        items=[_answer(entry) for entry in entries],
        next_cursor=make_cursor(following, *bound),
    )


@app.post("/v1/resellers/<reseller_id>/credits", allow=Permission.MANAGE_BILLING, status=201, reads=_named)
def add_credit(reseller_id: str, new: NewCredit, caller: Caller) -> CreditAnswer:
    """Add to a reseller's credit balance, or take from it again, and say why: never below zero (409 `credit_too_low`)."""
    caller.store.must_trade_in(new.amount.currency, "/amount/currency")
    if new.amount.amount == 0:
        raise InvalidError(Fault("/amount/amount", "must not be 0"))
    return caller.decided(partial(_added, reseller_id, new, caller))


def _added(reseller_id: str, new: NewCredit, caller: CallerInfo) -> CreditAnswer:
    store = caller.store
    caller.reader.fetch([reseller_key(store.id, reseller_id), credit_balance_key(store.id, reseller_id)])
    reseller = _reseller(reseller_id, caller)
    if reseller.customer_id is None:
        raise ConflictError("not_a_customer", "Only a reseller that has been approved can be credited.")
    tx = caller.transaction()
    account = Account(store.id, reseller_id, store.currency)
    [entry] = change_balance(tx, caller.reader, account, CreditChange(new.amount.amount, new.reason))
    tx.audit("credit:changed", reseller_id, amount=new.amount.amount, balance=entry.balance.amount, reason=new.reason)
    return tx.commit_answering(_answer(entry))


def _reseller(reseller_id: str, caller: CallerInfo) -> Reseller:
    """Return a reseller of the store; the caller itself where it is one. Raises `NotFoundError`."""
    own = caller.customer
    if own is not None and (own.reseller is None or own.reseller.id != reseller_id):
        raise NotFoundError("reseller")
    return caller.reader.get(reseller_key(caller.store.id, reseller_id), Reseller)


def _answer(entry: CreditEntry) -> CreditAnswer:
    return CreditAnswer.model_validate(entry)


handler = app.handler
