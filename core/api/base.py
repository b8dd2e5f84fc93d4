"""The bases of every API view; those inside a project are below /api/v1/projects/<slug>/."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, ClassVar

from django.forms import Form
from rest_framework.generics import GenericAPIView
from rest_framework.mixins import ListModelMixin
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.serializers import Serializer

from core.access import Access, open_project, signed_in
from core.errors import Invalid
from core.lists.filters import Filter, unknown_names
from core.services.drafts import kept_if_refused


class APIView(GenericAPIView):
    """Refuses unknown parameters: a misspelt filter must not be ignored.

    `asks` describes the query string of a GET: a Filter, which the list's page and its download also use, or a
    serializer. The schema is made from it. Lists take `page` and `page_size`, too.
    """

    asks: ClassVar[type[Filter] | type[Serializer[Any]] | None] = None
    lists: ClassVar[bool] = False  # whether GET has pages without ListModelMixin
    filter_backends = ()

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        super().initial(request, *args, **kwargs)
        self.refuse_unknown(request)

    def refuse_unknown(self, request: Request) -> None:
        reads = request.method in SAFE_METHODS
        known = asked_names(self.asks) if reads and self.asks else ()
        pages = self.paginator is not None and (self.lists or isinstance(self, ListModelMixin))
        if wrong := unknown_names(request.query_params, known, paged=reads and pages):
            raise Invalid("Some parameters are not known.", "Nothing was done.", fields=wrong)

    def query_values(self) -> dict[str, Any]:
        """The values of the query string, by the serializer in `asks`. Raises ValidationError (422)."""
        assert self.asks is not None
        assert issubclass(self.asks, Serializer)
        serializer = self.asks(data=self.request.query_params)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def body(
        self, serializer: type[Serializer[Any]], *, keep: Callable[[], object] | None = None
    ) -> dict[str, Any]:
        """The body, by a serializer. Raises ValidationError (422).

        A service keeps the draft of a text that it refuses. A body refused here does not get that far: `keep` saves its text.
        """
        checked = serializer(data=self.request.data)
        with kept_if_refused(keep) if keep else nullcontext():
            checked.is_valid(raise_exception=True)
        return dict(checked.validated_data)


def asked_names(asks: type[Form] | type[Serializer[Any]]) -> list[str]:
    """The parameters that a form or serializer reads."""
    if issubclass(asks, Form):
        return list(asks.base_fields)
    return list(asks().fields)


class ProjectAPIView(APIView):
    """Opens the project before the handler runs: 404 for strangers, 403 without the role.

    `read_roles` are for GET, `write_roles` for all other methods; no roles means any member. Handlers use
    `self.access`, and fetch objects with `self.access.get(...)`.
    """

    read_roles: ClassVar[tuple[str, ...]] = ()
    write_roles: ClassVar[tuple[str, ...]] = ()
    access: Access

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        # In APIView's order, but the project is opened before parameters are checked.
        GenericAPIView.initial(self, request, *args, **kwargs)
        roles = self.read_roles if request.method in SAFE_METHODS else self.write_roles
        self.access = open_project(signed_in(request), self.kwargs["slug"], *roles)
        self.refuse_unknown(request)
