"""From an announced message to the mail: reads what it speaks of as it is now, and drops what has become pointless."""

from collections.abc import Mapping
from typing import Any

from tradepost.aws.links import invitation_link, public_url, reset_token
from tradepost.aws.mails import Mail
from tradepost.domain.customers import Customer
from tradepost.domain.invitations import Invitation
from tradepost.domain.orders import Order
from tradepost.domain.outbox import (
    InvitationMail,
    OrderMail,
    OutboxItem,
    PasswordChangedMail,
    PasswordResetMail,
    WelcomeMail,
)
from tradepost.domain.people import Account, Member
from tradepost.domain.stores import Store
from tradepost.domain.values import Entity
from tradepost.mails import values
from tradepost.mails.rendering import render_mail
from tradepost.table.customers import customer_key
from tradepost.table.invitations import invitation_key
from tradepost.table.orders import order_key
from tradepost.table.people import find_person, member_key
from tradepost.table.reading import Reader
from tradepost.table.shapes import ACCOUNT, Key
from tradepost.table.stores import store_key


def written(item: OutboxItem) -> Mail | None:
    """Return the mail that a message asks for; None if what it speaks of has been revoked, replaced or removed since."""
    message = item.message
    read = Reader()
    match message:
        case InvitationMail():
            return _invitation(read, message)
        case WelcomeMail():
            return _welcome(read, message)
        case OrderMail():
            return _order(read, message)
        case PasswordResetMail():
            return _password_reset(message)
        case PasswordChangedMail():
            account = read.get(ACCOUNT.key(person=message.person), Account)
            return _to_person(account, "password_changed", values.password_changed_values(account, changed_at=item.created_at))


def _invitation(read: Reader, message: InvitationMail) -> Mail | None:
    store, invitation = _store_and(read, message.store_id, invitation_key(message.store_id, message.invitation_id), Invitation)
    if invitation.state != "pending" or invitation.generation != message.generation:
        return None
    customer = read.get(customer_key(store.id, invitation.customer_id), Customer)
    if not customer.active:
        return None
    told = values.invitation_values(store, invitation, company=customer.name, link=invitation_link(invitation))
    return _from_store(store, invitation.email, "invitation_renewed" if message.renewed else "invitation", told)


def _welcome(read: Reader, message: WelcomeMail) -> Mail | None:
    store, member = _store_and(read, message.store_id, member_key(message.member_id, message.store_id), Member)
    if member.status != "active" or member.customer_id is None:
        return None
    customer = read.get(customer_key(store.id, member.customer_id), Customer)
    return _from_store(store, member.email, "welcome", values.welcome_values(store, member, company=customer.name))


def _order(read: Reader, message: OrderMail) -> Mail | None:
    store, order = _store_and(read, message.store_id, order_key(message.store_id, message.order_id), Order)
    keys = customer_key(store.id, order.customer_id), member_key(order.employee_id, store.id)
    read.fetch(keys)
    customer, member = read.get(keys[0], Customer), read.get(keys[1], Member)
    told = values.order_values(store, order, event=message.event, name=member.name, company=customer.name)
    return _from_store(store, member.email, f"order_{message.event}", told)


def _password_reset(message: PasswordResetMail) -> Mail | None:
    person = find_person(message.person)
    if person.account is None or person.reset is None or person.reset.nonce != message.nonce:
        return None
    link = f"{public_url()}/r/{reset_token(message.person, message.nonce)}"
    told = values.password_reset_values(person.account, link=link, requested_at=person.reset.requested_at)
    return _to_person(person.account, "password_reset", told)


def _store_and[E: Entity](read: Reader, store_id: str, key: Key, entity: type[E]) -> tuple[Store, E]:
    read.fetch([store_key(store_id), key])
    return read.get(store_key(store_id), Store), read.get(key, entity)


def _from_store(store: Store, to: str, name: str, told: Mapping[str, Any]) -> Mail:
    text = render_mail(name, told)
    return Mail(to, store.display_name, store.branding.reply_to, text.subject, text.html, text.text)


def _to_person(account: Account, name: str, told: Mapping[str, Any]) -> Mail:
    text = render_mail(name, told)
    return Mail(account.email, "Tradepost", None, text.subject, text.html, text.text)
