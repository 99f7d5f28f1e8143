"""POST /v1/resellers/{id}/{approve|deny|suspend|reinstate}, /v1/resellers/decisions: decide about resellers, one or many."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Annotated, Final, Literal, NamedTuple

from aws_lambda_powertools.event_handler.openapi.params import Body
from pydantic import Field, StrictBool, ValidationError

from tradepost.domain.customers import ResellerStatus
from tradepost.domain.errors import ConflictError, DomainError, Fault, InvalidError, NotFoundError, StaleError
from tradepost.domain.permissions import Permission
from tradepost.domain.reseller_decisions import (
    OUTCOMES,
    Approved,
    Denied,
    Ground,
    ResellerMove,
    channel_by_hand,
    decided,
    refuse_transition,
    reinstated,
    suspended,
)
from tradepost.domain.resellers import Reseller
from tradepost.domain.stores import ResellerChannel
from tradepost.domain.values import LongText, Reference, Value
from tradepost.http.app import Answer, Ask, Caller, make_app
from tradepost.http.resellers import ResellerAnswer, reseller_answer
from tradepost.table.bulk import Bulk, Decided
from tradepost.table.customers import email_claim
from tradepost.table.reading import Reader
from tradepost.table.resellers import conclude_decision, is_overtaken, reseller_key
from tradepost.table.shapes import Key
from tradepost.table.stores import find_channel, list_key, some_channels
from tradepost.table.transaction import MAX_ACTIONS, Transaction

app = make_app()

MAX_DECIDED: Final = 100

type Reason = Annotated[LongText, Field(max_length=1000)]
type SkippedBecause = Literal["not_found", "already_decided", "invalid_transition", "email_taken", "conflict"]


class ResellerDecision(Value):
    """A decision about a reseller. A channel and a customer group are only for those that are approved.

    A reason is kept in the history; whoever is denied is told of it.
    """

    channel_id: Reference | None = None
    group_id: Reference | None = None
    reason: Reason | None = None


class ResellerDecisions(ResellerDecision):
    """One decision about several resellers. A `dry_run` only tells what would become of each."""

    decision: ResellerMove
    reseller_ids: Annotated[list[Reference], Field(min_length=1, max_length=MAX_DECIDED)]
    dry_run: StrictBool = False


class DecisionResult(Answer):
    """What became of one of them. `reseller_status` and `customer_id` are null where they are not known."""

    reseller_id: str
    status: Literal["decided", "skipped"]
    reason: SkippedBecause | None = None
    reseller_status: ResellerStatus | None = None
    customer_id: str | None = None


class DecisionResults(Answer):
    """What became of each, in the order they were named."""

    results: list[DecisionResult]
    decided: int
    skipped: int
    dry_run: bool


class Wanted(NamedTuple):
    """What is decided, and the channel in which it is approved."""

    move: ResellerMove
    said: ResellerDecision
    channel_id: str | None = None


class Due(NamedTuple):
    """A reseller that is decided on."""

    before: Reseller
    after: Reseller


Said = Annotated[ResellerDecision | None, Body()]


def _named(ask: Ask) -> list[Key]:
    try:
        said = ResellerDecision.model_validate_json(ask.body or "null")
    except ValidationError:
        said = ResellerDecision()
    return [reseller_key(ask.store, ask.path["reseller_id"]), *_channels(ask.store, said)]


def _selected(ask: Ask) -> list[Key]:
    try:
        said = ResellerDecisions.model_validate_json(ask.body)
    except ValidationError:
        return []
    return [*_rows(ask.store, said.reseller_ids, said.decision), *_channels(ask.store, said)]


def _channels(store_id: str, said: ResellerDecision) -> list[Key]:
    return [list_key(ResellerChannel, store_id, said.channel_id)] if said.channel_id else []


def _rows(store_id: str, ids: Iterable[str], move: ResellerMove) -> list[Key]:
    """Return what several decisions are made on: the resellers, and who has their addresses, which nobody else may have."""
    ids = list(ids)
    taken = [email_claim(store_id, reseller_id) for reseller_id in ids] if move == "approve" else []
    return [*(reseller_key(store_id, reseller_id) for reseller_id in ids), *taken]


def _decide(move: ResellerMove, reseller_id: str, said: ResellerDecision | None, caller: Caller) -> ResellerAnswer:
    return caller.decided(partial(_carried_out, move, reseller_id, said or ResellerDecision(), caller))


@app.post("/v1/resellers/<reseller_id>/approve", allow=Permission.MANAGE_RESELLERS, reads=_named)
def approve_reseller(reseller_id: str, caller: Caller, said: Said = None) -> ResellerAnswer:
    """Approve a reseller that is pending, or was denied: it becomes a customer in a channel, and its contact can order.

    With exactly one channel it is that; of several, name one (422 `channel_required`). `If-Match` is honoured where it is
    sent and not demanded: whoever approves at the same moment is told (409 `invalid_transition`), and nothing is done twice.
    """
    return _decide("approve", reseller_id, said, caller)


@app.post("/v1/resellers/<reseller_id>/deny", allow=Permission.MANAGE_RESELLERS, reads=_named)
def deny_reseller(reseller_id: str, caller: Caller, said: Said = None) -> ResellerAnswer:
    """Deny a reseller that is pending. It is told, with the reason if there is one; it may apply again."""
    return _decide("deny", reseller_id, said, caller)


@app.post("/v1/resellers/<reseller_id>/suspend", allow=Permission.MANAGE_RESELLERS, reads=_named)
def suspend_reseller(reseller_id: str, caller: Caller, said: Said = None) -> ResellerAnswer:
    """Suspend a reseller: from now on it cannot order in any way, and whatever was ordered stays."""
    return _decide("suspend", reseller_id, said, caller)


@app.post("/v1/resellers/<reseller_id>/reinstate", allow=Permission.MANAGE_RESELLERS, reads=_named)
def reinstate_reseller(reseller_id: str, caller: Caller, said: Said = None) -> ResellerAnswer:
    """Let a suspended reseller order again. It is what it was before: active if it ever was, otherwise approved."""
    return _decide("reinstate", reseller_id, said, caller)


@app.post("/v1/resellers/decisions", allow=Permission.MANAGE_RESELLERS, reads=_selected)
def decide_about_resellers(said: ResellerDecisions, caller: Caller) -> DecisionResults:
    """Decide about up to 100 resellers at once. A row that cannot be decided says why and stops no other.

    Sent once more, under whatever key, it decides only about those that are not decided yet.
    """
    ids = list(dict.fromkeys(said.reseller_ids))
    wanted = _wanted(said.decision, said, caller)
    bulk = Bulk(
        begin=caller.transaction,
        decide=partial(_sorted_out, wanted=wanted, caller=caller),
        # Each for itself: what becomes of one hangs on no other.
        cost=lambda _: MAX_ACTIONS,
        add=partial(_added, group_id=said.group_id),
        refused=_refused,
    )
    due, results = bulk.decide(ids, caller.reader)

    def answer(added: Mapping[str, DecisionResult]) -> DecisionResults:
        rows = [{**results, **added}[reseller_id] for reseller_id in ids]
        done = sum(row.status == "decided" for row in rows)
        return DecisionResults(results=rows, decided=done, skipped=len(rows) - done, dry_run=said.dry_run)

    if said.dry_run:
        return answer({reseller_id: _result(row.after) for reseller_id, row in due.items()})
    return bulk.carry_out(due, answer)


def _carried_out(move: ResellerMove, reseller_id: str, said: ResellerDecision, caller: Caller) -> ResellerAnswer:
    before = caller.reader.find(reseller_key(caller.store.id, reseller_id), Reseller)
    if before is None:
        raise NotFoundError("reseller")
    caller.match(before)
    refuse_transition(before, move)
    after = _after(before, _wanted(move, said, caller), caller)
    tx = caller.transaction()
    after = conclude_decision(tx, after, before=before, group_id=said.group_id)
    try:
        return tx.commit_answering(reseller_answer(after, caller))
    except ConflictError as refusal:
        if is_overtaken(refusal, before):
            raise StaleError from refusal
        if refusal.code == "email_taken":
            raise ConflictError("email_taken", "Another customer of this store has the address of this reseller.") from refusal
        raise


def _wanted(move: ResellerMove, said: ResellerDecision, caller: Caller) -> Wanted:
    """Return what is decided. Calls: one Query if it is approved and no channel is named.

    Raises `InvalidError` where the channel is unknown or has to be named, and for one that nobody comes into.
    """
    if move != "approve":
        given = [name for name in ("channel_id", "group_id") if getattr(said, name) is not None]
        if given:
            raise InvalidError(*(Fault(f"/{name}", "is only for those that are approved") for name in given))
        return Wanted(move, said)
    store_id = caller.store.id
    if said.channel_id is None:
        return Wanted(move, said, channel_by_hand(some_channels(store_id)))
    if find_channel(caller.reader, store_id, said.channel_id) is None:
        unknown = Fault("/channel_id", "is not a reseller channel of this store")
        raise InvalidError(unknown, code="unknown_reseller_channel")
    return Wanted(move, said, said.channel_id)


def _after(before: Reseller, wanted: Wanted, caller: Caller) -> Reseller:
    """Return a reseller as it is decided. Raises `ConflictError` where there is no such decision."""
    by, at, reason = caller.actor, caller.at, wanted.said.reason or None
    if wanted.move == "suspend":
        return suspended(before, by=by, at=at, reason=reason)
    if wanted.move == "reinstate":
        return reinstated(before, by=by, at=at, reason=reason)
    ground = Ground(reason)
    decision = Approved(wanted.channel_id, ground) if wanted.channel_id else Denied(ground)
    return decided(before, decision, by=by, at=at)


def _sorted_out(ids: Iterable[str], read: Reader, *, wanted: Wanted, caller: Caller) -> Decided[Due, DecisionResult]:
    """Decide about resellers as they are."""
    ids, store_id = list(ids), caller.store.id
    read.fetch(_rows(store_id, ids, wanted.move))
    due: dict[str, Due] = {}
    results: dict[str, DecisionResult] = {}
    for reseller_id in ids:
        before = read.find(reseller_key(store_id, reseller_id), Reseller)
        if before is None:
            results[reseller_id] = DecisionResult(reseller_id=reseller_id, status="skipped", reason="not_found")
        elif before.status in OUTCOMES[wanted.move]:
            results[reseller_id] = _result(before, "already_decided")
        elif wanted.move == "approve" and read.record(email_claim(store_id, reseller_id)):
            results[reseller_id] = _result(before, "email_taken")
        else:
            try:
                due[reseller_id] = Due(before, _after(before, wanted, caller))
            except ConflictError:
                results[reseller_id] = _result(before, "invalid_transition")
    return Decided(due, results)


def _added(tx: Transaction, rows: Mapping[str, Due], *, group_id: str | None) -> dict[str, DecisionResult]:
    return {
        reseller_id: _result(conclude_decision(tx, row.after, before=row.before, group_id=group_id))
        for reseller_id, row in rows.items()
    }


def _result(reseller: Reseller, reason: SkippedBecause | None = None) -> DecisionResult:
    return DecisionResult(
        reseller_id=reseller.id,
        status="skipped" if reason else "decided",
        reason=reason,
        reseller_status=reseller.status,
        customer_id=reseller.customer_id,
    )


def _refused(reseller_id: str, refusal: DomainError) -> DecisionResult:
    reason: SkippedBecause = "email_taken" if refusal.code == "email_taken" else "conflict"
    return DecisionResult(reseller_id=reseller_id, status="skipped", reason=reason)


handler = app.handler
