import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import expressions

# The data move before the GIN indexes exist: building these from all rows is much cheaper than filling them row by row.
MOVE = """
INSERT INTO annotation_examplesearch (example_id, project_id, text, question)
SELECT id, project_id, search_text,
       lower(left(regexp_replace(normalize(coalesce(messages -> -1 ->> 'content', ''), NFKC), '\\s+', ' ', 'g'), 600))
FROM annotation_example;
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED
"""


class Migration(migrations.Migration):
    dependencies = [
        ("annotation", "0002_rejected"),
        ("core", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ExampleSearch",
            fields=[
                (
                    "example",
                    models.OneToOneField(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="search",
                        serialize=False,
                        to="annotation.example",
                    ),
                ),
                (
                    "text",
                    models.TextField(
                        help_text="All texts joined and folded (annotation.text.hashes.search_text)."
                    ),
                ),
                (
                    "question",
                    models.TextField(
                        help_text="The start of the last turn without differences that people do not see, for the check of repeats."
                    ),
                ),
                (
                    "places",
                    models.GeneratedField(
                        db_persist=True,
                        expression=models.Func(
                            expressions.CombinedExpression(
                                models.F("project"), "*", models.Value(17592186044416)
                            ),
                            expressions.CombinedExpression(
                                expressions.CombinedExpression(
                                    expressions.CombinedExpression(
                                        models.F("project"), "*", models.Value(17592186044416)
                                    ),
                                    "+",
                                    models.Value(1099511627776),
                                ),
                                "+",
                                expressions.CombinedExpression(
                                    models.F("example"), "/", models.Value(524288)
                                ),
                            ),
                            expressions.CombinedExpression(
                                expressions.CombinedExpression(
                                    expressions.CombinedExpression(
                                        models.F("project"), "*", models.Value(17592186044416)
                                    ),
                                    "+",
                                    models.Value(2199023255552),
                                ),
                                "+",
                                expressions.CombinedExpression(models.F("example"), "/", models.Value(65536)),
                            ),
                            expressions.CombinedExpression(
                                expressions.CombinedExpression(
                                    expressions.CombinedExpression(
                                        models.F("project"), "*", models.Value(17592186044416)
                                    ),
                                    "+",
                                    models.Value(3298534883328),
                                ),
                                "+",
                                expressions.CombinedExpression(models.F("example"), "/", models.Value(8192)),
                            ),
                            output_field=django.contrib.postgres.fields.ArrayField(
                                base_field=models.BigIntegerField(), size=None
                            ),
                            template="ARRAY[%(expressions)s]",
                        ),
                        output_field=django.contrib.postgres.fields.ArrayField(
                            base_field=models.BigIntegerField(), size=None
                        ),
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="core.project",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SearchBacklog",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("after", models.BigIntegerField()),
                ("last", models.BigIntegerField()),
                (
                    "left",
                    models.PositiveIntegerField(help_text="How many examples wait; shown to people."),
                ),
                ("claim", models.UUIDField(blank=True, null=True)),
                (
                    "touched_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="When the worker with the claim last stored some.",
                        null=True,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="core.project"
                    ),
                ),
            ],
        ),
        migrations.RunSQL(MOVE),
        migrations.RemoveIndex(model_name="example", name="example_search"),
        migrations.RemoveIndex(model_name="example", name="example_question"),
        migrations.RemoveField(model_name="example", name="search_text"),
        migrations.AddIndex(
            model_name="examplesearch",
            index=models.Index(fields=["project", "example"], name="search_newest"),
        ),
        migrations.AddIndex(
            model_name="examplesearch",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["text", "places"], name="example_search", opclasses=["gin_trgm_ops", "array_ops"]
            ),
        ),
        migrations.AddIndex(
            model_name="examplesearch",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["question"], name="example_question", opclasses=["gin_trgm_ops"]
            ),
        ),
    ]
