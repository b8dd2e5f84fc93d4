"""Base models, methods, preflight, runs and model versions, for programs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import mixins, status
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.base import ProjectAPIView
from core.api.fields import Body
from core.errors import Invalid
from core.roles import ADMINS, READERS
from dataset.models import DatasetVersion
from training import preflight, queries, services
from training.api.serializers import (
    BaseModelSerializer,
    LaunchSerializer,
    MethodSerializer,
    ModelVersionSerializer,
    NewBaseModelSerializer,
    ObjectiveSerializer,
    OneModelVersionSerializer,
    PointSerializer,
    PreflightSerializer,
    SampleSerializer,
    TrainingRunSerializer,
)
from training.archive import archive_response
from training.filters import TrainingRunFilter, VersionFilter
from training.methods import METHODS, recipe_from, settings_of
from training.models import BaseModel, MetricPoint, ModelVersion, SampleAnswer, TrainingRun
from training.objectives import OBJECTIVES, recipe_type


class TrainingView(ProjectAPIView):
    read_roles: ClassVar[tuple[str, ...]] = READERS
    write_roles: ClassVar[tuple[str, ...]] = ADMINS

    def training_run(self, number: int) -> TrainingRun:
        return self.access.get(queries.training_runs(self.access.project), number=number)

    def version(self, pk: int) -> ModelVersion:
        return self.access.get(queries.model_versions(self.access.project), pk=pk)

    def operators_only(self) -> None:
        if not self.access.user.is_operator:
            raise PermissionDenied("Only operators add base models.")


# --- base models -------------------------------------------------------------------------------------------
class BaseModelsView(mixins.ListModelMixin, TrainingView):
    serializer_class = BaseModelSerializer
    queryset = BaseModel.objects.select_related("run", "artifact").order_by("name")

    def get(self, request: Request, slug: str) -> Response:
        """Base models of the installation."""
        return self.list(request)

    @extend_schema(request=NewBaseModelSerializer, responses={201: BaseModelSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Adds a base model and starts preparing it (operators only)."""
        self.operators_only()
        values = self.body(NewBaseModelSerializer)
        base = services.register_base_model(by=self.access.user, project=self.access.project, **values)
        return Response(BaseModelSerializer(base).data, status=status.HTTP_201_CREATED)


class BaseModelView(TrainingView):
    serializer_class = BaseModelSerializer
    queryset = BaseModel.objects.select_related("run", "artifact")

    def get(self, request: Request, slug: str, pk: int) -> Response:
        """One base model."""
        return Response(BaseModelSerializer(get_object_or_404(self.get_queryset(), pk=pk)).data)


class PrepareBaseModelView(TrainingView):
    serializer_class = BaseModelSerializer
    queryset = BaseModel.objects.select_related("run", "artifact")

    @extend_schema(request=None)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Tries a failed preparation again (operators only). 409 when it has not failed."""
        self.operators_only()
        base = get_object_or_404(self.get_queryset(), pk=pk)
        return Response(
            BaseModelSerializer(services.prepare_again(by=self.access.user, base_model=base)).data
        )


class UseBaseModelView(TrainingView):
    serializer_class = ModelVersionSerializer
    queryset = BaseModel.objects.select_related("artifact")

    @extend_schema(request=None)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Makes the base model a model version of this project. Repeated calls return the same version."""
        base = get_object_or_404(self.get_queryset(), pk=pk)
        version = services.ensure_base_version(
            by=self.access.user, project=self.access.project, base_model=base
        )
        return Response(ModelVersionSerializer(version).data)


# --- methods and preflight ---------------------------------------------------------------------------------
class MethodsView(TrainingView):
    serializer_class = MethodSerializer
    queryset = TrainingRun.objects.none()
    pagination_class = None

    @extend_schema(responses=MethodSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """The training methods, with every setting, its range, its default and the reason for the default."""
        methods = [
            {
                "name": method.name,
                "label": method.label,
                "summary": method.summary,
                "group": method.group,
                "serving_plan": method.serving(method.recipe()).label,
                "settings": settings_of(method.recipe),
            }
            for method in METHODS.values()
        ]
        return Response(MethodSerializer(methods, many=True).data)


class ObjectivesView(TrainingView):
    serializer_class = ObjectiveSerializer
    queryset = TrainingRun.objects.none()
    pagination_class = None

    @extend_schema(responses=ObjectiveSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """What a run can learn from, which rows that needs, and the settings that it adds to those of the method."""
        objectives = [
            {
                name: getattr(objective, name)
                for name in map(str, ObjectiveSerializer().fields)
                if name != "settings"
            }
            | {"settings": settings_of(objective.settings) if objective.settings else []}
            for objective in OBJECTIVES.values()
        ]
        return Response(ObjectiveSerializer(objectives, many=True).data)


@contextmanager
def named_as_sent(body: type[Body]) -> Iterator[None]:
    """An error in a setting is reported under its place in the body (recipe.rank), whether the JSON parser, the recipe or the
    preflight finds it."""
    try:
        yield
    except Invalid as error:
        # The recipe reports settings only; the preflight reports other fields too.
        own = {*body().fields} if isinstance(error, services.NotLaunchable) else set()
        named = {"__all__": "body", **{name: name for name in own}}
        error.fields = {named.get(name, f"recipe.{name}"): texts for name, texts in error.fields.items()}
        raise


class _Launching(TrainingView):
    def launch_values(self) -> dict[str, Any]:
        values = self.body(LaunchSerializer)
        values["dataset"] = self.access.get(DatasetVersion, number=values["dataset"])
        chosen = values.get("continued_from")
        values["continued_from"] = self.version(chosen) if chosen is not None else None
        return values


class PreflightView(_Launching):
    serializer_class = PreflightSerializer
    queryset = TrainingRun.objects.none()
    write_roles = ADMINS

    @extend_schema(request=LaunchSerializer, responses=PreflightSerializer)
    def post(self, request: Request, slug: str) -> Response:
        """What a launch with these values would need, and every problem with it. Starts no training. On the first
        request for a large dataset, a worker starts to count its tokens."""
        values = self.launch_values()
        with named_as_sent(LaunchSerializer):
            recipe = recipe_from(recipe_type(values["method"], values["objective"]), values["recipe"])
        result = services.check(
            by=self.access.user,
            project=self.access.project,
            base_model=values["base_model"],
            dataset=values["dataset"],
            method=values["method"],
            objective=values["objective"],
            continued_from=values["continued_from"],
            recipe=recipe,
        )
        return Response(PreflightSerializer(preflight.as_answer(result)).data)


# --- runs --------------------------------------------------------------------------------------------------
class TrainingRunsView(mixins.ListModelMixin, _Launching):
    serializer_class = TrainingRunSerializer
    asks = TrainingRunFilter
    queryset = TrainingRun.objects.none()

    def get_queryset(self) -> QuerySet[TrainingRun]:
        criteria = TrainingRunFilter(self.request.GET).checked()
        return queries.search_runs(self.access.project, **criteria).select_related("run__created_by")

    def get(self, request: Request, slug: str) -> Response:
        """Training runs, newest first."""
        return self.list(request)

    @extend_schema(request=LaunchSerializer, responses={201: TrainingRunSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Launches a training run. 422, with every problem, when the preflight finds a problem."""
        values = self.launch_values()
        with named_as_sent(LaunchSerializer):
            training_run = services.launch(by=self.access.user, project=self.access.project, **values)
        return Response(TrainingRunSerializer(training_run).data, status=status.HTTP_201_CREATED)


class TrainingRunView(TrainingView):
    serializer_class = TrainingRunSerializer
    queryset = TrainingRun.objects.none()

    def get(self, request: Request, slug: str, number: int) -> Response:
        """One training run."""
        return Response(TrainingRunSerializer(self.training_run(number)).data)


class PointsView(mixins.ListModelMixin, TrainingView):
    serializer_class = PointSerializer
    queryset = MetricPoint.objects.none()

    def get_queryset(self) -> QuerySet[MetricPoint]:
        training_run = self.training_run(self.kwargs["number"])
        return MetricPoint.objects.filter(training_run=training_run).order_by("step", "series")

    def get(self, request: Request, slug: str, number: int) -> Response:
        """Losses by step: in nats per completion token, or of the preference objective with what was measured on held-out rows."""
        return self.list(request)


class SamplesView(mixins.ListModelMixin, TrainingView):
    serializer_class = SampleSerializer
    queryset = SampleAnswer.objects.none()

    def get_queryset(self) -> QuerySet[SampleAnswer]:
        return SampleAnswer.objects.filter(training_run=self.training_run(self.kwargs["number"])).order_by(
            "step", "id"
        )

    def get(self, request: Request, slug: str, number: int) -> Response:
        """Answers to validation questions during training."""
        return self.list(request)


class CancelTrainingView(TrainingView):
    serializer_class = TrainingRunSerializer
    queryset = TrainingRun.objects.none()

    @extend_schema(request=None)
    def post(self, request: Request, slug: str, number: int) -> Response:
        """Asks the run to stop. 409 when it has ended."""
        return Response(
            TrainingRunSerializer(
                services.cancel(by=self.access.user, training_run=self.training_run(number))
            ).data
        )


class RetryTrainingView(TrainingView):
    serializer_class = TrainingRunSerializer
    queryset = TrainingRun.objects.none()

    @extend_schema(request=None)
    def post(self, request: Request, slug: str, number: int) -> Response:
        """Starts a failed or cancelled run again, from its last checkpoint if it has one. 409 otherwise."""
        return Response(
            TrainingRunSerializer(
                services.retry(by=self.access.user, training_run=self.training_run(number))
            ).data
        )


# --- model versions ----------------------------------------------------------------------------------------
class ModelVersionsView(mixins.ListModelMixin, TrainingView):
    serializer_class = ModelVersionSerializer
    asks = VersionFilter
    queryset = ModelVersion.objects.none()

    def get_queryset(self) -> QuerySet[ModelVersion]:
        return queries.search_versions(self.access.project, **VersionFilter(self.request.GET).checked())

    def get(self, request: Request, slug: str) -> Response:
        """Model versions, newest first, bases last."""
        return self.list(request)


class ModelVersionView(TrainingView):
    serializer_class = OneModelVersionSerializer
    queryset = ModelVersion.objects.none()

    def get(self, request: Request, slug: str, pk: int) -> Response:
        """One model version and its files."""
        return Response(OneModelVersionSerializer(self.version(pk)).data)


class CheckTokensView(TrainingView):
    serializer_class = ModelVersionSerializer
    queryset = ModelVersion.objects.none()

    @extend_schema(request=None)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Requests the token check again."""
        version = services.request_check(by=self.access.user, version=self.version(pk))
        return Response(ModelVersionSerializer(version).data)


class CheckFilesView(TrainingView):
    serializer_class = ModelVersionSerializer
    queryset = ModelVersion.objects.none()

    @extend_schema(request=None, responses={202: OpenApiResponse(ModelVersionSerializer)})
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Starts comparing the stored files with their hashes; `files_report` has the result. 409 while one runs."""
        version = services.check_files(by=self.access.user, version=self.version(pk))
        return Response(ModelVersionSerializer(version).data, status=status.HTTP_202_ACCEPTED)


class DownloadModelVersionView(TrainingView):
    serializer_class = ModelVersionSerializer
    queryset = ModelVersion.objects.none()
    read_roles: ClassVar[tuple[str, ...]] = ADMINS

    @extend_schema(responses={(200, "application/zip"): OpenApiTypes.BINARY})
    def get(self, request: Request, slug: str, pk: int) -> HttpResponseBase:
        """The version's files as a zip. Admins only. The download is audited."""
        version = self.version(pk)
        if request.method != "HEAD":
            services.note_download(by=self.access.user, version=version)
        return archive_response(version, by=self.access.user, method=request.method)
