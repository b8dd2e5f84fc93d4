"""The project's own lists in the API: what is shown, and the bodies."""

from rest_framework import serializers

from annotation.models import Category
from annotation.models.categories import LONGEST_EDGE, LONGEST_NAME
from annotation.services import categories as services
from annotation.services.categories import LONGEST_DESCRIPTION
from core.api.fields import Body, IdField, SeenField, TextField


class CategorySerializer(serializers.ModelSerializer[Category]):
    """A slice or a kind of edge case. Examples have its `key`; `merged_into` is set for an old name."""

    seen = serializers.SerializerMethodField()

    class Meta:
        model = Category
        fields = (
            "id",
            "kind",
            "key",
            "name",
            "description",
            "position",
            "active",
            "origin",
            "merged_into",
            "seen",
        )
        read_only_fields = fields

    def get_seen(self, category: Category) -> str:
        return services.category_stamp(category)


class NewCategorySerializer(Body):
    kind = serializers.ChoiceField(choices=Category.Kind.choices)
    name = TextField(max_length=LONGEST_NAME)
    description = TextField(max_length=LONGEST_DESCRIPTION, required=False, default="", allow_blank=True)
    key = TextField(
        max_length=LONGEST_EDGE,
        required=False,
        default="",
        allow_blank=True,
        help_text="Of a kind of edge case, for files; empty: made from the name.",
    )


class CategoryChangeSerializer(Body):
    name = TextField(max_length=LONGEST_NAME, required=False)
    description = TextField(max_length=LONGEST_DESCRIPTION, required=False, allow_blank=True)
    seen = SeenField()


class MergeSerializer(Body):
    into = IdField(help_text="The entry that the examples get.")
    seen = SeenField()
