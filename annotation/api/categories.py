"""The project's own lists: slices and kinds of edge cases."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.category_serializers import (
    CategoryChangeSerializer,
    CategorySerializer,
    MergeSerializer,
    NewCategorySerializer,
)
from annotation.models import Category
from annotation.services import categories as services
from core.api.base import ProjectAPIView
from core.api.fields import SeenSerializer
from core.roles import ADMINS, EXAMPLE_READERS


class _Categories(ProjectAPIView):
    serializer_class = CategorySerializer
    queryset = Category.objects.none()
    read_roles: ClassVar[tuple[str, ...]] = EXAMPLE_READERS
    write_roles = ADMINS

    def category(self, pk: int) -> Category:
        return self.access.get(Category.objects.select_related("project"), pk=pk)


class CategoriesView(mixins.ListModelMixin, _Categories):
    def get_queryset(self) -> QuerySet[Category]:
        return Category.objects.filter(project=self.access.project).order_by("kind", "position", "pk")

    def get(self, request: Request, slug: str) -> Response:
        """The project's slices and kinds of edge cases, also retired ones and old names."""
        return self.list(request)

    @extend_schema(request=NewCategorySerializer, responses={201: CategorySerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Adds a slice or a kind of edge case."""
        values: dict[str, Any] = self.body(NewCategorySerializer)
        category = services.add_category(by=self.access.user, project=self.access.project, **values)
        return Response(CategorySerializer(category).data, status=status.HTTP_201_CREATED)


class CategoryView(_Categories):
    def get(self, request: Request, slug: str, pk: int) -> Response:
        """One entry."""
        return Response(CategorySerializer(self.category(pk)).data)

    @extend_schema(request=CategoryChangeSerializer, responses=CategorySerializer)
    def patch(self, request: Request, slug: str, pk: int) -> Response:
        """Another name or description. A slice with another name is another entry, which is returned; its examples follow."""
        category, values = self.category(pk), self.body(CategoryChangeSerializer)
        changed = services.change_category(by=self.access.user, category=category, **values)
        return Response(CategorySerializer(changed).data)


class MergeCategoryView(_Categories):
    read_roles = ADMINS

    @extend_schema(request=MergeSerializer, responses=CategorySerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """All examples, targets and tasks get another entry of the same list; this one stays as an old name."""
        category, values = self.category(pk), self.body(MergeSerializer)
        into = self.category(values.pop("into"))
        merged = services.merge_categories(by=self.access.user, category=category, into=into, **values)
        return Response(CategorySerializer(merged).data)


class _SetActiveView(_Categories):
    read_roles = ADMINS
    active: bool

    @extend_schema(request=SeenSerializer, responses=CategorySerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        category, values = self.category(pk), self.body(SeenSerializer)
        changed = services.set_active(by=self.access.user, category=category, active=self.active, **values)
        return Response(CategorySerializer(changed).data)


@extend_schema(description="Nobody can choose it any more; the examples that have it keep it.")
class RetireCategoryView(_SetActiveView):
    active = False


@extend_schema(description="A retired entry can be chosen again.")
class RestoreCategoryView(_SetActiveView):
    active = True
