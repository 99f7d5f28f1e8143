"""Where the links in mails and answers lead: the portal's public address, and the tokens that belong to it."""

from functools import cache
from typing import Any

import botocore.session

from tradepost.aws.secrets import signing_key
from tradepost.domain.ids import Token, derived_token, enrolment_token, link_token
from tradepost.domain.invitations import Invitation
from tradepost.settings import settings


@cache
def public_url() -> str:
    """Return the portal's address without a slash at its end.

    It is a parameter of the deployment. Where that is empty, the API's own address serves, which the functions cannot be
    given directly (the API needs them first): the deployment notes it in a parameter that is read once per process.
    """
    given = settings().public_url
    if not given:
        client: Any = botocore.session.get_session().create_client("ssm")
        given = str(client.get_parameter(Name=settings().public_url_parameter)["Parameter"]["Value"])
    return given.rstrip("/")


def invitation_link(invitation: Invitation) -> str:
    """Return the link of an invitation, the same each time until its generation is raised."""
    return f"{public_url()}/i/{link_token(signing_key(), invitation.id, invitation.generation)}"


def link_to_share(invitation: Invitation) -> str | None:
    """Return the link as far as the store may hand it out: it tells the address, which a private one keeps from the store."""
    return None if invitation.private else invitation_link(invitation)


def unsigned(link: str) -> str:
    """Return an invitation's link as it may be kept: without what proves that it is ours."""
    return link.rpartition(".")[0]


def signed(kept: str) -> str:
    """Return the whole link again."""
    address, _, token = kept.rpartition("/")
    invitation_id, _, generation = token.rpartition(".")
    return f"{address}/{link_token(signing_key(), invitation_id, int(generation))}"


def offer_link(store_id: str, offer_id: str) -> str:
    """Return the link to an offer. It proves nothing: whoever follows it has to log in."""
    return f"{public_url()}/o/{store_id}.{offer_id}"


def enrolment_link(store_id: str, enrolment_id: str) -> str:
    """Return the link that confirms an enrolment, the same each time."""
    return f"{public_url()}/e/{enrolment_token(signing_key(), store_id, enrolment_id)}"


def reset_token(person: str, nonce: str) -> Token:
    """Return the token of a password reset, the same each time it is derived from one nonce."""
    return derived_token(signing_key(), "reset", person, nonce)
