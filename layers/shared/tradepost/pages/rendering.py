"""Pages as HTML: escaped, styled in the store's colour with readable contrast, and allowed to load nothing else."""

import hashlib
from base64 import b64encode
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from aws_lambda_powertools.event_handler import Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from tradepost.domain.colours import DARK_SURFACE, DEFAULT_COLOUR, LIGHT_SURFACE, palette
from tradepost.domain.stores import Store

HTML: Final = "text/html; charset=utf-8"
PRODUCT: Final = "Tradepost"
_FOLDER: Final = Path(__file__).with_name("templates")


class Look(NamedTuple):
    """Whose page it is: a store's, or the product's own."""

    name: str = PRODUCT
    colour: str = DEFAULT_COLOUR
    logo_url: str | None = None
    reply_to: str | None = None
    login_url: str | None = None


def look_of(store: Store | None) -> Look:
    """Return how a store's pages look; without a store, how the product's own do."""
    if store is None:
        return Look()
    branding = store.branding
    logo = str(branding.logo_url) if branding.logo_url else None
    login = f"https://{store.domain}/" if store.domain else None
    return Look(store.display_name, branding.colour, logo, branding.reply_to, login)


def render_page(
    template: str,
    look: Look,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    sheets: tuple[str, ...] = ("style.css",),
    **values: Any,
) -> Response[str]:
    """Return a page. Its policy allows its own style, the store's logo and forms to where it came from: nothing else."""
    style = "\n".join((_colours(look.colour), *map(_sheet, sheets)))
    html = _environment().get_template(template).render(look=look, product=PRODUCT, style=Markup(style), **values)  # noqa: S704  # ours
    return Response(status, HTML, html, {**_headers(style, look), **(headers or {})})


def in_words(text: str, look: Look, **more: str) -> Markup:
    """Fill in a sentence: `{store}` becomes the store's name, whatever direction it is written in, and all is escaped."""
    return escape(text).format(store=bdi(look.name), **more)


def bdi(name: str) -> Markup:
    """Return a name so that its direction does not turn the sentence around it."""
    return Markup("<bdi>{}</bdi>").format(name)


def _headers(style: str, look: Look) -> dict[str, str | list[str]]:
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = [
        "default-src 'none'",
        f"style-src 'sha256-{digest}'",
        *(["img-src https:"] if look.logo_url else []),
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ]
    return {
        "Content-Security-Policy": "; ".join(policy),
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "X-Robots-Tag": "noindex, nofollow",
    }


def _colours(colour: str) -> str:
    light, dark = palette(colour, LIGHT_SURFACE), palette(colour, DARK_SURFACE)
    painted = f"--fill:{light.fill};--on-fill:{light.on_fill}"
    return (
        f":root{{{painted};--edge:{light.edge};--accent:{light.accent}}}\n"
        f"@media (prefers-color-scheme:dark){{:root{{--edge:{dark.edge};--accent:{dark.accent}}}}}"
    )


@cache
def _sheet(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
