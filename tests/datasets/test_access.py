"""Who may open and use the pages and the API of imports, examples and datasets."""

import pytest

from annotation.models import Example
from core.models import Role
from tests.datasets.desk import API, PAGES, SignIn, ids, page, upload
from tests.support.factories import World

__all__ = ["ids", "upload"]  # fixtures
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume:Warning")
def test_pages_open_for_their_roles_only(name: str, world: World, ids: dict[str, int], as_user: SignIn):
    _, readers, writers = PAGES[name]
    url = page(name, world.project, ids)
    for who, person in world.people().items():
        outside = who not in Role.values
        got = as_user(person).get(url).status_code
        expected = (
            404 if outside else 200 if who in readers else 403 if who not in writers or readers else 405
        )
        assert got == expected or (got, expected) == (405, 403), (who, got, expected)
        posted = as_user(person).post(url).status_code
        if who in writers:
            assert posted not in (403, 404, 405), (who, posted)
        else:
            assert posted in ((404,) if outside else (403, 405)), (who, posted)
    assert as_user(None).get(url).status_code == 302
    assert Example.objects.exclude(status="approved").exclude(status="queued").count() <= 1


@pytest.mark.parametrize("path", API)
@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume:Warning")
def test_the_api_opens_for_the_same_roles(path: str, world: World, ids: dict[str, int], as_user: SignIn):
    readers, writers = API[path]
    url = f"/api/v1/projects/{world.project.slug}/" + path.format(**ids)
    for who, person in world.people().items():
        outside = who not in Role.values
        got = as_user(person).get(url).status_code
        assert got == (404 if outside else 200 if who in readers else 403 if readers else 405) or (
            got in (403, 405) and who not in readers and not outside
        ), (who, got)
        posted = as_user(person).post(url, {}, content_type="application/json").status_code
        if who in writers:
            assert posted not in (403, 404, 405), (who, posted)
        else:
            assert posted in ((404, 405) if outside else (403, 405)), (who, posted)
    assert as_user(None).get(url).status_code == 401


@pytest.mark.parametrize("name", [name for name, (kind, *_) in PAGES.items() if kind])
def test_ids_of_nothing_and_of_other_projects_are_not_found(
    name: str, world: World, ids: dict[str, int], as_user: SignIn
):
    kind = PAGES[name][0]
    method = "get" if PAGES[name][1] else "post"
    missing = getattr(as_user(world.admin), method)(page(name, world.project, ids | {kind: 10**9}))
    elsewhere = getattr(as_user(world.neighbour), method)(page(name, world.other, ids))
    assert (missing.status_code, elsewhere.status_code) == (404, 404)


@pytest.mark.parametrize("name", ["imports", "examples", "datasets", "dataset-new", "import-new"])
def test_an_empty_project_says_what_to_do(name: str, world: World, as_user: SignIn):
    response = as_user(world.admin).get(page(name, world.project, {}))
    assert response.status_code == 200
    text = response.content.decode()
    assert "yet" in text or "Nothing to freeze" in text or "Import a file" in text
