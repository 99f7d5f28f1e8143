"""Every key of the table, spelled once. The chart in `README.md` shows the same rows, and a test compares the two.

A key begins with its entity, so that a role can be limited to some, and goes on with its store: only people, the company
directory and the relay's work list stand outside one.
"""

from typing import Final, NamedTuple

MAX_PK_BYTES: Final = 2048
MAX_SK_BYTES: Final = 1024


class Key(NamedTuple):
    """Where one item lives."""

    pk: str
    sk: str

    @property
    def is_possible(self) -> bool:
        """Whether DynamoDB takes it: no part is empty, and neither is too long."""
        return 0 < len(self.pk.encode()) <= MAX_PK_BYTES and 0 < len(self.sk.encode()) <= MAX_SK_BYTES


class Shape(NamedTuple):
    """The key templates of one entity, and of the indexes that list it."""

    entity: str
    pk: str
    sk: str
    gsi1: Key | None = None
    gsi2: Key | None = None

    def key(self, **names: str) -> Key:
        """Fill in the templates. Raises `KeyError` for a name that is missing."""
        return Key(self.pk.format_map(names), self.sk.format_map(names))

    def index1(self, **names: str) -> Key:
        """Fill in the first index's templates."""
        return _filled(self.gsi1, names)

    def index2(self, **names: str) -> Key:
        """Fill in the second index's templates."""
        return _filled(self.gsi2, names)

    def partition(self, **names: str) -> str:
        """Fill in the partition of the base table alone."""
        return self.pk.format_map(names)


def _filled(template: Key | None, names: dict[str, str]) -> Key:
    if template is None:
        raise LookupError("this entity is not in that index")
    return Key(template.pk.format_map(names), template.sk.format_map(names))


STORE: Final = Shape("store", "STORE#{store}", "STORE")
CHECKOUT_OPTIONS: Final = Shape("checkout_options", "STORE#{store}", "CHECKOUT-OPTIONS")
EMAIL_TEMPLATE: Final = Shape("email_template", "EMAIL-TEMPLATES#{store}", "{name}")
PRICE_TIER: Final = Shape("price_tier", "PRICE-TIERS#{store}", "{id}")
CUSTOMER_GROUP: Final = Shape("customer_group", "CUSTOMER-GROUPS#{store}", "{id}")
RESELLER_CHANNEL: Final = Shape("reseller_channel", "RESELLER-CHANNELS#{store}", "{id}")
CLAIM: Final = Shape("claim", "CLAIM#{store}#{what}#{value}", "CLAIM")
WORD: Final = Shape("word", "WORDS#{store}#{collection}", "{word}#{id}")
COUNT: Final = Shape("count", "COUNTS#{store}#{what}", "{label}#{part}")
LIMIT: Final = Shape("limit", "LIMIT#{store}#{what}#{whose}", "{window}")
SUPPRESSION: Final = Shape("suppression", "SUPPRESSION#{store}#{person}", "SUPPRESSION")
PRODUCT: Final = Shape(
    "product",
    "PRODUCT#{store}#{number}",
    "PRODUCT",
    gsi1=Key("PRODUCTS#{store}", "{number}"),
    gsi2=Key("ACTIVE-PRODUCTS#{store}", "{number}"),
)
CUSTOMER: Final = Shape(
    "customer", "CUSTOMER#{store}#{customer}", "CUSTOMER", gsi1=Key("CUSTOMERS#{store}", "{name}#{customer}")
)
ALLOCATION: Final = Shape("allocation", "ALLOCATIONS#{store}#{rep}", "{name}#{customer}")
ALLOCATION_CHANGE: Final = Shape("allocation_change", "ALLOCATION-CHANGES#{store}#{customer}", "{at}#{id}")
CUSTOMER_IMPORT: Final = Shape(
    "customer_import",
    "CUSTOMER-IMPORT#{store}#{id}",
    "CUSTOMER-IMPORT",
    gsi1=Key("CUSTOMER-IMPORTS#{store}", "{created_at}#{id}"),
)
INVITATION: Final = Shape(
    "invitation",
    "INVITATION#{store}#{invitation}",
    "INVITATION",
    gsi1=Key("INVITATIONS#{store}", "{created_at}#{invitation}"),
)
ORDER: Final = Shape(
    "order",
    "ORDER#{store}#{order}",
    "ORDER",
    gsi1=Key("ORDERS#{store}", "{placed_at}#{order}"),
    gsi2=Key("CUSTOMER-ORDERS#{store}#{customer}", "{placed_at}#{order}"),
)
OFFER: Final = Shape(
    "offer",
    "OFFER#{store}#{offer}",
    "OFFER",
    gsi1=Key("OFFERS#{store}", "{created_at}#{offer}"),
    gsi2=Key("CUSTOMER-OFFERS#{store}#{customer}", "{created_at}#{offer}"),
)
OFFER_VERSION: Final = Shape("offer_version", "OFFER#{store}#{offer}", "VERSION#{number}")
OFFER_STATISTICS: Final = Shape(
    "offer_statistics",
    "OFFER-STATISTICS#{store}#{owner}",
    "{quarter}#{customer}",
    gsi1=Key("QUARTER-OFFER-STATISTICS#{store}#{quarter}", "{owner}#{customer}"),
)
EVENT: Final = Shape("event", "EVENT#{store}#{event}", "EVENT", gsi1=Key("EVENTS#{store}", "{starts_at}#{event}"))
EVENT_PARTICIPANT: Final = Shape(
    "event_participant",
    "EVENT-PARTICIPANTS#{store}#{event}",
    "{participant}",
    gsi1=Key("EVENT-PARTICIPANTS#{store}#{event}", "{registered_at}#{participant}"),
)
EVENT_WAITING: Final = Shape("event_waiting", "EVENT-WAITING#{store}#{event}", "{sequence}")
EVENT_MAILING: Final = Shape("event_mailing", "EVENT-MAILINGS#{store}#{event}", "{mailing}")
STATISTICS: Final = Shape(
    "statistics",
    "STATISTICS#{store}#{whose}",
    "{quarter}#{part}",
    gsi1=Key("QUARTER-STATISTICS#{store}#{kind}#{quarter}", "{whose}#{part}"),
)
MEMBER: Final = Shape(
    "member",
    "MEMBER#{store}#{member}",
    "MEMBER",
    gsi1=Key("EMPLOYEES#{store}#{customer}", "{name}#{member}"),
    gsi2=Key("SALES-REPS#{store}", "{name}#{member}"),
)
SESSION: Final = Shape(
    "session", "MEMBER#{store}#{member}", "SESSION#{session}", gsi1=Key("SESSIONS#{store}", "{started_at}#{session}")
)
ACTING_SESSION: Final = Shape(
    "acting_session",
    "ACTING-SESSION#{store}#{id}",
    "ACTING-SESSION",
    gsi1=Key("ACTING-SESSIONS#{store}", "{started_at}#{id}"),
    gsi2=Key("CUSTOMER-ACTING-SESSIONS#{store}#{customer}", "{started_at}#{id}"),
)
PAIRING: Final = Shape("pairing", "PAIRING#{store}#{digest}", "PAIRING")
ENROLMENT: Final = Shape("enrolment", "ENROLMENT#{store}#{enrolment}", "ENROLMENT")
RESELLER: Final = Shape(
    "reseller",
    "RESELLER#{store}#{reseller}",
    "RESELLER",
    gsi1=Key("RESELLERS#{store}", "{enrolled_at}#{reseller}"),
    gsi2=Key("STATUS-RESELLERS#{store}#{status}", "{enrolled_at}#{reseller}"),
)
RULE: Final = Shape("rule", "RULE#{store}#{rule}", "RULE", gsi1=Key("RULES#{store}", "{kind}#{rank}#{scope}#{priority}#{rule}"))
RULE_VERSION: Final = Shape("rule_version", "RULE#{store}#{rule}", "VERSION#{number}")
RULE_SET: Final = Shape("rule_set", "RULE-SET#{store}#{kind}#{scope}", "RULE-SET")
PAYMENT: Final = Shape(
    "payment",
    "PAYMENT#{store}#{payment}",
    "PAYMENT",
    gsi1=Key("PAYMENTS#{store}", "{created_at}#{payment}"),
    gsi2=Key("CUSTOMER-PAYMENTS#{store}#{customer}", "{created_at}#{payment}"),
)
INVOICE: Final = Shape(
    "invoice",
    "INVOICE#{store}#{invoice}",
    "INVOICE",
    gsi1=Key("INVOICES#{store}", "{issued_at}#{invoice}"),
    gsi2=Key("CUSTOMER-INVOICES#{store}#{customer}", "{issued_at}#{invoice}"),
)
INVOICE_NUMBERS: Final = Shape("invoice_numbers", "INVOICE-NUMBERS#{store}", "{series}")
BILLING_STATE: Final = Shape("billing_state", "BILLING#{store}#{order}", "BILLING")
CREDIT_BALANCE: Final = Shape("credit_balance", "CREDITS#{store}#{reseller}", "BALANCE")
CREDIT_ENTRY: Final = Shape("credit_entry", "CREDITS#{store}#{reseller}", "ENTRY#{number}")
API_KEY: Final = Shape(
    "api_key",
    "API-KEYS#{store}#{customer}",
    "{key}",
    gsi1=Key("CUSTOMER-API-KEYS#{store}#{customer}", "{created_at}#{key}"),
)
ACTIVITY: Final = Shape(
    "activity",
    "ACTIVITY#{store}#{member}",
    "{recorded_at}#{activity}",
    gsi1=Key("ACTIVITIES#{store}#{month}#{shard}", "{recorded_at}#{activity}"),
    gsi2=Key("CUSTOMER-ACTIVITIES#{store}#{customer}", "{recorded_at}#{activity}"),
)
WITHDRAWAL: Final = Shape("withdrawal", "WITHDRAWALS#{store}", "{number}")
EXPORT: Final = Shape(
    "export",
    "EXPORT#{store}#{export}",
    "EXPORT",
    gsi1=Key("EXPORTS#{store}", "{requested_at}#{export}"),
    gsi2=Key("MEMBER-EXPORTS#{store}#{member}", "{requested_at}#{export}"),
)
KEY_RING: Final = Shape("key_ring", "KEY-RING#{store}#{customer}", "KEY-RING")
ACCOUNT: Final = Shape("account", "PERSON#{person}", "ACCOUNT")
MEMBERSHIP: Final = Shape("membership", "PERSON#{person}", "MEMBERSHIP#{member}")
THROTTLE: Final = Shape("throttle", "PERSON#{person}", "THROTTLE#{window}")
PASSWORD_RESET: Final = Shape("password_reset", "PERSON#{person}", "PASSWORD-RESET")
COMPANY: Final = Shape("company", "COMPANY#{company}", "COMPANY")
COMPANY_WORD: Final = Shape("company_word", "COMPANIES#{prefix}", "{word}#{company}")
AUDIT: Final = Shape("audit", "AUDIT#{owner}#{month}", "{at}#{id}")
REPLAY: Final = Shape("replay", "REPLAY#{owner}#{digest}", "REPLAY")
OUTBOX: Final = Shape("outbox", "OUTBOX#{owner}#{id}", "OUTBOX", gsi1=Key("DUE#{shard}", "{due_at}#{id}"))

SHAPES: Final = tuple(value for value in list(globals().values()) if isinstance(value, Shape))


def store_owner(store_id: str) -> str:
    """Return the prefix under which a store's own audit, replay and outbox items are kept."""
    return f"STORE#{store_id}"


def person_owner(person: str) -> str:
    """Return the same prefix for what belongs to a person and not to any store."""
    return f"PERSON#{person}"
