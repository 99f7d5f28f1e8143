"""GET /v1/companies: companies that are on the system already, suggested while a customer is added by name."""

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from tradepost.domain.companies import MAX_SUGGESTED, MIN_LETTERS
from tradepost.domain.errors import Fault, InvalidError
from tradepost.domain.permissions import Permission
from tradepost.http.app import Answer, Caller, Page, make_app
from tradepost.table.companies import suggest_companies
from tradepost.table.listing import words_of

app = make_app()


class CompanySuggestion(Answer):
    """A company of the directory. `id` adds it as a customer; nothing else of it leaves the directory."""

    id: str
    name: str
    city: str | None


@app.get("/v1/companies", allow=Permission.SUGGEST_COMPANIES)
def list_companies(
    caller: Caller,
    q: Annotated[str, Query(min_length=MIN_LETTERS, max_length=200, description="The beginnings of words of name and city.")],
    limit: Annotated[int, Query(ge=1, le=MAX_SUGGESTED, description="How many to suggest at most.")] = 10,
) -> Page[CompanySuggestion]:
    """Suggest companies by the beginnings of words of their names and cities. There is one page: type more to narrow it."""
    words = words_of(q)
    if max(map(len, words), default=0) < MIN_LETTERS:
        raise InvalidError(Fault("?q", f"needs a word of {MIN_LETTERS} letters or more"))
    return Page(items=[CompanySuggestion.model_validate(each) for each in suggest_companies(words, limit=limit)])


handler = app.handler
