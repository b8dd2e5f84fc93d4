from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("training", "0003_evidence")]

    operations = [
        migrations.AddField(
            model_name="trainingrun",
            name="checkpoint_step",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Step of the newest checkpoint; null when there is none to resume from.",
                null=True,
            ),
        ),
    ]
