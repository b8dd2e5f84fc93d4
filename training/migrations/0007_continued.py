"""A run may continue from an earlier version of the same project and base model, which is then the parent of its version."""

import django.db.models.deletion
from django.db import migrations, models

# A version's parent is of the same project and base model and has a smaller number (with the check version_after_parent), so no
# version is its own ancestor.
FORWARD = """
ALTER TABLE training_modelversion ADD CONSTRAINT version_parent
    FOREIGN KEY (parent_id, project_id, base_model_id, parent_number)
    REFERENCES training_modelversion (id, project_id, base_model_id, number) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE training_trainingrun ADD CONSTRAINT run_continued_from
    FOREIGN KEY (continued_from_id, project_id, base_model_id)
    REFERENCES training_modelversion (id, project_id, base_model_id) DEFERRABLE INITIALLY DEFERRED;
"""
BACKWARD = """
ALTER TABLE training_trainingrun DROP CONSTRAINT run_continued_from;
ALTER TABLE training_modelversion DROP CONSTRAINT version_parent;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0004_checks"),
        ("training", "0006_objectives"),
    ]

    operations = [
        migrations.AddField(
            model_name="modelversion",
            name="parent",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.RESTRICT,
                related_name="children",
                to="training.modelversion",
            ),
        ),
        migrations.AddField(
            model_name="modelversion",
            name="parent_number",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="The parent's number, smaller than the own one: no version is its own ancestor.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="trainingrun",
            name="continued_from",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.RESTRICT,
                related_name="continuing_runs",
                to="training.modelversion",
            ),
        ),
        migrations.AddConstraint(
            model_name="modelversion",
            constraint=models.UniqueConstraint(fields=("id", "project", "base_model"), name="version_key"),
        ),
        migrations.AddConstraint(
            model_name="modelversion",
            constraint=models.UniqueConstraint(
                fields=("id", "project", "base_model", "number"), name="version_numbered_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="modelversion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("parent__isnull", True), ("parent_number__isnull", True)),
                    models.Q(
                        ("parent__isnull", False),
                        ("parent_number__gt", 0),
                        ("parent_number__lt", models.F("number")),
                    ),
                    _connector="OR",
                ),
                name="version_after_parent",
            ),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
