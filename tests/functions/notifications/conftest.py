"""Mails about offers begin with a market in which offers are made."""

from tests.functions.offers.conftest import bargain

__all__ = ["bargain"]
