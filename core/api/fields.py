"""Fields of the API for what people write."""

from typing import Any

from rest_framework import serializers


class WrittenField(serializers.CharField):
    """A text as it was written: outer spaces and line breaks are kept, and a number is no text (as one, 1.10 would be 1.1)."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))
