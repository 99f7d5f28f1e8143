"""`template.yaml` as data, with CloudFormation's short forms kept as `{"Ref": …}` and `{"Fn::…": …}`."""

from functools import cache
from typing import Any

import yaml

from tests.support.functions import ROOT


class _Loader(yaml.SafeLoader):
    """Understands `!Ref` and its relatives."""


def _short_form(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_mapping(node, deep=True)} if isinstance(node, yaml.MappingNode) else {}


_Loader.add_multi_constructor("!", _short_form)


@cache
def template() -> dict[str, Any]:
    """Return the whole template."""
    loaded: dict[str, Any] = yaml.load((ROOT / "template.yaml").read_text(), Loader=_Loader)  # noqa: S506  # a SafeLoader
    return loaded


def resource(name: str) -> dict[str, Any]:
    """Return one resource."""
    found: dict[str, Any] = template()["Resources"][name]
    return found
