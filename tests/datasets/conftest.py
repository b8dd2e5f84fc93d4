"""Fixtures of these tests."""

from tests.datasets.desk import ids, upload

__all__ = ["ids", "upload"]
