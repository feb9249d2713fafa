"""Derivations that are proved, studies that are measured, and the claims that rest on them."""

__version__ = "0.1.0"
