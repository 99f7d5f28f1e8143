"""/enrol/{slug}: the page of a store by which a company enrols as a reseller."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from aws_lambda_powertools.event_handler import Response

from tradepost.domain.display import countries
from tradepost.domain.errors import DomainError, InvalidError, ThrottledError
from tradepost.domain.stores import Store
from tradepost.http.app import ANYONE, Caller
from tradepost.http.callers import CallerInfo
from tradepost.http.enrolments import enrol, store_reads, store_to_enrol_with
from tradepost.http.problems import status_of
from tradepost.pages.app import described, make_page_app, retry_after
from tradepost.pages.enrolment import enrolling_company, enrolling_person, enrolment_of
from tradepost.pages.forms import FORM, read_form, with_errors, words_by_field
from tradepost.pages.rendering import in_words, look_of, render_page
from tradepost.table.stores import store_key


class _NoPage(NamedTuple):
    """What is said where nobody can enrol. `{store}` stands for the store's name."""

    title: str
    text: str


_UNKNOWN: Final = _NoPage("We do not know this page", "Perhaps its address was mistyped. Ask whoever gave it to you.")
_CLOSED: Final = _NoPage("{store} is closed at the moment", "Nobody can enrol now. Please come back in a while.")


def _explained(error: DomainError, caller: CallerInfo | None) -> Response[str]:
    """Say why nobody can enrol here."""
    slug = caller.facts.path_parameters.get("slug", "") if caller else ""
    look = look_of(caller.reader.find(store_key(slug), Store) if caller and slug else None)
    words = _CLOSED if error.code == "store_inactive" else _UNKNOWN
    return render_page(
        "message.html",
        look,
        status=status_of(error),
        title=in_words(words.title, look),
        paragraphs=[in_words(words.text, look)],
        tone="bad",
    )


app = make_page_app(_explained)


@app.get(
    "/enrol/<slug>",
    allow=ANYONE,
    reads=store_reads,
    **described(_200="The form", _404="An unknown store", _503="The store is closed"),
)
def show_enrolment_page(slug: str, caller: Caller) -> Response[str]:
    """Show the form by which a company enrols with a store."""
    return _form_page(store_to_enrol_with(slug, caller), {})


@app.post(
    "/enrol/<slug>",
    allow=ANYONE,
    status=202,
    idempotent=False,
    accepts=FORM,
    reads=store_reads,
    **described(_202="Where to go on", _404="An unknown store", _422="The form, with what is wrong", _503="It is closed"),
)
def enrol_by_form(slug: str, caller: Caller) -> Response[str]:
    """Enrol a company. What is wrong is said beside its field, and all that was typed is kept but the password."""
    typed = read_form(caller.facts.body)
    store = store_to_enrol_with(slug, caller)
    try:
        enrol(slug, enrolment_of(typed), caller)
    except InvalidError as error:
        return _form_page(store, typed, error)
    except ThrottledError as error:
        minutes = -(-error.retry_after // 60)
        wait = f"Very many have enrolled from where you are. Please try again in {minutes} min."
        return _form_page(store, typed, error, wait)
    look = look_of(store)
    return render_page(
        "message.html",
        look,
        status=202,
        title="Look into your mailbox",
        tone="good",
        paragraphs=[
            in_words("There is one more step: a mail with a link is on its way. Follow it within a week to confirm.", look),
            in_words("After that, {store} looks at your enrolment.", look),
            "It may take a few minutes. If you cannot find it, look among the unwanted mail too.",
        ],
    )


def _form_page(store: Store, typed: Mapping[str, str], error: DomainError | None = None, general: str = "") -> Response[str]:
    words = words_by_field(error) if isinstance(error, InvalidError) else {}
    return render_page(
        "enrol.html",
        look_of(store),
        status=status_of(error) if error else 200,
        headers=retry_after(error) if error else None,
        business=with_errors(enrolling_company(typed), words),
        person=with_errors(enrolling_person(typed), words),
        countries=countries(),
        failed=error is not None,
        general=general,
    )


handler = app.handler
