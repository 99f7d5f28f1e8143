"""/v1/store: what the owner decides about the store as a whole."""

from typing import ClassVar

from pydantic import StrictBool

from tradepost.aws.secrets import forget_stripe, stripe_secrets
from tradepost.domain.errors import ConflictError
from tradepost.domain.permissions import Permission
from tradepost.domain.standards import TimeZone
from tradepost.domain.stores import (
    ActivityDays,
    BillingCc,
    Branding,
    Days,
    ErasureDays,
    GuestAccess,
    Hostname,
    OverrideLimits,
    PaymentProviderName,
    Store,
    StripeAccount,
    change_settings,
)
from tradepost.domain.values import Change, Reference, Text
from tradepost.http.answers import StoreBrief, StoreSettings, store_brief, store_settings
from tradepost.http.app import Caller, make_app
from tradepost.table.statistics import has_figures
from tradepost.table.stores import save_settings

app = make_app()


class StoreChange(Change):
    """What to change of the store; a field that is not sent stays, within nested settings too."""

    nullable: ClassVar = frozenset({"default_channel_id", "domain", "stripe_account"})

    name: Text | None = None
    time_zone: TimeZone | None = None
    active: StrictBool | None = None
    guest_access: GuestAccess | None = None
    auto_approve_resellers: StrictBool | None = None
    default_channel_id: Reference | None = None
    track_activity: StrictBool | None = None
    activity_days: ActivityDays | None = None
    activity_erasure_days: ErasureDays | None = None
    branding: Branding | None = None
    default_landing: Text | None = None
    invitation_days: Days | None = None
    offer_days: Days | None = None
    billing_cc: BillingCc | None = None
    override_limits: OverrideLimits | None = None
    acting_needs_consent: StrictBool | None = None
    domain: Hostname | None = None
    payment_provider: PaymentProviderName | None = None
    stripe_account: StripeAccount | None = None


@app.get("/v1/store", allow=Permission.READ_STORE)
def show_store(caller: Caller) -> StoreSettings | StoreBrief:
    """Show the store: to its owner with all its settings, to a sales rep as everybody in it may see it."""
    return store_settings(caller.store) if caller.is_owner else store_brief(caller.store)


@app.patch("/v1/store", allow=Permission.MANAGE_STORE)
def update_store(change: StoreChange, caller: Caller) -> StoreSettings:
    """Change settings of the store. Slug and currency stay for good, the time zone as soon as there are orders.

    Payments go through Stripe only into the account that the operator of this deployment has named for the store; with
    `stripe_account` null that is the operator's own, if it has been opened to the store.
    """
    before = caller.match(caller.store)
    changed = change_settings(before, change.given)
    if changed.time_zone != before.time_zone and has_figures(before.id):
        refusal = "Orders are counted by the days of the time zone, which therefore stays."
        raise ConflictError("time_zone_in_use", refusal, pointer="/time_zone")
    if changed.payment_provider == "stripe" and change.given.keys() & {"payment_provider", "stripe_account"}:
        _must_be_its_account(changed)
    tx = caller.transaction()
    store = save_settings(tx, changed, before=before)
    tx.audit("store:updated", store.id, fields=sorted(change.given))
    return tx.commit_answering(store_settings(store))


def _must_be_its_account(store: Store) -> None:
    """Refuse an account at Stripe that is not the store's by what the operator says now. Raises `ConflictError`."""
    forget_stripe()
    secrets = stripe_secrets()
    if secrets is None:
        refusal = "This deployment does not talk to Stripe. Its operator sets StripeSecretId."
        raise ConflictError("stripe_not_set_up", refusal, pointer="/payment_provider")
    if not secrets.may_use(store.slug, store.stripe_account):
        refusal = "This account is not the store's. The operator names it with the store's slug in Stripe's secret."
        raise ConflictError("stripe_account_not_allowed", refusal, pointer="/stripe_account")


handler = app.handler
