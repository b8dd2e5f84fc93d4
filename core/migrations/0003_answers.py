import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0002_audit_append_only"),
    ]

    operations = [
        migrations.AddField(
            model_name="project",
            name="max_tokens",
            field=models.PositiveIntegerField(
                db_default=512,
                default=512,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(8192),
                ],
            ),
        ),
        migrations.AddField(
            model_name="project",
            name="temperature",
            field=models.FloatField(
                db_default=0.2,
                default=0.2,
                validators=[
                    django.core.validators.MinValueValidator(0),
                    django.core.validators.MaxValueValidator(2),
                ],
            ),
        ),
        migrations.AddConstraint(
            model_name="project",
            constraint=models.CheckConstraint(
                condition=models.Q(("temperature__gte", 0), ("temperature__lte", 2)),
                name="project_temperature",
            ),
        ),
        migrations.AddConstraint(
            model_name="project",
            constraint=models.CheckConstraint(
                condition=models.Q(("max_tokens__gte", 1), ("max_tokens__lte", 8192)),
                name="project_max_tokens",
            ),
        ),
    ]
