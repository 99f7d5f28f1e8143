"""A store's colour stays readable, whichever it is."""

from hypothesis import given
from hypothesis import strategies as st

from tradepost.domain.colours import DARK_SURFACE, LIGHT_SURFACE, contrast, palette

colours = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


@given(colours, st.sampled_from([LIGHT_SURFACE, DARK_SURFACE]))
def test_text_and_shapes_keep_their_contrast(colour: str, surface: str) -> None:
    painted = palette(colour, surface)
    assert painted.fill == colour
    assert contrast(painted.on_fill, painted.fill) >= 4.5
    assert contrast(painted.accent, surface) >= 4.5
    assert contrast(painted.edge, surface) >= 3


def test_a_colour_that_is_readable_already_is_left_alone() -> None:
    assert palette("#1f4f46") == ("#1f4f46", "#ffffff", "#1f4f46", "#1f4f46")


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#ffffff", "#000000") == 21
    assert contrast("#777777", "#777777") == 1
    assert round(contrast("#767676", "#ffffff"), 2) == 4.54
