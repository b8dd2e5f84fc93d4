"""Examples: find, read, write by hand, retire."""

from functools import cached_property
from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.example_serializers import (
    ExampleSerializer,
    NewExampleSerializer,
    RequeueSerializer,
    RetireSerializer,
    RevisionSerializer,
)
from annotation.downloads import examples_as_jsonl
from annotation.filters import ExampleFilter
from annotation.models import Example
from annotation.queries.counts import kept_count
from annotation.queries.examples import find_examples, history_of
from annotation.queries.search import newest_matches
from annotation.services.annotating import write_example
from annotation.services.examples import requeue, retire
from core.api.base import ProjectAPIView
from core.lists.paging import CountedRows
from core.roles import EXAMPLE_DECIDERS, EXAMPLE_READERS, EXAMPLE_WRITERS


def _loaded(examples: QuerySet[Example]) -> QuerySet[Example]:
    return examples.select_related("created_by", "submitted_by", "trait")


class _Examples(ProjectAPIView):
    serializer_class = ExampleSerializer
    queryset = Example.objects.none()
    read_roles = EXAMPLE_READERS

    @cached_property
    def criteria(self) -> dict[str, Any]:
        return ExampleFilter(self.request.GET, project=self.access.project).checked()

    def matches(self) -> QuerySet[Example]:
        return find_examples(self.access.project, self.criteria)

    def example(self, pk: int) -> Example:
        return self.access.get(_loaded(Example.objects.all()), pk=pk)


class ExamplesView(mixins.ListModelMixin, _Examples):
    write_roles = EXAMPLE_WRITERS
    asks = ExampleFilter

    def get_queryset(self) -> QuerySet[Example]:
        return _loaded(self.matches())

    def paginate_queryset(self, queryset: Any) -> Any:
        """The kept counts know how many match most filters, and the search by text up to a thousand. Only a common text and a
        person are counted here."""
        found = newest_matches(self.access.project, self.criteria)
        if found is not None and not found.more:
            those = Example.objects.filter(pk__in=found.ids).order_by("-pk")
            rows: Any = CountedRows(_loaded(those), len(found.ids))
            return super().paginate_queryset(rows)
        known = kept_count(self.access.project, self.criteria)
        rows = queryset if known is None else CountedRows(queryset, known)
        return super().paginate_queryset(rows)

    def get(self, request: Request, slug: str) -> Response:
        """The project's examples, newest first."""
        return self.list(request)

    @extend_schema(request=NewExampleSerializer, responses={201: ExampleSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Writes an example by hand; it goes to the reviewers."""
        content = self.body(NewExampleSerializer)
        group, reason, task = content.pop("group"), content.pop("reason"), content.pop("task", 0)
        example = write_example(
            by=self.access.user,
            project=self.access.project,
            content=content,
            group=group,
            reason=reason,
            task=task,
        )
        return Response(ExampleSerializer(example).data, status=status.HTTP_201_CREATED)


class ExamplesDownloadView(_Examples):
    asks = ExampleFilter
    pagination_class = None

    @extend_schema(responses={(200, "application/jsonl"): OpenApiTypes.BINARY})
    def get(self, request: Request, slug: str) -> StreamingHttpResponse:
        """The examples that match the filters, as JSON Lines that an import can read."""
        return examples_as_jsonl(
            self.access.project, self.matches(), by=self.access.user, method=request.method
        )


class ExampleView(_Examples):
    def get(self, request: Request, slug: str, pk: int) -> Response:
        """One example as it is now."""
        return Response(ExampleSerializer(self.example(pk)).data)


class ExampleHistoryView(_Examples):
    pagination_class = None

    @extend_schema(responses=RevisionSerializer(many=True))
    def get(self, request: Request, slug: str, pk: int) -> Response:
        """All revisions of an example with their reviews, newest first."""
        return Response(RevisionSerializer(history_of(self.example(pk)), many=True).data)


class RetireExampleView(_Examples):
    write_roles = EXAMPLE_DECIDERS

    @extend_schema(request=RetireSerializer, responses=ExampleSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Retires an example: new dataset versions do not contain it."""
        values = self.body(RetireSerializer)
        retire(by=self.access.user, example=self.example(pk), **values)
        return Response(ExampleSerializer(self.example(pk)).data)


class RequeueExampleView(_Examples):
    write_roles = EXAMPLE_DECIDERS

    @extend_schema(request=RequeueSerializer, responses=ExampleSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Puts an approved or retired example back into the queue."""
        values = self.body(RequeueSerializer)
        requeue(by=self.access.user, example=self.example(pk), **values)
        return Response(ExampleSerializer(self.example(pk)).data)
