"""An HTML page taken apart: what a person reads, what can be filled in, and what explains it."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode

from tests.support.client import Client
from tests.support.functions import Reply

VOID = frozenset({"meta", "input", "img", "br", "link", "hr"})


@dataclass
class Element:
    tag: str
    attributes: dict[str, str | None]
    text: str = ""

    def __getitem__(self, name: str) -> str:
        return self.attributes.get(name) or ""


@dataclass
class HtmlPage(HTMLParser):
    """The elements of a page in order; `text` is what is shown, with single spaces."""

    source: str
    elements: list[Element] = field(default_factory=list)
    _open: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID, f"{tag} is not closed by a slash"
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"a closing {tag} without an opening one"
        assert self._open.pop().tag == tag, f"{tag} is closed before what it holds"

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def all(self, tag: str) -> list[Element]:
        return [element for element in self.elements if element.tag == tag]

    def by_id(self, name: str) -> Element:
        (found,) = [element for element in self.elements if element["id"] == name]
        return found

    @property
    def text(self) -> str:
        return " ".join(self.all("body")[0].text.split())

    @property
    def title(self) -> str:
        return self.all("title")[0].text

    @property
    def heading(self) -> str:
        (heading,) = self.all("h1")
        return " ".join(heading.text.split())

    @property
    def values(self) -> dict[str, str]:
        """What the form would send as it stands."""
        values = {element["name"]: element["value"] for element in self.all("input")}
        values |= {select["name"]: "" for select in self.all("select")}
        chosen = [option for option in self.all("option") if "selected" in option.attributes]
        return values | ({"country": chosen[0]["value"]} if chosen else {})

    def error_of(self, name: str) -> str:
        """The error beside a field, found as a screen reader finds it; empty if there is none."""
        entry = self.by_id(name)
        if entry["aria-invalid"] != "true":
            return ""
        notes = [self.by_id(note) for note in entry["aria-describedby"].split()]
        return " ".join(note.text for note in notes if note["class"] == "error")


def page_of(reply: Reply) -> HtmlPage:
    assert reply.headers["content-type"] == "text/html; charset=utf-8", reply
    assert reply.text.startswith("<!doctype html>"), reply.text[:200]
    return HtmlPage(reply.text)


def send_form(client: Client, path: str, fields: dict[str, str] | str) -> Reply:
    """Send a form as a browser does."""
    body = fields if isinstance(fields, str) else urlencode(fields)
    return client.send("POST", path, body, headers={"Content-Type": "application/x-www-form-urlencoded"})
