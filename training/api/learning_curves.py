"""Learning curves, for programs. Their background job is cancelled and started again under `runs/`, as every other."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.request import Request
from rest_framework.response import Response

from dataset.models import DatasetVersion
from training import services
from training.api.learning_curve_serializers import (
    LearningCurveSerializer,
    NewLearningCurveSerializer,
    OneLearningCurveSerializer,
)
from training.api.views import TrainingView, named_as_sent
from training.learning_curves import learning_curves
from training.models import LearningCurve


class LearningCurvesView(mixins.ListModelMixin, TrainingView):
    serializer_class = LearningCurveSerializer
    queryset = LearningCurve.objects.none()

    def get_queryset(self) -> QuerySet[LearningCurve]:
        return learning_curves(self.access.project).select_related("run__created_by")

    def get(self, request: Request, slug: str) -> Response:
        """Learning curves, newest first."""
        return self.list(request)

    @extend_schema(request=NewLearningCurveSerializer, responses={201: OneLearningCurveSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Starts a learning curve: the recipe on 25, 50, 75 and 100% of the training rows. 422, with every problem, when the preflight
        finds a problem."""
        values = self.body(NewLearningCurveSerializer)
        values["dataset"] = self.access.get(DatasetVersion, number=values["dataset"])
        with named_as_sent(NewLearningCurveSerializer):
            curve = services.start_curve(by=self.access.user, project=self.access.project, **values)
        return Response(OneLearningCurveSerializer(curve).data, status=status.HTTP_201_CREATED)


class LearningCurveView(TrainingView):
    serializer_class = OneLearningCurveSerializer
    queryset = LearningCurve.objects.none()

    def get(self, request: Request, slug: str, number: int) -> Response:
        """One learning curve with its points and what it says about more examples."""
        curve = self.access.get(learning_curves(self.access.project), number=number)
        return Response(OneLearningCurveSerializer(curve).data)
