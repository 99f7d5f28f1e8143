"""How a page is looked at in a browser: what is wrong with it to the eye and the hand, as scripts that the page answers."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

type Visit = Callable[..., AbstractContextManager["Page"]]

# Every element with text of its own: the contrast of its colour to what is painted behind it.
POOR_CONTRAST = """() => {
  const parse = (css) => css.match(/[0-9.]+/g).map(Number);
  const linear = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18] : [255, 255, 255];
  };
  const poor = [];
  for (const element of document.body.querySelectorAll("*")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    const shown = element.getClientRects().length && getComputedStyle(element).opacity !== "0";
    if (!shown || !(own || ["INPUT", "SELECT"].includes(element.tagName))) continue;
    const [one, other] = [luminance(parse(getComputedStyle(element).color)), luminance(behind(element))].sort((a, b) => a - b);
    const ratio = (other + 0.05) / (one + 0.05);
    if (ratio < 4.5) poor.push(`${element.tagName} ${element.textContent.trim().slice(0, 40)} ${ratio.toFixed(2)}`);
  }
  return poor;
}"""
OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
SMALL_TARGETS = """() => [...document.querySelectorAll("input, select, button, a.button")]
  .filter((element) => element.getBoundingClientRect().height < 44).map((element) => element.outerHTML)"""
UNLABELLED = """() => [...document.querySelectorAll("input, select, textarea")]
  .filter((element) => !element.labels.length || !element.labels[0].textContent.trim()).map((element) => element.outerHTML)"""
