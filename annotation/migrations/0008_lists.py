import django.db.models.deletion
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models

# The lists of the projects that there are: the kinds of edge cases that were fixed before, and the slices in use.
FORWARD = """
INSERT INTO annotation_category (project_id, kind, key, name, description, position, active, origin, created_at)
SELECT p.id, 'edge', start.key, start.name, '', start.place, true, 'start', now()
FROM core_project p, (VALUES
    (1, 'angry_customer', 'Angry customer'), (2, 'ambiguous_request', 'Ambiguous request'),
    (3, 'missing_document', 'Missing document'), (4, 'regulation_question', 'Regulation question'),
    (5, 'off_topic', 'Off topic'), (6, 'two_questions', 'Two questions at once'), (7, 'other', 'Other edge case')
) AS start (place, key, name);
INSERT INTO annotation_category (project_id, kind, key, name, description, position, active, origin, created_at)
SELECT project_id, 'slice', slice, slice, '', place, true, 'import', now()
FROM (
    SELECT project_id, slice, row_number() OVER (PARTITION BY project_id ORDER BY slice) AS place
    FROM annotation_examplecount c JOIN core_project p ON p.id = c.project_id
    WHERE slice <> '' GROUP BY project_id, slice HAVING sum(n) > 0
) AS used
WHERE place <= 500;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("annotation", "0007_findings"),
        ("core", "0004_checks"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Category",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(choices=[("slice", "Slice"), ("edge", "Edge case")], max_length=5)),
                ("key", models.CharField(max_length=120)),
                ("name", models.CharField(max_length=120)),
                ("description", models.CharField(blank=True, default="", max_length=300)),
                ("position", models.PositiveIntegerField(default=0)),
                (
                    "active",
                    models.BooleanField(
                        default=True, help_text="Whether people can choose it for an example."
                    ),
                ),
                (
                    "origin",
                    models.CharField(
                        choices=[
                            ("start", "in every new project"),
                            ("list", "added to the list"),
                            ("import", "from an import"),
                            ("example", "typed in an example"),
                        ],
                        default="list",
                        max_length=7,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "verbose_name_plural": "categories",
                "ordering": ["kind", "position", "id"],
            },
        ),
        migrations.CreateModel(
            name="CoverageTarget",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("slice", models.CharField(blank=True, default="", max_length=120)),
                ("edge", models.CharField(blank=True, default="", max_length=24)),
                (
                    "length",
                    models.CharField(
                        blank=True, default="", help_text="A band of lengths; alone.", max_length=10
                    ),
                ),
                ("amount", models.PositiveIntegerField()),
                (
                    "unit",
                    models.CharField(
                        choices=[("number", "examples"), ("share", "% of the approved examples")],
                        default="number",
                        max_length=6,
                    ),
                ),
                ("set_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="ExampleMap",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "facts",
                    models.JSONField(
                        default=dict,
                        help_text="Intents with their names and counts, lengths: annotation.queries.mapping.MapFacts.",
                    ),
                ),
                ("made_at", models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name="ExamplePlace",
            fields=[
                (
                    "example",
                    models.OneToOneField(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="place",
                        serialize=False,
                        to="annotation.example",
                    ),
                ),
                ("x", models.FloatField()),
                ("y", models.FloatField()),
                ("intent", models.PositiveSmallIntegerField()),
                (
                    "shown",
                    models.BooleanField(
                        default=False, help_text="Whether it is one of the points that the map draws."
                    ),
                ),
            ],
        ),
        migrations.AlterField(
            model_name="example",
            name="edge",
            field=models.CharField(
                blank=True, default="", help_text="The key of a Category; empty for none.", max_length=24
            ),
        ),
        migrations.CreateModel(
            name="AuthoringTask",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("slice", models.CharField(blank=True, default="", max_length=120)),
                ("edge", models.CharField(blank=True, default="", max_length=24)),
                ("wanted", models.CharField(help_text="What is to be written, in words.", max_length=500)),
                ("quota", models.PositiveIntegerField(help_text="Approved examples that complete the task.")),
                ("due_on", models.DateField(blank=True, null=True)),
                (
                    "status",
                    models.CharField(
                        choices=[("open", "Open"), ("done", "Done"), ("cancelled", "Cancelled")],
                        default="open",
                        max_length=9,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
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
                    "owner",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="authoring_tasks",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="authoring_tasks",
                        to="core.project",
                    ),
                ),
            ],
            options={
                "verbose_name": "authoring task",
                "ordering": ["-id"],
            },
        ),
        migrations.AddField(
            model_name="example",
            name="task",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="examples",
                to="annotation.authoringtask",
            ),
        ),
        migrations.AddIndex(
            model_name="example",
            index=models.Index(
                condition=models.Q(("task__isnull", False)), fields=["task"], name="example_task"
            ),
        ),
        migrations.AddField(
            model_name="category",
            name="merged_into",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.RESTRICT,
                related_name="merged",
                to="annotation.category",
            ),
        ),
        migrations.AddField(
            model_name="category",
            name="project",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="categories", to="core.project"
            ),
        ),
        migrations.AddField(
            model_name="authoringtask",
            name="ended_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="coveragetarget",
            name="owner",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="coveragetarget",
            name="project",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="coverage_targets",
                to="core.project",
            ),
        ),
        migrations.AddField(
            model_name="coveragetarget",
            name="set_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="examplemap",
            name="project",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.CASCADE, related_name="example_map", to="core.project"
            ),
        ),
        migrations.AddField(
            model_name="examplemap",
            name="run",
            field=models.OneToOneField(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="example_map",
                to="core.run",
            ),
        ),
        migrations.AddField(
            model_name="exampleplace",
            name="project",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="core.project",
            ),
        ),
        migrations.AddIndex(
            model_name="authoringtask",
            index=models.Index(
                condition=models.Q(("status", "open")),
                fields=["project", "owner"],
                name="authoring_task_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="authoringtask",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["open", "done", "cancelled"])),
                name="authoring_task_status",
            ),
        ),
        migrations.AddConstraint(
            model_name="authoringtask",
            constraint=models.CheckConstraint(
                condition=models.Q(("quota__gte", 1), ("quota__lte", 100000)), name="authoring_task_quota"
            ),
        ),
        migrations.AddConstraint(
            model_name="authoringtask",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("ended_at", None), ("status", "open")),
                    models.Q(("status", "open"), _negated=True),
                    _connector="OR",
                ),
                name="authoring_task_ended",
            ),
        ),
        migrations.AddConstraint(
            model_name="authoringtask",
            constraint=models.CheckConstraint(
                condition=models.Q(("wanted", ""), _negated=True), name="authoring_task_wanted"
            ),
        ),
        migrations.AddConstraint(
            model_name="category",
            constraint=models.UniqueConstraint(fields=("project", "kind", "key"), name="category_once"),
        ),
        migrations.AddConstraint(
            model_name="category",
            constraint=models.UniqueConstraint(
                models.F("project"),
                django.db.models.functions.text.Lower("name"),
                condition=models.Q(("active", True), ("kind", "edge")),
                name="category_edge_name",
            ),
        ),
        migrations.AddConstraint(
            model_name="category",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["slice", "edge"])), name="category_kind"
            ),
        ),
        migrations.AddConstraint(
            model_name="category",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("kind", "slice"), ("name", models.F("key")), models.Q(("key", ""), _negated=True)
                    ),
                    models.Q(
                        ("key__regex", "^[a-z0-9_]{1,24}$"),
                        ("kind", "edge"),
                        models.Q(("name", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="category_key",
            ),
        ),
        migrations.AddConstraint(
            model_name="category",
            constraint=models.CheckConstraint(
                condition=models.Q(("merged_into", None), ("active", False), _connector="OR"),
                name="category_merged",
            ),
        ),
        migrations.AddConstraint(
            model_name="coveragetarget",
            constraint=models.UniqueConstraint(
                fields=("project", "slice", "edge", "length"), name="coverage_target_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="coveragetarget",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("length", ""), models.Q(("edge", ""), ("slice", ""), _negated=True)),
                    models.Q(models.Q(("length", ""), _negated=True), ("edge", ""), ("slice", "")),
                    _connector="OR",
                ),
                name="coverage_target_part",
            ),
        ),
        migrations.AddConstraint(
            model_name="coveragetarget",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("amount__gte", 1),
                    models.Q(
                        models.Q(("amount__lte", 1000000), ("unit", "number")),
                        models.Q(("amount__lte", 100), ("unit", "share")),
                        _connector="OR",
                    ),
                ),
                name="coverage_target_amount",
            ),
        ),
        migrations.AddIndex(
            model_name="exampleplace",
            index=models.Index(fields=["project", "intent", "example"], name="place_intent"),
        ),
        migrations.AddIndex(
            model_name="exampleplace",
            index=models.Index(condition=models.Q(("shown", True)), fields=["project"], name="place_shown"),
        ),
        migrations.RunSQL(FORWARD, migrations.RunSQL.noop),
    ]
