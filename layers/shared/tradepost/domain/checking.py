"""What is wrong with a part of a request whose shape depends on another part, and so is held against it by hand."""

from pydantic import ValidationError

from tradepost.domain.errors import Fault


def faults_in(error: ValidationError, at: str, *, what: str) -> list[Fault]:
    """Return what is wrong with the part of a request at a pointer; `what` names the part, as in “not a field of this …”."""
    return [
        Fault(at + "".join(f"/{escaped(str(step))}" for step in found["loc"]), _words(found["msg"], what))
        for found in error.errors(include_url=False, include_input=False, include_context=False)
    ]


def escaped(step: str) -> str:
    """Spell one step of a JSON pointer."""
    return step.replace("~", "~0").replace("/", "~1")


def _words(message: str, what: str) -> str:
    known = {"Field required": "is required", "Extra inputs are not permitted": f"is not a field of this {what}"}
    text = message.removeprefix("Value error, ")
    return known.get(text, text[:1].lower() + text[1:])
