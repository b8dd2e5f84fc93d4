"""What a base model answered to the prompts of examples whose completions state facts without support."""

from django.db import models
from django.utils import timezone


class KnowledgeAnswer(models.Model):
    """The answers of one base model to the prompt of one example, and which of the example's facts are in them.

    It is about the text with `content_hash`; when the example is asked again, the new answers replace these.
    """

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="knowledge_answers")
    example = models.ForeignKey(
        "annotation.Example", on_delete=models.CASCADE, related_name="knowledge_answers"
    )
    base_model = models.ForeignKey(
        "training.BaseModel", on_delete=models.PROTECT, related_name="knowledge_answers"
    )
    content_hash = models.CharField(max_length=64, help_text="The text that was asked about.")
    digest = models.CharField(
        max_length=64,
        help_text="Of the prompt's token ids, the facts and the settings: what was asked, exactly.",
    )
    facts = models.JSONField(
        help_text="[{text, start, end, answers}]: facts of the completion without support, and how many answers have each."
    )
    answers = models.JSONField(help_text="The texts: the greedy answer, then the drawn ones.")
    unknown = models.PositiveIntegerField(help_text="Facts that no answer has.")
    finding = models.OneToOneField(
        "annotation.ExampleFinding",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="knowledge_answer",
        help_text="The finding about its unknown facts.",
    )
    asked_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="knowledge_answer_once", fields=["base_model", "example"]),
            models.CheckConstraint(
                name="knowledge_finding_is_unknown",
                condition=models.Q(finding=None) | models.Q(unknown__gt=0),
            ),
        ]
        indexes = [models.Index(name="knowledge_list", fields=["project", "base_model", "-id"])]

    def __str__(self) -> str:
        return f"{self.base_model_id} about #{self.example_id}"
