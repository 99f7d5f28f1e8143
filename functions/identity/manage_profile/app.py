"""GET and PATCH /v1/me: who one is here, what one may do, and one's own details."""

from typing import Annotated

from pydantic import Field

from tradepost.domain.api_keys import KeyScope
from tradepost.domain.errors import Fault, InvalidError
from tradepost.domain.overrides import limits_of
from tradepost.domain.people import Access, EmployeeRole, Member, Party
from tradepost.domain.permissions import Permission, Role
from tradepost.domain.stores import OverrideLimits
from tradepost.domain.values import Instant, OptionalText, Text, Value
from tradepost.http.answers import StoreBrief, store_brief
from tradepost.http.app import Answer, Caller, make_app
from tradepost.table.people import save_member

app = make_app()


class ActingParties(Answer):
    """Who acts for whom, while somebody does: why, and until when."""

    id: str
    actor: Party
    subject: Party
    reason: str
    started_at: Instant
    expires_at: Instant


class KeyBrief(Answer):
    """The API key that asks in a person's name, and what it was made for."""

    id: str
    name: str
    prefix: str
    scopes: list[KeyScope]
    expires_at: Instant | None


class Profile(Answer):
    """The caller: a member of one store. `permissions` of an API key are those of its scopes."""

    id: str
    role: Role
    name: str
    email: str
    phone: str | None
    customer_id: str | None
    employee_role: EmployeeRole | None
    access: Annotated[Access | None, Field(description="Which customers a sales rep sees: those allocated to it, or all.")]
    supervisor: bool
    override_limits: Annotated[
        OverrideLimits | None, Field(description="How far a sales rep may lower prices by itself; null for everybody else.")
    ]
    store: StoreBrief
    permissions: list[str]
    landing: Annotated[str, Field(description="The page to show after log-in: one's own choice, else the store's.")]
    landing_override: str | None
    activity_consent: bool
    acting: ActingParties | None
    api_key: KeyBrief | None
    joined_at: Instant
    etag: str


class ProfileChange(Value):
    """What to change of oneself; null clears the telephone number or the landing page."""

    name: Text | None = None
    phone: OptionalText | None = None
    landing: Text | None = None


@app.get("/v1/me", allow=Permission.READ_PROFILE)
def show_profile(caller: Caller) -> Profile:
    """Show the caller to itself."""
    return _profile(caller, caller.member)


@app.patch("/v1/me", allow=Permission.OWN_PROFILE)
def update_profile(change: ProfileChange, caller: Caller) -> Profile:
    """Change one's details in this store. The e-mail address is what one logs in with, and stays."""
    before = caller.match(caller.member)
    fields = change.model_dump(exclude_unset=True)
    if "name" in fields and fields["name"] is None:
        raise InvalidError(Fault("/name", "must not be null"))
    tx = caller.transaction()
    member = save_member(tx, before.model_copy(update=fields))
    tx.audit("member:updated", member.id, fields=sorted(fields))
    return tx.commit_answering(_profile(caller, member))


def _profile(caller: Caller, member: Member) -> Profile:
    return Profile.model_validate(
        {
            **member.model_dump(exclude={"landing"}),
            "override_limits": limits_of(member, caller.store) if caller.is_rep else None,
            "store": store_brief(caller.store),
            "permissions": sorted(caller.grants),
            "landing": member.landing or caller.store.default_landing,
            "landing_override": member.landing,
            "activity_consent": member.allows_activity,
            "acting": caller.acting,
            "api_key": caller.key,
            "etag": member.etag,
        }
    )


handler = app.handler
