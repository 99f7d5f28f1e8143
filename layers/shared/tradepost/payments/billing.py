"""What an order means for its payment and its bills: worked out by the rules, and written down whole or not at all.

It goes by the order as it is and by what has been billed of it. Told twice, late or in any order, it comes to the same.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple

from tradepost.domain.billed import billed_of
from tradepost.domain.billing import (
    OVER,
    BillingEvent,
    BillingState,
    Following,
    Invoice,
    Issued,
    following,
    invoiced,
    taken_back,
)
from tradepost.domain.clock import day_of
from tradepost.domain.customers import Customer
from tradepost.domain.ids import customer_of
from tradepost.domain.invoicing import Amount, invoice_lines
from tradepost.domain.orders import Order, Total
from tradepost.domain.outbox import InvoiceMail, OrderRun, OutboxItem
from tradepost.domain.payments import CapturePlan, Payment, amended, cancelled, opened, planned, shipped
from tradepost.domain.resellers import Reseller
from tradepost.domain.rule_actions import CaptureAfter, CaptureNow, CaptureOnShipment, Defer
from tradepost.domain.rule_evaluation import all_matches, first_match, in_order
from tradepost.domain.rule_fields import Facts
from tradepost.domain.rules import Rule, RuleKind
from tradepost.domain.stores import Store
from tradepost.payments.keeping import keep
from tradepost.table.credits import Account, CreditChange, change_balance, credit_balance_key, find_balance
from tradepost.table.customers import customer_key
from tradepost.table.invoices import (
    billing_state_key,
    invoice_key,
    numbers_keys,
    save_billing_state,
    save_invoice,
    take_number,
)
from tradepost.table.order_facts import Known, Ordered, what_is_known
from tradepost.table.orders import order_key
from tradepost.table.outbox import concluding
from tradepost.table.payments import payment_key
from tradepost.table.products import numbers_of, product_keys
from tradepost.table.reading import Reader
from tradepost.table.resellers import reseller_key
from tradepost.table.rules import find_rules, rule_set_keys
from tradepost.table.shapes import Key
from tradepost.table.stores import store_key
from tradepost.table.transaction import Transaction

KINDS: Final[tuple[RuleKind, ...]] = ("payment_capture", "invoicing")


def settle(message: OrderRun, item: OutboxItem, key: Key, *, at: datetime) -> None:
    """Decide what an order means, and write that together with the end of the message.

    Calls: two BatchGetItem, a Query if a rule asks how many orders came before, and one transaction. Raises `ConflictError` or
    `StaleError` if something that it was decided on has changed meanwhile, `ConcludedError` if another consumer was faster.
    """
    reader = Reader()
    case = _read(reader, message)
    tx = concluding(key, item, at=at, failure=None if case else "obsolete")
    if case:
        _Settlement(reader, case, tx).write()
    tx.commit()


class _Case(NamedTuple):
    """An order of a reseller, and what has become of it so far."""

    order: Order
    customer: Customer
    reseller: Reseller
    store: Store
    state: BillingState | None
    payment: Payment | None
    invoice: Invoice | None


def _read(reader: Reader, message: OrderRun) -> _Case | None:
    """Read what is decided on, but for what depends on it; None if the order or its reseller is no more."""
    store_id, order_id = message.store_id, message.order_id
    keys = {
        "order": order_key(store_id, order_id),
        "customer": customer_key(store_id, customer_of(order_id)),
        "store": store_key(store_id),
        "state": billing_state_key(store_id, order_id),
        "payment": payment_key(store_id, order_id),
    }
    reader.fetch([*keys.values(), *numbers_keys(store_id)])
    order, customer = reader.find(keys["order"], Order), reader.find(keys["customer"], Customer)
    store, state = reader.find(keys["store"], Store), reader.find(keys["state"], BillingState)
    if order is None or customer is None or store is None or customer.reseller is None:
        return None
    summary = customer.reseller
    open_invoice = [invoice_key(store_id, state.invoice_id)] if state and state.invoice_id else []
    reader.fetch(
        [
            reseller_key(store_id, summary.id),
            credit_balance_key(store_id, summary.id),
            *open_invoice,
            *(each for kind in KINDS for each in rule_set_keys(store_id, kind, summary.channel_id, summary.id)),
            *product_keys(store_id, numbers_of(order.lines)),
        ]
    )
    reseller = reader.find(reseller_key(store_id, summary.id), Reseller)
    if reseller is None:
        return None
    invoice = reader.get(open_invoice[0], Invoice) if open_invoice else None
    return _Case(order, customer, reseller, store, state, reader.find(keys["payment"], Payment), invoice)


class _Settlement:
    """One decision about an order, on one reading, written by one transaction."""

    def __init__(self, reader: Reader, case: _Case, tx: Transaction) -> None:
        self.reader, self.case, self.tx = reader, case, tx
        store, channel_id, reseller_id = case.store, case.reseller.channel_id, case.reseller.id
        self.sets = {kind: find_rules(reader, store.id, kind, channel_id, reseller_id) for kind in KINDS}

    def write(self) -> None:
        """Write what follows for the bills, the credit balance and the payment, and what has been billed with that."""
        order, tx = self.case.order, self.tx
        step = following(order, self.case.state)
        back = self._take_back(step)
        balance = find_balance(self.reader, order.store_id, self.case.reseller.id) + (back.amount if back else 0)
        known = self._known() if step.bills else None
        plan = self._plan(known.facts) if known and self.case.payment is None else None
        bill, used = self._bill(step.bills, known, balance, plan) if step.bills and known else (None, None)
        self._change_credit(change for change in (back, used) if change)
        payment = self._payment(bill, plan)
        if payment is not None and payment != self.case.payment:
            keep(tx, payment)
        if self.case.state is None or bill or back is not None or order.version > self.case.state.order_version:
            save_billing_state(tx, self._state(step, bill))

    def _state(self, step: Following, bill: Invoice | None) -> BillingState:
        order, before = self.case.order, self.case.state
        kept = before.invoice_id if before and not step.takes_back else None
        return BillingState(
            version=before.version if before else 0,
            order_id=order.id,
            store_id=order.store_id,
            order_version=order.version,
            order_status=order.status,
            invoice_id=bill.id if bill else kept,
            billed=billed_of(order) if bill else before.billed if before and kept else None,
        )

    def _take_back(self, step: Following) -> CreditChange | None:
        """Issue a credit note for the open invoice, if it is to be taken back; returns the credit that this gives back."""
        invoice, order = self.case.invoice, self.case.order
        if step.takes_back is None or invoice is None:
            return None
        issued = Issued(take_number(self.tx, self.reader, order.store_id, "credit_note"), self.tx.at)
        note = taken_back(invoice, order, step.takes_back, issued, store=self.case.store)
        save_invoice(self.tx, invoice.model_copy(update={"credited_by": note.id}))
        self._issue(note)
        return CreditChange(invoice.credit_used.amount, f"Given back by {note.number}", note.id)

    def _bill(self, event: BillingEvent, known: Known, balance: int, plan: CapturePlan | None) -> tuple[Invoice, CreditChange]:
        """Issue an invoice; returns it with the credit that it uses."""
        order, store, payment = self.case.order, self.case.store, self.case.payment
        matches = all_matches(self._rules("invoicing"), known.facts)
        computed = invoice_lines(order, matches, credit_balance=balance, weight=known.weight)
        due_at = plan.due_at if plan else payment.capture.due_at if payment else None
        due_on = day_of(due_at, store.time_zone) if due_at else None
        issued = Issued(take_number(self.tx, self.reader, order.store_id, "invoice"), self.tx.at)
        reseller_id = self.case.reseller.id
        invoice = invoiced(order, computed, event, issued, store=store, reseller_id=reseller_id, due_on=due_on)
        self._issue(invoice)
        return invoice, CreditChange(-invoice.credit_used.amount, f"Used by {invoice.number}", invoice.id)

    def _issue(self, invoice: Invoice) -> None:
        save_invoice(self.tx, invoice)
        self.tx.announce(InvoiceMail(store_id=invoice.store_id, invoice_id=invoice.id))
        done = "invoice:issued" if invoice.kind == "invoice" else "invoice:credited"
        self.tx.audit(done, invoice.id, number=invoice.number, order_id=invoice.order_id, total=invoice.total.amount)

    def _change_credit(self, changes: Iterable[CreditChange]) -> None:
        order = self.case.order
        account = Account(order.store_id, self.case.reseller.id, order.total.currency)
        change_balance(self.tx, self.reader, account, *changes)

    def _plan(self, facts: Facts) -> CapturePlan:
        """Decide when the money is taken: as the first rule says that matches, and else by the payment method's kind."""
        order = self.case.order
        match = first_match(self._rules("payment_capture"), facts)
        if match is None:
            return planned("capture_now" if order.payment_kind == "instant" else "defer", at=order.placed_at)
        rule, action = match.rule, match.rule.then[0]
        if not isinstance(action, CaptureNow | CaptureOnShipment | CaptureAfter | Defer):
            raise TypeError("a stored rule does what rules of its kind cannot do")
        return planned(
            action.action,
            at=order.placed_at,
            days=action.days if isinstance(action, CaptureAfter) else 0,
            rule_id=rule.id,
            rule_version=rule.version,
            trace=match.trace,
        )

    def _payment(self, bill: Invoice | None, plan: CapturePlan | None) -> Payment | None:
        """Let the payment follow: it is opened with the first invoice, and is about what the latest one comes to."""
        order, payment, at = self.case.order, self.case.payment, self.tx.at
        if payment is None and bill and plan:
            billed = order.model_copy(update={"total": _owed(bill.total)})
            payment = opened(billed, store=self.case.store, capture=plan, at=at)
        elif payment is not None and bill:
            payment = amended(payment, _owed(bill.total), at=at)
        if payment is not None and order.status == "shipped":
            payment = shipped(payment, at=at)
        if payment is not None and order.status in OVER:
            payment = cancelled(payment, at=at)
        return payment

    def _known(self) -> Known:
        """Return what the rules are asked about the order."""
        ordered = Ordered(self.case.order, self.case.customer, self.case.reseller)
        sets = [each for sets in self.sets.values() for each in sets]
        return what_is_known(self.reader, self.case.store, [ordered], sets)[ordered.order.id]

    def _rules(self, kind: RuleKind) -> list[Rule]:
        return in_order(self.sets[kind], at=self.tx.at)


def _owed(total: Amount) -> Total:
    return Total(amount=total.amount, currency=total.currency)
