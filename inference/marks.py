"""What people thought of the answers of their chats. inference.models imports it."""

from django.db import models


class AnswerMark(models.Model):
    """A person's "good" or "bad" for an answer of a chat. Its prompt became an example in the annotation queue."""

    answer = models.ForeignKey("inference.Answer", on_delete=models.CASCADE, related_name="marks")
    user = models.ForeignKey("core.User", on_delete=models.PROTECT, related_name="+")
    good = models.BooleanField()
    reason = models.CharField(max_length=300, blank=True, default="")
    revision = models.ForeignKey(
        "annotation.Revision",
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The prompt as the answer was given to it: the first revision of the example that was filed.",
    )
    marked_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(name="answer_marked_once", fields=["answer", "user"])]

    def __str__(self) -> str:
        return f"{'good' if self.good else 'bad'}: {self.answer_id}"
