from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("core", "0004_run_queued_at")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="session_round",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
    ]
