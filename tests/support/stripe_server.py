"""Stripe on the loopback: it speaks the wire format that Stripe documents, as far as payments here need it.

Requests are forms, answers JSON. A key that was used before gets the first answer again, also if that was a fault; other
parameters under it are refused. What was refused before anything began is not remembered.
"""

import hashlib
import hmac
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import parse_qsl, urlsplit

SECRET_KEY: Final = "sk_test_tradepost"
WEBHOOK_SECRET: Final = "whsec_tradepost"

type Fault = Literal["lost_before", "lost_after", "busy", "broken", "broken_after", "in_use", "slow"]

_DECLINING: Final = {
    "pm_card_chargeDeclined": ("card_declined", "generic_decline"),
    "pm_card_chargeDeclinedInsufficientFunds": ("card_declined", "insufficient_funds"),
    "pm_card_authenticationRequired": ("authentication_required", "authentication_required"),
}


class Answer(NamedTuple):
    """What is answered, and whether the key is remembered with it."""

    status: int
    body: dict[str, Any]
    kept: bool = True


class Asked(NamedTuple):
    """A request as it came."""

    method: str
    path: str
    params: dict[str, str]
    key: str | None
    account: str | None


@dataclass
class FakeStripe:
    """Stripe's books. `faults` go wrong with the next requests that would change something, `look_ups` with those that read."""

    address: str = ""
    intents: dict[str, dict[str, Any]] = field(default_factory=dict)
    refunds: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    look_ups: list[Fault] = field(default_factory=list)
    refund_status: str = "succeeded"
    search_lags: bool = False
    secret_key: str = SECRET_KEY
    _answers: dict[tuple[str | None, str], tuple[str, Answer]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def changes(self) -> list[Asked]:
        """The requests that would change something."""
        return [each for each in self.asked if each.method == "POST"]

    def forget_keys(self) -> None:
        """Do what Stripe does when a key is a day old."""
        self._answers.clear()

    def answer(self, asked: Asked) -> Answer:
        """Answer a request."""
        with self._lock:
            if asked.method == "GET":
                return self._read(asked)
            fingerprint = json.dumps([asked.path, sorted(asked.params.items())])
            before = self._answers.get((asked.account, asked.key)) if asked.key else None
            if before and before[0] != fingerprint:
                return _error(400, "idempotency_error", "idempotency_key_reused")
            found = before[1] if before else self._done(asked)
            if asked.key and found.kept:
                self._answers[asked.account, asked.key] = (fingerprint, found)
            return found

    def remember(self, asked: Asked, answer: Answer) -> None:
        """Remember another answer under a key."""
        fingerprint = json.dumps([asked.path, sorted(asked.params.items())])
        self._answers[asked.account, asked.key or ""] = (fingerprint, answer)

    def _done(self, asked: Asked) -> Answer:
        match asked.path.split("/")[2:]:
            case ["payment_intents"]:
                return self._authorise(asked)
            case ["payment_intents", intent, "capture"]:
                return self._capture(self.intents.get(intent), asked)
            case ["payment_intents", intent, "cancel"]:
                return self._cancel(self.intents.get(intent))
            case ["refunds"]:
                return self._refund(asked)
        return _error(404, "invalid_request_error", "resource_missing")

    def _authorise(self, asked: Asked) -> Answer:
        params = asked.params
        assert (params["capture_method"], params["confirm"], params["payment_method_types[0]"]) == ("manual", "true", "card")
        intent = {
            "id": f"pi_{len(self.intents) + 1}",
            "object": "payment_intent",
            "amount": int(params["amount"]),
            "amount_received": 0,
            "currency": params["currency"],
            "status": "requires_capture",
            "metadata": _metadata(params),
            "last_payment_error": None,
        }
        self.intents[str(intent["id"])] = intent
        declined = _DECLINING.get(params["payment_method"])
        if declined:
            error = {"type": "card_error", "code": declined[0], "decline_code": declined[1], "message": "Declined."}
            intent |= {"status": "requires_payment_method", "last_payment_error": error}
            return Answer(402, {"error": {**error, "payment_intent": intent}})
        return Answer(200, dict(intent))

    def _capture(self, intent: dict[str, Any] | None, asked: Asked) -> Answer:
        if intent is None:
            return _error(404, "invalid_request_error", "resource_missing")
        wanted = int(asked.params["amount_to_capture"])
        if intent["status"] != "requires_capture":
            return _error(400, "invalid_request_error", "payment_intent_unexpected_state")
        if wanted > intent["amount"]:
            return _error(400, "invalid_request_error", "amount_too_large")
        intent |= {"status": "succeeded", "amount_received": wanted}
        return Answer(200, dict(intent))

    def _cancel(self, intent: dict[str, Any] | None) -> Answer:
        if intent is None:
            return _error(404, "invalid_request_error", "resource_missing")
        if intent["status"] in {"succeeded", "canceled"}:
            return _error(400, "invalid_request_error", "payment_intent_unexpected_state")
        intent |= {"status": "canceled"}
        return Answer(200, dict(intent))

    def _refund(self, asked: Asked) -> Answer:
        intent = self.intents[asked.params["payment_intent"]]
        amount = int(asked.params["amount"])
        live = {"succeeded", "pending"}
        taken = [each for each in self.refunds.values() if each["payment_intent"] == intent["id"] and each["status"] in live]
        if amount > intent["amount_received"] - sum(each["amount"] for each in taken):
            return _error(400, "invalid_request_error", "charge_already_refunded")
        refund = {
            "id": f"re_{len(self.refunds) + 1}",
            "object": "refund",
            "amount": amount,
            "currency": intent["currency"],
            "payment_intent": intent["id"],
            "status": self.refund_status,
            "metadata": _metadata(asked.params),
        }
        if self.refund_status == "failed":
            refund["failure_reason"] = "expired_or_canceled_card"
        self.refunds[str(refund["id"])] = refund
        return Answer(200, dict(refund))

    def _read(self, asked: Asked) -> Answer:
        match asked.path.split("/")[2:]:
            case ["payment_intents", "search"]:
                found = re.fullmatch(r"metadata\['(\w+)'\]:'([^']+)'", asked.params["query"])
                assert found
                hits = [each for each in self.intents.values() if each["metadata"].get(found[1]) == found[2]]
                listed = {"object": "search_result", "data": [] if self.search_lags else hits, "has_more": False}
                return Answer(200, {**listed, "url": asked.path})
            case ["payment_intents", intent] if intent in self.intents:
                return Answer(200, dict(self.intents[intent]))
            case ["refunds"]:
                of = asked.params["payment_intent"]
                hits = [each for each in self.refunds.values() if each["payment_intent"] == of]
                return Answer(200, {"object": "list", "data": hits, "has_more": False, "url": asked.path})
        return _error(404, "invalid_request_error", "resource_missing")


def _metadata(params: dict[str, str]) -> dict[str, str]:
    return {match[1]: value for name, value in params.items() if (match := re.fullmatch(r"metadata\[(\w+)\]", name))}


def _error(status: int, kind: str, code: str) -> Answer:
    # Nothing has begun: the key is not remembered.
    return Answer(status, {"error": {"type": kind, "code": code, "message": code}}, kept=False)


class _Server(ThreadingHTTPServer):
    """A server with the books of Stripe."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.released = threading.Event()
        self.stripe = FakeStripe(f"http://127.0.0.1:{self.server_port}")


class _Handler(BaseHTTPRequestHandler):
    """Reads requests, and answers them or goes wrong as it is told."""

    server: "_Server"
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name in the library
        """Say nothing."""

    def _serve(self, method: str) -> None:
        length = int(self.headers.get("content-length") or 0)
        parts = urlsplit(self.path)
        text = self.rfile.read(length).decode() if method == "POST" else parts.query
        asked = Asked(
            method,
            parts.path,
            dict(parse_qsl(text, keep_blank_values=True)),
            self.headers.get("idempotency-key"),
            self.headers.get("stripe-account"),
        )
        self.server.stripe.asked.append(asked)
        if self.headers.get("authorization") != f"Bearer {self.server.stripe.secret_key}":
            self._send(_error(401, "invalid_request_error", "api_key_invalid"))
            return
        waiting = self.server.stripe.faults if method == "POST" else self.server.stripe.look_ups
        self._go_wrong(waiting.pop(0) if waiting else None, asked)

    def _go_wrong(self, fault: Fault | None, asked: Asked) -> None:
        match fault:
            case None:
                self._send(self.server.stripe.answer(asked))
            case "lost_before":
                self.close_connection = True
            case "lost_after":
                self.server.stripe.answer(asked)
                self.close_connection = True
            case "slow":
                self.server.stripe.answer(asked)
                self.server.released.wait(5)
                self.close_connection = True
            case "busy":
                self._send(_error(429, "invalid_request_error", "rate_limit"))
            case "in_use":
                self._send(_error(409, "idempotency_error", "idempotency_key_in_use"))
            case "broken":
                broken = _error(500, "api_error", "api_error")
                self.server.stripe.remember(asked, broken)
                self._send(broken)
            case "broken_after":
                broken = _error(500, "api_error", "api_error")
                self.server.stripe.answer(asked)
                self.server.stripe.remember(asked, broken)
                self._send(broken)

    def _send(self, answer: Answer) -> None:
        text = json.dumps(answer.body).encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        # One request for each connection, so that no socket is left open when the test is over.
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(text)
        self.close_connection = True


@contextmanager
def serving() -> Iterator[FakeStripe]:
    """Serve a Stripe of one's own."""
    server = _Server()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.stripe
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def signature(body: str, at: int, *, secret: str = WEBHOOK_SECRET) -> str:
    """Sign a webhook as Stripe documents it."""
    return f"t={at},v1={hmac.new(secret.encode(), f'{at}.{body}'.encode(), hashlib.sha256).hexdigest()}"
