import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# An example names its source and its import, and knows neither table (annotation imports nothing from here). The database
# holds both to exist. A source that gets another name takes its examples along.
FORWARD = """
ALTER TABLE annotation_example ADD CONSTRAINT example_import_exists
    FOREIGN KEY (import_id) REFERENCES datasets_dataimport (id) ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE annotation_example ADD CONSTRAINT example_source_exists
    FOREIGN KEY (project_id, source) REFERENCES datasets_source (project_id, name)
    ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED;
"""
BACKWARD = """
ALTER TABLE annotation_example DROP CONSTRAINT example_source_exists;
ALTER TABLE annotation_example DROP CONSTRAINT example_import_exists;
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("annotation", "0001_initial"),
        ("core", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="DataImport",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("file_name", models.CharField(max_length=200)),
                (
                    "destination",
                    models.CharField(
                        choices=[
                            ("queued", "Annotation queue"),
                            ("in_review", "Review queue"),
                            ("approved", "Approved without review"),
                        ],
                        default="queued",
                        max_length=12,
                    ),
                ),
                ("default_source", models.CharField(blank=True, max_length=120)),
                ("default_license", models.CharField(blank=True, max_length=120)),
                ("lines", models.PositiveIntegerField(default=0)),
                ("accepted", models.PositiveIntegerField(default=0)),
                (
                    "repeated",
                    models.PositiveIntegerField(
                        default=0, help_text="Lines whose example the project already had."
                    ),
                ),
                ("rejected", models.PositiveIntegerField(default=0)),
                (
                    "keys",
                    models.JSONField(
                        default=list,
                        help_text="Keys of the file that were not imported or were read under another name: [{key, what (ignored|read_as), count, line (the first), says}]",
                    ),
                ),
                ("stored_at", models.DateTimeField(blank=True, null=True)),
                ("removed_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
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
                        on_delete=django.db.models.deletion.CASCADE, related_name="imports", to="core.project"
                    ),
                ),
                (
                    "removed_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "run",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="import_of", to="core.run"
                    ),
                ),
                (
                    "upload",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="core.artifact"
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="DatasetVersion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("note", models.CharField(blank=True, max_length=300)),
                (
                    "status",
                    models.CharField(
                        choices=[("freezing", "Freezing"), ("ready", "Ready"), ("failed", "Failed")],
                        default="freezing",
                        max_length=8,
                    ),
                ),
                (
                    "settings",
                    models.JSONField(
                        help_text="validation and test (shares), seed, separate_near_duplicates, slices and sources (filters), system_prompt"
                    ),
                ),
                ("content_hash", models.CharField(blank=True, max_length=64)),
                (
                    "counts",
                    models.JSONField(
                        default=dict,
                        help_text="total, train, validation, test, slices: {slice: {split: rows}}, withheld, withheld_near, withheld_marked, untested: {slice: why}, near: {groups, clusters, rows, largest}, validation_near_train",
                    ),
                ),
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
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="dataset_versions",
                        to="core.project",
                    ),
                ),
                (
                    "run",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="dataset_version",
                        to="core.run",
                    ),
                ),
                (
                    "same_as",
                    models.ForeignKey(
                        blank=True,
                        help_text="An earlier version with this content.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="datasets.datasetversion",
                    ),
                ),
            ],
            options={
                "ordering": ["-number"],
            },
        ),
        migrations.CreateModel(
            name="DatasetRow",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("position", models.PositiveIntegerField()),
                (
                    "split",
                    models.CharField(
                        choices=[("train", "Train"), ("validation", "Validation"), ("test", "Test")],
                        max_length=10,
                    ),
                ),
                ("row_hash", models.CharField(max_length=64)),
                ("prompt_hash", models.CharField(max_length=64)),
                (
                    "example",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="dataset_rows",
                        to="annotation.example",
                    ),
                ),
                (
                    "revision",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="annotation.revision",
                    ),
                ),
                (
                    "dataset",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="rows",
                        to="datasets.datasetversion",
                    ),
                ),
            ],
            options={
                "ordering": ["position"],
            },
        ),
        migrations.CreateModel(
            name="GroupSplit",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("group", models.CharField(max_length=200)),
                (
                    "split",
                    models.CharField(
                        choices=[("train", "Train"), ("validation", "Validation"), ("test", "Test")],
                        max_length=10,
                    ),
                ),
                ("decided_at", models.DateTimeField(auto_now_add=True)),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="group_splits",
                        to="core.project",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ImportIssue",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("rejected", "Rejected"), ("repeated", "Repeated")], max_length=8
                    ),
                ),
                ("line", models.PositiveIntegerField()),
                ("field", models.CharField(blank=True, max_length=60)),
                ("reason", models.CharField(max_length=300)),
                ("excerpt", models.CharField(blank=True, max_length=200)),
                (
                    "data_import",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="issues",
                        to="datasets.dataimport",
                    ),
                ),
                (
                    "repeats",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="annotation.example",
                    ),
                ),
            ],
            options={
                "ordering": ["line", "id"],
            },
        ),
        migrations.CreateModel(
            name="Source",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=120)),
                ("license", models.CharField(blank=True, max_length=120)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="sources", to="core.project"
                    ),
                ),
            ],
            options={
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="WithheldRow",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "split",
                    models.CharField(
                        blank=True,
                        choices=[("train", "Train"), ("validation", "Validation"), ("test", "Test")],
                        help_text="The split it would have; empty where that was not decided.",
                        max_length=10,
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("repeats_test", "Asks the same as a test row"),
                            ("near_test", "Asks nearly the same as a test row"),
                            ("control_mark", "Contains a control mark of chat templates"),
                        ],
                        max_length=12,
                    ),
                ),
                (
                    "mark",
                    models.CharField(
                        blank=True, default="", help_text="The control mark in its text.", max_length=80
                    ),
                ),
                (
                    "similarity",
                    models.FloatField(
                        help_text="Jaccard similarity of the turns, 0.8 to 1, for a near-duplicate.",
                        null=True,
                    ),
                ),
                (
                    "dataset",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="withheld",
                        to="datasets.datasetversion",
                    ),
                ),
                (
                    "example",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="annotation.example"
                    ),
                ),
                (
                    "repeats",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="annotation.example",
                    ),
                ),
                (
                    "revision",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="annotation.revision",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.AddIndex(
            model_name="dataimport",
            index=models.Index(fields=["project", "-id"], name="import_by_project"),
        ),
        migrations.AddConstraint(
            model_name="datasetversion",
            constraint=models.UniqueConstraint(fields=("project", "number"), name="dataset_number"),
        ),
        migrations.AddConstraint(
            model_name="datasetversion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "ready"), _negated=True),
                    models.Q(models.Q(("content_hash", ""), _negated=True), ("artifact__isnull", False)),
                    _connector="OR",
                ),
                name="dataset_ready_has_content",
            ),
        ),
        migrations.AddIndex(
            model_name="datasetrow",
            index=models.Index(fields=["dataset", "split", "position"], name="row_by_split"),
        ),
        migrations.AddIndex(
            model_name="datasetrow",
            index=models.Index(
                condition=models.Q(("split", "test")), fields=["prompt_hash"], name="row_test_prompt"
            ),
        ),
        migrations.AddConstraint(
            model_name="datasetrow",
            constraint=models.UniqueConstraint(fields=("dataset", "position"), name="row_position"),
        ),
        migrations.AddConstraint(
            model_name="datasetrow",
            constraint=models.UniqueConstraint(fields=("dataset", "example"), name="row_example"),
        ),
        migrations.AddConstraint(
            model_name="groupsplit",
            constraint=models.UniqueConstraint(fields=("project", "group"), name="group_split_once"),
        ),
        migrations.AddIndex(
            model_name="importissue",
            index=models.Index(fields=["data_import", "line"], name="issue_by_import"),
        ),
        migrations.AddConstraint(
            model_name="source",
            constraint=models.UniqueConstraint(fields=("project", "name"), name="source_once"),
        ),
        migrations.AddConstraint(
            model_name="withheldrow",
            constraint=models.UniqueConstraint(fields=("dataset", "example"), name="withheld_once"),
        ),
        migrations.AddConstraint(
            model_name="withheldrow",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("reason__in", ["repeats_test", "control_mark"]), ("similarity__isnull", True)),
                    models.Q(("reason", "near_test"), ("similarity__gt", 0), ("similarity__lte", 1)),
                    _connector="OR",
                ),
                name="withheld_similarity",
            ),
        ),
        migrations.AddConstraint(
            model_name="withheldrow",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("reason", "control_mark"),
                        ("repeats__isnull", True),
                        models.Q(("mark", ""), _negated=True),
                    ),
                    models.Q(
                        ("mark", ""),
                        ("reason__in", ["repeats_test", "near_test"]),
                        ("repeats__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="withheld_because_of",
            ),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
