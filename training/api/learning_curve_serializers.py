"""Shapes of learning curves in the API."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.api.fields import Body, CountField, IdField
from core.api.serializers import RunSerializer
from training.extrapolation import Forecast
from training.learning_curves import forecast_of, points_of, sentences
from training.methods import METHODS
from training.models import BaseModel, CurvePoint, LearningCurve


class NewLearningCurveSerializer(Body):
    method = serializers.ChoiceField(choices=[(method.name, method.label) for method in METHODS.values()])
    base_model = serializers.PrimaryKeyRelatedField(queryset=BaseModel.objects.all(), pk_field=IdField())
    dataset = CountField(min_value=1, help_text="The dataset version's number in this project.")
    recipe = serializers.DictField(
        required=False,
        default=dict,
        help_text="Settings that differ from the method's defaults.",
        error_messages={"not_a_dict": "Give an object of settings and their values."},
    )
    repeats = serializers.IntegerField(
        required=False,
        default=3,
        min_value=1,
        max_value=LearningCurve.MOST_REPEATS,
        help_text="How often each share of the rows is drawn and trained.",
    )


class CurvePointSerializer(serializers.ModelSerializer[CurvePoint]):
    class Meta:
        model = CurvePoint
        fields = ("repeat", "share", "rows", "tokens", "steps", "loss", "seconds", "at")


class ShareFiguresSerializer(serializers.Serializer[Any]):
    share = serializers.IntegerField(help_text="Percent of the training rows.")
    rows = serializers.FloatField(help_text="Mean over the repeats.")
    repeats = serializers.IntegerField()
    loss = serializers.FloatField(help_text="Mean per token of the held-out completions, in nats.")
    low = serializers.FloatField(help_text="95% interval.")
    high = serializers.FloatField()
    drop = serializers.FloatField(allow_null=True, help_text="How much lower than at the share before.")
    drop_low = serializers.FloatField(allow_null=True)
    drop_high = serializers.FloatField(allow_null=True)


class AheadSerializer(serializers.Serializer[Any]):
    examples = serializers.IntegerField(help_text="More examples.")
    rows = serializers.IntegerField(help_text="How many of them are trained on.")
    until = serializers.IntegerField(
        allow_null=True, help_text="The number of examples that is reached, or null."
    )
    drop = serializers.FloatField(allow_null=True, help_text="By how much the loss falls.")
    low = serializers.FloatField(allow_null=True, help_text="95% interval.")
    high = serializers.FloatField(allow_null=True)
    refused = serializers.CharField(allow_blank=True, help_text="Why nothing is said; empty otherwise.")


class ForecastSerializer(serializers.Serializer[Any]):
    shares = ShareFiguresSerializer(many=True)
    ahead = AheadSerializer(many=True)
    sentences = serializers.ListField(child=serializers.CharField())
    exponent = serializers.FloatField(allow_null=True, help_text="Mean exponent of the curves that fit.")
    refused = serializers.CharField(allow_blank=True, help_text="Why there is no curve yet; empty otherwise.")

    def to_representation(self, instance: Forecast) -> dict[str, Any]:
        return super().to_representation({**instance.as_values(), "sentences": sentences(instance)})


class LearningCurveSerializer(serializers.ModelSerializer[LearningCurve]):
    run = RunSerializer(read_only=True)
    base_model = serializers.CharField(source="base_model.name", read_only=True)
    dataset = serializers.IntegerField(source="dataset.number", read_only=True)
    launched_by = serializers.CharField(source="launched_by.name", read_only=True)
    held_out_rows = serializers.SerializerMethodField(help_text="Test rows that every point is measured on.")

    class Meta:
        model = LearningCurve
        fields: ClassVar[tuple[str, ...]] = (
            "number", "run", "base_model", "dataset", "method", "recipe", "recipe_hash", "repeats", "code_version",
            "estimated_seconds", "held_out_rows", "left_out", "environment", "launched_by", "created_at",
        )  # fmt: skip

    def get_held_out_rows(self, curve: LearningCurve) -> int:
        return len(curve.held_out)


class OneLearningCurveSerializer(LearningCurveSerializer):
    points = serializers.SerializerMethodField()
    forecast = serializers.SerializerMethodField(help_text="Null until the first point is finished.")

    class Meta(LearningCurveSerializer.Meta):
        fields: ClassVar[tuple[str, ...]] = (*LearningCurveSerializer.Meta.fields, "points", "forecast")

    @extend_schema_field(CurvePointSerializer(many=True))
    def get_points(self, curve: LearningCurve) -> list[dict[str, Any]]:
        return list(CurvePointSerializer(points_of(curve), many=True).data)

    @extend_schema_field(ForecastSerializer(allow_null=True))
    def get_forecast(self, curve: LearningCurve) -> dict[str, Any] | None:
        found = forecast_of(curve)
        return dict(ForecastSerializer(found).data) if found is not None else None
