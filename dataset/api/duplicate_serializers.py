"""Serializers of duplicates."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.api.fields import Body, IdField, SeenField, TextField
from core.api.serializers import PersonSerializer, RunSerializer
from dataset.models import DuplicateCluster, DuplicateSearch, NearTest
from dataset.queries.duplicates import members_in, members_of
from dataset.services.duplicates import LONGEST_REASON, KeepRule, cluster_stamp

MOST_TOLD = 1000


class DuplicateSearchSerializer(serializers.ModelSerializer[DuplicateSearch]):
    """A search for duplicates. `counts` is filled when it has ended: `examples`, `clusters` by kind, `disagreeing`, `near_test`, and how
    many answers were compared by value (`answers`), by meaning (`embedded`) and not at all (`not_compared`)."""

    id = serializers.IntegerField(read_only=True, allow_null=True, help_text="null before the first search")
    run = RunSerializer(read_only=True, allow_null=True)
    counts = serializers.DictField(read_only=True)

    class Meta:
        model = DuplicateSearch
        fields = ("id", "run", "counts", "found_at")
        read_only_fields = fields


class ClusterSerializer(serializers.ModelSerializer[DuplicateCluster]):
    """A cluster. `says` names two answers that disagree; `likeness` is the lowest cosine similarity of two answers to one question."""

    settled_by = PersonSerializer(read_only=True, allow_null=True)
    # Both can be empty, which a read-only field of a model does not say in the schema.
    disagreement = serializers.ChoiceField(
        choices=DuplicateCluster.Disagreement.choices, allow_blank=True, read_only=True
    )
    outcome = serializers.ChoiceField(
        choices=DuplicateCluster.Outcome.choices, allow_blank=True, read_only=True
    )

    class Meta:
        model = DuplicateCluster
        fields: tuple[str, ...] = (
            "id", "kind", "status", "first", "size", "in_use", "exact", "tested", "disagreement", "says", "likeness", "found_at",
            "outcome", "reason", "settled_by", "settled_at",
        )  # fmt: skip
        read_only_fields = fields


class MemberSerializer(serializers.Serializer[Any]):
    """An example of a cluster. `similarity` is that to the first one; members with one `part` from 1 ask the same with the same records
    and answer differently. `held_out`: it is a test row of a dataset version. `kept` is null while the cluster is open."""

    example = serializers.IntegerField(source="example.pk")
    status = serializers.CharField(source="example.status")
    similarity = serializers.FloatField(source="member.similarity")
    part = serializers.IntegerField(source="member.part")
    versions = serializers.ListField(child=serializers.IntegerField())
    held_out = serializers.BooleanField()
    suggested = serializers.BooleanField()
    kept = serializers.BooleanField(source="member.kept", allow_null=True)


class OpenClusterSerializer(ClusterSerializer):
    """A cluster with its members, the first 1,000. Send `seen` when you settle it or undo that."""

    members = serializers.SerializerMethodField()
    seen = serializers.SerializerMethodField()

    class Meta(ClusterSerializer.Meta):
        fields: tuple[str, ...] = (*ClusterSerializer.Meta.fields, "members", "seen")
        read_only_fields = fields

    @extend_schema_field(MemberSerializer(many=True))
    def get_members(self, cluster: DuplicateCluster) -> list[dict[str, Any]]:
        return [
            dict(one)
            for one in MemberSerializer(members_of(cluster, members_in(cluster)[:MOST_TOLD]), many=True).data
        ]

    def get_seen(self, cluster: DuplicateCluster) -> str:
        return cluster_stamp(cluster)


class SettleClusterSerializer(Body):
    """Give `keep`, a `rule` that chooses one to keep, or `all_wanted` with a reason."""

    keep = serializers.ListField(
        child=IdField(),
        required=False,
        default=list,
        max_length=10_000,
        help_text="The examples to keep; all others of the cluster are retired.",
    )
    rule = serializers.ChoiceField(choices=KeepRule.choices, required=False, default="", allow_blank=True)
    all_wanted = serializers.BooleanField(required=False, default=False)
    reason = TextField(required=False, default="", allow_blank=True, max_length=LONGEST_REASON)
    seen = SeenField()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["all_wanted"] and attrs["keep"]:
            raise serializers.ValidationError({"keep": ["Leave it out when all are wanted."]})
        if attrs["rule"] and (attrs["keep"] or attrs["all_wanted"]):
            raise serializers.ValidationError({"rule": ["Give it alone."]})
        return attrs


class NearTestSerializer(serializers.ModelSerializer[NearTest]):
    """An example that is too near to a test row: a freeze withholds it. `test_example` is the example of that row, `version` the number
    of a dataset version that has it, `test_messages` its conversation there."""

    status = serializers.CharField(source="example.status", read_only=True)
    test_example = serializers.IntegerField(source="row.example_id", read_only=True)
    version = serializers.IntegerField(source="row.dataset.number", read_only=True)
    test_messages = serializers.JSONField(source="row.revision.content.messages", read_only=True)

    class Meta:
        model = NearTest
        fields = ("example", "status", "similarity", "test_example", "version", "test_messages")
        read_only_fields = fields


class RetireNearSerializer(Body):
    """Which examples of the list to retire; all of it without `examples`."""

    examples = serializers.ListField(
        child=IdField(), required=False, allow_null=True, default=None, max_length=10_000
    )
    search = IdField(
        required=False, help_text="The id of the search whose list was read; 409 when there is a newer one."
    )


class RetiredNearSerializer(serializers.Serializer[Any]):
    examples = serializers.IntegerField(help_text="How many examples got another status.")
