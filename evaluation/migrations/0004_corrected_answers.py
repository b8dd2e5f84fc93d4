from django.db import migrations

# Items that came from a correction show the answer that was corrected; those filed before did not keep it.
ANSWERS = """
UPDATE annotation_example AS e SET origin_detail = jsonb_set(e.origin_detail, '{answer}', to_jsonb(g.text))
FROM evaluation_correction AS c, evaluation_answer AS a, inference_generation AS g
WHERE c.example_id = e.id AND a.id = c.answer_id AND g.id = a.generation_id
  AND e.origin_detail->'answer' IS NULL
"""


class Migration(migrations.Migration):
    dependencies = [
        ("annotation", "0007_skip_note"),
        ("evaluation", "0003_answers_a_and_b"),
        ("inference", "0004_weight_checks"),
    ]

    operations = [migrations.RunSQL(ANSWERS, migrations.RunSQL.noop)]
