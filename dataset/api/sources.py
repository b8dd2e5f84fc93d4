"""Sources: list, read, create, change, withdraw, restore; who of outside sees them; the data rules."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from annotation.models import Example
from core.api.base import ProjectAPIView
from core.models import Membership
from core.roles import ADMINS, READERS, SOURCE_READERS
from dataset.api.source_serializers import (
    AcceptUseSerializer,
    DataRulesChangeSerializer,
    DataRulesSerializer,
    NewPartnerSerializer,
    NewSourceSerializer,
    ReopenUseSerializer,
    SourceChangeSerializer,
    SourceExampleSerializer,
    SourcePartnerSerializer,
    SourceReasonSerializer,
    SourceSerializer,
    WithdrawalPlanSerializer,
    WithdrawalSerializer,
)
from dataset.filters import SourceExampleFilter, SourceFilter
from dataset.models import Source, SourcePartner, Withdrawal
from dataset.queries.rules import rules_of
from dataset.queries.sources import examples_of, partners_of, sources_seen_by
from dataset.queries.withdrawals import plan_of, withdrawals_of
from dataset.services.sources import (
    change_source,
    create_source,
    hide_from_partner,
    let_partner_see,
    rules_stamp,
    set_rules,
)
from dataset.services.withdrawals import accept_use, reopen_use, restore, withdraw


class _Sources(ProjectAPIView):
    serializer_class: type[BaseSerializer[Any]] = SourceSerializer
    queryset: QuerySet[Any] = Source.objects.none()
    read_roles: ClassVar[tuple[str, ...]] = SOURCE_READERS
    write_roles = ADMINS

    def source(self, pk: int) -> Source:
        return self.access.get(sources_seen_by(self.access), pk=pk)


class SourcesView(mixins.ListModelMixin, _Sources):
    asks = SourceFilter

    def get_queryset(self) -> QuerySet[Source]:
        return sources_seen_by(self.access, **SourceFilter(self.request.GET).checked())

    def get(self, request: Request, slug: str) -> Response:
        """The project's sources, by name; a partner gets only theirs."""
        return self.list(request)

    @extend_schema(request=NewSourceSerializer, responses={201: SourceSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Adds a source."""
        values = self.body(NewSourceSerializer)
        source = create_source(by=self.access.user, project=self.access.project, **values)
        return Response(SourceSerializer(source).data, status=status.HTTP_201_CREATED)


class SourceView(_Sources):
    def get(self, request: Request, slug: str, pk: int) -> Response:
        """One source."""
        return Response(SourceSerializer(self.source(pk)).data)

    @extend_schema(request=SourceChangeSerializer, responses=SourceSerializer)
    def patch(self, request: Request, slug: str, pk: int) -> Response:
        """Changes a source; its examples follow a new name. 409 when it changed since `seen` was read, or when it cannot get another
        name now."""
        source = self.source(pk)
        values = self.body(SourceChangeSerializer)
        return Response(SourceSerializer(change_source(by=self.access.user, source=source, **values)).data)


class SourceExamplesView(mixins.ListModelMixin, _Sources):
    serializer_class = SourceExampleSerializer
    queryset = Example.objects.none()
    asks = SourceExampleFilter

    def get_queryset(self) -> QuerySet[Example]:
        source = self.source(self.kwargs["pk"])
        return examples_of(source, **SourceExampleFilter(self.request.GET).checked())

    def get(self, request: Request, slug: str, pk: int) -> Response:
        """The examples of a source, newest first, without the people who worked on them."""
        return self.list(request)


class WithdrawSourceView(_Sources):
    read_roles = ADMINS

    @extend_schema(request=SourceReasonSerializer, responses={202: WithdrawalSerializer})
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Withdraws a source: no later dataset version has its rows, and a background job retires its examples."""
        source = self.source(pk)
        withdrawal = withdraw(by=self.access.user, source=source, **self.body(SourceReasonSerializer))
        return Response(WithdrawalSerializer(withdrawal).data, status=status.HTTP_202_ACCEPTED)


class RestoreSourceView(_Sources):
    read_roles = ADMINS

    @extend_schema(request=SourceReasonSerializer, responses={202: WithdrawalSerializer})
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """A withdrawn source may be used again: a background job gives its examples the status that they had."""
        source = self.source(pk)
        withdrawal = restore(by=self.access.user, source=source, **self.body(SourceReasonSerializer))
        return Response(WithdrawalSerializer(withdrawal).data, status=status.HTTP_202_ACCEPTED)


class SourcePartnersView(mixins.ListModelMixin, _Sources):
    serializer_class = SourcePartnerSerializer
    queryset = SourcePartner.objects.none()
    read_roles = READERS

    def get_queryset(self) -> QuerySet[SourcePartner]:
        return partners_of(self.source(self.kwargs["pk"]))

    def get(self, request: Request, slug: str, pk: int) -> Response:
        """The partners who see a source."""
        return self.list(request)

    @extend_schema(request=NewPartnerSerializer, responses={201: SourcePartnerSerializer})
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Lets a partner see the source."""
        source = self.source(pk)
        membership = self.access.get(
            Membership.objects.select_related("user"), pk=self.body(NewPartnerSerializer)["membership"]
        )
        partner = let_partner_see(by=self.access.user, source=source, membership=membership)
        return Response(SourcePartnerSerializer(partner).data, status=status.HTTP_201_CREATED)


class SourcePartnerView(_Sources):
    serializer_class = SourcePartnerSerializer
    read_roles = READERS

    def partner(self, pk: int, partner: int) -> SourcePartner:
        found = partners_of(self.source(pk)).filter(pk=partner).first()
        if found is None:
            raise Http404("No such partner.")
        return found

    def get(self, request: Request, slug: str, pk: int, partner: int) -> Response:
        """One partner who sees the source."""
        return Response(SourcePartnerSerializer(self.partner(pk, partner)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str, pk: int, partner: int) -> Response:
        """The partner does not see the source any more."""
        hide_from_partner(by=self.access.user, partner=self.partner(pk, partner))
        return Response(status=status.HTTP_204_NO_CONTENT)


class DataRulesView(ProjectAPIView):
    serializer_class = DataRulesSerializer
    queryset = Source.objects.none()
    read_roles = READERS
    write_roles = ADMINS

    def get(self, request: Request, slug: str) -> Response:
        """What keeps approved examples out of the next dataset version, beside withdrawn sources."""
        return self._answer(rules_of(self.access.project))

    @extend_schema(request=DataRulesChangeSerializer, responses=DataRulesSerializer)
    def put(self, request: Request, slug: str) -> Response:
        """Sets the data rules. 409 when they changed since `seen` was read."""
        values = self.body(DataRulesChangeSerializer)
        return self._answer(set_rules(by=self.access.user, project=self.access.project, **values))

    def _answer(self, rules: list[str]) -> Response:
        return Response(DataRulesSerializer({"rules": rules, "seen": rules_stamp(rules)}).data)


# --- withdrawals -------------------------------------------------------------------------------------------
class _Withdrawals(ProjectAPIView):
    serializer_class: type[BaseSerializer[Any]] = WithdrawalSerializer
    queryset: QuerySet[Any] = Withdrawal.objects.none()
    read_roles = READERS
    write_roles = ADMINS

    def withdrawal(self, pk: int) -> Withdrawal:
        return get_object_or_404(withdrawals_of(self.access.project), pk=pk)

    def answer(self, withdrawal: Withdrawal) -> Response:
        body = {
            "withdrawal": withdrawal,
            "retired": withdrawal.examples.count(),
            "plan": plan_of(withdrawal).items,
        }
        return Response(WithdrawalPlanSerializer(body).data)


class WithdrawalsView(mixins.ListModelMixin, _Withdrawals):
    def get_queryset(self) -> QuerySet[Withdrawal]:
        return withdrawals_of(self.access.project)

    def get(self, request: Request, slug: str) -> Response:
        """The project's withdrawals of sources, newest first."""
        return self.list(request)


class WithdrawalView(_Withdrawals):
    @extend_schema(responses=WithdrawalPlanSerializer)
    def get(self, request: Request, slug: str, pk: int) -> Response:
        """A withdrawal, every dataset version and model version that used its rows, and what is left to do about each."""
        return self.answer(self.withdrawal(pk))


class AcceptUseView(_Withdrawals):
    @extend_schema(request=AcceptUseSerializer, responses=WithdrawalPlanSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """One use of the withdrawn rows stays as it is, for a reason. 409 when nothing is left to decide about it."""
        withdrawal = self.withdrawal(pk)
        accept_use(by=self.access.user, withdrawal=withdrawal, **self.body(AcceptUseSerializer))
        return self.answer(withdrawal)


class ReopenUseView(_Withdrawals):
    @extend_schema(request=ReopenUseSerializer, responses=WithdrawalPlanSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Takes back that a use was accepted."""
        withdrawal = self.withdrawal(pk)
        reopen_use(by=self.access.user, withdrawal=withdrawal, **self.body(ReopenUseSerializer))
        return self.answer(withdrawal)
