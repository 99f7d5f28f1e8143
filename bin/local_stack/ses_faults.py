"""SES on a bad day, for one recipient or for all: a test, or whoever wants to see what happens, switches it on and off."""

from collections import Counter
from typing import Any, Final, NamedTuple

from starlette.responses import JSONResponse, Response

EVERYBODY: Final = "*"
SILENT: Final = "silent"
"""SES takes the mail, but its answer does not arrive until this is over."""


class Refusal(NamedTuple):
    """What SES answers instead of taking a mail."""

    status: int
    code: str
    message: str


REFUSALS: Final = {
    "throttled": Refusal(429, "TooManyRequestsException", "Maximum sending rate exceeded."),
    "rejected": Refusal(400, "MessageRejected", "Email address is not verified."),
    "paused": Refusal(400, "SendingPausedException", "Email sending is disabled."),
    "unavailable": Refusal(503, "ServiceUnavailable", "Service is unavailable."),
    "malformed": Refusal(400, "BadRequestException", "Illegal address."),
}
FAULTS: Final = frozenset({*REFUSALS, SILENT})


class SesFaults:
    """Which recipients are in for it, and how often a mail to each was handed over."""

    def __init__(self) -> None:
        """Begin on a good day."""
        self._faults: dict[str, str] = {}
        self._attempts: Counter[str] = Counter()

    @property
    def present(self) -> dict[str, str]:
        """Which fault each address has, `*` for all that have none of their own."""
        return dict(self._faults)

    def begin(self, address: str, fault: str) -> None:
        """Treat mails to an address, or to `*`, so from now on. Raises `ValueError` if there is no such fault."""
        if fault not in FAULTS:
            raise ValueError(f"one of {', '.join(sorted(FAULTS))}")
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
        refusal = REFUSALS.get(self._fault_of(address))
        if refusal is None:
            return None
        return JSONResponse({"message": refusal.message}, refusal.status, headers={"x-amzn-ErrorType": refusal.code})

    def is_silent(self, address: str) -> bool:
        """Whether the answer has to wait."""
        return self._fault_of(address) == SILENT

    def _fault_of(self, address: str) -> str:
        return self._faults.get(address) or self._faults.get(EVERYBODY, "")
