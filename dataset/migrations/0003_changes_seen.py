from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("datasets", "0002_files"),
        ("annotation", "0004_kept_counts"),
    ]

    operations = [
        migrations.AddField(
            model_name="datasetversion",
            name="changes_seen",
            field=models.BigIntegerField(
                help_text="The newest change of an approved example (annotation.models.ApprovedChange) that this version surely contains.",
                null=True,
            ),
        ),
    ]
