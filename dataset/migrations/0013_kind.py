from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("datasets", "0012_dismissed_and_retired")]

    operations = [
        migrations.AddField(
            model_name="datasetversion",
            name="kind",
            field=models.CharField(
                choices=[("supervised", "Examples"), ("preference", "Preferences")],
                default="supervised",
                max_length=10,
            ),
        ),
    ]
