"""Shapes of personal adapters in the API."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.api.fields import Body
from inference.queries.receipts import is_proven, look_for
from training.models import DeletionReceipt, PersonalAdapter


class ComparedSerializer(serializers.Serializer[Any]):
    """The adapter against its shared version on held-out corrections, in nats per token."""

    n = serializers.IntegerField(help_text="held-out corrections")
    groups = serializers.IntegerField(help_text="conversations that they are of")
    loss = serializers.FloatField(help_text="with the adapter")
    other = serializers.FloatField(help_text="of the shared version")
    difference = serializers.FloatField(help_text="below zero is better")
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    level = serializers.FloatField(help_text="of the interval")


class PersonalAdapterSerializer(serializers.ModelSerializer[PersonalAdapter]):
    run = serializers.IntegerField(source="run_id", help_text="The background job that trains it.")
    status = serializers.CharField(source="run.status")
    compared = serializers.SerializerMethodField(help_text="Null until it is measured.")

    class Meta:
        model = PersonalAdapter
        fields: ClassVar = (
            "id",
            "number",
            "run",
            "status",
            "better",
            "compared",
            "on",
            "created_at",
            "measured_at",
        )

    @extend_schema_field(ComparedSerializer(allow_null=True))
    def get_compared(self, adapter: PersonalAdapter) -> Any:
        return adapter.figures.get("verdict")


class SwitchSerializer(Body):
    on = serializers.BooleanField(help_text="It counts from the next request on.")


class SearchedSerializer(serializers.Serializer[Any]):
    place = serializers.CharField()
    searched = serializers.IntegerField(help_text="hashes or names that were looked for")
    found = serializers.ListField(child=serializers.CharField())
    not_searched = serializers.CharField(help_text="Why the place could not be searched; empty when it was.")


class DeletionReceiptSerializer(serializers.ModelSerializer[DeletionReceipt]):
    run = serializers.IntegerField(source="run_id", help_text="The background job that deletes.")
    proven = serializers.SerializerMethodField(
        help_text="Everything was searched now, and nothing found. Null until the deletion has ended."
    )
    searched = serializers.SerializerMethodField()

    class Meta:
        model = DeletionReceipt
        fields: ClassVar = ("id", "run", "requested_at", "completed_at", "adapters", "proven", "searched")

    def _looks(self, receipt: DeletionReceipt) -> Any:
        if receipt.completed_at is None:
            return None
        kept: dict[int, Any] = self.__dict__.setdefault("_kept", {})
        if receipt.pk not in kept:
            kept[receipt.pk] = look_for(receipt)
        return kept[receipt.pk]

    def get_proven(self, receipt: DeletionReceipt) -> bool | None:
        looks = self._looks(receipt)
        return None if looks is None else is_proven(looks)

    @extend_schema_field(SearchedSerializer(many=True))
    def get_searched(self, receipt: DeletionReceipt) -> Any:
        return SearchedSerializer(self._looks(receipt) or [], many=True).data
