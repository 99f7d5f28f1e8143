"""House rules that a reader of the code may rely on."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.functions import ROOT

SHIPPED = sorted([*(ROOT / "layers").rglob("*.py"), *(ROOT / "functions").rglob("*.py")])
WRITTEN = sorted([*SHIPPED, *(ROOT / "bin").rglob("*.py"), *(ROOT / "tests").rglob("*.py")])
# A code in brackets or after a colon, and then words.
EXCUSED = re.compile(r"#\s*(?:noqa: [A-Z]+\d+(?:, [A-Z]+\d+)*|type: ignore\[[a-z-]+(?:, [a-z-]+)*\])\s+(?:#|-) \w")
EXCUSE = re.compile(r"#\s*(?:noqa|type:\s*ignore)")


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _lines(files: list[Path]) -> Iterator[tuple[str, str]]:
    for file in files:
        for number, line in enumerate(file.read_text().splitlines(), 1):
            yield f"{_name(file)}:{number}", line


@pytest.mark.parametrize("file", SHIPPED, ids=_name)
def test_nothing_scans_the_table(file: Path) -> None:
    called = {node.attr for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Attribute)}
    assert called & {"scan", "parallel_scan", "rate_limited_scan"} == set()
    assert '"Scan"' not in file.read_text()


@pytest.mark.parametrize("file", SHIPPED, ids=_name)
def test_what_is_caught_is_named_unless_a_reason_stands_beside_it(file: Path) -> None:
    lines = file.read_text().splitlines()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ExceptHandler):
            caught = {each.id for each in ast.walk(node.type) if isinstance(each, ast.Name)} if node.type else {"BaseException"}
            assert "BaseException" not in caught, f"line {node.lineno}"
            assert "Exception" not in caught or "  # " in lines[node.lineno - 1], f"line {node.lineno}"


def test_every_exception_to_a_check_carries_its_reason() -> None:
    excuses = [(place, line) for place, line in _lines(WRITTEN) if EXCUSE.search(line)]
    assert [place for place, line in excuses if not EXCUSED.search(line)] == []


def test_no_test_is_skipped_or_expected_to_fail() -> None:
    silenced = re.compile(r"pytest\.(?:mark\.)?(?:skip|skipif|xfail)\b|unittest\.skip")
    tests = [file for file in WRITTEN if (ROOT / "tests") in file.parents and file != Path(__file__)]
    assert [place for place, line in _lines(tests) if silenced.search(line)] == []
