"""The two answers of a comparison are called A and B, not left and right; what was stored is renamed with them."""

from django.db import migrations, models

RENAME = """
UPDATE evaluation_rating SET choice = CASE choice WHEN '{0}' THEN '{1}' ELSE '{3}' END WHERE choice IN ('{0}', '{2}')
"""


class Migration(migrations.Migration):
    dependencies = [("evaluation", "0002_campaign_growth")]

    operations = [
        migrations.RemoveConstraint(model_name="comparison", name="comparison_sides"),
        migrations.RenameField(model_name="comparison", old_name="left", new_name="a"),
        migrations.RenameField(model_name="comparison", old_name="right", new_name="b"),
        migrations.AddConstraint(
            model_name="comparison",
            constraint=models.CheckConstraint(
                name="comparison_sides", condition=models.Q(("a", models.F("b")), _negated=True)
            ),
        ),
        migrations.RemoveConstraint(model_name="rating", name="rating_preferred"),
        migrations.AlterField(
            model_name="rating",
            name="choice",
            field=models.CharField(
                choices=[
                    ("a", "A is better"),
                    ("b", "B is better"),
                    ("tie", "Equal"),
                    ("both_bad", "Both bad"),
                ],
                max_length=8,
            ),
        ),
        migrations.RunSQL(
            RENAME.format("left", "a", "right", "b"), RENAME.format("a", "left", "b", "right"), elidable=True
        ),
        migrations.AddConstraint(
            model_name="rating",
            constraint=models.CheckConstraint(
                name="rating_preferred",
                condition=models.Q(
                    models.Q(("choice__in", ["a", "b"]), ("preferred__isnull", False)),
                    models.Q(("choice__in", ["tie", "both_bad"]), ("preferred__isnull", True)),
                    _connector="OR",
                ),
            ),
        ),
    ]
