"""Training methods: one file each, chosen from METHODS. To add one, write its file and list it here; the launch form,
the preflight, the API and the runner read everything from it."""

from training.methods.base import Method, Recipe, Setting, recipe_from, settings_of
from training.methods.full import FullFineTune
from training.methods.lora import LoRA

METHODS: dict[str, Method] = {method.name: method for method in (LoRA(), FullFineTune())}

__all__ = ["METHODS", "Method", "Recipe", "Setting", "recipe_from", "settings_of"]
