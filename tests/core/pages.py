"""What the tests of the pages of core share."""

from collections.abc import Callable

from django.test import Client
from django.urls import reverse

from core.models import Membership, User
from tests.support.factories import World

SignIn = Callable[[User | None], Client]


def page(name: str, world: World, *args: object) -> str:
    return reverse(f"core:{name}", args=[world.project.slug, *args])


def member(world: World, role: str) -> Membership:
    return Membership.objects.get(project=world.project, user=getattr(world, role))
