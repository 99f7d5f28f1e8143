"""From an announced message to the mail: reads what it speaks of as it is now, and drops what has become pointless.

A store's own words are used where it has some. Whatever is wrong with them, the mail goes out, in the default's words then.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from aws_lambda_powertools import Logger

from tradepost.aws.links import enrolment_link, invitation_link, offer_link, public_url, reset_token
from tradepost.aws.mails import Mail
from tradepost.domain import clock
from tradepost.domain.billing import Invoice
from tradepost.domain.customers import Customer
from tradepost.domain.display import display_day
from tradepost.domain.email_templates import EmailTemplate, TemplateText
from tradepost.domain.erasures import NOBODYS_ADDRESS
from tradepost.domain.event_mailings import EventMailing, is_still_true
from tradepost.domain.events import Event, Participant
from tradepost.domain.export_handouts import withheld
from tradepost.domain.exports import Export
from tradepost.domain.invitations import Invitation
from tradepost.domain.offer_transitions import is_still_news
from tradepost.domain.offers import Offer
from tradepost.domain.orders import Order
from tradepost.domain.outbox import (
    TOLD_TO_CUSTOMERS,
    EventMail,
    ExportMail,
    InvitationMail,
    InvoiceMail,
    OfferMail,
    OrderMail,
    OutboxItem,
    PasswordChangedMail,
    PasswordResetMail,
    ResellerConfirmationMail,
    ResellerMail,
    TemplateTestMail,
    WelcomeMail,
)
from tradepost.domain.people import Account, Member
from tradepost.domain.resellers import Enrolment, Reseller, is_still_so
from tradepost.domain.scoping import Scope
from tradepost.domain.stores import Store
from tradepost.domain.values import Value, folded
from tradepost.mails import values
from tradepost.mails.rendering import BrokenTemplateError, MailText, circular_message, render_mail
from tradepost.table.customers import customer_key
from tradepost.table.email_templates import note_failure, template_key
from tradepost.table.event_mailings import event_mailing_key
from tradepost.table.events import event_key, participant_key
from tradepost.table.exports import export_key
from tradepost.table.invitations import invitation_key
from tradepost.table.invoices import invoice_keys
from tradepost.table.offers import offer_keys
from tradepost.table.orders import order_key
from tradepost.table.people import find_person, member_key
from tradepost.table.reading import Reader
from tradepost.table.resellers import enrolment_key, reseller_key
from tradepost.table.shapes import ACCOUNT, Key
from tradepost.table.stores import store_key

logger = Logger(service="tradepost")

type Told = Mapping[str, Any]


def written(item: OutboxItem) -> Mail | None:
    """Return the mail that a message asks for; None if what it speaks of, or whom, has been revoked or removed since."""
    message, read = item.message, Reader()
    if isinstance(message, PasswordChangedMail):
        mail = _password_changed(read, message, changed_at=item.created_at)
    else:
        write = _WRITERS.get(type(message))
        mail = write(read, message) if write else None
    return mail and mail.without({NOBODYS_ADDRESS})


def _invitation(read: Reader, message: InvitationMail) -> Mail | None:
    name, key = _template_of(message), invitation_key(message.store_id, message.invitation_id)
    company = customer_key(message.store_id, message.customer_id) if message.customer_id else None
    person = member_key(message.member_id, message.store_id) if message.member_id else None
    store = _store(read, message.store_id, name, filter(None, (key, company, person)))
    invitation, customer = read.get(key, Invitation), company and read.get(company, Customer)
    if invitation.state != "pending" or invitation.generation != message.generation or (customer and not customer.active):
        return None
    member, link = person and read.get(person, Member), invitation_link(invitation)
    told = values.invitation_values(name, store, invitation, customer=customer, member=member, link=link)
    # The store does not know the address of a private one: its own words could tell it, by the address of an image.
    return _mail(
        store, (invitation.email,), render_mail(name, told) if invitation.private else _worded(read, store, name, told)
    )


def _template_of(message: InvitationMail) -> str:
    if message.renewed:
        return "invitation_renewed"
    if message.customer_id is None:
        return "sales_rep_invitation"
    return "employee_invitation" if message.member_id else "invitation"


def _welcome(read: Reader, message: WelcomeMail) -> Mail | None:
    key = member_key(message.member_id, message.store_id)
    store = _store(read, message.store_id, "welcome", [key])
    member = read.get(key, Member)
    if member.status != "active":
        return None
    customer = read.get(customer_key(store.id, member.customer_id), Customer) if member.customer_id else None
    told = values.welcome_values(store, member, company=customer.name if customer else None)
    return _mail(store, (member.email,), _worded(read, store, "welcome", told))


def _order(read: Reader, message: OrderMail) -> Mail | None:
    name, key = f"order_{message.event}", order_key(message.store_id, message.order_id)
    store = _store(read, message.store_id, name, [key])
    order = read.get(key, Order)
    keys = customer_key(store.id, order.customer_id), member_key(order.employee_id, store.id)
    read.fetch(keys)
    customer, member = read.get(keys[0], Customer), read.get(keys[1], Member)
    told = values.order_values(store, order, event=message.event, name=member.name, company=customer.name)
    return _mail(store, (member.email,), _worded(read, store, name, told))


def _offer(read: Reader, message: OfferMail) -> Mail | None:
    name, keys = f"offer_{message.event}", offer_keys(message.store_id, message.offer_id)
    store = _store(read, message.store_id, name, keys)
    offer, customer = read.get(keys[0], Offer), read.get(keys[1], Customer)
    if not is_still_news(message.event, offer, message.number, at=clock.now()):
        return None
    if message.event not in TOLD_TO_CUSTOMERS:
        return _offer_news(read, store, message, offer, customer)
    if not customer.active:
        return None
    step, seller = offer.latest(message.event), offer.sent.sent_by.name if offer.sent else None
    # What is noted with sending an offer is for those who work on it: the customer is told its `message`.
    note = step.note if step and message.event != "sent" else None
    said, link = values.OfferSaid.of(offer), offer_link(store.id, offer.id)
    told = values.offer_values(store, offer, said, name=customer.contact_name, seller=seller, note=note, link=link)
    return _mail(store, offer.recipients.to, _worded(read, store, name, told), cc=offer.recipients.cc)


def _offer_news(read: Reader, store: Store, message: OfferMail, offer: Offer, customer: Customer) -> Mail | None:
    """Write to who looks after an offer: whose it is, or else whoever looks after the customer; the store if that is nobody."""
    member, step = _who_looks_after(read, store, customer, message.member_id), offer.latest(message.event)
    to = member.email if member else store.branding.reply_to or _owners_address(read, store)
    # Of a request, everybody who looks after the customer is told by a mail of its own.
    told_already = message.event == "requested" and member is not None and member.id != message.member_id
    if to is None or step is None or (told_already and message.member_id):
        return None
    name, link = f"offer_{message.event}", offer_link(store.id, offer.id)
    note = offer.request.message if offer.request and message.event == "requested" else step.note
    told = values.offer_news_values(store, offer, step, name=member.name if member else None, note=note, link=link)
    if message.event == "accepted" and offer.order_id:
        told["order_number"] = read.get(order_key(store.id, offer.order_id), Order).number
    if message.event == "extension_requested" and offer.extension and offer.extension.until:
        told["until"] = display_day(offer.extension.until)
    return _mail(store, (to,), _worded(read, store, name, told))


def _who_looks_after(read: Reader, store: Store, customer: Customer, member_id: str | None) -> Member | None:
    """Return the first of those concerned who is in the store, and in whose scope the customer is."""
    ids = filter(None, (member_id, customer.account_manager_id, *customer.further_sales_rep_ids))
    keys = [member_key(each, store.id) for each in ids]
    read.fetch(keys)
    members = (read.find(key, Member) for key in keys)
    return next((each for each in members if each and each.status == "active" and Scope.of(each).covers(customer)), None)


def _owners_address(read: Reader, store: Store) -> str | None:
    owner = read.find(member_key(store.owner_id, store.id), Member) if store.owner_id else None
    return owner.email if owner else None


def offer_template_key(store_id: str) -> Key:
    """Return where a store's own words for sending an offer are kept."""
    return template_key(store_id, "offer_sent")


def offer_as_sent(read: Reader, store: Store, offer: Offer, customer: Customer, *, seller: str | None) -> Mail:
    """Return the mail that brings an offer to its customer if it is sent as it is now. It notes nothing."""
    said, link = values.OfferSaid.drafted(offer), offer_link(store.id, offer.id)
    told = values.offer_values(store, offer, said, name=customer.contact_name, seller=seller, note=None, link=link)
    return _mail(store, offer.recipients.to, _worded(read, store, "offer_sent", told, noting=False), cc=offer.recipients.cc)


def _event(read: Reader, message: EventMail) -> Mail | None:
    name = f"event_{message.news}"
    event_at = event_key(message.store_id, message.event_id)
    participant_at = participant_key(message.store_id, message.event_id, message.participant_id)
    mailing_at = event_mailing_key(message.store_id, message.event_id, message.mailing_id) if message.mailing_id else None
    store = _store(read, message.store_id, name, filter(None, (event_at, participant_at, mailing_at)))
    event, participant = read.get(event_at, Event), read.get(participant_at, Participant)
    mailing = read.get(mailing_at, EventMailing) if mailing_at else None
    if not (mailing.still_reaches(participant, event) if mailing else is_still_true(message.news, participant, event)):
        return None
    told = values.event_values(store, event, name=participant.name, company=participant.customer_name)
    if message.news == "registered":
        told["waiting"] = "waiting" if participant.state == "waiting" else None
    if message.news == "mailing" and mailing:
        try:
            told["message"] = circular_message(mailing.subject, mailing.text, told)
        except BrokenTemplateError:
            logger.warning("circular mail that cannot be said to somebody", event_mailing=mailing.id)
            return None
    return _mail(store, (participant.email,), _worded(read, store, name, told))


def _reseller_confirmation(read: Reader, message: ResellerConfirmationMail) -> Mail | None:
    key = enrolment_key(message.store_id, message.enrolment_id)
    store = _store(read, message.store_id, "reseller_confirmation", [key])
    enrolment = read.get(key, Enrolment)
    if not enrolment.is_open(clock.now()):
        return None
    told = values.reseller_confirmation_values(store, enrolment, link=enrolment_link(store.id, enrolment.id))
    return _mail(store, (enrolment.application.contact.email,), _worded(read, store, "reseller_confirmation", told))


def _reseller_news(read: Reader, message: ResellerMail) -> Mail | None:
    """Write to a reseller what was decided about it, or to the store that one waits."""
    name, key = f"reseller_{message.event}", reseller_key(message.store_id, message.reseller_id)
    store = _store(read, message.store_id, name, [key])
    reseller = read.get(key, Reseller)
    if not is_still_so(message.event, reseller):
        return None
    if message.event == "enrolled":
        to = store.branding.reply_to or _owners_address(read, store)
        return _mail(store, (to,), _worded(read, store, name, values.reseller_enrolled_values(store, reseller))) if to else None
    told = values.reseller_decision_values(store, reseller)
    return _mail(store, (reseller.application.contact.email,), _worded(read, store, name, told))


def _invoice(read: Reader, message: InvoiceMail) -> Mail | None:
    """Write to the customer's contact; whom the store named when the bill was issued gets a copy."""
    keys = invoice_keys(message.store_id, message.invoice_id)
    # Which of the two it is, its id does not say: the store's words for either come along.
    names = {"invoice": "invoice_issued", "credit_note": "credit_note"}
    read.fetch([store_key(message.store_id), *keys, *(template_key(message.store_id, each) for each in names.values())])
    invoice, customer = read.get(keys[0], Invoice), read.get(keys[1], Customer)
    store = read.get(store_key(message.store_id), Store)
    if customer.email is None:
        return None
    name = names[invoice.kind]
    told = values.invoice_values(store, invoice, name=customer.contact_name)
    cc = tuple(each for each in invoice.cc if folded(each) != folded(customer.email))
    return _mail(store, (customer.email,), _worded(read, store, name, told), cc=cc)


def _export(read: Reader, message: ExportMail) -> Mail | None:
    """Write to whoever asked for an export: that its file is there to be got behind a log-in, or that there is none."""
    name, key = "export_ready" if message.event == "done" else "export_failed", export_key(message.store_id, message.export_id)
    store = _store(read, message.store_id, name, [key])
    export = read.get(key, Export)
    member = read.get(member_key(export.member_id, store.id), Member)
    if export.status != message.event or member.status != "active":
        return None
    if export.expires_at is None or message.event == "failed":
        told = values.export_failed_values(store, export, name=member.name)
        return _mail(store, (member.email,), _worded(read, store, name, told))
    why = withheld(export, store=store, reader=member, at=clock.now())
    # Whether somebody's activity has to be taken out of it is found out within minutes; most often it has not.
    if why and why.code != "pending_review":
        return None
    told = values.export_ready_values(store, export, name=member.name, expires_at=export.expires_at)
    return _mail(store, (member.email,), _worded(read, store, name, told))


def _password_reset(read: Reader, message: PasswordResetMail) -> Mail | None:
    person = find_person(message.person)
    if person.account is None or person.reset is None or person.reset.nonce != message.nonce:
        return None
    store = _store_if_any(read, message.store_id, "password_reset")
    link = f"{public_url()}/r/{reset_token(message.person, message.nonce)}"
    told = values.password_reset_values(person.account, store, link=link, requested_at=person.reset.requested_at)
    return _mail(store, (person.account.email,), _worded(read, store, "password_reset", told))


def _password_changed(read: Reader, message: PasswordChangedMail, *, changed_at: datetime) -> Mail | None:
    key = ACCOUNT.key(person=message.person)
    store = _store_if_any(read, message.store_id, "password_changed", [key])
    account = read.get(key, Account)
    told = values.password_changed_values(account, store, changed_at=changed_at)
    return _mail(store, (account.email,), _worded(read, store, "password_changed", told))


def _template_test(read: Reader, message: TemplateTestMail) -> Mail | None:
    key = member_key(message.member_id, message.store_id)
    read.fetch([store_key(message.store_id), key])
    store, member = read.get(store_key(message.store_id), Store), read.get(key, Member)
    if member.status != "active":
        return None
    draft = TemplateText(subject=message.subject, html=message.html, text=message.text)
    told = values.sample_values(message.name, store=values.look_of(store))
    try:
        return _mail(store, (member.email,), render_mail(message.name, told, draft))
    except BrokenTemplateError:
        return None  # it was tried out when the test was asked for: the store has changed its brand since


def _store(read: Reader, store_id: str, name: str, more: Iterable[Key]) -> Store:
    """Return a store, read together with its own words for a mail and with what else the mail needs."""
    read.fetch([store_key(store_id), template_key(store_id, name), *more])
    return read.get(store_key(store_id), Store)


def _store_if_any(read: Reader, store_id: str | None, name: str, more: Iterable[Key] = ()) -> Store | None:
    """Return the store on whose behalf a person is written to; a person's password is not that of a store."""
    keys = [store_key(store_id), template_key(store_id, name)] if store_id else []
    read.fetch([*keys, *more])
    return read.find(store_key(store_id), Store) if store_id else None


def _worded(read: Reader, store: Store | None, name: str, told: Told, *, noting: bool = True) -> MailText:
    """Put a mail into the store's own words, and into the default's if there are none or they fail, which is noted."""
    stored = read.record(template_key(store.id, name)) if store else None
    if store is None or stored is None:
        return render_mail(name, told)
    try:
        return render_mail(name, told, stored.load(EmailTemplate).content)
    except BrokenTemplateError as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001  # whatever is wrong with a store's own words, the mail goes out
        reason = f"the template cannot be used ({type(error).__name__})"
    if not noting:
        return render_mail(name, told)
    noted = note_failure(stored.key, int(stored.version), reason, at=clock.now())
    logger.warning("mail written in the default's words", template=name, store=store.id, noted=noted)
    return render_mail(name, told)


def _mail(store: Store | None, to: tuple[str, ...], text: MailText, *, cc: tuple[str, ...] = ()) -> Mail:
    if store is None:
        return Mail(to, values.PRODUCT, None, text.subject, text.html, text.text)
    return Mail(to, store.display_name, store.branding.reply_to, text.subject, text.html, text.text, cc)


_WRITERS: Final[Mapping[type[Value], Callable[[Reader, Any], Mail | None]]] = {
    InvitationMail: _invitation,
    WelcomeMail: _welcome,
    OrderMail: _order,
    OfferMail: _offer,
    EventMail: _event,
    InvoiceMail: _invoice,
    ExportMail: _export,
    ResellerConfirmationMail: _reseller_confirmation,
    ResellerMail: _reseller_news,
    PasswordResetMail: _password_reset,
    TemplateTestMail: _template_test,
}
