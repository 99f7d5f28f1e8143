"""POST /v1/sessions: log in to a store with an e-mail address and a password."""

from tradepost.http.answers import SignedIn
from tradepost.http.app import ANYONE, Caller, make_app
from tradepost.http.log_in import Credentials, log_in

app = make_app()


@app.post("/v1/sessions", allow=ANYONE, status=201)
def log_in_to_store(credentials: Credentials, caller: Caller) -> SignedIn:
    """Start a session. A person with places in several stores says in which one."""
    return log_in(credentials, caller)


handler = app.handler
