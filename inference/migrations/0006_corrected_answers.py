from django.db import migrations

# Items that came from a correction show the answer that was corrected; those filed before name it in their address only.
ANSWERS = """
UPDATE annotation_example AS e SET origin_detail = jsonb_set(e.origin_detail, '{answer}', to_jsonb(g.text))
FROM inference_generation AS g
WHERE e.origin = 'chat' AND e.origin_detail->'answer' IS NULL
  AND g.public_id = substring(e.origin_detail->>'url' from '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}')::uuid
"""


class Migration(migrations.Migration):
    dependencies = [
        ("annotation", "0007_skip_note"),
        ("inference", "0005_answer_alive"),
    ]

    operations = [migrations.RunSQL(ANSWERS, migrations.RunSQL.noop)]
