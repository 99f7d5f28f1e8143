"""From an announced message to the mail: reads what it speaks of as it is now, and drops what has become pointless.

A store's own words are used where it has some. Whatever is wrong with them, the mail goes out, in the default's words then.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from aws_lambda_powertools import Logger

from tradepost.aws.links import invitation_link, public_url, reset_token
from tradepost.aws.mails import Mail
from tradepost.domain import clock
from tradepost.domain.customers import Customer
from tradepost.domain.email_templates import EmailTemplate, TemplateText
from tradepost.domain.invitations import Invitation
from tradepost.domain.orders import Order
from tradepost.domain.outbox import (
    InvitationMail,
    OrderMail,
    OutboxItem,
    PasswordChangedMail,
    PasswordResetMail,
    TemplateTestMail,
    WelcomeMail,
)
from tradepost.domain.people import Account, Member
from tradepost.domain.stores import Store
from tradepost.mails import values
from tradepost.mails.rendering import BrokenTemplateError, MailText, render_mail
from tradepost.table.customers import customer_key
from tradepost.table.email_templates import note_failure, template_key
from tradepost.table.invitations import invitation_key
from tradepost.table.orders import order_key
from tradepost.table.people import find_person, member_key
from tradepost.table.reading import Reader
from tradepost.table.shapes import ACCOUNT, Key
from tradepost.table.stores import store_key

logger = Logger(service="tradepost")

type Told = Mapping[str, Any]


def written(item: OutboxItem) -> Mail | None:
    """Return the mail that a message asks for; None if what it speaks of has been revoked, replaced or removed since."""
    message = item.message
    read, mail = Reader(), None
    match message:
        case InvitationMail():
            mail = _invitation(read, message)
        case WelcomeMail():
            mail = _welcome(read, message)
        case OrderMail():
            mail = _order(read, message)
        case PasswordResetMail():
            mail = _password_reset(read, message)
        case PasswordChangedMail():
            mail = _password_changed(read, message, item)
        case TemplateTestMail():
            mail = _template_test(read, message)
    return mail


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
    return _mail(store, invitation.email, render_mail(name, told) if invitation.private else _worded(read, store, name, told))


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
    return _mail(store, member.email, _worded(read, store, "welcome", told))


def _order(read: Reader, message: OrderMail) -> Mail | None:
    name, key = f"order_{message.event}", order_key(message.store_id, message.order_id)
    store = _store(read, message.store_id, name, [key])
    order = read.get(key, Order)
    keys = customer_key(store.id, order.customer_id), member_key(order.employee_id, store.id)
    read.fetch(keys)
    customer, member = read.get(keys[0], Customer), read.get(keys[1], Member)
    told = values.order_values(store, order, event=message.event, name=member.name, company=customer.name)
    return _mail(store, member.email, _worded(read, store, name, told))


def _password_reset(read: Reader, message: PasswordResetMail) -> Mail | None:
    person = find_person(message.person)
    if person.account is None or person.reset is None or person.reset.nonce != message.nonce:
        return None
    store = _store_if_any(read, message.store_id, "password_reset")
    link = f"{public_url()}/r/{reset_token(message.person, message.nonce)}"
    told = values.password_reset_values(person.account, store, link=link, requested_at=person.reset.requested_at)
    return _mail(store, person.account.email, _worded(read, store, "password_reset", told))


def _password_changed(read: Reader, message: PasswordChangedMail, item: OutboxItem) -> Mail | None:
    key = ACCOUNT.key(person=message.person)
    store = _store_if_any(read, message.store_id, "password_changed", [key])
    account = read.get(key, Account)
    told = values.password_changed_values(account, store, changed_at=item.created_at)
    return _mail(store, account.email, _worded(read, store, "password_changed", told))


def _template_test(read: Reader, message: TemplateTestMail) -> Mail | None:
    key = member_key(message.member_id, message.store_id)
    read.fetch([store_key(message.store_id), key])
    store, member = read.get(store_key(message.store_id), Store), read.get(key, Member)
    if member.status != "active":
        return None
    draft = TemplateText(subject=message.subject, html=message.html, text=message.text)
    told = values.sample_values(message.name, store=values.look_of(store))
    try:
        return _mail(store, member.email, render_mail(message.name, told, draft))
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


def _worded(read: Reader, store: Store | None, name: str, told: Told) -> MailText:
    """Put a mail into the store's own words, and into the default's if there are none or they fail."""
    stored = read.record(template_key(store.id, name)) if store else None
    if store is None or stored is None:
        return render_mail(name, told)
    try:
        return render_mail(name, told, stored.load(EmailTemplate).content)
    except BrokenTemplateError as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001  # whatever is wrong with a store's own words, the mail goes out
        reason = f"the template cannot be used ({type(error).__name__})"
    noted = note_failure(stored.key, int(stored.version), reason, at=clock.now())
    logger.warning("mail written in the default's words", template=name, store=store.id, noted=noted)
    return render_mail(name, told)


def _mail(store: Store | None, to: str, text: MailText) -> Mail:
    if store is None:
        return Mail(to, values.PRODUCT, None, text.subject, text.html, text.text)
    return Mail(to, store.display_name, store.branding.reply_to, text.subject, text.html, text.text)
