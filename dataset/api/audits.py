"""Bias audits, their lexicons and twins, in the API."""

from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.example_serializers import ExampleSerializer
from core.api.base import ProjectAPIView
from core.roles import EXAMPLE_DECIDERS, EXAMPLE_READERS
from dataset.api.audit_serializers import (
    AcceptTwinSerializer,
    AuditFindingSerializer,
    BiasAuditSerializer,
    ChangedLexiconSerializer,
    DecideSerializer,
    LexiconSerializer,
    NewAuditSerializer,
    NewTwinsSerializer,
    TwinSerializer,
    WholeAuditSerializer,
)
from dataset.fairness.words import stored
from dataset.filters import TwinFilter
from dataset.models import AuditFinding, BiasAudit, Twin
from dataset.queries.audits import audits_of, findings_in
from dataset.queries.lexicons import ProjectLexicon, lexicon_of, lexicons_of
from dataset.queries.twins import twins_of
from dataset.queries.versions import ready_datasets
from dataset.services.audits import decide, start_audit
from dataset.services.lexicons import change_lexicon, reset_lexicon
from dataset.services.twins import accept_twin, bring_back_twin, discard_twin, make_twins


class BiasAPIView(ProjectAPIView):
    read_roles = EXAMPLE_READERS
    write_roles = EXAMPLE_DECIDERS

    def finding(self, pk: int) -> AuditFinding:
        found = AuditFinding.objects.filter(audit__project=self.access.project).select_related(
            "audit__project"
        )
        return get_object_or_404(found, pk=pk)


class BiasAuditsView(mixins.ListModelMixin, BiasAPIView):
    serializer_class = BiasAuditSerializer
    queryset = BiasAudit.objects.none()

    def get_queryset(self) -> QuerySet[BiasAudit]:
        return audits_of(self.access.project)

    def get(self, request: Request, slug: str) -> Response:
        """The project's bias audits, newest first."""
        return self.list(request)

    @extend_schema(request=NewAuditSerializer, responses={202: BiasAuditSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Starts an audit of a version, or of the approved examples. A version has one audit: if there is one, it is returned."""
        values = self.body(NewAuditSerializer)
        number = values.get("dataset")
        dataset = get_object_or_404(ready_datasets(self.access.project), number=number) if number else None
        audit = start_audit(
            by=self.access.user, project=self.access.project, dataset=dataset, correction=values["correction"]
        )
        made = self.access.get(audits_of(self.access.project), pk=audit.pk)
        return Response(BiasAuditSerializer(made).data, status=status.HTTP_202_ACCEPTED)


class BiasAuditView(BiasAPIView):
    serializer_class = WholeAuditSerializer
    pagination_class = None

    @extend_schema(responses=WholeAuditSerializer)
    def get(self, request: Request, slug: str, number: int) -> Response:
        """One audit: its figures by group, the lexicons that it used, its findings and decisions."""
        return Response(
            WholeAuditSerializer(self.access.get(audits_of(self.access.project), number=number)).data
        )


class DecideFindingView(BiasAPIView):
    serializer_class = AuditFindingSerializer
    pagination_class = None

    @extend_schema(request=DecideSerializer, responses={200: AuditFindingSerializer})
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Marks a finding as accepted, fixed or answered, with a reason. All decisions stay on record."""
        finding = decide(by=self.access.user, finding=self.finding(pk), **self.body(DecideSerializer))
        return Response(AuditFindingSerializer(findings_in(finding.audit).get(pk=finding.pk)).data)


def _lexicon(one: ProjectLexicon) -> dict[str, Any]:
    content = stored(one.characteristic)
    return {"characteristic": one.characteristic.key, "revision": one.revision, **content}


class LexiconsView(BiasAPIView):
    serializer_class = LexiconSerializer
    pagination_class = None

    @extend_schema(responses=LexiconSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """The words by which an audit finds groups of people: the project's own, and those that come with Guildhall for the rest."""
        return Response(
            LexiconSerializer([_lexicon(one) for one in lexicons_of(self.access.project)], many=True).data
        )


class LexiconView(BiasAPIView):
    serializer_class = LexiconSerializer
    pagination_class = None

    def _told(self, key: str) -> Response:
        found = lexicon_of(self.access.project, key)
        if found is None:
            raise Http404("No such lexicon.")
        return Response(LexiconSerializer(_lexicon(found)).data)

    @extend_schema(responses=LexiconSerializer)
    def get(self, request: Request, slug: str, key: str) -> Response:
        """The lexicon of one characteristic."""
        return self._told(key)

    @extend_schema(request=ChangedLexiconSerializer, responses={200: LexiconSerializer})
    def put(self, request: Request, slug: str, key: str) -> Response:
        """Replaces its groups. Audits that were made before keep the words that they used."""
        self._told(key)
        values = self.body(ChangedLexiconSerializer)
        change_lexicon(by=self.access.user, project=self.access.project, characteristic=key, **values)
        return self._told(key)

    @extend_schema(request=None, responses={200: LexiconSerializer})
    def delete(self, request: Request, slug: str, key: str) -> Response:
        """Back to the lexicon that comes with Guildhall, which is the answer."""
        self._told(key)
        reset_lexicon(by=self.access.user, project=self.access.project, characteristic=key)
        return self._told(key)


class TwinsView(mixins.ListModelMixin, BiasAPIView):
    serializer_class = TwinSerializer
    queryset = Twin.objects.none()
    asks = TwinFilter

    def get_queryset(self) -> QuerySet[Twin]:
        criteria = TwinFilter(self.request.GET).checked()
        return twins_of(self.access.project, **criteria)

    def get(self, request: Request, slug: str) -> Response:
        """Examples with two groups of people swapped."""
        return self.list(request)

    @extend_schema(request=NewTwinsSerializer, responses={201: TwinSerializer(many=True)})
    def post(self, request: Request, slug: str) -> Response:
        """Makes twins, for a person to read. Examples without a word to swap, or with such a twin, are passed over."""
        values = self.body(NewTwinsSerializer)
        pk = values.pop("finding", None)
        finding = self.finding(pk) if pk else None
        values["examples"] = values.get("examples") or (finding.examples if finding else [])
        made = make_twins(by=self.access.user, project=self.access.project, finding=finding, **values)
        return Response(TwinSerializer(made, many=True).data, status=status.HTTP_201_CREATED)


class TwinView(BiasAPIView):
    serializer_class = TwinSerializer
    pagination_class = None

    def twin(self, pk: int) -> Twin:
        return get_object_or_404(twins_of(self.access.project), pk=pk)

    def get(self, request: Request, slug: str, pk: int) -> Response:
        """One twin: its texts, and what was swapped."""
        return Response(TwinSerializer(self.twin(pk)).data)


class AcceptTwinView(TwinView):
    http_method_names = ("post",)

    @extend_schema(request=AcceptTwinSerializer, responses={201: ExampleSerializer})
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Adds the twin to the review queue, in the group of its original. `reason` is needed when a check failed."""
        values = self.body(AcceptTwinSerializer)
        reason = values.pop("reason")
        example = accept_twin(by=self.access.user, twin=self.twin(pk), content=values, reason=reason)
        return Response(ExampleSerializer(example).data, status=status.HTTP_201_CREATED)


class DiscardTwinView(TwinView):
    http_method_names = ("post",)

    @extend_schema(request=None, responses={200: TwinSerializer})
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """The twin is not added."""
        return Response(TwinSerializer(discard_twin(by=self.access.user, twin=self.twin(pk))).data)


class BringBackTwinView(TwinView):
    http_method_names = ("post",)

    @extend_schema(request=None, responses={200: TwinSerializer})
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """A discarded twin waits for a decision again."""
        return Response(TwinSerializer(bring_back_twin(by=self.access.user, twin=self.twin(pk))).data)
