"""Places and the waiting line: whatever is done in whatever order, it is as an independent model says."""

import copy
from datetime import timedelta
from itertools import count
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import Clock
from tests.support.gathering import Gathering
from tests.support.table import in_memory, stored
from tradepost.domain.clock import stamp

NAMES = ("Ada", "Bo", "Cy", "Di", "Ed", "Flo")
_numbers = count(1)

STEPS = st.one_of(
    st.tuples(st.sampled_from(["register", "register", "cancel"]), st.sampled_from(NAMES)),
    st.tuples(st.just("limit"), st.sampled_from([None, 1, 2, 3, 6])),
    st.tuples(st.just("waiting_list"), st.sampled_from([True, False, 0, 1, 3])),
    st.tuples(st.sampled_from(["close", "call off", "begin", "rename"]), st.none()),
)


type WaitingList = bool | int


class Model:
    """What an event is, in the plainest words: who has a place, and who waits in which order."""

    def __init__(self, limit: int | None, waiting_list: WaitingList) -> None:
        """Begin with nobody."""
        self.limit, self.waiting_list = limit, waiting_list
        self.placed: list[str] = []
        self.line: list[str] = []
        self.status = "published"
        self.begun = False

    @property
    def has_room(self) -> bool:
        """Whether there is a free place."""
        return self.limit is None or len(self.placed) < self.limit

    def take(self, step: str, value: Any) -> bool:
        """Take a step, unless it is none that there is; tell which."""
        goes_on = self.status != "cancelled"
        possible = {
            "register": self.status == "published" and not self.begun and self._finds_room(value),
            "cancel": goes_on and not self.begun and value in self.placed + self.line,
            "close": self.status == "published",
        }.get(step, goes_on)
        if not possible:
            return False
        if step == "register":
            (self.placed if self.has_room else self.line).append(value)
        elif step == "cancel":
            (self.placed if value in self.placed else self.line).remove(value)
        elif step in {"limit", "waiting_list"}:
            setattr(self, step, value)
        elif step in {"close", "call off"}:
            self.status = {"close": "closed", "call off": "cancelled"}[step]
        while goes_on and self.line and self.has_room and not self.begun:
            self.placed.append(self.line.pop(0))
        return True

    def _finds_room(self, name: str) -> bool:
        if name in self.placed + self.line:
            return False
        return self.has_room or self.waiting_list is True or len(self.line) < int(self.waiting_list)


def _take(gathering: Gathering, event: dict[str, Any], step: str, value: Any) -> int:
    match step:
        case "register":
            return gathering.try_registering(event, value).status
        case "cancel":
            listed = gathering.owner.get(f"/v1/events/{event['id']}/participants").json["items"]
            found = [participant for participant in listed if participant["name"] == value]
            return gathering.cancel(found[0]).status if found else 409
        case "limit":
            return gathering.change(event, participant_limit=value).status
        case "waiting_list":
            return gathering.change(event, waiting_list=value).status
        case "rename":
            return gathering.change(event, title=f"Spring tasting {next(_numbers)}").status
    return gathering.step({**event, "etag": "*"}, {"close": "close", "call off": "cancel"}[step]).status


def test_whatever_happens_places_and_line_are_what_a_model_says(gathering: Gathering, time: Clock) -> None:
    now, built = time.at, copy.deepcopy(in_memory().items)

    @settings(max_examples=12, deadline=None)
    @given(
        limit=st.sampled_from([None, 1, 2]),
        waiting_list=st.sampled_from([True, False, 2]),
        steps=st.lists(STEPS, min_size=5, max_size=20),
    )
    def live(limit: int | None, waiting_list: WaitingList, steps: list[tuple[str, Any]]) -> None:
        # Every life begins in the same world: moto copies all that there is with every transaction.
        time.at, in_memory().items = now, copy.deepcopy(built)
        times = {"starts_at": stamp(now + timedelta(hours=1)), "ends_at": stamp(now + timedelta(hours=3))}
        event = gathering.publish(participant_limit=limit, waiting_list=waiting_list, **times)
        model = Model(limit, waiting_list)
        for step, value in steps:
            if step == "begin":
                time.at = now + timedelta(hours=1)
                model.begun = True
                continue
            possible = model.take(step, value)
            status = _take(gathering, event, step, value)
            assert (status in {200, 201, 204}, status == 409) == (possible, not possible), (step, value, status)
            shown = gathering.show(event)
            assert [shown["registered"], shown["waiting"]] == [len(model.placed), len(model.line)]
            assert shown["free"] == (None if model.limit is None else max(0, model.limit - len(model.placed)))
            registered = [name for name, state in gathering.states(event).items() if state == "registered"]
            assert sorted(registered) == sorted(model.placed)
            assert gathering.line(event) == model.line
            assert shown["status"] == model.status
            assert shown["registration_open"] == (model.status == "published" and not model.begun)
        waiting = [row for row in stored("event_waiting") if event["id"] in row["pk"]]
        assert len(waiting) == len(model.line)

    live()
