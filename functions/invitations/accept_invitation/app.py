"""/v1/invitation-links/{token}: what an invitation offers, taking it up, and asking for a new link."""

from typing import Annotated

from pydantic import Field

from tradepost.domain.customers import PostalAddress
from tradepost.domain.invitations import InvitationKind
from tradepost.domain.values import Instant
from tradepost.http.answers import SignedIn, StoreBrief, store_brief
from tradepost.http.app import ANYONE, Answer, Caller, make_app
from tradepost.http.invitation_links import Acceptance, accept_offer, offer_of, offer_reads, renew_offer

app = make_app()


class Prefilled(Answer):
    """What somebody has entered for the invited person, who may correct it by accepting with something else."""

    entered_by: str
    company: Annotated[str | None, Field(description="Null but in the customer's own invitation: no other corrects it.")]
    name: str | None
    phone: str | None
    address: PostalAddress | None


class InvitationOffer(Answer):
    """What an invitation's link offers: the store, the company to buy for if any, and what has been entered so far."""

    kind: InvitationKind
    store: StoreBrief
    email: str
    company: Annotated[str | None, Field(description="Null for a sales rep.")]
    address: PostalAddress | None
    prefilled: Prefilled
    account_exists: Annotated[bool, Field(description="Whether the address has an account: then only its password is needed.")]
    expires_at: Instant


class Renewal(Answer):
    """The answer to whoever asks for a new link: the same, whatever becomes of it."""

    detail: str


@app.get("/v1/invitation-links/<token>", allow=ANYONE, reads=offer_reads)
def show_offer(token: str, caller: Caller) -> InvitationOffer:
    """Show what a link offers. Opening it changes nothing, however often. A dead link answers 410 and says why."""
    offer = offer_of(token, caller)
    return InvitationOffer(
        kind=offer.invitation.kind,
        store=store_brief(offer.store),
        email=offer.invitation.email,
        company=offer.buys_for,
        address=offer.address,
        prefilled=Prefilled.model_validate(offer),
        account_exists=offer.account is not None,
        expires_at=offer.invitation.expires_at,
    )


@app.post("/v1/invitation-links/<token>/acceptance", allow=ANYONE, status=201, reads=offer_reads, recognises=True)
def accept_invitation(token: str, acceptance: Acceptance, caller: Caller) -> SignedIn:
    """Take the offer up, once. Whoever is new sends a name and a password, an account holder the password of the account.

    Somebody who is signed in with that account, in whichever store, needs to send neither; signed in with another one, the
    answer is 409 `wrong_account`.
    """
    return accept_offer(token, acceptance, caller)


@app.post("/v1/invitation-links/<token>/renewal", allow=ANYONE, status=202, idempotent=False, reads=offer_reads)
def renew_invitation(token: str, caller: Caller) -> Renewal:
    """Ask for a new link. It goes to the invited address and to no other, and the answer is always the same."""
    renew_offer(token, caller)
    return Renewal(detail="If this invitation can be renewed, a new link is on its way to the invited address.")


handler = app.handler
