"""Serializers of core's objects."""

from typing import Any, ClassVar

from rest_framework import serializers

from core.api.fields import Body, SeenField, TextField, WrittenField, declared
from core.audit.sentences import sentence
from core.models import (
    ApiKey,
    AuditEntry,
    Membership,
    Project,
    ProjectArchive,
    ProjectImport,
    Role,
    Run,
    User,
)
from core.models.people import LONGEST_PASSWORD, MOST_TEMPERATURE, MOST_TOKENS
from core.services.projects import roles_stamp, settings_stamp


class PersonSerializer(serializers.ModelSerializer[User]):
    class Meta:
        model = User
        fields = ("id", "name", "email")


class ProjectSerializer(serializers.ModelSerializer[Project]):
    """A project. `slug` is its address; it cannot change. Send `seen` when you change the settings."""

    seen = serializers.SerializerMethodField()
    slug = serializers.SlugField(max_length=60, required=False)
    lease_minutes = serializers.IntegerField(min_value=1, max_value=480, required=False)

    class Meta:
        model = Project
        fields = (
            "slug", "name", "description", "guideline", "system_prompt", "lease_minutes", "temperature", "max_tokens",
            "created_at", "seen",
        )  # fmt: skip
        read_only_fields = ("created_at",)

    def get_seen(self, project: Project) -> str:
        return settings_stamp(project)


class NewProjectSerializer(Body):
    name = TextField(max_length=120)
    slug = serializers.SlugField(max_length=60, required=False, default="")
    description = TextField(max_length=300, required=False, default="", allow_blank=True)
    guideline = WrittenField(required=False, default="", allow_blank=True)
    system_prompt = WrittenField(required=False, default="", allow_blank=True)


class ProjectChangeSerializer(Body):
    name = TextField(max_length=120, required=False)
    description = TextField(max_length=300, required=False, allow_blank=True)
    guideline = WrittenField(required=False, allow_blank=True)
    system_prompt = WrittenField(required=False, allow_blank=True)
    lease_minutes = serializers.IntegerField(min_value=1, max_value=480, required=False)
    temperature = serializers.FloatField(
        min_value=0,
        max_value=MOST_TEMPERATURE,
        required=False,
        help_text="The temperature of answers when a request gives none.",
    )
    max_tokens = serializers.IntegerField(
        min_value=1,
        max_value=MOST_TOKENS,
        required=False,
        help_text="The longest answer when a request gives no limit.",
    )
    seen = SeenField()


class MembershipSerializer(serializers.ModelSerializer[Membership]):
    """Send `seen` when you change the roles."""

    user = PersonSerializer(read_only=True)
    roles = serializers.ListField(child=serializers.ChoiceField(choices=Role.choices))
    seen = serializers.SerializerMethodField()

    class Meta:
        model = Membership
        fields: ClassVar[tuple[str, ...]] = ("id", "user", "roles", "created_at", "seen")

    def get_seen(self, membership: Membership) -> str:
        return roles_stamp(membership)


class MyMembershipSerializer(serializers.ModelSerializer[Membership]):
    project = serializers.SlugRelatedField[Project](slug_field="slug", read_only=True)
    name = serializers.CharField(source="project.name", read_only=True)

    class Meta:
        model = Membership
        fields = ("project", "name", "roles")


class MeSerializer(serializers.ModelSerializer[User]):
    memberships = serializers.SerializerMethodField()

    class Meta:
        model = User
        fields = ("id", "name", "email", "theme", "is_operator", "memberships")

    def get_memberships(self, user: User) -> list[dict[str, Any]]:
        return list(MyMembershipSerializer(self.context["memberships"], many=True).data)


class MeChangeSerializer(Body):
    """What you can change in your account; fields that are left out stay."""

    name = TextField(max_length=120, required=False)
    theme = serializers.ChoiceField(choices=User.Theme.choices, required=False)


class FirstPasswordSerializer(serializers.Serializer[Any]):
    """Shown once; the person must change it before they can use the pages."""

    first_password = serializers.CharField(read_only=True)


class NewPersonSerializer(Body):
    email = serializers.EmailField(max_length=254)
    name = TextField(max_length=120, required=False, default="", allow_blank=True)
    roles = serializers.ListField(
        child=serializers.ChoiceField(choices=Role.choices), allow_empty=False, max_length=len(Role)
    )


class AddedPersonSerializer(MembershipSerializer):
    """`first_password` is given once: for a new account, and for one whose first password was not changed."""

    first_password = serializers.CharField(allow_null=True, read_only=True)

    class Meta(MembershipSerializer.Meta):
        fields: ClassVar[tuple[str, ...]] = (*MembershipSerializer.Meta.fields, "first_password")


class RolesSerializer(Body):
    roles = serializers.ListField(
        child=serializers.ChoiceField(choices=Role.choices), allow_empty=False, max_length=len(Role)
    )
    seen = SeenField()


class KeySerializer(serializers.ModelSerializer[ApiKey]):
    """A key without its secret, which cannot be shown again."""

    created_by = PersonSerializer(read_only=True, allow_null=True)

    class Meta:
        model = ApiKey
        fields: ClassVar[tuple[str, ...]] = (
            "id", "name", "prefix", "created_by", "created_at", "last_used_at", "revoked_at",
        )  # fmt: skip
        read_only_fields = ("prefix", "created_at", "last_used_at", "revoked_at")


class AccountSerializer(serializers.ModelSerializer[User]):
    """An account, for people who manage it."""

    class Meta:
        model = User
        fields = (
            "id",
            "name",
            "email",
            "is_active",
            "is_operator",
            "must_change_password",
            "last_login",
            "created_at",
        )
        read_only_fields = fields


class NewKeySerializer(Body):
    name = TextField(max_length=120)


class MadeKeySerializer(KeySerializer):
    """`secret` is only in this response."""

    secret = serializers.CharField(read_only=True)

    class Meta(KeySerializer.Meta):
        fields: ClassVar[tuple[str, ...]] = (*KeySerializer.Meta.fields, "secret")


class PasswordSerializer(Body):
    old = WrittenField(max_length=LONGEST_PASSWORD)
    new = WrittenField(max_length=LONGEST_PASSWORD)


class RunSerializer(serializers.ModelSerializer[Run]):
    """A background job. `percent` and `eta_at` are null while they are not known."""

    percent = serializers.IntegerField(allow_null=True, read_only=True)
    created_by = PersonSerializer(read_only=True, allow_null=True)

    class Meta:
        model = Run
        fields = (
            "id", "kind", "title", "status", "done", "total", "percent", "message", "eta_at", "queue", "attempt",
            "error_code", "error_message", "error_advice", "created_by", "created_at", "started_at", "finished_at",
        )  # fmt: skip


class NewArchiveSerializer(Body):
    with_weights = serializers.BooleanField(
        required=False, default=False, help_text="Whether the files of models are in it."
    )


class ProjectArchiveSerializer(serializers.ModelSerializer[ProjectArchive]):
    """An archive of a project. `size_bytes` and `sha256` are null while it has no file."""

    run = RunSerializer(read_only=True)
    created_by = PersonSerializer(read_only=True, allow_null=True)
    size_bytes = serializers.IntegerField(
        source="artifact.size_bytes", allow_null=True, default=None, read_only=True
    )
    sha256 = serializers.CharField(source="artifact.sha256", allow_null=True, default=None, read_only=True)

    class Meta:
        model = ProjectArchive
        fields = (
            "id", "with_weights", "run", "size_bytes", "sha256", "created_by", "created_at", "expires_at", "removed_at",
        )  # fmt: skip


class NewProjectImportSerializer(Body):
    file = serializers.FileField(help_text="A project archive.")
    slug = serializers.SlugField(
        max_length=60,
        required=False,
        default="",
        allow_blank=True,
        help_text="The address of the project here. Empty: the address that it had.",
    )


class ProjectImportSerializer(serializers.ModelSerializer[ProjectImport]):
    """An imported project archive. `project` is the address of the project once it is stored; `new_accounts` have no password."""

    run = RunSerializer(read_only=True, allow_null=True)
    created_by = PersonSerializer(read_only=True, allow_null=True)
    project = serializers.SlugRelatedField[Project](slug_field="slug", read_only=True, allow_null=True)
    new_accounts = serializers.SerializerMethodField()
    missing_files = serializers.SerializerMethodField()

    class Meta:
        model = ProjectImport
        fields = (
            "id", "file_name", "archive_id", "slug", "run", "project", "new_accounts", "missing_files", "created_by", "created_at",
        )  # fmt: skip

    def get_new_accounts(self, started: ProjectImport) -> list[str]:
        return [str(person["email"]) for person in started.result.get("people", [])]

    def get_missing_files(self, started: ProjectImport) -> int:
        missing = started.result.get("missing", 0)
        return missing if isinstance(missing, int) else 0


class AuditEntrySerializer(serializers.ModelSerializer[AuditEntry]):
    sentence = serializers.SerializerMethodField()

    class Meta:
        model = AuditEntry
        fields = (
            "id", "at", "actor_id", "actor", "action", "object_type", "object_id", "object_label", "sentence", "detail",
            "imported",
        )  # fmt: skip

    def get_sentence(self, entry: AuditEntry) -> str:
        return sentence(entry)


class StageCardSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    label = declared(serializers.CharField())
    figure = serializers.CharField()
    line = serializers.CharField()
    url = serializers.CharField()


class NextItemSerializer(serializers.Serializer[Any]):
    title = serializers.CharField()
    line = serializers.CharField()
    url = serializers.CharField()
    action = serializers.CharField()


class LoopSerializer(serializers.Serializer[Any]):
    """The project's Home: the stages that this person can see, and the next steps."""

    stages = StageCardSerializer(many=True)
    next = NextItemSerializer(many=True)


class PartSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    label = declared(serializers.CharField())
    up = serializers.BooleanField()
    detail = serializers.CharField()
    since = serializers.DateTimeField(allow_null=True)
    needed_for = serializers.CharField()
