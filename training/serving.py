"""How the result of a training run is served. The method decides it before the run starts; engines are planned from it."""

from django.db.models import TextChoices


class Serving(TextChoices):
    """Labels complete the sentence "Will be served …"."""

    # Complete weights: the base model itself, full fine-tunes, and adapters that were merged into their base.
    WHOLE = "whole", "by its own engine"
    ADAPTER = "adapter", "as adapter in vLLM"
    # The trained vectors stand before the embeddings of the prompt's tokens, in the engine of the base model.
    PROMPT_EMBEDS = "prompt_embeds", "as prompt embeddings in vLLM"
    # Everything that vLLM refuses: a process of its own that runs transformers and peft.
    TRANSFORMERS = "transformers", "by the transformers engine"
