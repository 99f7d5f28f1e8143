"""The one address of the local stack: the API and pages as on AWS, and beside them every mail that was sent."""

import asyncio
import json
import socket
import sys
import threading
from http import HTTPStatus
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from local_stack import pages
from local_stack.engine import LOOPBACK
from local_stack.gateway_responses import GatewayResponses
from local_stack.mailbox import Mailbox, mail_from_ses
from local_stack.progress import StepFailed
from local_stack.ses_events import SesEvents
from local_stack.ses_faults import FAULTS, SesFaults

# What API Gateway and Lambda allow; a larger request or answer, or a slower one, fails on AWS just so.
LARGEST_REQUEST = 10 * 2**20
LARGEST_ANSWER = 6 * 2**20
INTEGRATION_SECONDS = 29.0

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
HOP_BY_HOP = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer"),
        *("transfer-encoding", "upgrade", "content-length", "date", "server"),
    }
)
# API Gateway says these itself, whatever a client claims.
SAID_BY_GATEWAY = frozenset({"host", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"})
SES_PREFIX = "/_mail/ses"
SES_SEND = b"/v2/email/outbound-emails"
FAULT_CHECK_SECONDS = 0.05


class Front:
    """Serves on a loopback port from entering to leaving; the API is there once `open_api` was called."""

    def __init__(self, port: int, mailbox: Mailbox) -> None:
        """Take a port, or any free one for 0."""
        self._mailbox = mailbox
        self._socket = _bind(port)
        self._http: httpx.AsyncClient | None = None
        self._engine_url = ""
        self._api_url = ""
        self._events: SesEvents | None = None
        self._gateway_says = GatewayResponses.of_template().answer
        self.ses_faults = SesFaults()
        self.port = int(self._socket.getsockname()[1])
        self._server = uvicorn.Server(
            uvicorn.Config(
                Starlette(routes=self._routes()),
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # whoever connects is who they are
                timeout_graceful_shutdown=5,
            )
        )
        self._thread = threading.Thread(target=self._serve, name="front", daemon=True)

    @property
    def url(self) -> str:
        """The address people and clients use."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def ses_endpoint(self) -> str:
        """Where the Lambdas hand their mail over."""
        return f"{self.url}{SES_PREFIX}"

    def __enter__(self) -> Self:
        """Start serving: mail at once, the API when it is there."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Answer what is under way, then stop."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def know_engine(self, engine_url: str, events: SesEvents) -> None:
        """Where mail goes that the Lambdas send, and how to report what became of it."""
        self._engine_url = engine_url
        self._events = events

    def open_api(self, api_url: str) -> None:
        """Pass everything that is not the mailbox to this stage."""
        self._api_url = api_url

    def _serve(self) -> None:
        async def serve() -> None:
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
            async with httpx.AsyncClient(limits=limits, timeout=INTEGRATION_SECONDS, trust_env=False) as self._http:
                await self._server.serve(sockets=[self._socket])

        asyncio.run(serve())

    def _routes(self) -> list[Route]:
        return [
            Route("/_mail", self._show_inbox),
            Route("/_mail/messages", self._list_messages),
            Route("/_mail/faults", self._list_faults),
            Route("/_mail/faults", self._set_fault, methods=["POST"]),
            Route(SES_PREFIX + "/{path:path}", self._pass_to_ses, methods=METHODS),
            Route("/_mail/{mail_id}", self._show_mail),
            Route("/_mail/{mail_id}/events", self._report_event, methods=["POST"]),
            Route("/{path:path}", self._pass_to_api, methods=METHODS),
        ]

    async def _show_inbox(self, request: Request) -> Response:
        to = request.query_params.get("to", "").strip()
        return _html(pages.inbox(self._mailbox.newest_first(to), total=len(self._mailbox.newest_first()), to=to))

    async def _list_messages(self, request: Request) -> Response:
        mails = self._mailbox.newest_first(request.query_params.get("to", ""))
        return JSONResponse({"items": [mail.as_message() for mail in mails]}, headers={"Cache-Control": "no-store"})

    async def _list_faults(self, _request: Request) -> Response:
        return JSONResponse({"faults": self.ses_faults.present, "known": sorted(FAULTS)}, headers={"Cache-Control": "no-store"})

    async def _set_fault(self, request: Request) -> Response:
        """Let SES fail for an address, or for all: `{"address": "*", "fault": "throttled"}`; no fault ends it."""
        try:
            wish = json.loads(await request.body())
            address, fault = str(wish["address"]), wish.get("fault")
            if fault is None:
                self.ses_faults.end(address)
            else:
                self.ses_faults.begin(address, fault)
        except (ValueError, TypeError, KeyError, AttributeError) as wrong:
            message = f'Send {{"address": "*" or one, "fault": null or one of {", ".join(sorted(FAULTS))}}}: {wrong}'
            return JSONResponse({"message": message}, HTTPStatus.UNPROCESSABLE_ENTITY)
        return await self._list_faults(request)

    async def _show_mail(self, request: Request) -> Response:
        mail = self._mailbox.get(request.path_params["mail_id"])
        if mail is None:
            return _html(pages.missing(), HTTPStatus.NOT_FOUND)
        to = request.query_params.get("to", "").strip()
        notices = [f"Reported: {event}." for event in request.query_params.getlist("reported")]
        can_report = self._events is not None and bool(mail.configuration_set)
        return _html(pages.message(mail, to=to, notices=notices, can_report=can_report))

    async def _report_event(self, request: Request) -> Response:
        mail = self._mailbox.get(request.path_params["mail_id"])
        form = parse_qs((await request.body()).decode())
        if mail is None or self._events is None:
            return _html(pages.missing(), HTTPStatus.NOT_FOUND)
        event = form.get("event", [""])[0]
        if not await asyncio.to_thread(self._events.publish, mail, event):
            return JSONResponse({"message": f"Nobody listens for {event!r}."}, HTTPStatus.UNPROCESSABLE_ENTITY)
        return RedirectResponse(f"/_mail/{mail.id}?reported={event}", HTTPStatus.SEE_OTHER)

    async def _pass_to_ses(self, request: Request) -> Response:
        """What a Lambda asks of SES: the engine decides, the mailbox keeps what was accepted."""
        body = await request.body()
        path = request.scope["raw_path"].removeprefix(SES_PREFIX.encode())
        if request.method != "POST" or path != SES_SEND:
            return await self._ask(request, self._engine_url.encode() + path, body)
        mail = json.loads(body)
        recipient = self.ses_faults.count(mail)
        if refusal := self.ses_faults.refusal(recipient):
            return refusal
        answer = await self._ask(request, self._engine_url.encode() + path, body)
        if answer.status_code == HTTPStatus.OK:
            self._mailbox.add(mail_from_ses(mail, json.loads(bytes(answer.body))["MessageId"]))
        while self.ses_faults.is_silent(recipient):  # noqa: ASYNC110 - ended by a test, in another thread
            await asyncio.sleep(FAULT_CHECK_SECONDS)
        return answer

    async def _pass_to_api(self, request: Request) -> Response:
        if not self._api_url:
            return _starting(request)
        body = await _read(request)
        if body is None:
            return self._gateway_says("REQUEST_TOO_LARGE", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Request Too Long")
        answer = await self._ask(request, self._api_url.encode() + request.scope["raw_path"], body)
        if len(answer.body) > LARGEST_ANSWER:
            return self._broken(request, f"the answer is larger than Lambda allows: {len(answer.body)} bytes")
        if answer.status_code == HTTPStatus.BAD_GATEWAY and b"errorMessage" in bytes(answer.body):
            return self._broken(request, bytes(answer.body).decode(errors="replace"))
        if answer.headers.get("x-amzn-errortype") == "MissingAuthenticationTokenException":
            return self._gateway_says("MISSING_AUTHENTICATION_TOKEN", HTTPStatus.FORBIDDEN, "Missing Authentication Token")
        return answer

    def _broken(self, request: Request, why: str) -> Response:
        """What API Gateway says of a Lambda that failed; the reason goes to the terminal, as it goes to a log on AWS."""
        sys.stderr.write(f"{request.method} {request.url.path} failed (make logs tells more): {why[:500]}\n")
        return self._gateway_says("DEFAULT_5XX", HTTPStatus.BAD_GATEWAY, "Internal server error")

    async def _ask(self, request: Request, target: bytes, body: bytes) -> Response:
        """The engine's answer to the same request, byte for byte."""
        assert self._http is not None  # noqa: S101 - set before the server accepts a request
        query = request.scope["query_string"]
        origin, _, path = target.decode("ascii").partition("://")[2].partition("/")
        host, _, port = origin.partition(":")
        url = httpx.URL(
            scheme="http", host=host, port=int(port), raw_path=f"/{path}".encode() + (b"?" + query if query else b"")
        )
        outgoing = [
            (name, value) for name, value in request.headers.raw if name.decode("latin-1") not in HOP_BY_HOP | SAID_BY_GATEWAY
        ]
        outgoing += [
            (b"x-forwarded-for", (request.client.host if request.client else LOOPBACK).encode()),
            (b"x-forwarded-proto", b"http"),
            (b"x-forwarded-port", str(self.port).encode()),
        ]
        asked = httpx.Request(request.method, url, headers=outgoing, content=body or None)
        try:
            got = await self._http.send(asked, stream=True)
            answer = b"".join([chunk async for chunk in got.aiter_raw()])
            await got.aclose()
        except httpx.TimeoutException:
            return self._gateway_says("INTEGRATION_TIMEOUT", HTTPStatus.GATEWAY_TIMEOUT, "Endpoint request timed out")
        except httpx.TransportError:
            return JSONResponse({"message": "The local engine does not answer."}, HTTPStatus.BAD_GATEWAY)
        response = Response(answer, got.status_code)
        response.raw_headers = [
            *((name.lower(), value) for name, value in got.headers.raw if name.decode("latin-1").lower() not in HOP_BY_HOP),
            *((name, value) for name, value in response.raw_headers if name == b"content-length"),
        ]
        return response


def _starting(request: Request) -> Response:
    wait = {"Retry-After": "2"}
    if "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(pages.starting(), HTTPStatus.SERVICE_UNAVAILABLE, headers=wait)
    return JSONResponse({"message": "The stack is starting."}, HTTPStatus.SERVICE_UNAVAILABLE, headers=wait)


async def _read(request: Request) -> bytes | None:
    """The body; None if it is larger than API Gateway takes."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_REQUEST:
            return None
    return bytes(body)


def _html(page: str, status: int = HTTPStatus.OK) -> Response:
    return HTMLResponse(
        page,
        status,
        headers={
            "Content-Security-Policy": pages.POLICY,
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        },
    )


def _bind(port: int) -> socket.socket:
    """Take the port now, so that a busy one is known before anything is built."""
    # Named by its protocol, or asyncio would not switch off the delay that costs each kept-alive call 40 ms.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((LOOPBACK, port))
    except OSError as refused:
        bound.close()
        raise StepFailed(
            f"Port {port} is in use by another program. Stop it, or choose another port: make run PORT={port + 1}"
        ) from refused
    return bound
