"""Shapes of the API. People who rate blind get neutral names."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.api.fields import Body, TextField, WrittenField, declared
from core.models import ApiKey
from inference import queries
from inference.models import Answer, Conversation, Deployment, Engine, WeightCheck
from inference.services.conversations import MAX_CONTEXT, MAX_QUESTION
from training.queries import people_trained_on, trained_rows


class WeightCheckSerializer(serializers.ModelSerializer[WeightCheck]):
    """A check whether an engine's models give the same answers alone and together."""

    adapters = serializers.IntegerField(help_text="The number of adapters asked besides the base model.")

    class Meta:
        model = WeightCheck
        fields = (
            "id", "outcome", "reason", "adapters", "began_at", "ended_at", "doubtful_since", "marked",
        )  # fmt: skip


class EngineSerializer(serializers.ModelSerializer[Engine]):
    base_model = serializers.SlugRelatedField[Any](slug_field="slug", read_only=True)
    beating = serializers.SerializerMethodField(help_text="Whether the engines process updated it recently.")
    weight_checks = serializers.SerializerMethodField(
        help_text="The newest checks of its weights, newest first."
    )

    class Meta:
        model = Engine
        fields = (
            "id", "name", "backend", "base_model", "version", "attached", "status", "since", "heartbeat_at", "beating",
            "restarts", "error", "options", "adapter_loads", "weight_checks",
        )  # fmt: skip

    def get_beating(self, engine: Engine) -> bool:
        return queries.is_beating(engine)

    @extend_schema_field(WeightCheckSerializer(many=True))
    def get_weight_checks(self, engine: Engine) -> Any:
        checks = self.context.get("checks", {})
        return WeightCheckSerializer(checks.get(engine.pk, []), many=True).data


class DeploymentSerializer(serializers.ModelSerializer[Deployment]):
    label = declared(serializers.SerializerMethodField())
    engine = serializers.SlugRelatedField[Any](slug_field="name", read_only=True, allow_null=True)
    served_name = serializers.CharField(source="version.served_name")
    ready = serializers.SerializerMethodField(help_text="Whether it can answer now.")
    state = serializers.SerializerMethodField(help_text="Why it can or cannot answer, in one sentence.")

    class Meta:
        model = Deployment
        fields = (
            "version", "label", "served_name", "engine", "wanted", "status", "ready", "state", "error", "requested_at",
            "loaded_at", "seconds_to_load",
        )  # fmt: skip

    def get_label(self, deployment: Deployment) -> str:
        return queries.version_label(deployment.version)

    def get_ready(self, deployment: Deployment) -> bool:
        return queries.state_of(deployment).ready

    def get_state(self, deployment: Deployment) -> str:
        return queries.state_of(deployment).sentence


class SpeedSerializer(serializers.Serializer[Any]):
    """Measured over finished answers of the last seven days."""

    version = serializers.IntegerField()
    n = serializers.IntegerField(help_text="answers")
    first_ms = serializers.FloatField(help_text="median time to first token, milliseconds")
    first_ms_p95 = serializers.FloatField(help_text="its 95th percentile")
    tokens_per_second = serializers.FloatField(
        allow_null=True, help_text="median speed after the first token"
    )


class ChatCandidateSerializer(serializers.Serializer[Any]):
    """`code` is the name of a candidate in conversations. It does not show which model it is."""

    code = serializers.CharField()
    label = declared(serializers.CharField())
    live = serializers.BooleanField()
    ready = serializers.BooleanField(source="state.ready")


class ChatTurnSerializer(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    question = serializers.CharField()
    answer = serializers.UUIDField(source="answer.public_id")
    text = serializers.CharField(source="answer.text")
    status = serializers.CharField(source="answer.status")
    finish_reason = serializers.CharField(source="answer.finish_reason")
    doubt = serializers.CharField(
        source="answer.doubt", help_text="Why this answer may come from other weights; empty: no doubt."
    )
    tries = serializers.IntegerField()
    mark = serializers.SerializerMethodField(help_text="Your mark: good, bad, or empty.")

    def get_mark(self, turn: queries.Turn) -> str:
        return "" if turn.mark is None else "good" if turn.mark.good else "bad"


class ConversationSerializer(serializers.ModelSerializer[Conversation]):
    candidate = serializers.SerializerMethodField()
    label = declared(serializers.SerializerMethodField())

    class Meta:
        model = Conversation
        fields: ClassVar[tuple[str, ...]] = (
            "id",
            "title",
            "candidate",
            "label",
            "context",
            "created_at",
            "changed_at",
        )

    def get_candidate(self, conversation: Conversation) -> str:
        return queries.model_code(conversation.version)

    def get_label(self, conversation: Conversation) -> str:
        if self.context.get("blind", True):
            return queries.candidate_label(conversation.version)
        return queries.version_label(conversation.version)


class ConversationTurnsSerializer(ConversationSerializer):
    turns = serializers.SerializerMethodField()

    class Meta(ConversationSerializer.Meta):
        fields: ClassVar[tuple[str, ...]] = (*ConversationSerializer.Meta.fields, "turns")

    @extend_schema_field(ChatTurnSerializer(many=True))
    def get_turns(self, conversation: Conversation) -> Any:
        turns = queries.with_own(queries.turns_of(conversation), conversation.user)
        return ChatTurnSerializer(turns, many=True).data


class NewConversationSerializer(Body):
    candidate = TextField(max_length=40)
    context = declared(
        WrittenField(
            max_length=MAX_CONTEXT,
            required=False,
            default="",
            allow_blank=True,
            help_text="One record per line.",
        )
    )
    title = TextField(max_length=120, required=False, default="", allow_blank=True)


class QuestionSerializer(Body):
    text = WrittenField(
        max_length=MAX_QUESTION,
        required=False,
        help_text="If it is missing, the last question is asked again.",
    )


class ChatCorrectionSerializer(Body):
    completion = WrittenField(max_length=20_000)
    topic = TextField(
        max_length=120, required=False, default="", allow_blank=True, help_text="The slice it belongs to."
    )
    edge = TextField(
        max_length=24,
        required=False,
        default="",
        allow_blank=True,
        help_text="The key of a kind of edge case.",
    )


class FiledSerializer(serializers.Serializer[Any]):
    example = serializers.IntegerField(help_text="The example that it became.")


class KeyNameSerializer(serializers.ModelSerializer[ApiKey]):
    class Meta:
        model = ApiKey
        fields = ("name", "prefix")


class AnswerSerializer(serializers.ModelSerializer[Answer]):
    version_label = serializers.SerializerMethodField()
    user = serializers.SlugRelatedField[Any](slug_field="name", read_only=True, allow_null=True)
    key = KeyNameSerializer(source="api_key", allow_null=True)

    class Meta:
        model = Answer
        fields: ClassVar[tuple[str, ...]] = (
            "public_id", "version", "version_label", "purpose", "user", "key", "question", "text", "status", "finish_reason",
            "error", "doubt", "prompt_tokens", "completion_tokens", "first_token_ms", "duration_ms", "created_at",
        )  # fmt: skip

    def get_version_label(self, answer: Answer) -> str:
        return queries.version_label(answer.version)


class LineageStepSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField()
    label = declared(serializers.CharField())
    url = serializers.CharField(allow_blank=True)
    detail = serializers.CharField(allow_blank=True)


class PersonRowsSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(source="person.name")
    rows = serializers.IntegerField()


class ApproverRowsSerializer(PersonRowsSerializer):
    how = serializers.ChoiceField(choices=["review", "bulk", "import"])


class PeopleSerializer(serializers.Serializer[Any]):
    """Who imported, wrote, approved and reviewed the rows; all counts are of rows.

    `never_reviewed` rows were accepted only by their writer. `elsewhere` rows were imported and not changed, `edited`
    rows were changed here, `here` rows were written here.
    """

    rows = serializers.IntegerField()
    never_reviewed = serializers.IntegerField()
    elsewhere = serializers.IntegerField()
    edited = serializers.IntegerField()
    here = serializers.IntegerField()
    imported = PersonRowsSerializer(many=True)
    written = PersonRowsSerializer(many=True)
    approved = ApproverRowsSerializer(many=True)
    reviewed = PersonRowsSerializer(many=True)


class AnswerLineageSerializer(AnswerSerializer):
    lineage = serializers.SerializerMethodField(
        help_text="From the answer back to the base model, nearest first."
    )
    people = serializers.SerializerMethodField(help_text="The people behind the rows it was trained on.")
    examples = serializers.SerializerMethodField(help_text="The number of rows it was actually trained on.")

    class Meta(AnswerSerializer.Meta):
        fields: ClassVar[tuple[str, ...]] = (
            *AnswerSerializer.Meta.fields,
            "messages",
            "params",
            "lineage",
            "people",
            "examples",
        )

    @extend_schema_field(LineageStepSerializer(many=True))
    def get_lineage(self, answer: Answer) -> Any:
        return LineageStepSerializer(queries.lineage(answer), many=True).data

    @extend_schema_field(PeopleSerializer)
    def get_people(self, answer: Answer) -> Any:
        return PeopleSerializer(people_trained_on(answer.version.training_run)).data

    def get_examples(self, answer: Answer) -> int:
        return trained_rows(answer.version.training_run).count()
