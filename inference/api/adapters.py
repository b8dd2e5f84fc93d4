"""A person's own adapters: training on their corrections, the switch, deletion and its receipt."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from core.api.base import ProjectAPIView
from core.roles import CHATTERS
from inference.api.adapter_serializers import (
    DeletionReceiptSerializer,
    PersonalAdapterSerializer,
    SwitchSerializer,
)
from inference.queries.receipts import receipts_of
from inference.services import personal
from training.models import DeletionReceipt, PersonalAdapter
from training.services.adapter_deletion import request_deletion


class _Own(ProjectAPIView):
    read_roles = CHATTERS
    write_roles = CHATTERS
    queryset: QuerySet[Any] = PersonalAdapter.objects.none()
    serializer_class: type[BaseSerializer[Any]] = PersonalAdapterSerializer

    def own(self) -> QuerySet[PersonalAdapter]:
        return PersonalAdapter.objects.filter(owner=self.access.user).select_related(
            "run", "project", "owner", "team"
        )


class OwnAdaptersView(_Own):
    pagination_class = None

    @extend_schema(operation_id="own_adapters_list", responses=PersonalAdapterSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """Your own adapters in this project, newest first."""
        return Response(self.get_serializer(self.own().filter(project=self.access.project), many=True).data)

    @extend_schema(request=None, responses={202: PersonalAdapterSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Trains an adapter on your corrections, on top of the live version; refused while there are too few."""
        access = self.access
        made = personal.train(by=access.user, project=access.project, owner=access.user, shared=None)
        return Response(self.get_serializer(made).data, status=status.HTTP_202_ACCEPTED)


class OwnAdapterSwitchView(_Own):
    serializer_class = SwitchSerializer

    @extend_schema(request=SwitchSerializer, responses={200: PersonalAdapterSerializer})
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Turns one of your adapters on or off; only one that was measured to be better can be turned on."""
        adapter = self.access.get(self.own(), pk=pk)
        turn = personal.switch_on if self.body(SwitchSerializer)["on"] else personal.switch_off
        turn(by=self.access.user, adapter=adapter)
        return Response(PersonalAdapterSerializer(self.access.get(self.own(), pk=pk)).data)


class OwnAdaptersDeleteView(_Own):
    serializer_class = DeletionReceiptSerializer

    @extend_schema(request=None, responses={202: DeletionReceiptSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Turns your adapters off at once and deletes them; the receipt is complete when its background job has ended."""
        access = self.access
        receipt = request_deletion(by=access.user, project=access.project, owner=access.user)
        return Response(self.get_serializer(receipt).data, status=status.HTTP_202_ACCEPTED)


class DeletionReceiptView(_Own):
    serializer_class = DeletionReceiptSerializer
    queryset = DeletionReceipt.objects.none()

    @extend_schema(operation_id="deletion_receipts_retrieve", responses=DeletionReceiptSerializer)
    def get(self, request: Request, slug: str, pk: int) -> Response:
        """A deletion receipt, with a search for what it names that is made now."""
        return Response(self.get_serializer(self.access.get(receipts_of(self.access), pk=pk)).data)
