"""A store's colour, made readable: whatever colour a store chooses, its buttons and links keep WCAG AA contrast."""

from typing import Final, NamedTuple

TEXT: Final = 4.5
SHAPE: Final = 3.0
LIGHT_SURFACE: Final = "#ffffff"
DARK_SURFACE: Final = "#1b1d21"
DEFAULT_COLOUR: Final = "#1f4f46"
_STEPS: Final = 40
_LINEAR_BELOW: Final = 0.04045


class Palette(NamedTuple):
    """What is painted with a store's colour on one surface."""

    fill: str
    """Buttons and the store's band."""
    on_fill: str
    """Text on them."""
    edge: str
    """Their outline and the focus ring, which stand out from the surface even where the fill does not."""
    accent: str
    """Links and other text on the surface."""


def palette(colour: str, surface: str = LIGHT_SURFACE) -> Palette:
    """Return the colours for one surface."""
    fill = colour.lower()
    return Palette(fill, readable_on(fill), legible(fill, surface, SHAPE), legible(fill, surface, TEXT))


def readable_on(background: str) -> str:
    """Return white or black, whichever is read more easily; one of the two always has 4.5 : 1."""
    return max(("#ffffff", "#000000"), key=lambda colour: contrast(colour, background))


def legible(colour: str, surface: str, ratio: float) -> str:
    """Return the colour, moved as little as it takes towards black or white to stand out from a surface."""
    end = readable_on(surface)
    for step in range(_STEPS + 1):
        mixed = _mixed(colour, end, step / _STEPS)
        if contrast(mixed, surface) >= ratio:
            return mixed
    return end


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of WCAG 2, from 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(channel / 255) for channel in _channels(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= _LINEAR_BELOW else float(((channel + 0.055) / 1.055) ** 2.4)


def _mixed(colour: str, other: str, share: float) -> str:
    pairs = zip(_channels(colour), _channels(other), strict=True)
    return "#" + "".join(f"{round(mine + (theirs - mine) * share):02x}" for mine, theirs in pairs)


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
