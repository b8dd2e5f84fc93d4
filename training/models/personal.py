"""Personal and team adapters: a small adapter on top of a shared version, trained on what one person or team corrected."""

from typing import Any

from django.db import models


class Team(models.Model):
    """A named group of members of a project that shares one adapter."""

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="teams")
    name = models.CharField(max_length=80)
    members = models.ManyToManyField("core.User", through="TeamMember", related_name="teams")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(name="team_name_once", fields=["project", "name"])]

    def __str__(self) -> str:
        return self.name


class TeamMember(models.Model):
    """A person in a team. `uses` is their own switch: off, the team's adapter does not answer them."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey("core.User", on_delete=models.CASCADE, related_name="team_memberships")
    uses = models.BooleanField(default=True)

    class Meta:
        ordering = ["user__name"]
        constraints = [models.UniqueConstraint(name="team_member_once", fields=["team", "user"])]

    def __str__(self) -> str:
        return f"{self.user} in {self.team}"


class CorrectionSplit(models.Model):
    """Whether the corrections of a conversation train personal adapters or are held out. Decided once, for every person and team of
    the project: what was held out never trains one."""

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="correction_splits")
    group = models.CharField(
        max_length=200, help_text="Of annotation.Example: a conversation, or equal prompts."
    )
    held_out = models.BooleanField()
    decided_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="correction_split_once", fields=["project", "group"]),
        ]

    def __str__(self) -> str:
        return f"{self.group}: {'held out' if self.held_out else 'trains'}"


class PersonalAdapter(models.Model):
    """An adapter of one person or one team, and how it compares with its shared version on their held-out corrections.

    Only its owner's requests are answered with it, only while `on`, and only where `shared` answers. Texts are not copied here: rows
    are named by example, revision and hash.
    """

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="personal_adapters")
    number = models.PositiveIntegerField()
    owner = models.ForeignKey(
        "core.User", null=True, blank=True, on_delete=models.CASCADE, related_name="personal_adapters"
    )
    team = models.ForeignKey(Team, null=True, blank=True, on_delete=models.CASCADE, related_name="adapters")
    shared = models.ForeignKey(
        "training.ModelVersion", on_delete=models.PROTECT, related_name="adapters_on_top"
    )
    of_live = models.BooleanField(
        default=False,
        help_text="Its shared version was live at launch: when another is live, it is not used.",
    )
    run = models.OneToOneField("core.Run", on_delete=models.PROTECT, related_name="personal_adapter")
    version = models.OneToOneField(
        "training.ModelVersion",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="personal_adapter",
        help_text="What engines load: the shared version's adapter and this one, joined.",
    )
    recipe = models.JSONField(help_text="All parameters of training.methods.lora.LoRARecipe.")
    rows = models.JSONField(
        help_text="[{example, revision, hash, group, author, held_out}], as chosen at launch"
    )
    left_out = models.JSONField(default=dict, help_text="{reason: rows}, of training.personal.LEFT_OUT")
    tries = models.PositiveSmallIntegerField(
        default=1, help_text="Adapters of this owner measured on such rows, this one included."
    )
    losses = models.JSONField(
        default=list, help_text="[{hash, group, loss, other, tokens}] of held-out rows, in nats"
    )
    figures = models.JSONField(
        default=dict, help_text="train_rows, train_tokens, seconds, device, training.personal.OfferVerdict"
    )
    better = models.BooleanField(
        null=True, blank=True, help_text="The interval is below zero; empty: not measured."
    )
    on = models.BooleanField(default=False)
    launched_by = models.ForeignKey("core.User", null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    measured_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(name="personal_number", fields=["project", "number"]),
            models.CheckConstraint(
                name="personal_of_one",
                condition=models.Q(owner__isnull=False, team__isnull=True)
                | models.Q(owner__isnull=True, team__isnull=False),
            ),
            # Only one that was measured to be better is used.
            models.CheckConstraint(
                name="personal_on_is_better",
                condition=models.Q(on=False) | models.Q(better=True, version__isnull=False),
            ),
            models.UniqueConstraint(
                name="personal_one_on", fields=["project", "owner"], condition=models.Q(on=True)
            ),
            models.UniqueConstraint(
                name="personal_team_one_on", fields=["project", "team"], condition=models.Q(on=True)
            ),
        ]

    def __str__(self) -> str:
        return f"personal adapter {self.number}"

    @property
    def train_rows(self) -> list[dict[str, Any]]:
        return [row for row in self.rows if not row["held_out"]]

    @property
    def held_out_rows(self) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["held_out"]]


class ApiCaller(models.Model):
    """Whose adapter answers requests at /v1: all of an application key, or those of the key with this `user` field. An admin decides."""

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="api_callers")
    api_key = models.ForeignKey("core.ApiKey", on_delete=models.CASCADE, related_name="callers")
    caller = models.CharField(
        max_length=200,
        blank=True,
        help_text="The `user` field of a request; empty: every request of the key.",
    )
    person = models.ForeignKey(
        "core.User", null=True, blank=True, on_delete=models.CASCADE, related_name="api_callers"
    )
    team = models.ForeignKey(
        Team, null=True, blank=True, on_delete=models.CASCADE, related_name="api_callers"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["api_key", "caller"]
        constraints = [
            models.UniqueConstraint(name="api_caller_once", fields=["api_key", "caller"]),
            models.CheckConstraint(
                name="api_caller_is_one",
                condition=models.Q(person__isnull=False, team__isnull=True)
                | models.Q(person__isnull=True, team__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.api_key}: {self.caller or 'every request'}"


class DeletionReceipt(models.Model):
    """What was deleted of a person or team, by hash, and when and by whom. It holds no text and no weights."""

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="deletion_receipts")
    subject = models.ForeignKey(
        "core.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="deletion_receipts"
    )
    subject_label = models.CharField(max_length=200, help_text="The person's or team's name at the time.")
    run = models.OneToOneField("core.Run", on_delete=models.PROTECT, related_name="deletion_receipt")
    requested_by = models.ForeignKey("core.User", null=True, on_delete=models.SET_NULL, related_name="+")
    requested_at = models.DateTimeField(auto_now_add=True)
    wanted = models.JSONField(help_text="Ids of the adapters to delete")
    adapters = models.JSONField(
        default=list,
        help_text="[{adapter, served_name, artifact, files: [{path, sha256, size}], rows: [hash], engine, kept}]",
    )
    completed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"deletion receipt {self.pk}"
