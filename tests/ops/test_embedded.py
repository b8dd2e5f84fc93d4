import pytest
from django.db import connection


@pytest.mark.django_db
def test_the_tests_run_on_their_own_postgresql():
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        assert cursor.fetchone()[0].startswith("18")
        cursor.execute("SHOW data_directory")
        assert "guildhall-test-" in cursor.fetchone()[0]
