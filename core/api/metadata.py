"""The response to OPTIONS."""

from typing import TYPE_CHECKING, Any

from rest_framework.metadata import BaseMetadata
from rest_framework.request import Request

if TYPE_CHECKING:
    from rest_framework.views import APIView  # it imports this module


class AllowedMethods(BaseMetadata):
    """The methods of an address. DRF's default would fetch objects and describe forms; the schema has all that."""

    def determine_metadata(self, request: Request, view: "APIView") -> dict[str, Any]:
        return {"methods": view.allowed_methods}
