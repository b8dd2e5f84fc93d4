"""What the tests of the pages of datasets share."""

from tests.datasets.desk import ids, upload

__all__ = ["ids", "upload"]  # fixtures
