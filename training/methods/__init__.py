"""Training methods: one file each, chosen from METHODS. To add one, write its file and list it here; the launch form,
the preflight, the API and the runner read everything from it."""

from training.methods.adaption_prompt import AdaptionPrompt
from training.methods.base import Method, Recipe
from training.methods.bottleneck import Bottleneck
from training.methods.full import FullFineTune
from training.methods.ia3 import IA3
from training.methods.lora import LoRA
from training.methods.oft import OFT
from training.methods.prefix_tuning import PrefixTuning
from training.methods.prompt_tuning import PromptTuning
from training.methods.qlora import QLoRA
from training.methods.settings import Setting, recipe_from, settings_of

# Methods of a group stand together, in the order that forms show them.
METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        LoRA(),
        QLoRA(),
        OFT(),
        IA3(),
        Bottleneck(),
        PromptTuning(),
        PrefixTuning(),
        AdaptionPrompt(),
        FullFineTune(),
    )
}

__all__ = ["METHODS", "Method", "Recipe", "Setting", "recipe_from", "settings_of"]
