"""Django's command for the first account; here it is the same as create_operator."""

from core.management.commands.create_operator import Command

__all__ = ["Command"]
