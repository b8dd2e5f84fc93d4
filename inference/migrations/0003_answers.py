import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.functions.text
from django.db import migrations, models

# The messages of an answer end with the question.
QUESTIONS = """
UPDATE inference_generation SET question = coalesce(messages -> -1 ->> 'content', '')
WHERE jsonb_typeof(messages) = 'array' AND messages -> -1 ->> 'role' = 'user'
"""
# What was live before; release's next migration puts the whole way back in its place.
WAY_BACK = "UPDATE inference_route SET way_back = ARRAY[previous_id] WHERE previous_id IS NOT NULL"


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0003_answers"),
        ("inference", "0002_generation_doubt"),
        ("training", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="generation",
            name="question",
            field=models.TextField(
                blank=True, db_default="", default="", help_text="The last message of who asked, alone."
            ),
        ),
        migrations.RunSQL(QUESTIONS, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name="generation",
            index=django.contrib.postgres.indexes.GinIndex(
                django.contrib.postgres.indexes.OpClass(
                    django.db.models.functions.text.Upper("question"), name="gin_trgm_ops"
                ),
                name="generation_question",
            ),
        ),
        migrations.AddIndex(
            model_name="generation",
            index=django.contrib.postgres.indexes.GinIndex(
                django.contrib.postgres.indexes.OpClass(
                    django.db.models.functions.text.Upper("text"), name="gin_trgm_ops"
                ),
                name="generation_text",
            ),
        ),
        migrations.AddField(
            model_name="route",
            name="way_back",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.BigIntegerField(),
                blank=True,
                default=list,
                help_text="Ids of the model versions that a rollback can go back to, the nearest last.",
                size=None,
            ),
        ),
        migrations.RunSQL(WAY_BACK, migrations.RunSQL.noop),
        migrations.RemoveField(
            model_name="route",
            name="previous",
        ),
    ]
