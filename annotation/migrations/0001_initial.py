import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.fields.json
import django.db.models.functions.text
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("core", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Example",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("source", models.CharField(blank=True, max_length=120, null=True)),
                ("import_id", models.BigIntegerField(blank=True, null=True)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("queued", "In the queue"),
                            ("in_review", "In review"),
                            ("returned", "Sent back"),
                            ("approved", "Approved"),
                            ("retired", "Retired"),
                        ],
                        default="queued",
                        max_length=10,
                    ),
                ),
                ("messages", models.JSONField()),
                ("context", models.JSONField(default=list)),
                ("completion", models.TextField(blank=True)),
                ("slice", models.CharField(blank=True, max_length=120)),
                (
                    "edge",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("", "Not an edge case"),
                            ("angry_customer", "Angry customer"),
                            ("ambiguous_request", "Ambiguous request"),
                            ("missing_document", "Missing document"),
                            ("regulation_question", "Regulation question"),
                            ("off_topic", "Off topic"),
                            ("two_questions", "Two questions at once"),
                            ("other", "Other edge case"),
                        ],
                        default="",
                        max_length=24,
                    ),
                ),
                (
                    "tags",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=40), blank=True, default=list, size=None
                    ),
                ),
                (
                    "group",
                    models.CharField(
                        help_text="Conversation or document; a group is in one split only.", max_length=200
                    ),
                ),
                ("license", models.CharField(blank=True, max_length=120)),
                ("external_id", models.CharField(blank=True, max_length=200)),
                (
                    "origin",
                    models.CharField(
                        choices=[
                            ("import", "Import"),
                            ("written", "Written here"),
                            ("rating", "Corrected in a rating"),
                            ("chat", "Corrected in chat"),
                        ],
                        default="import",
                        max_length=8,
                    ),
                ),
                (
                    "origin_detail",
                    models.JSONField(
                        default=dict,
                        help_text="Where feedback came from: {label, url, answer, ...}; shown to people, not used in joins.",
                    ),
                ),
                ("arrival_hash", models.CharField(blank=True, max_length=64, null=True)),
                (
                    "content_hash",
                    models.CharField(
                        help_text="SHA-256 of messages, context and completion now.", max_length=64
                    ),
                ),
                (
                    "search_text",
                    models.TextField(
                        help_text="All texts joined, in lower case, for search by trigram (annotation.text.hashes)."
                    ),
                ),
                ("revision", models.PositiveIntegerField(default=1)),
                ("submitted_at", models.DateTimeField(blank=True, null=True)),
                (
                    "waiting_since",
                    models.DateTimeField(
                        default=django.utils.timezone.now,
                        help_text="When it joined its present queue: the annotators' or the reviewers'.",
                    ),
                ),
                (
                    "queue_rank",
                    models.GeneratedField(
                        db_persist=True,
                        expression=models.Case(
                            models.When(origin__in=["rating", "chat"], then=models.Value(0)),
                            models.When(models.Q(("edge", ""), _negated=True), then=models.Value(1)),
                            default=models.Value(2),
                        ),
                        output_field=models.SmallIntegerField(),
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("changed_at", models.DateTimeField(auto_now=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="examples",
                        to="core.project",
                    ),
                ),
                (
                    "submitted_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="submitted_examples",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="Draft",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("content", models.JSONField()),
                (
                    "writer",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="The browser tab that saved it last; other tabs cannot overwrite it.",
                        max_length=64,
                    ),
                ),
                ("saved_at", models.DateTimeField(auto_now=True)),
                ("base_revision", models.PositiveIntegerField(default=0)),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="drafts", to="core.project"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="drafts",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "example",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="drafts",
                        to="annotation.example",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Lease",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "purpose",
                    models.CharField(choices=[("annotate", "Annotate"), ("review", "Review")], max_length=8),
                ),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("done", "Done"),
                            ("skipped", "Skipped"),
                            ("released", "Given back"),
                            ("expired", "Expired"),
                        ],
                        default="open",
                        max_length=8,
                    ),
                ),
                ("leased_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("expires_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "note",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="Why it was skipped, if the person gave a reason.",
                        max_length=300,
                    ),
                ),
                (
                    "example",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="leases",
                        to="annotation.example",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="leases", to="core.project"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="leases",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="Revision",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("arrived", "Arrived"),
                            ("written", "Written"),
                            ("submitted", "Submitted"),
                            ("corrected", "Corrected in review"),
                            ("restored", "Restored"),
                        ],
                        max_length=10,
                    ),
                ),
                ("content", models.JSONField(help_text="messages, context, completion, slice, edge, tags")),
                (
                    "note",
                    models.CharField(
                        blank=True, help_text="Why it was submitted although a check failed.", max_length=300
                    ),
                ),
                ("at", models.DateTimeField(auto_now_add=True)),
                (
                    "by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "example",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="revisions",
                        to="annotation.example",
                    ),
                ),
            ],
            options={
                "ordering": ["-number"],
            },
        ),
        migrations.CreateModel(
            name="Review",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "verdict",
                    models.CharField(
                        choices=[("accepted", "Accepted"), ("returned", "Sent back")], max_length=8
                    ),
                ),
                ("comment", models.TextField(blank=True)),
                ("at", models.DateTimeField(auto_now_add=True)),
                (
                    "in_bulk",
                    models.BooleanField(
                        db_default=False,
                        default=False,
                        help_text="Decided together with others, without opening it.",
                    ),
                ),
                (
                    "batch",
                    models.UUIDField(
                        blank=True,
                        editable=False,
                        help_text="The decisions of one bulk action have the same value: they can be undone together.",
                        null=True,
                    ),
                ),
                (
                    "undone_at",
                    models.DateTimeField(blank=True, help_text="When the reviewer undid it.", null=True),
                ),
                (
                    "by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reviews_given",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "example",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="reviews",
                        to="annotation.example",
                    ),
                ),
                (
                    "revision",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reviews",
                        to="annotation.revision",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.AddIndex(
            model_name="example",
            index=models.Index(fields=["project", "status", "id"], name="example_by_status"),
        ),
        migrations.AddIndex(
            model_name="example",
            index=models.Index(
                condition=models.Q(("status__in", ["queued", "returned"])),
                fields=["project", "queue_rank", "waiting_since", "id"],
                name="example_queue",
            ),
        ),
        migrations.AddIndex(
            model_name="example",
            index=models.Index(
                condition=models.Q(("status", "in_review")),
                fields=["project", "queue_rank", "waiting_since", "id"],
                name="example_review",
            ),
        ),
        migrations.AddIndex(
            model_name="example",
            index=models.Index(fields=["project", "slice"], name="example_slice"),
        ),
        migrations.AddIndex(
            model_name="example",
            index=models.Index(fields=["project", "content_hash"], name="example_content"),
        ),
        migrations.AddIndex(
            model_name="example",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["search_text"], name="example_search", opclasses=["gin_trgm_ops"]
            ),
        ),
        migrations.AddIndex(
            model_name="example",
            index=django.contrib.postgres.indexes.GinIndex(fields=["tags"], name="example_tags"),
        ),
        migrations.AddIndex(
            model_name="example",
            index=models.Index(fields=["import_id", "id"], name="example_import"),
        ),
        migrations.AddIndex(
            model_name="example",
            index=models.Index(fields=["project", "source"], name="example_source"),
        ),
        migrations.AddIndex(
            model_name="example",
            index=django.contrib.postgres.indexes.GinIndex(
                django.contrib.postgres.indexes.OpClass(
                    django.db.models.functions.text.Lower(
                        django.db.models.functions.text.Left(
                            django.db.models.fields.json.KeyTextTransform(
                                "content", django.db.models.fields.json.KeyTransform(-1, "messages")
                            ),
                            600,
                        )
                    ),
                    "gin_trgm_ops",
                ),
                name="example_question",
            ),
        ),
        migrations.AddIndex(
            model_name="example",
            index=models.Index(
                models.F("project"),
                django.db.models.functions.text.MD5(django.db.models.functions.text.Lower("completion")),
                name="example_said",
            ),
        ),
        migrations.AddConstraint(
            model_name="example",
            constraint=models.UniqueConstraint(
                condition=models.Q(("arrival_hash__isnull", False)),
                fields=("project", "arrival_hash"),
                name="example_arrives_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="example",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("status__in", ["queued", "in_review", "returned", "approved", "retired"])
                ),
                name="example_status",
            ),
        ),
        migrations.AddConstraint(
            model_name="example",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("status__in", ["queued", "returned", "retired"]),
                    models.Q(("completion", ""), _negated=True),
                    _connector="OR",
                ),
                name="example_complete",
            ),
        ),
        migrations.AddConstraint(
            model_name="example",
            constraint=models.CheckConstraint(
                condition=models.Q(("group", ""), _negated=True), name="example_group"
            ),
        ),
        migrations.AddConstraint(
            model_name="draft",
            constraint=models.UniqueConstraint(fields=("example", "user"), name="draft_once"),
        ),
        migrations.AddConstraint(
            model_name="draft",
            constraint=models.UniqueConstraint(
                condition=models.Q(("example__isnull", True)),
                fields=("project", "user"),
                name="draft_of_new_once",
            ),
        ),
        migrations.AddIndex(
            model_name="lease",
            index=models.Index(
                condition=models.Q(("outcome", "open")), fields=["expires_at"], name="lease_expiry"
            ),
        ),
        migrations.AddIndex(
            model_name="lease",
            index=models.Index(fields=["user", "-id"], name="lease_by_user"),
        ),
        migrations.AddIndex(
            model_name="lease",
            index=models.Index(
                condition=models.Q(("outcome", "skipped")), fields=["user", "example"], name="lease_skips"
            ),
        ),
        migrations.AddConstraint(
            model_name="lease",
            constraint=models.UniqueConstraint(
                condition=models.Q(("outcome", "open")), fields=("example",), name="lease_one_holder"
            ),
        ),
        migrations.AddConstraint(
            model_name="lease",
            constraint=models.UniqueConstraint(
                condition=models.Q(("outcome", "open")),
                fields=("project", "user", "purpose"),
                name="lease_one_each",
            ),
        ),
        migrations.AddConstraint(
            model_name="revision",
            constraint=models.UniqueConstraint(fields=("example", "number"), name="revision_once"),
        ),
        migrations.AddIndex(
            model_name="review",
            index=models.Index(
                condition=models.Q(("batch__isnull", False)), fields=["batch"], name="review_by_batch"
            ),
        ),
        migrations.AddConstraint(
            model_name="review",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("verdict", "accepted"), models.Q(("comment", ""), _negated=True), _connector="OR"
                ),
                name="review_says_why",
            ),
        ),
        migrations.AddConstraint(
            model_name="review",
            constraint=models.CheckConstraint(
                condition=models.Q(("batch", None), ("in_bulk", True), _connector="OR"),
                name="review_batch_in_bulk",
            ),
        ),
    ]
