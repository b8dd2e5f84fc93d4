"""Datasheets and the findings left in frozen rows, in the API."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.base import ProjectAPIView
from core.roles import ADMINS, EXAMPLE_READERS
from dataset.api.datasheet_serializers import (
    DatasheetAnswerSerializer,
    DatasheetSerializer,
    NewAnswerSerializer,
    NewVersionAnswerSerializer,
    ReportSerializer,
    RowFindingSerializer,
)
from dataset.api.versions import DatasetsAPIView
from dataset.filters import FindingFilter
from dataset.models import DatasheetAnswer, RowFinding
from dataset.queries.datasheet import datasheet_of, project_answers, standing_answers
from dataset.queries.reports import facts_of, findings_of, report_of
from dataset.services.datasheets import answer_datasheet
from dataset.services.reports import start_report


class DatasheetView(DatasetsAPIView):
    serializer_class = DatasheetSerializer
    pagination_class = None

    @extend_schema(responses=DatasheetSerializer)
    def get(self, request: Request, slug: str, number: int) -> Response:
        """The datasheet: every question with the facts of the database and the answer that stands."""
        return Response(DatasheetSerializer(datasheet_of(self.examples(number, "datasheet"))).data)

    @extend_schema(request=NewVersionAnswerSerializer, responses={200: DatasheetAnswerSerializer})
    def post(self, request: Request, slug: str, number: int) -> Response:
        """Answers one question for this version; an empty text takes the answer back. 409 when another answer stands than the
        one in `seen`."""
        dataset, values = self.examples(number, "datasheet"), self.body(NewVersionAnswerSerializer)
        question = values["question"]
        answer_datasheet(
            by=self.access.user,
            project=self.access.project,
            dataset=dataset,
            answers={question: values["text"]},
            also_later=values["also_later"],
            seen=_seen(values),
        )
        return Response(_answer(question, standing_answers(dataset)))


class ProjectDatasheetView(ProjectAPIView):
    serializer_class = DatasheetAnswerSerializer
    queryset = DatasheetAnswer.objects.none()
    pagination_class = None
    read_roles = EXAMPLE_READERS
    write_roles = ADMINS

    @extend_schema(responses=DatasheetAnswerSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """The project's answers, which every version gets that is frozen from now on."""
        answers = list(project_answers(self.access.project).values())
        return Response(DatasheetAnswerSerializer(answers, many=True).data)

    @extend_schema(request=NewAnswerSerializer, responses={200: DatasheetAnswerSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Answers one question for the versions that are frozen from now on; an empty text takes the answer back."""
        values = self.body(NewAnswerSerializer)
        question = values["question"]
        answer_datasheet(
            by=self.access.user,
            project=self.access.project,
            answers={question: values["text"]},
            seen=_seen(values),
        )
        return Response(_answer(question, project_answers(self.access.project)))


def _seen(values: dict[str, Any]) -> dict[str, int] | None:
    return None if values.get("seen") is None else {values["question"]: values["seen"]}


def _answer(question: str, answers: dict[str, DatasheetAnswer]) -> dict[str, Any]:
    """The answer that stands now, or an empty one."""
    return dict(DatasheetAnswerSerializer(answers.get(question) or DatasheetAnswer(question=question)).data)


class ReportView(DatasetsAPIView):
    serializer_class = ReportSerializer
    pagination_class = None

    @extend_schema(responses=ReportSerializer)
    def get(self, request: Request, slug: str, number: int) -> Response:
        """What a worker found in the version's frozen rows: sources, licenses, findings of the checks. `facts` is null until then."""
        return Response(self._told(number))

    @extend_schema(request=None, responses={202: ReportSerializer})
    def post(self, request: Request, slug: str, number: int) -> Response:
        """Starts reading the rows, for a version without a report; with one, nothing is started."""
        start_report(by=self.access.user, dataset=self.examples(number, "report"))
        return Response(self._told(number), status=status.HTTP_202_ACCEPTED)

    def _told(self, number: int) -> dict[str, Any]:
        dataset = self.examples(number, "report")
        report = report_of(dataset)
        told = {"run": report.run if report else None, "facts": facts_of(report, dataset)}
        return dict(ReportSerializer(told).data)


class DatasetFindingsView(mixins.ListModelMixin, DatasetsAPIView):
    serializer_class = RowFindingSerializer
    queryset = RowFinding.objects.none()
    asks = FindingFilter

    def get_queryset(self) -> QuerySet[RowFinding]:
        return findings_of(
            self.examples(self.kwargs["number"], "report"), **FindingFilter(self.request.GET).checked()
        )

    def get(self, request: Request, slug: str, number: int) -> Response:
        """The findings that the frozen texts still have, in the order of the rows. Empty until the report is made."""
        return self.list(request)
