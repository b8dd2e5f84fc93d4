import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("core", "0001_initial"),
        ("datasets", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="BaseModel",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=120, unique=True)),
                ("slug", models.SlugField(max_length=60, unique=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("package", "Python package"),
                            ("folder", "Folder on this host"),
                            ("hub", "Hub, at a pinned revision"),
                        ],
                        max_length=8,
                    ),
                ),
                (
                    "location",
                    models.CharField(help_text="Package name, folder, or hub name.", max_length=300),
                ),
                (
                    "revision",
                    models.CharField(
                        blank=True, help_text="A commit hash; a hub model needs one.", max_length=64
                    ),
                ),
                ("license", models.CharField(blank=True, max_length=120)),
                (
                    "status",
                    models.CharField(
                        choices=[("preparing", "Preparing"), ("ready", "Ready"), ("failed", "Failed")],
                        default="preparing",
                        max_length=10,
                    ),
                ),
                ("parameter_count", models.BigIntegerField(null=True)),
                ("context_length", models.PositiveIntegerField(help_text="tokens", null=True)),
                (
                    "architecture",
                    models.JSONField(default=dict, help_text="The model's config.json, for estimates."),
                ),
                ("chat_template_hash", models.CharField(blank=True, max_length=64)),
                ("stop_token", models.CharField(blank=True, max_length=60)),
                (
                    "control_tokens",
                    models.JSONField(
                        default=list,
                        help_text="Tokens that begin or end turns in its chat template; user text must not contain them.",
                    ),
                ),
                ("parity_prompts", models.JSONField(default=list, help_text="[{messages, token_ids}]")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "artifact",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="core.artifact",
                    ),
                ),
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
                    "run",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="base_model",
                        to="core.run",
                    ),
                ),
            ],
            options={
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="ModelVersion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField(help_text="0 is the base model of the project.")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("base", "Base model"),
                            ("adapter", "LoRA adapter"),
                            ("full", "Full weights"),
                        ],
                        max_length=8,
                    ),
                ),
                ("served_name", models.CharField(max_length=120, unique=True)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("registered", "Waiting for the token check"),
                            ("ready", "Ready"),
                            ("rejected", "Rejected"),
                        ],
                        default="registered",
                        max_length=10,
                    ),
                ),
                ("adapter_rank", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("parity_prompts", models.JSONField(default=list, help_text="[{messages, token_ids}]")),
                (
                    "parity_report",
                    models.JSONField(default=dict, help_text="{checked, differing: [...], at, engine}"),
                ),
                ("files_report", models.JSONField(default=dict, help_text="{at, wrong: [file names]}")),
                ("note", models.CharField(blank=True, max_length=300)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("ready_at", models.DateTimeField(blank=True, null=True)),
                (
                    "artifact",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="core.artifact"
                    ),
                ),
                (
                    "base_model",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="versions",
                        to="training.basemodel",
                    ),
                ),
                (
                    "files_check",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="files_check_of",
                        to="core.run",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="model_versions",
                        to="core.project",
                    ),
                ),
            ],
            options={
                "ordering": ["-number"],
            },
        ),
        migrations.CreateModel(
            name="LossMeasurement",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "rows",
                    models.JSONField(
                        default=list, help_text="[{hash, slice, group, weight}]; empty until they are chosen"
                    ),
                ),
                (
                    "left_out",
                    models.JSONField(
                        default=dict, help_text="{trained_on, retired, unusable}: test rows not measured"
                    ),
                ),
                (
                    "prompts",
                    models.JSONField(
                        default=dict,
                        help_text="Hashes of the system prompts it was measured with: {version, against}",
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "run",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="loss_measurement",
                        to="core.run",
                    ),
                ),
                (
                    "against",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="training.modelversion",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="loss_measurements",
                        to="training.modelversion",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="RowLoss",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("row_hash", models.CharField(max_length=64)),
                ("loss", models.FloatField(help_text="Summed over the completion's tokens, natural log.")),
                (
                    "tokens",
                    models.PositiveIntegerField(help_text="Tokens of the completion, its end included."),
                ),
                ("rendered", models.CharField(max_length=64)),
                (
                    "precision",
                    models.CharField(help_text="Of the weights: float32 or bfloat16.", max_length=10),
                ),
                ("at", models.DateTimeField(auto_now=True)),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="row_losses",
                        to="training.modelversion",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="TokenCount",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "lengths",
                    models.BinaryField(
                        help_text="training.row_facts.Lengths by split, packed; null while it runs.",
                        null=True,
                    ),
                ),
                ("problems", models.JSONField(default=list, help_text="[training.rows.Problem]")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "base_model",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="token_counts",
                        to="training.basemodel",
                    ),
                ),
                (
                    "dataset",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="token_counts",
                        to="datasets.datasetversion",
                    ),
                ),
                (
                    "run",
                    models.OneToOneField(
                        help_text="The background job that counted, if there was one.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="token_count",
                        to="core.run",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="TrainingRun",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("method", models.CharField(max_length=20)),
                (
                    "recipe",
                    models.JSONField(
                        help_text="All parameters, defaults included, as the method's dataclass."
                    ),
                ),
                ("recipe_hash", models.CharField(max_length=64)),
                ("note", models.CharField(blank=True, max_length=300)),
                ("code_version", models.CharField(max_length=80)),
                ("serving_plan", models.CharField(help_text="How the result is served.", max_length=120)),
                ("planned_steps", models.PositiveIntegerField(default=0)),
                ("done_steps", models.PositiveIntegerField(default=0)),
                (
                    "checkpoint_step",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Step of the newest checkpoint; null when there is none to resume from.",
                        null=True,
                    ),
                ),
                ("train_rows", models.PositiveIntegerField(default=0)),
                (
                    "train_tokens",
                    models.BigIntegerField(
                        default=0, help_text="Tokens seen in training so far, padding excluded."
                    ),
                ),
                ("tokens_per_second", models.FloatField(null=True)),
                ("peak_memory_bytes", models.BigIntegerField(null=True)),
                (
                    "loss_before",
                    models.FloatField(
                        help_text="Mean completion loss on validation before step 1.", null=True
                    ),
                ),
                ("loss_after", models.FloatField(null=True)),
                ("resumes", models.JSONField(default=list, help_text="[{attempt, from_step, at}]")),
                (
                    "environment",
                    models.JSONField(default=dict, help_text="torch, transformers, peft, device, threads"),
                ),
                (
                    "estimate",
                    models.JSONField(default=dict, help_text="training.estimates.Estimate, as at launch"),
                ),
                (
                    "data_facts",
                    models.JSONField(
                        default=dict, help_text="training.runner.data.DataFacts, exact, from the worker"
                    ),
                ),
                (
                    "measured",
                    models.JSONField(
                        default=dict,
                        help_text="Seconds over all attempts: {load, train, evaluate, sample, save, store}",
                    ),
                ),
                (
                    "counted",
                    models.JSONField(
                        default=dict,
                        help_text="The work done in those seconds: {train: tokens, evaluate, sample, save: how often}",
                    ),
                ),
                (
                    "undisturbed_speed",
                    models.FloatField(
                        help_text="Tokens per second while nothing else slowed the run; null when there was no such time.",
                        null=True,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "base_model",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="training_runs",
                        to="training.basemodel",
                    ),
                ),
                (
                    "dataset",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="training_runs",
                        to="datasets.datasetversion",
                    ),
                ),
                (
                    "launched_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="training_runs",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="training_runs",
                        to="core.project",
                    ),
                ),
                (
                    "run",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="training_run",
                        to="core.run",
                    ),
                ),
            ],
            options={
                "ordering": ["-number"],
            },
        ),
        migrations.CreateModel(
            name="SampleAnswer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("step", models.PositiveIntegerField()),
                ("question", models.TextField()),
                ("answer", models.TextField()),
                ("reference", models.TextField(blank=True, help_text="What the expert wrote.")),
                (
                    "training_run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="samples",
                        to="training.trainingrun",
                    ),
                ),
            ],
            options={
                "ordering": ["step", "id"],
            },
        ),
        migrations.AddField(
            model_name="modelversion",
            name="training_run",
            field=models.OneToOneField(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="model_version",
                to="training.trainingrun",
            ),
        ),
        migrations.CreateModel(
            name="MetricPoint",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "series",
                    models.CharField(
                        choices=[("train", "Training"), ("validation", "Validation")], max_length=10
                    ),
                ),
                ("step", models.PositiveIntegerField()),
                ("epoch", models.FloatField()),
                ("loss", models.FloatField()),
                ("learning_rate", models.FloatField(null=True)),
                ("tokens_per_second", models.FloatField(null=True)),
                ("at", models.DateTimeField(auto_now_add=True)),
                (
                    "training_run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="points",
                        to="training.trainingrun",
                    ),
                ),
            ],
            options={
                "ordering": ["step"],
            },
        ),
        migrations.AddConstraint(
            model_name="basemodel",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "hub"), _negated=True),
                    models.Q(("revision", ""), _negated=True),
                    _connector="OR",
                ),
                name="base_hub_is_pinned",
            ),
        ),
        migrations.AddConstraint(
            model_name="basemodel",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "ready"), _negated=True), ("artifact__isnull", False), _connector="OR"
                ),
                name="base_ready_has_artifact",
            ),
        ),
        migrations.AddConstraint(
            model_name="lossmeasurement",
            constraint=models.UniqueConstraint(fields=("version", "against"), name="loss_measurement_once"),
        ),
        migrations.AddConstraint(
            model_name="lossmeasurement",
            constraint=models.CheckConstraint(
                condition=models.Q(("version", models.F("against")), _negated=True),
                name="loss_of_two_versions",
            ),
        ),
        migrations.AddConstraint(
            model_name="rowloss",
            constraint=models.UniqueConstraint(fields=("version", "row_hash"), name="row_loss_once"),
        ),
        migrations.AddConstraint(
            model_name="rowloss",
            constraint=models.CheckConstraint(
                condition=models.Q(("loss__gte", 0), ("loss__lt", float("inf")), ("tokens__gt", 0)),
                name="row_loss_values",
            ),
        ),
        migrations.AddConstraint(
            model_name="tokencount",
            constraint=models.UniqueConstraint(fields=("dataset", "base_model"), name="tokens_counted_once"),
        ),
        migrations.AddConstraint(
            model_name="trainingrun",
            constraint=models.UniqueConstraint(fields=("project", "number"), name="training_number"),
        ),
        migrations.AddConstraint(
            model_name="sampleanswer",
            constraint=models.UniqueConstraint(
                fields=("training_run", "step", "question"), name="sample_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="modelversion",
            constraint=models.UniqueConstraint(
                fields=("project", "number", "base_model"), name="version_number"
            ),
        ),
        migrations.AddConstraint(
            model_name="modelversion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "base"), ("number", 0), ("training_run__isnull", True)),
                    models.Q(
                        models.Q(("kind", "base"), _negated=True),
                        ("number__gt", 0),
                        ("training_run__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="version_lineage",
            ),
        ),
        migrations.AddConstraint(
            model_name="metricpoint",
            constraint=models.UniqueConstraint(fields=("training_run", "series", "step"), name="point_once"),
        ),
    ]
