"""POST /v1/stores: open a store, with its owner, and sign the owner in."""

from typing import Annotated

from pydantic import Field

from tradepost.domain.errors import ConflictError, ForbiddenError
from tradepost.domain.ids import member_id
from tradepost.domain.people import Member
from tradepost.domain.permissions import Role
from tradepost.domain.standards import KnownCurrency, TimeZone
from tradepost.domain.stores import Store
from tradepost.domain.values import Email, Slug, Text, Value
from tradepost.http.answers import SignedIn, StoreSettings, store_settings
from tradepost.http.app import ANYONE, Answer, Caller, make_app
from tradepost.http.entrance import open_session
from tradepost.http.sign_in import account_for
from tradepost.settings import settings
from tradepost.table.people import keep_account, save_member, save_membership
from tradepost.table.shapes import store_owner
from tradepost.table.stores import save_store

app = make_app()


class NewOwner(Value):
    """The person who will run the store: a new one, or one with an account, who then gives its password."""

    name: Text
    email: Email
    password: Annotated[str, Field(max_length=1000)]


class NewStore(Value):
    """What a store begins with."""

    name: Text
    slug: Slug
    currency: KnownCurrency
    time_zone: TimeZone
    owner: NewOwner


class OpenedStore(Answer):
    """The new store, and the owner's session."""

    store: StoreSettings
    session: SignedIn


@app.post("/v1/stores", allow=ANYONE, status=201)
def open_store(new: NewStore, caller: Caller) -> OpenedStore:
    """Open a store. Where `StoreSignup` is closed, nobody can."""
    if settings().store_signup == "closed":
        raise ForbiddenError("signup_closed", "New stores are opened by invitation here.")
    owner = new.owner
    account = account_for(owner.email, owner.name, owner.password, caller, pointer="/owner/password")
    owner_id = member_id(new.slug, account.person)
    store = Store(**new.model_dump(exclude={"owner"}), owner_id=owner_id, opened_at=caller.at)
    member = Member(
        id=owner_id,
        store_id=store.id,
        person=account.person,
        role=Role.OWNER,
        name=owner.name,
        email=account.email,
        joined_at=caller.at,
    )
    tx = caller.transaction(owner=store_owner(store.id), party=member.party)
    store = save_store(tx, store, otherwise=ConflictError("slug_taken", f"The slug “{store.slug}” is taken."))
    save_member(tx, member)
    save_membership(tx, member)
    keep_account(tx, account)
    tx.audit("store:opened", store.id)
    entrance = open_session(tx, account, member, store, caller)
    opened = store_settings(store)
    session = entrance.commit(tx, within="session", store=opened.model_dump(mode="json"))
    return OpenedStore(store=opened, session=session)


handler = app.handler
