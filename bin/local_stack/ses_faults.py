"""SES on a bad day, for one recipient at a time: a test switches it on and off."""

from collections import Counter
from typing import Any, Literal

from starlette.responses import JSONResponse, Response

# `throttled`: SES takes no mail now. `silent`: SES takes the mail, but its answer does not arrive until this is over.
type Fault = Literal["throttled", "silent"]


class SesFaults:
    """Which recipients are in for it, and how often a mail to each was handed over."""

    def __init__(self) -> None:
        """Begin on a good day."""
        self._faults: dict[str, Fault] = {}
        self._attempts: Counter[str] = Counter()

    def begin(self, address: str, fault: Fault) -> None:
        """Treat mails to an address so from now on."""
        self._faults[address] = fault

    def end(self, address: str) -> None:
        """Treat them normally again."""
        self._faults.pop(address, None)

    def attempts(self, address: str) -> int:
        """How many requests to mail to this address there were, whatever became of them."""
        return self._attempts[address]

    def count(self, request: dict[str, Any]) -> str:
        """Take note of a SendEmail request; returns its recipient."""
        address = str((request.get("Destination") or {}).get("ToAddresses", [""])[0])
        self._attempts[address] += 1
        return address

    def refusal(self, address: str) -> Response | None:
        """The answer in place of SES's own."""
        if self._faults.get(address) != "throttled":
            return None
        error = {"x-amzn-ErrorType": "TooManyRequestsException"}
        return JSONResponse({"message": "Maximum sending rate exceeded."}, 429, headers=error)

    def is_silent(self, address: str) -> bool:
        """Whether the answer has to wait."""
        return self._faults.get(address) == "silent"
