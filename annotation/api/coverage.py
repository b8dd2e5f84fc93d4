"""Coverage for programs: the numbers, the targets, and authoring tasks."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.coverage_serializers import (
    CoverageSerializer,
    NewTaskSerializer,
    SetTargetSerializer,
    TargetSerializer,
    TaskChangeSerializer,
    TaskFilterSerializer,
    TaskSerializer,
)
from annotation.models import AuthoringTask, CoverageTarget
from annotation.queries.authoring import progress_of, tasks_of
from annotation.queries.coverage import coverage, targets_of
from annotation.queries.holes import crowds_of, holes_of
from annotation.services import coverage as services
from core.api.base import ProjectAPIView
from core.api.fields import SeenSerializer
from core.errors import Invalid
from core.models import User
from core.roles import ADMINS, EXAMPLE_DECIDERS, EXAMPLE_READERS

Status = AuthoringTask.Status


class _View(ProjectAPIView):
    read_roles: ClassVar[tuple[str, ...]] = EXAMPLE_READERS

    def member(self, values: dict[str, Any]) -> dict[str, Any]:
        """The values with the person for their id in `owner`."""
        if values.get("owner") is not None:
            owner: User | None = self.access.project.members.filter(pk=values["owner"]).first()
            if owner is None:
                raise Invalid(
                    "Nothing was changed.", fields={"owner": ["This person is not in the project."]}
                )
            values["owner"] = owner
        return values


class CoverageView(_View):
    serializer_class = CoverageSerializer
    pagination_class = None
    queryset = CoverageTarget.objects.none()

    def get(self, request: Request, slug: str) -> Response:
        """How the examples are spread over slices, kinds of edge cases, sources, lengths, languages and moods; what is missing and what
        is too much."""
        found = coverage(self.access.project)
        body = {
            "approved": found.approved,
            "in_work": found.in_work,
            "slices": found.slices,
            "edges": found.edges,
            "cells": [cell for _, cells in found.grid for cell in cells],
            "sources": found.sources,
            "lengths": found.lengths,
            "languages": found.languages,
            "moods": found.moods,
            "not_read": found.unread,
            "missing": holes_of(found),
            "more_than_needed": crowds_of(found),
        }
        return Response(CoverageSerializer(body).data)


class TargetsView(mixins.ListModelMixin, _View):
    serializer_class = TargetSerializer
    queryset = CoverageTarget.objects.none()
    write_roles = ADMINS

    def get_queryset(self) -> QuerySet[CoverageTarget]:
        return targets_of(self.access.project)

    def get(self, request: Request, slug: str) -> Response:
        """The project's targets."""
        return self.list(request)

    @extend_schema(request=SetTargetSerializer, responses=TargetSerializer)
    def post(self, request: Request, slug: str) -> Response:
        """Sets the target of a slice, a kind of edge case, both together, a length, a language or a mood; a present one is changed."""
        values = self.member(self.body(SetTargetSerializer))
        target = services.set_target(by=self.access.user, project=self.access.project, **values)
        return Response(TargetSerializer(target).data)


class TargetView(_View):
    serializer_class = TargetSerializer
    queryset = CoverageTarget.objects.none()
    read_roles = ADMINS
    write_roles = ADMINS

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str, pk: int) -> Response:
        """Removes a target."""
        target = self.access.get(CoverageTarget.objects.select_related("project"), pk=pk)
        services.remove_target(by=self.access.user, target=target)
        return Response(status=status.HTTP_204_NO_CONTENT)


class _Tasks(_View):
    serializer_class: type[serializers.BaseSerializer[Any]] = TaskSerializer
    queryset = AuthoringTask.objects.none()
    write_roles = EXAMPLE_DECIDERS

    def task(self, pk: int) -> AuthoringTask:
        return self.access.get(tasks_of(self.access.project), pk=pk)

    def shown(self, pk: int) -> Response:
        return Response(TaskSerializer(progress_of([self.task(pk)])[0]).data)


class TasksView(_Tasks):
    asks = TaskFilterSerializer
    lists = True

    @extend_schema(operation_id="authoring_tasks_list", responses=TaskSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """The project's authoring tasks with their progress, open ones first."""
        page = self.paginate_queryset(tasks_of(self.access.project, **self.query_values()))
        return self.get_paginated_response(TaskSerializer(progress_of(page or []), many=True).data)

    @extend_schema(request=NewTaskSerializer, responses={201: TaskSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Opens a task to write examples for a slice, a kind of edge case, a language, a mood, or several together."""
        values = self.member(self.body(NewTaskSerializer))
        task = services.create_task(by=self.access.user, project=self.access.project, **values)
        return Response(TaskSerializer(progress_of([task])[0]).data, status=status.HTTP_201_CREATED)


class TaskView(_Tasks):
    def get(self, request: Request, slug: str, pk: int) -> Response:
        """One task with its progress."""
        return self.shown(pk)

    @extend_schema(request=TaskChangeSerializer, responses=TaskSerializer)
    def patch(self, request: Request, slug: str, pk: int) -> Response:
        """Changes an open task. 409 when it changed since `seen`."""
        task, values = self.task(pk), self.member(self.body(TaskChangeSerializer))
        services.change_task(by=self.access.user, task=task, **values)
        return self.shown(pk)


class _EndTaskView(_Tasks):
    read_roles = EXAMPLE_DECIDERS
    status: str

    @extend_schema(request=SeenSerializer, responses=TaskSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Ends an open task; its examples stay."""
        task, values = self.task(pk), self.body(SeenSerializer)
        services.end_task(by=self.access.user, task=task, status=self.status, **values)
        return self.shown(pk)


class CancelTaskView(_EndTaskView):
    status = Status.CANCELLED


class CloseTaskView(_EndTaskView):
    status = Status.DONE


class ReopenTaskView(_Tasks):
    read_roles = EXAMPLE_DECIDERS

    @extend_schema(request=SeenSerializer, responses=TaskSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Opens a task again."""
        services.reopen_task(by=self.access.user, task=self.task(pk), **self.body(SeenSerializer))
        return self.shown(pk)
