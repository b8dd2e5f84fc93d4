"""Shapes of training's API."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.api.fields import Body, CountField, IdField, TextField, declared
from core.api.serializers import RunSerializer
from training.methods import METHODS
from training.models import BaseModel, MetricPoint, ModelVersion, SampleAnswer, TrainingRun
from training.objectives import OBJECTIVES, SUPERVISED


class BaseModelSerializer(serializers.ModelSerializer[BaseModel]):
    sha256 = serializers.CharField(source="artifact.sha256", default=None, read_only=True, allow_null=True)
    failure = serializers.SerializerMethodField(help_text="Why it could not be prepared; empty otherwise.")

    class Meta:
        model = BaseModel
        fields = (
            "id", "name", "slug", "kind", "location", "revision", "license", "status", "failure",
            "parameter_count", "context_length", "chat_template_hash", "stop_token", "sha256", "created_at",
        )  # fmt: skip

    def get_failure(self, base: BaseModel) -> str:
        return base.run.error_message if base.run and base.status == BaseModel.Status.FAILED else ""


class NewBaseModelSerializer(Body):
    name = TextField(max_length=120)
    kind = serializers.ChoiceField(choices=BaseModel.Kind.choices)
    location = TextField(max_length=300, help_text="Package, folder below the model folders, or owner/name.")
    revision = TextField(max_length=40, required=False, default="", allow_blank=True)
    license = TextField(max_length=120, required=False, default="", allow_blank=True)


class SettingSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    kind = serializers.CharField(help_text="int, float, bool or choice")
    label = declared(serializers.CharField())
    help = serializers.CharField()
    unit = serializers.CharField()
    default = serializers.JSONField()
    source = declared(serializers.CharField(help_text="Why the default is what it is."))
    least = serializers.FloatField(allow_null=True)
    most = serializers.FloatField(allow_null=True)
    choices = serializers.ListField(child=serializers.ListField(child=serializers.CharField()))
    advanced = serializers.BooleanField()
    fixed = serializers.CharField(help_text="Why only the default is possible; empty when there is a choice.")


class MethodSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    label = declared(serializers.CharField())
    summary = serializers.CharField()
    group = serializers.CharField(help_text="The heading under which pages list it.")
    serving_plan = serializers.CharField(
        help_text="With the default settings; a preflight says it for others."
    )
    settings = SettingSerializer(many=True)


class ObjectiveSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    label = declared(serializers.CharField())
    summary = serializers.CharField()
    dataset_kind = serializers.CharField(help_text="The kind of dataset version that it learns from.")
    needs = serializers.CharField(help_text="Which rows such a version must have.")
    needs_reference = serializers.BooleanField(
        help_text="Whether the model before training is asked for all answers first."
    )
    learning_rate_share = serializers.FloatField(
        help_text="The default learning rate, as a share of the method's."
    )
    settings = SettingSerializer(many=True, help_text="Its own settings, besides those of the method.")


class LaunchSerializer(Body):
    objective = serializers.ChoiceField(
        choices=[(objective.name, objective.label) for objective in OBJECTIVES.values()],
        required=False,
        default=SUPERVISED.name,
        help_text="What the run learns from.",
    )
    method = serializers.ChoiceField(choices=[(method.name, method.label) for method in METHODS.values()])
    base_model = serializers.PrimaryKeyRelatedField(queryset=BaseModel.objects.all(), pk_field=IdField())
    dataset = CountField(min_value=1, help_text="The dataset version's number in this project.")
    continued_from = IdField(
        required=False,
        allow_null=True,
        help_text="Id of the model version of this project to continue from; null starts from the base model.",
    )
    recipe = serializers.DictField(
        required=False,
        default=dict,
        help_text="Settings that differ from the defaults of method and objective.",
        error_messages={"not_a_dict": "Give an object of settings and their values."},
    )
    note = TextField(required=False, default="", allow_blank=True, max_length=300)


class RowSerializer(serializers.Serializer[Any]):
    position = serializers.IntegerField(help_text="Place in the dataset, from 0.")
    example = serializers.IntegerField(help_text="Id of the example it came from.")


class FindingSerializer(serializers.Serializer[Any]):
    level = serializers.CharField(help_text="stop or warn")
    message = serializers.CharField()
    advice = serializers.CharField()
    setting = serializers.CharField()
    rows = RowSerializer(many=True, help_text="The first rows that it is about.")


class EstimateSerializer(serializers.Serializer[Any]):
    steps = serializers.IntegerField()
    tokens = serializers.IntegerField()
    trainable = serializers.IntegerField()
    memory_bytes = serializers.IntegerField()
    seconds = serializers.FloatField()
    parts = serializers.DictField(
        child=serializers.FloatField(),
        help_text="Seconds by kind of work: load, reference, train, evaluate, sample, save, store.",
    )
    unit_seconds = serializers.DictField(
        child=serializers.FloatField(),
        help_text="Seconds of one token, evaluation, round of samples and so on.",
    )
    tokens_per_second = serializers.FloatField()
    speed_from = serializers.CharField(help_text="Where the speed comes from.")
    disk_bytes = serializers.IntegerField()
    device = serializers.CharField()
    tokens_exact = serializers.BooleanField()
    processes = serializers.IntegerField(
        help_text="How many train it together, one for each device; memory_bytes are those of each."
    )
    hosts = serializers.IntegerField()


class MachineSerializer(serializers.Serializer[Any]):
    host = serializers.CharField()
    device = serializers.CharField()
    device_name = serializers.CharField()
    threads = serializers.IntegerField()
    memory_total = serializers.IntegerField()
    memory_free = serializers.IntegerField()
    disk_free = serializers.IntegerField()
    devices = serializers.IntegerField(help_text="Processes that can train one run together, on each host.")
    hosts = serializers.IntegerField()


class PreflightSerializer(serializers.Serializer[Any]):
    ok = serializers.BooleanField()
    counting = serializers.BooleanField(
        help_text="Whether rows are still being counted. If so, send the same request again in a moment."
    )
    findings = FindingSerializer(many=True)
    estimate = EstimateSerializer(allow_null=True)
    machine = MachineSerializer(allow_null=True)
    serving_plan = serializers.CharField(help_text="How the result will be served.")


class TrainingRunSerializer(serializers.ModelSerializer[TrainingRun]):
    run = RunSerializer(read_only=True)
    base_model = serializers.CharField(source="base_model.name", read_only=True)
    dataset = serializers.IntegerField(source="dataset.number", read_only=True)
    launched_by = serializers.CharField(source="launched_by.name", read_only=True)
    continued_from = serializers.IntegerField(
        source="continued_from_id",
        read_only=True,
        allow_null=True,
        help_text="Id of the model version that it continues from; null when it starts from the base model.",
    )
    model_version = serializers.SerializerMethodField(
        help_text="Id of the model version that the run made, or null."
    )
    resumes = serializers.ListField(child=serializers.DictField(), read_only=True)

    class Meta:
        model = TrainingRun
        fields = (
            "number", "run", "base_model", "dataset", "continued_from", "percent", "method", "objective", "recipe", "recipe_hash", "note",
            "code_version", "serving_plan", "planned_steps", "done_steps", "checkpoint_step", "train_rows", "train_tokens", "tokens_per_second",
            "peak_memory_bytes", "loss_before", "loss_after", "resumes", "environment", "estimate", "data_facts",
            "measured", "counted", "undisturbed_speed", "launched_by", "created_at", "model_version",
        )  # fmt: skip

    @extend_schema_field(serializers.IntegerField(allow_null=True))
    def get_model_version(self, training_run: TrainingRun) -> int | None:
        version = getattr(training_run, "model_version", None)
        return version.pk if version else None


class PointSerializer(serializers.ModelSerializer[MetricPoint]):
    figures = serializers.DictField(
        child=serializers.FloatField(),
        read_only=True,
        help_text="Of held-out preferences: accuracy, margin, rewards and log-probabilities; empty for a supervised run.",
    )

    class Meta:
        model = MetricPoint
        fields = ("series", "step", "epoch", "loss", "learning_rate", "tokens_per_second", "figures", "at")


class SampleSerializer(serializers.ModelSerializer[SampleAnswer]):
    class Meta:
        model = SampleAnswer
        fields = ("step", "question", "answer", "reference")


class ModelVersionSerializer(serializers.ModelSerializer[ModelVersion]):
    name = serializers.CharField(source="__str__", read_only=True)
    base_model = serializers.CharField(source="base_model.name", read_only=True)
    run = serializers.IntegerField(
        source="training_run.number", default=None, read_only=True, allow_null=True
    )
    dataset = serializers.IntegerField(
        source="training_run.dataset.number", default=None, read_only=True, allow_null=True
    )
    continued_from = serializers.IntegerField(
        source="parent_id",
        read_only=True,
        allow_null=True,
        help_text="Id of the model version that it was made from; null when that is the base model.",
    )
    sha256 = serializers.CharField(source="artifact.sha256", read_only=True)
    size_bytes = serializers.IntegerField(source="artifact.size_bytes", read_only=True)

    class Meta:
        model = ModelVersion
        fields: ClassVar[tuple[str, ...]] = (
            "id", "number", "name", "kind", "status", "served_name", "base_model", "continued_from", "run", "dataset", "adapter_rank",
            "sha256", "size_bytes", "parity_report", "files_report", "note", "created_at", "ready_at",
        )  # fmt: skip


class FileSerializer(serializers.Serializer[Any]):
    path = serializers.CharField()
    sha256 = serializers.CharField()
    size = serializers.IntegerField()


class OneModelVersionSerializer(ModelVersionSerializer):
    files = FileSerializer(source="artifact.manifest", many=True, read_only=True)

    class Meta(ModelVersionSerializer.Meta):
        fields: ClassVar[tuple[str, ...]] = (*ModelVersionSerializer.Meta.fields, "files")
