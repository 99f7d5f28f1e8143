"""What each mail knows, as a typed description of its template's variables, and how that is taken from the domain.

A template sees these values and nothing else; all of them are shown as they are, so money and times arrive in words.

| template | variables |
|---|---|
| `invitation`, `invitation_renewed` | `store`, `company`, `email`, `link`, `expires_on`, `expires_at` |
| `welcome` | `store`, `name`, `company`, `email`, `login_url` |
| `password_reset` | `name`, `email`, `link`, `expires_at` |
| `password_changed` | `name`, `email`, `changed_at` |
| `order_placed`, `order_confirmed`, `order_shipped`, `order_cancelled` | `store`, `name`, `company`, `login_url`, `order` |

Those that end in `?` in `variables_of` may be missing, which a template asks for with `{% if %}`.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, get_args

from pydantic import BaseModel, Field

from tradepost.domain.colours import DEFAULT_COLOUR
from tradepost.domain.display import address_lines, display_date, display_money, display_time
from tradepost.domain.people import RESET_LIFETIME
from tradepost.domain.values import HexColour, Value

if TYPE_CHECKING:
    from tradepost.domain.invitations import Invitation
    from tradepost.domain.orders import Order
    from tradepost.domain.people import Account, Member
    from tradepost.domain.stores import Store

PRODUCT: Final = "Tradepost"

type Values = dict[str, Any]


class StoreLook(Value):
    """The store as a mail shows it."""

    name: Annotated[str, Field(description="The store's name as customers read it.")]
    colour: Annotated[HexColour, Field(description="The store's colour.")] = DEFAULT_COLOUR
    logo_url: Annotated[str | None, Field(description="Where the store's logo is.")] = None
    reply_to: Annotated[str | None, Field(description="The address that answers go to.")] = None


class InvitationValues(Value):
    """An invitation, when it is first sent and when its link was asked for again."""

    store: StoreLook
    company: Annotated[str, Field(description="The invited customer.")]
    email: Annotated[str, Field(description="The invited e-mail address.")]
    link: Annotated[str, Field(description="The link that accepts the invitation.")]
    expires_on: Annotated[str, Field(description="The last day of the link: 6 December 2026.")]
    expires_at: Annotated[str, Field(description="The end of the link: 6 December 2026, 14:30 CET.")]


class WelcomeValues(Value):
    """A new member of a store."""

    store: StoreLook
    name: Annotated[str, Field(description="The new member.")]
    company: Annotated[str, Field(description="The customer that the member buys for.")]
    email: Annotated[str, Field(description="The address to log in with.")]
    login_url: Annotated[str | None, Field(description="Where to log in, if the store has its own address.")] = None


class PasswordResetValues(Value):
    """A request to replace a password that was forgotten."""

    name: Annotated[str, Field(description="The person.")]
    email: Annotated[str, Field(description="The person's address.")]
    link: Annotated[str, Field(description="The link that leads to a new password.")]
    expires_at: Annotated[str, Field(description="The end of the link: 6 December 2026, 14:30 UTC.")]


class PasswordChangedValues(Value):
    """A password that was changed."""

    name: Annotated[str, Field(description="The person.")]
    email: Annotated[str, Field(description="The person's address.")]
    changed_at: Annotated[str, Field(description="When it was changed: 6 December 2026, 14:30 UTC.")]


class OrderLineValues(Value):
    """One line of an order."""

    product_number: str
    name: str
    quantity: int
    unit_price: Annotated[str, Field(description="The price of one: EUR 12.50.")]
    total: Annotated[str, Field(description="The price of all of them: EUR 25.00.")]


class OrderContents(Value):
    """An order as the buyer reads it."""

    number: str
    placed_at: Annotated[str, Field(description="When it was placed: 6 December 2026, 14:30 CET.")]
    lines: tuple[OrderLineValues, ...]
    subtotal: str
    shipping_cost: str
    tax: Annotated[str | None, Field(description="Missing where none is charged.")] = None
    total: str
    shipping_method: str | None = None
    payment_method: str | None = None
    billing_address: Annotated[tuple[str, ...], Field(description="The lines of the address.")]
    shipping_address: Annotated[tuple[str, ...], Field(description="The lines of the address.")]
    note: Annotated[str | None, Field(description="What was noted with the last step.")] = None


class OrderValues(Value):
    """An order, and what became of it."""

    store: StoreLook
    name: Annotated[str, Field(description="The buyer.")]
    company: Annotated[str, Field(description="The customer.")]
    login_url: Annotated[str | None, Field(description="Where to log in, if the store has its own address.")] = None
    order: OrderContents


TEMPLATES: Final[Mapping[str, type[Value]]] = {
    "invitation": InvitationValues,
    "invitation_renewed": InvitationValues,
    "welcome": WelcomeValues,
    "password_reset": PasswordResetValues,
    "password_changed": PasswordChangedValues,
    "order_placed": OrderValues,
    "order_confirmed": OrderValues,
    "order_shipped": OrderValues,
    "order_cancelled": OrderValues,
}


class Variable(NamedTuple):
    """A variable that a template may use: its path, as `order.lines[].name` or `store.logo_url?`, and what it means."""

    path: str
    meaning: str


def variables_of(template: str) -> list[Variable]:
    """Describe every variable of a template. Raises `KeyError` for an unknown template."""
    return list(_described(TEMPLATES[template], ""))


def invitation_values(store: "Store", invitation: "Invitation", *, company: str, link: str) -> Values:
    """Return what an invitation's mail knows."""
    values = InvitationValues(
        store=_look(store),
        company=company,
        email=invitation.email,
        link=link,
        expires_on=display_date(invitation.expires_at, store.time_zone),
        expires_at=display_time(invitation.expires_at, store.time_zone),
    )
    return values.model_dump()


def welcome_values(store: "Store", member: "Member", *, company: str) -> Values:
    """Return what a new member's mail knows."""
    values = WelcomeValues(
        store=_look(store), name=member.name, company=company, email=member.email, login_url=login_url(store)
    )
    return values.model_dump()


def password_reset_values(account: "Account", *, link: str, requested_at: datetime) -> Values:
    """Return what the mail with a reset link knows. A person belongs to no store, so its times are UTC."""
    expires_at = display_time(requested_at + RESET_LIFETIME, "UTC")
    return PasswordResetValues(name=account.name, email=account.email, link=link, expires_at=expires_at).model_dump()


def password_changed_values(account: "Account", *, changed_at: datetime) -> Values:
    """Return what the mail about a changed password knows."""
    told = display_time(changed_at, "UTC")
    return PasswordChangedValues(name=account.name, email=account.email, changed_at=told).model_dump()


def order_values(store: "Store", order: "Order", *, event: str, name: str, company: str) -> Values:
    """Return what the mail about one step of an order knows; `name` is the buyer's.

    The order may have moved on since: what was noted is told with the step it was noted with.
    """
    notes = [step.note for step in order.history if step.to == event and not step.changed]
    lines = tuple(
        OrderLineValues(
            product_number=line.product_number,
            name=line.name,
            quantity=line.quantity,
            unit_price=display_money(line.unit_price),
            total=display_money(line.total),
        )
        for line in order.lines
    )
    contents = OrderContents(
        number=order.number,
        placed_at=display_time(order.placed_at, store.time_zone),
        lines=lines,
        subtotal=display_money(order.subtotal),
        shipping_cost=display_money(order.shipping_cost),
        tax=display_money(order.tax) if order.tax.amount else None,
        total=display_money(order.total),
        shipping_method=order.shipping_method_name,
        payment_method=order.payment_method_name,
        billing_address=tuple(address_lines(order.billing_address)),
        shipping_address=tuple(address_lines(order.shipping_address)),
        note=notes[-1] if notes else None,
    )
    values = OrderValues(store=_look(store), name=name, company=company, login_url=login_url(store), order=contents)
    return values.model_dump()


def login_url(store: "Store") -> str | None:
    """Return where a store's customers log in; None unless the store has its own address."""
    return f"https://{store.domain}/" if store.domain else None


def _look(store: "Store") -> StoreLook:
    branding = store.branding
    return StoreLook(
        name=store.display_name,
        colour=branding.colour,
        logo_url=str(branding.logo_url) if branding.logo_url else None,
        reply_to=branding.reply_to,
    )


def _described(model: type[BaseModel], prefix: str) -> Iterator[Variable]:
    for name, field in model.model_fields.items():
        kinds = (field.annotation, *get_args(field.annotation))
        nested = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
        several = "[]" if field.annotation is not nested and str(field.annotation).startswith("tuple") else ""
        path = f"{prefix}{name}{several}{'' if field.is_required() else '?'}"
        if nested:
            yield from _described(nested, f"{prefix}{name}{several}.")
        else:
            yield Variable(path, field.description or "")
