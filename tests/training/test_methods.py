"""Recipes check themselves; estimates agree with the real thing."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import Invalid
from training import estimates
from training.methods import METHODS, recipe_from, settings_of
from training.methods.settings import plain
from training.services.runs import recipe_hash


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_every_setting_says_what_it_is_and_what_its_default_rests_on(method):
    for one in settings_of(method.recipe):
        assert one.label
        assert one.source, one.name
        assert one.clean(one.default) == one.default


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rank", 0), ("rank", 1.5), ("rank", "16"), ("rank", True), ("rank", None), ("epochs", 0), ("epochs", float("nan")),
        ("epochs", float("inf")), ("learning_rate", -1), ("schedule", "stairs"), ("rslora", 1), ("seed", 2**40), ("batch_size", 0),
        ("colour", "red"),
    ],
)  # fmt: skip
def test_a_value_out_of_range_is_refused_by_name(name, value):
    with pytest.raises(Invalid) as refused:
        recipe_from(METHODS["lora"].recipe, {name: value})
    assert set(refused.value.fields) == {name}


def test_all_wrong_values_are_named_at_once():
    with pytest.raises(Invalid) as refused:
        recipe_from(METHODS["lora"].recipe, {"rank": 0, "epochs": -1, "schedule": "", "colour": "red"})
    assert set(refused.value.fields) == {"rank", "epochs", "schedule", "colour"}
    assert "Epochs: at least 0.01." in str(refused.value)
    assert str(refused.value).endswith("And 1 more.")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("learning_rate", 5, "Learning rate: at most {most}."),
        ("learning_rate", 0, "Learning rate: at least 0.0000001."),
        ("seed", 2**40, "Seed: at most 2,147,483,647."),
        ("seed", 10**4000, "Seed: at most 2,147,483,647."),
        ("batch_size", 1e999, "Rows per step: enter a number that is not infinite."),
        ("batch_size", float("nan"), "Rows per step: enter a number that is not infinite."),
        ("batch_size", 2.5, "Rows per step: enter a whole number."),
        ("epochs", 10**400, "Epochs: at most 100."),
        ("epochs", True, "Epochs: enter a number."),
        ("epochs", "2", "Epochs: enter a number."),
        ("schedule", ["cosine"], "Learning rate over time: choose one of cosine, linear, constant."),
        ("schedule", {"a": 1}, "Learning rate over time: choose one of cosine, linear, constant."),
        ("save_memory", 1, "Gradient checkpointing: choose true or false."),
        ("colour", "red", "“colour”: no such setting."),
    ],
)
def test_a_wrong_value_is_refused_in_words_that_name_the_setting(name, value, says):
    for method in METHODS.values():
        with pytest.raises(Invalid) as refused:
            recipe_from(method.recipe, {name: value})
        most = {one.name: one for one in settings_of(method.recipe)}["learning_rate"].most
        assert str(refused.value) == says.format(most=plain(most))


# A small alphabet: the whole of Unicode takes Hypothesis half a minute to set up on a busy machine.
TEXT = st.text(st.sampled_from("aé0 .\x00\u2028²"), max_size=6)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**500), 10**500)
    | st.floats()
    | TEXT
    | st.sampled_from(["cosine", "on", "true", "0", "", "NaN"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
# What Python, and not a person, would say.
PYTHONS = re.compile(
    r"nan\b|float|integer|\bint\b|dict|\bstr\b|None|unhashable|convert|overflow|e[+-]\d|type\b|['\"{}\[\]]",
    re.IGNORECASE,
)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
@given(data=st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_json_value_of_any_setting_is_taken_or_refused_in_words(method, data):
    known = {one.name: one for one in settings_of(method.recipe)}
    values = {
        name: data.draw(JSON, label=name) for name in data.draw(st.sets(st.sampled_from(sorted(known))))
    }
    try:
        recipe = recipe_from(method.recipe, values)
    except Invalid as refused:
        assert set(refused.fields) <= set(values)
        for name, messages in refused.fields.items():
            assert not PYTHONS.search(" ".join(messages)), messages
            with pytest.raises(ValueError):
                known[name].clean(values[name])
    else:
        for name, one in known.items():
            assert type(getattr(recipe, name)) is type(one.default)


def test_equal_recipes_have_equal_hashes_and_others_not():
    assert recipe_hash("lora", {"a": 1, "b": 2}) == recipe_hash("lora", {"b": 2, "a": 1})
    assert recipe_hash("lora", {"a": 1}) != recipe_hash("full", {"a": 1})
    assert recipe_hash("lora", {"a": 1}) != recipe_hash("lora", {"a": 2})


@pytest.mark.parametrize("targets", ["all-linear", "attention"])
def test_the_count_of_trained_weights_is_that_of_peft(tiny_folder, targets):
    from transformers import AutoConfig

    lora = METHODS["lora"]
    recipe = recipe_from(lora.recipe, {"rank": 4, "targets": targets})
    model = lora.load(tiny_folder, recipe, "cpu")
    real = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    architecture = AutoConfig.from_pretrained(tiny_folder).to_dict()
    assert lora.trainable(architecture, 10**6, recipe) == real


def test_smollm2_has_the_published_number_of_trained_weights():
    """4,884,480 with rank 16 on all linear layers, as peft prints it."""
    architecture = {
        "hidden_size": 576, "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3, "intermediate_size": 1536,
    }  # fmt: skip
    lora = METHODS["lora"]
    assert lora.trainable(architecture, 134_515_008, lora.recipe()) == 4_884_480


@pytest.mark.parametrize(
    ("rows", "batch", "epochs", "steps"),
    [(0, 8, 2, 0), (1, 8, 1, 1), (100, 8, 1, 13), (100, 10, 2.5, 25), (7, 2, 0.1, 1)],
)
def test_steps(rows, batch, epochs, steps):
    assert estimates.steps_of(rows, batch, epochs) == steps


def test_the_curve_is_the_mean_of_the_last_steps():
    from training.curves import trailing_mean

    assert trailing_mean([1.0, 3.0, 5.0, 7.0], window=2) == [1.0, 2.0, 4.0, 6.0]
    assert trailing_mean([2.0]) == [2.0]
    assert trailing_mean([]) == []
