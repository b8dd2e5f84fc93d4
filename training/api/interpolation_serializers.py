"""Serializers of the way from the base model to a version."""

from typing import Any

from rest_framework import serializers

from core.api.fields import Body
from core.api.serializers import RunSerializer
from training.interpolation import BETWEEN


class ModelShareSerializer(serializers.Serializer[Any]):
    """One share in percent of the way from the base model. Losses are in nats a token: `held_out` of validation rows, `tasks` of the general
    set's reference answers. `forgotten` is the mean over tasks of what became less likely; `kept` and `gone` are parts of 1."""

    percent = serializers.IntegerField(source="figures.percent")
    held_out = serializers.FloatField(source="figures.held_out")
    tasks = serializers.DictField(source="figures.tasks", child=serializers.FloatField())
    forgotten = serializers.FloatField()
    kept = serializers.FloatField(allow_null=True)
    gone = serializers.FloatField(allow_null=True)


class ModelSharesSerializer(serializers.Serializer[Any]):
    """`run` is null before it was measured; `shares` is empty until both ends are."""

    run = RunSerializer(allow_null=True)
    rows = serializers.IntegerField()
    shares = ModelShareSerializer(many=True)


class ShareVersionSerializer(Body):
    percent = serializers.ChoiceField(choices=list(BETWEEN))
