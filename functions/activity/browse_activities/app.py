"""GET /v1/activities: what people did in the store, as far as the store tracks it and they allow it."""

from dataclasses import astuple
from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query

from tradepost.domain.clock import end_of_day, start_of_day
from tradepost.domain.errors import Fault, InvalidError
from tradepost.domain.people import Party
from tradepost.domain.permissions import Permission
from tradepost.domain.values import Day, Instant
from tradepost.http.app import Answer, Ask, Caller, Cursor, Limit, Page, make_app
from tradepost.http.pages import make_cursor, read_cursor
from tradepost.table.activity_lists import Seen, Wanted, list_activities, named_keys
from tradepost.table.shapes import Key

app = make_app()


class TrackedCustomer(Answer):
    """The customer that something was done for, as it is called now."""

    id: str
    number: str
    name: str


class TrackedPerson(Answer):
    """The person whose activity it is, as it is called now: an employee, or a sales rep at work as such."""

    id: str
    name: str
    email: str


class ActivityAnswer(Answer):
    """One thing that somebody did. `at` is when, as the portal says, `recorded_at` when the server learned of it."""

    id: str
    type: str
    at: Instant
    recorded_at: Instant
    customer: TrackedCustomer | None
    employee: TrackedPerson
    reference_type: str | None
    reference_id: str | None
    comment: str | None
    source: Literal["server", "portal"]
    actor: Party
    subject: Party


def _named(ask: Ask) -> list[Key]:
    return named_keys(ask.store, ask.query.get("customer_id"), ask.query.get("employee_id"))


@app.get("/v1/activities", allow=Permission.BROWSE_ACTIVITIES, reads=_named)
def list_activities_in_scope(  # one argument for each parameter of the query
    caller: Caller,
    customer_id: Annotated[str | None, Query(max_length=60)] = None,
    employee_id: Annotated[str | None, Query(max_length=120, description="Whose it is: an employee, or a sales rep.")] = None,
    activity_type: Annotated[str | None, Query(alias="type", pattern=r"^[a-z][a-z0-9_]{0,39}$")] = None,
    first_day: Annotated[Day | None, Query(alias="from", description="In the store's time zone; included.")] = None,
    last_day: Annotated[Day | None, Query(alias="to", description="In the store's time zone; included.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ActivityAnswer]:
    """List activities, newest first by when they were recorded. A page may hold fewer than `limit` and still have a next one.

    Only what the store tracks and the person allows is shown, both as they are now. A page of the whole store looks at two
    months at most.
    """
    if first_day and last_day and first_day > last_day:
        raise InvalidError(Fault("?from", "is after “to”"), code="invalid_period")
    store = caller.store
    begin = start_of_day(first_day, store.time_zone) if first_day else None
    end = end_of_day(last_day, store.time_zone) if last_day else None
    wanted = Wanted(customer_id, employee_id, activity_type, begin, end)
    bound = ("activities", store.id, *(None if each is None else str(each) for each in (*astuple(caller.scope), *wanted)))
    after = read_cursor(cursor, *bound)
    found, following = list_activities(caller.reader, caller.scope, store, wanted, limit=limit, after=after, at=caller.at)
    return Page(items=[_answer(seen) for seen in found], next_cursor=make_cursor(following, *bound))


def _answer(seen: Seen) -> ActivityAnswer:
    about = {
        "customer": seen.customer and TrackedCustomer.model_validate(seen.customer),
        "employee": TrackedPerson.model_validate(seen.member),
    }
    return ActivityAnswer.model_validate({**seen.activity.model_dump(), **about})


handler = app.handler
