import uuid

import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("core", "0001_initial"),
        ("training", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Conversation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("title", models.CharField(blank=True, max_length=120)),
                ("context", models.JSONField(default=list, help_text="Records for the conversation.")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("changed_at", models.DateTimeField(auto_now=True)),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="conversations",
                        to="core.project",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="conversations",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="conversations",
                        to="training.modelversion",
                    ),
                ),
            ],
            options={
                "ordering": ["-changed_at"],
            },
        ),
        migrations.CreateModel(
            name="Answer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "purpose",
                    models.CharField(
                        choices=[("chat", "Chat"), ("campaign", "Campaign"), ("application", "Application")],
                        max_length=12,
                    ),
                ),
                (
                    "turn",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="The turn of the conversation, from 1. A new answer to the same question has the same turn; the newest counts.",
                        null=True,
                    ),
                ),
                (
                    "messages",
                    models.JSONField(
                        help_text="Everything sent to the engine, system prompt and records included."
                    ),
                ),
                (
                    "question",
                    models.TextField(
                        blank=True, db_default="", default="", help_text="The last message of the user."
                    ),
                ),
                ("params", models.JSONField(default=dict)),
                ("text", models.TextField(blank=True)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("streaming", "Streaming"),
                            ("done", "Done"),
                            ("stopped", "Stopped by the user"),
                            ("failed", "Failed"),
                        ],
                        default="streaming",
                        max_length=9,
                    ),
                ),
                ("finish_reason", models.CharField(blank=True, max_length=20)),
                ("error", models.TextField(blank=True)),
                (
                    "doubt",
                    models.TextField(
                        blank=True,
                        help_text="Why this answer may come from other weights than the version's. Empty: no doubt.",
                    ),
                ),
                ("prompt_tokens", models.PositiveIntegerField(null=True)),
                ("completion_tokens", models.PositiveIntegerField(null=True)),
                ("first_token_ms", models.PositiveIntegerField(null=True)),
                ("duration_ms", models.PositiveIntegerField(null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True, db_index=True)),
                (
                    "alive_at",
                    models.DateTimeField(
                        blank=True, help_text="The last heartbeat of the process that writes it.", null=True
                    ),
                ),
                (
                    "api_key",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="core.apikey",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="answers", to="core.project"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="answers",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="answers",
                        to="training.modelversion",
                    ),
                ),
                (
                    "conversation",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="answers",
                        to="inference.conversation",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="CorrectionDraft",
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
                (
                    "answer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="correction_drafts",
                        to="inference.answer",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Engine",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "backend",
                    models.CharField(
                        default="vllm", help_text="A key of inference.engines.BACKENDS.", max_length=20
                    ),
                ),
                ("name", models.CharField(max_length=120, unique=True)),
                (
                    "attached",
                    models.BooleanField(default=False, help_text="Runs elsewhere, at a URL from settings."),
                ),
                ("url", models.CharField(blank=True, max_length=200)),
                ("port", models.PositiveIntegerField(blank=True, null=True)),
                ("pid", models.IntegerField(blank=True, null=True)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("wanted", "Starting soon"),
                            ("starting", "Starting"),
                            ("up", "Up"),
                            ("down", "Down"),
                            ("stopped", "Stopped"),
                        ],
                        default="wanted",
                        max_length=8,
                    ),
                ),
                (
                    "since",
                    models.DateTimeField(blank=True, help_text="Since when it has this status.", null=True),
                ),
                ("heartbeat_at", models.DateTimeField(blank=True, null=True)),
                ("restarts", models.PositiveIntegerField(default=0)),
                ("error", models.TextField(blank=True)),
                (
                    "options",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text="Its start options: max_lora_rank, max_loras, adapter_loads (the number of adapters it may load before a restart; none: any number), max_model_len; start_seconds once it was up.",
                    ),
                ),
                (
                    "adapter_loads",
                    models.PositiveIntegerField(
                        default=0, help_text="Adapters loaded since its process started."
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "base_model",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="engines",
                        to="training.basemodel",
                    ),
                ),
                (
                    "version",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="own_engine",
                        to="training.modelversion",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="Deployment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "wanted",
                    models.CharField(
                        choices=[("loaded", "Loaded"), ("unloaded", "Unloaded")],
                        default="loaded",
                        max_length=8,
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting for an engine"),
                            ("loading", "Loading"),
                            ("loaded", "Loaded"),
                            ("failed", "Failed"),
                            ("unloaded", "Not loaded"),
                        ],
                        default="waiting",
                        max_length=8,
                    ),
                ),
                ("error", models.TextField(blank=True)),
                ("requested_at", models.DateTimeField(auto_now_add=True)),
                ("loaded_at", models.DateTimeField(blank=True, null=True)),
                (
                    "seconds_to_load",
                    models.FloatField(help_text="Seconds from the request until it is served.", null=True),
                ),
                (
                    "version",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deployment",
                        to="training.modelversion",
                    ),
                ),
                (
                    "engine",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="deployments",
                        to="inference.engine",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Route",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "way_back",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(),
                        blank=True,
                        default=list,
                        help_text="Ids of the model versions that a rollback can return to, the nearest last.",
                        size=None,
                    ),
                ),
                ("changed_at", models.DateTimeField(auto_now=True)),
                (
                    "project",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="route", to="core.project"
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="live_routes",
                        to="training.modelversion",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="WeightCheck",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "process",
                    models.CharField(
                        help_text="The start of the engine: its process, or its URL.", max_length=200
                    ),
                ),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("passed", "Passed"),
                            ("failed", "Failed"),
                            ("not_made", "Could not be done"),
                        ],
                        max_length=8,
                    ),
                ),
                (
                    "reason",
                    models.TextField(blank=True, help_text="What differed, or why it could not be done."),
                ),
                (
                    "models_checked",
                    models.JSONField(default=list, help_text="Names of the models that were asked."),
                ),
                (
                    "report",
                    models.JSONField(
                        default=dict,
                        help_text="rounds, largest_shift and noise (nats), difference, and the answers of models alone.",
                    ),
                ),
                ("began_at", models.DateTimeField()),
                (
                    "ended_at",
                    models.DateTimeField(
                        help_text="For a failed one: when the engine was taken out of service."
                    ),
                ),
                ("doubtful_since", models.DateTimeField(blank=True, null=True)),
                (
                    "marked",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="The number of answers it marked; none: not marked yet.",
                        null=True,
                    ),
                ),
                (
                    "engine",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="weight_checks",
                        to="inference.engine",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.AddIndex(
            model_name="answer",
            index=models.Index(fields=["version", "-id"], name="answer_by_version"),
        ),
        migrations.AddIndex(
            model_name="answer",
            index=models.Index(fields=["project", "-id"], name="answer_by_project"),
        ),
        migrations.AddIndex(
            model_name="answer",
            index=models.Index(
                condition=models.Q(("doubt", ""), _negated=True),
                fields=["project", "-id"],
                name="answer_in_doubt",
            ),
        ),
        migrations.AddIndex(
            model_name="answer",
            index=django.contrib.postgres.indexes.GinIndex(
                django.contrib.postgres.indexes.OpClass(
                    django.db.models.functions.text.Upper("question"), name="gin_trgm_ops"
                ),
                name="answer_question",
            ),
        ),
        migrations.AddIndex(
            model_name="answer",
            index=django.contrib.postgres.indexes.GinIndex(
                django.contrib.postgres.indexes.OpClass(
                    django.db.models.functions.text.Upper("text"), name="gin_trgm_ops"
                ),
                name="answer_text",
            ),
        ),
        migrations.AddConstraint(
            model_name="correctiondraft",
            constraint=models.UniqueConstraint(fields=("answer", "user"), name="correction_draft_once"),
        ),
        migrations.AddConstraint(
            model_name="correctiondraft",
            constraint=models.CheckConstraint(
                condition=models.Q(("content__contains", {})), name="correction_draft_is_a_form"
            ),
        ),
        migrations.AddConstraint(
            model_name="engine",
            constraint=models.UniqueConstraint(
                condition=models.Q(("version__isnull", True)), fields=("base_model",), name="engine_per_base"
            ),
        ),
        migrations.AddConstraint(
            model_name="engine",
            constraint=models.UniqueConstraint(
                condition=models.Q(("port__isnull", False)), fields=("port",), name="engine_port"
            ),
        ),
        migrations.AddIndex(
            model_name="weightcheck",
            index=models.Index(fields=["engine", "outcome", "-id"], name="weight_check_by_engine"),
        ),
        migrations.AddConstraint(
            model_name="weightcheck",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("outcome", "failed"), _negated=True),
                    models.Q(("reason", ""), _negated=True),
                    _connector="OR",
                ),
                name="failed_weight_check_has_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="weightcheck",
            constraint=models.CheckConstraint(
                condition=models.Q(("ended_at__gte", models.F("began_at"))),
                name="weight_check_ends_after_it_began",
            ),
        ),
    ]
