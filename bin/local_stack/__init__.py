"""Tradepost on one machine: the real stack on a local engine, one fixed address, and every mail it sends."""
