"""What a version forgot, in the API."""

from typing import Any

from rest_framework import serializers

from core.api.fields import declared
from core.api.serializers import RunSerializer
from training.forgetting import WORDS
from training.models import ForgettingItem


class MeasuredDifferenceSerializer(serializers.Serializer[Any]):
    """Before and after training, and how much worse: below zero is better. Bounds are of a 95% interval."""

    before = serializers.FloatField()
    after = serializers.FloatField()
    worse = serializers.FloatField()
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    p_worse = serializers.FloatField(allow_null=True)


class ForgettingTaskSerializer(serializers.Serializer[Any]):
    """One task. `right` has shares of right answers, null for a task without a check; `loss` is in nats per token."""

    task = serializers.CharField(source="figures.task")
    label = declared(serializers.CharField(source="figures.label"))
    n = serializers.IntegerField(source="figures.n")
    right = MeasuredDifferenceSerializer(source="figures.right", allow_null=True)
    loss = MeasuredDifferenceSerializer(source="figures.loss")
    lost = serializers.IntegerField(source="figures.lost")
    gained = serializers.IntegerField(source="figures.gained")
    conclusion = serializers.ChoiceField(source="verdict", choices=list(WORDS))
    why = serializers.CharField()


class ForgottenSerializer(serializers.Serializer[Any]):
    """What a version forgot. Everything but `tasks` is null before it was measured; `outdated` when the general set has changed since."""

    run = RunSerializer(source="measurement.run", allow_null=True, default=None)
    previous = serializers.IntegerField(source="measurement.previous_id", allow_null=True, default=None)
    set_version = serializers.CharField(source="measurement.set_version", allow_null=True, default=None)
    precision = serializers.CharField(source="measurement.precision", allow_null=True, default=None)
    measured_at = serializers.DateTimeField(source="measurement.measured_at", allow_null=True, default=None)
    left_out = serializers.IntegerField(source="measurement.left_out", allow_null=True, default=None)
    outdated = serializers.BooleanField()
    tasks = ForgettingTaskSerializer(many=True)


class ForgettingItemSerializer(serializers.ModelSerializer[ForgettingItem]):
    """An item before and after. Losses are of the reference, summed over its tokens, in nats."""

    class Meta:
        model = ForgettingItem
        fields = (
            "id", "task", "item", "question", "reference", "base_answer", "answer", "base_correct", "correct", "base_loss", "loss",
            "tokens",
        )  # fmt: skip
        read_only_fields = fields
