"""What each kind of member may do in a store, and what is left of that while somebody acts for it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What a member is to the store."""

    OWNER = "owner"
    REP = "rep"
    BUYER = "buyer"


class Permission(StrEnum):
    """What a route may demand. Whoever is not granted it is refused."""

    READ_PROFILE = "profile:read"
    OWN_PROFILE = "profile:own"
    GIVE_CONSENT = "consent:give"
    LIST_STORES_SESSIONS = "sessions:list_stores"
    PAIR_DEVICES = "devices:pair"
    READ_STORE = "store:read"
    READ_STORE_LISTS = "store_lists:read"
    MANAGE_STORE = "store:manage"
    READ_CHECKOUT_OPTIONS = "checkout_options:read"
    BROWSE_CATALOG = "catalog:browse"
    MANAGE_PRODUCTS = "products:manage"
    LIST_CUSTOMERS = "customers:list"
    READ_CUSTOMER = "customers:read"
    ADD_CUSTOMERS = "customers:add"
    UPDATE_CUSTOMER = "customers:update"
    IMPORT_CUSTOMERS = "customers:import"
    SUGGEST_COMPANIES = "companies:suggest"
    MANAGE_EMPLOYEES = "employees:manage"
    INVITE = "invitations:manage"
    MANAGE_EMAIL_TEMPLATES = "email_templates:manage"
    MANAGE_SALES_REPS = "sales_reps:manage"
    READ_ALLOCATION = "allocation:read"
    ALLOCATE_CUSTOMERS = "allocation:change"
    ACT_AS_EMPLOYEE = "acting:start"
    END_ACTING = "acting:end"
    READ_ACTING_LOG = "acting:read_log"
    PLACE_ORDERS = "orders:place"
    BROWSE_ORDERS = "orders:browse"
    UPDATE_ORDERS = "orders:update"
    MOVE_ORDERS = "orders:move"
    APPROVE_ORDERS = "orders:approve"
    SET_ANY_PRICE = "prices:set_any"
    CREATE_OFFERS = "offers:create"
    BROWSE_OFFERS = "offers:browse"
    PROCESS_OFFERS = "offers:process"
    WITHDRAW_OFFERS = "offers:withdraw"
    APPROVE_OFFERS = "offers:approve"
    ANSWER_OFFERS = "offers:answer"
    BROWSE_EVENTS = "events:browse"
    MANAGE_EVENTS = "events:manage"
    MANAGE_ANY_EVENT = "events:manage_any"
    REGISTER_PARTICIPANTS = "events:register"
    SHOW_STATISTICS = "statistics:show"
    COMPARE_SALES_REPS = "statistics:compare_sales_reps"
    MANAGE_RESELLERS = "resellers:manage"
    READ_RESELLER = "resellers:read"
    MANAGE_RULES = "rules:manage"
    BROWSE_BILLING = "billing:browse"
    BROWSE_PAYMENTS = "payments:browse"
    MANAGE_BILLING = "billing:manage"
    AUTHORISE_PAYMENTS = "payments:authorise"
    MANAGE_API_KEYS = "api_keys:manage"
    RECORD_ACTIVITIES = "activities:record"
    BROWSE_ACTIVITIES = "activities:browse"
    EXPORT_DATA = "exports:request"
    ERASE_PEOPLE = "people:erase"


GRANTS: Final[Mapping[Role, frozenset[Permission]]] = {
    Role.OWNER: frozenset(Permission)
    - {
        Permission.PLACE_ORDERS,
        Permission.ANSWER_OFFERS,
        Permission.GIVE_CONSENT,
        Permission.END_ACTING,
        Permission.PAIR_DEVICES,
        Permission.RECORD_ACTIVITIES,
    },
    Role.REP: frozenset(
        {
            Permission.READ_PROFILE,
            Permission.OWN_PROFILE,
            Permission.GIVE_CONSENT,
            Permission.PAIR_DEVICES,
            Permission.READ_STORE,
            Permission.READ_STORE_LISTS,
            Permission.READ_CHECKOUT_OPTIONS,
            Permission.BROWSE_CATALOG,
            Permission.LIST_CUSTOMERS,
            Permission.READ_CUSTOMER,
            Permission.ADD_CUSTOMERS,
            Permission.UPDATE_CUSTOMER,
            Permission.SUGGEST_COMPANIES,
            Permission.MANAGE_EMPLOYEES,
            Permission.INVITE,
            Permission.READ_ALLOCATION,
            Permission.ACT_AS_EMPLOYEE,
            Permission.PLACE_ORDERS,
            Permission.BROWSE_ORDERS,
            Permission.UPDATE_ORDERS,
            Permission.MOVE_ORDERS,
            Permission.CREATE_OFFERS,
            Permission.BROWSE_OFFERS,
            Permission.PROCESS_OFFERS,
            Permission.WITHDRAW_OFFERS,
            Permission.BROWSE_EVENTS,
            Permission.MANAGE_EVENTS,
            Permission.REGISTER_PARTICIPANTS,
            Permission.SHOW_STATISTICS,
            Permission.BROWSE_ACTIVITIES,
            Permission.EXPORT_DATA,
        }
    ),
    Role.BUYER: frozenset(
        {
            Permission.READ_PROFILE,
            Permission.OWN_PROFILE,
            Permission.GIVE_CONSENT,
            Permission.READ_CHECKOUT_OPTIONS,
            Permission.BROWSE_CATALOG,
            Permission.READ_CUSTOMER,
            Permission.UPDATE_CUSTOMER,
            Permission.PLACE_ORDERS,
            Permission.BROWSE_ORDERS,
            Permission.MOVE_ORDERS,
            Permission.BROWSE_EVENTS,
            Permission.REGISTER_PARTICIPANTS,
            Permission.CREATE_OFFERS,
            Permission.BROWSE_OFFERS,
            Permission.WITHDRAW_OFFERS,
            Permission.ANSWER_OFFERS,
            Permission.READ_RESELLER,
            Permission.BROWSE_BILLING,
            Permission.BROWSE_PAYMENTS,
            Permission.AUTHORISE_PAYMENTS,
            Permission.MANAGE_API_KEYS,
            Permission.RECORD_ACTIVITIES,
            Permission.EXPORT_DATA,
        }
    ),
}
ADMINISTRATORS_GRANTS: Final = frozenset({Permission.MANAGE_EMPLOYEES, Permission.READ_ACTING_LOG})
SUPERVISORS_GRANTS: Final = frozenset(
    {
        Permission.APPROVE_ORDERS,
        Permission.MANAGE_ANY_EVENT,
        Permission.APPROVE_OFFERS,
        Permission.READ_ACTING_LOG,
        Permission.LIST_STORES_SESSIONS,
        Permission.COMPARE_SALES_REPS,
    }
)
ACTING_GRANTS: Final = frozenset(
    {
        Permission.READ_PROFILE,
        Permission.READ_CHECKOUT_OPTIONS,
        Permission.BROWSE_CATALOG,
        Permission.READ_CUSTOMER,
        Permission.UPDATE_CUSTOMER,
        Permission.PLACE_ORDERS,
        Permission.BROWSE_ORDERS,
        Permission.MOVE_ORDERS,
        Permission.BROWSE_EVENTS,
        Permission.REGISTER_PARTICIPANTS,
        Permission.CREATE_OFFERS,
        Permission.BROWSE_OFFERS,
        Permission.WITHDRAW_OFFERS,
        Permission.ANSWER_OFFERS,
        Permission.RECORD_ACTIVITIES,
    }
)
"""What somebody who acts for an employee may do at most: nothing about passwords, consent, people or invitations."""
