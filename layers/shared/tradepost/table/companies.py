"""The directory of companies in the table, found from every store by the beginnings of words of name and city."""

from collections.abc import Iterable
from typing import NamedTuple

from tradepost.domain.clock import stamp
from tradepost.domain.companies import MIN_LETTERS, Company
from tradepost.domain.values import folded
from tradepost.table.listing import SEARCH_WINDOW, carried, rows_with_words, words_of
from tradepost.table.records import Record
from tradepost.table.shapes import COMPANY, COMPANY_WORD, Key
from tradepost.table.transaction import Transaction


class Suggestion(NamedTuple):
    """What leaves the directory of a company."""

    id: str
    name: str
    city: str | None


def company_key(company_id: str) -> Key:
    """Return where a company is kept."""
    return COMPANY.key(company=company_id)


def save_company(tx: Transaction, company: Company, *, before: Company | None) -> None:
    """Write a company's entry, and the rows that it is found by."""
    tx.save(Record.of(company_key(company.id), company))
    words = _words(company)
    for word in sorted((_words(before) if before else frozenset()) - words):
        tx.delete(_word_key(word, company.id))
    text = carried(words)
    shown = {"name": company.name, "city": company.city, "registered_at": stamp(company.registered_at)}
    for word in sorted(words):
        if len(word) >= MIN_LETTERS:
            row = Record(*_word_key(word, company.id), entity=COMPANY_WORD.entity, words=text, data=shown)
            tx.put(row)


def remove_company(tx: Transaction, company: Company) -> None:
    """Delete a company's entry as it was read, and the rows that it is found by."""
    tx.delete(company_key(company.id), condition=Record.version == company.version)
    for word in sorted(_words(company)):
        tx.delete(_word_key(word, company.id))


def suggest_companies(words: Iterable[str], *, limit: int) -> list[Suggestion]:
    """Return companies, by name, that have for each of some words a word that begins with it. One Query.

    One of them must be of `MIN_LETTERS`. Of several with the same name and city the one that was there first is suggested.
    """
    wanted = sorted(words, key=lambda word: (-len(word), word))
    rows = rows_with_words(COMPANY_WORD.partition(prefix=wanted[0][:MIN_LETTERS]), wanted, limit=SEARCH_WINDOW)
    first: dict[tuple[str, str], tuple[str, Suggestion]] = {}
    for record in rows.records:
        shown = record.data.as_dict()
        same, since = (folded(shown["name"]), folded(shown["city"] or "")), shown["registered_at"]
        if same not in first or since < first[same][0]:
            first[same] = since, Suggestion(record.sk.rpartition("#")[2], shown["name"], shown["city"])
    suggestions = (suggestion for _, suggestion in first.values())
    return sorted(suggestions, key=lambda suggestion: folded(suggestion.name))[:limit]


def _words(company: Company) -> frozenset[str]:
    return words_of(company.name, company.city)


def _word_key(word: str, company_id: str) -> Key:
    return COMPANY_WORD.key(prefix=word[:MIN_LETTERS], word=word, company=company_id)
