"""`make bench`: what cold starts, warm calls, passwords and rules cost, all in one run, so that ratios mean something."""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter, sleep
from uuid import uuid4

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "bin"), str(ROOT / "layers" / "shared")]

import httpx

from benchmarks.rules import time_rules
from local_stack.places import Places
from local_stack.progress import Progress
from local_stack.seed import OWNER, PASSWORD, seed
from local_stack.stack import LocalStack
from tradepost.domain.passwords import check_password, hash_password, password_matches

COLD_RUNS = 5
WARM_RUNS = 100
DEATH_SECONDS = 0.3  # until the engine has seen that a process is gone
BASELINE = "GET /v1/openapi.json"

type Request = Callable[[], httpx.Response]


def main() -> None:
    with tempfile.TemporaryDirectory() as home, LocalStack(Places(Path(home)), progress=Progress()) as stack:
        print("  Filling a demo store ...")
        seed(stack.base_url)
        with httpx.Client(base_url=stack.base_url, timeout=60, trust_env=False) as http:
            time_routes(stack, http)
    time_passwords()
    time_rules()


def time_routes(stack: LocalStack, http: httpx.Client) -> None:
    log_in = {"email": OWNER, "password": PASSWORD}
    owner = {"Authorization": f"Bearer {http.post('/v1/sessions', json=log_in, headers=_key()).json()['token']}"}
    group = http.get("/v1/customer-groups", headers=owner).json()["items"][0]["id"]
    requests: dict[str, tuple[str, Request]] = {
        BASELINE: ("ShowApiFunction", lambda: http.get("/v1/openapi.json")),
        "GET /v1/me": ("ManageProfileFunction", lambda: http.get("/v1/me", headers=owner)),
        "GET /v1/customers": ("BrowseCustomersFunction", lambda: http.get("/v1/customers", headers=owner)),
        "GET /v1/products?q=": ("BrowseCatalogFunction", lambda: http.get("/v1/products?q=lamp", headers=owner)),
        "POST /v1/customers": (
            "AddCustomerFunction",
            lambda: http.post("/v1/customers", json={"name": "Bench", "group_id": group}, headers=owner | _key()),
        ),
        "POST /v1/sessions": ("LogInFunction", lambda: http.post("/v1/sessions", json=log_in, headers=_key())),
    }
    print(f"\n  {'route':24} {'cold':>9} {'warm':>9} {'p95':>9} {'cold/warm':>10} {'warm/baseline':>14}")
    baseline = 0.0
    for name, (function, request) in requests.items():
        cold = median(_cold(stack, function, request) for _ in range(COLD_RUNS))
        warm = [_seconds(request) for _ in range(WARM_RUNS)]
        usual, slow = median(warm), quantiles(warm, n=20)[-1]
        baseline = baseline or usual
        ratios = f"{cold / usual:>10.0f} {usual / baseline:>14.1f}"
        print(f"  {name:24} {_ms(cold)} {_ms(usual)} {_ms(slow)} {ratios}")


def time_passwords() -> None:
    known = hash_password(PASSWORD)
    check_password(PASSWORD)
    costs: dict[str, Callable[[], object]] = {
        "check a new password": lambda: check_password(PASSWORD),
        "check and hash it": lambda: hash_password(PASSWORD),
        "verify one": lambda: password_matches(PASSWORD, known),
        "refuse one without account": lambda: password_matches(PASSWORD, None),
    }
    print(f"\n  {'passwords':28} {'median':>9}")
    for name, action in costs.items():
        action()
        print(f"  {name:28} {_ms(median(_seconds(action) for _ in range(30)))}")


def _cold(stack: LocalStack, function: str, request: Request) -> float:
    stack.kill(function)
    sleep(DEATH_SECONDS)
    return _seconds(request)


def _seconds(action: Callable[[], object]) -> float:
    began = perf_counter()
    done = action()
    took = perf_counter() - began
    if isinstance(done, httpx.Response):
        done.raise_for_status()
    return took


def _key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid4())}


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:>6.1f} ms"


if __name__ == "__main__":
    main()
