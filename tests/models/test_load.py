"""What is known of a model without its weights is what the loaded one knows."""

import shutil

import pytest
import transformers

from acute.errors import ModelError
from acute.models.load import folder_of, load_policy, load_vocabulary


@pytest.fixture
def folder(tiny_model, tmp_path):
    return shutil.copytree(tiny_model, tmp_path / "model")


def assert_same(folder):
    found, wanted = load_vocabulary(str(folder)), load_policy(str(folder), device="cpu")
    assert found.eos_ids == wanted.eos_ids == wanted.vocabulary.eos_ids
    assert found.positions == wanted.vocabulary.positions == wanted.model.config.max_position_embeddings
    assert found.tokenizer.get_vocab() == wanted.tokenizer.get_vocab()
    return found


def test_end_tokens_without_the_weights(folder):
    assert assert_same(folder).eos_ids == (0,)


def test_end_tokens_of_the_generation_settings_count(folder):
    transformers.GenerationConfig(eos_token_id=[3, 5]).save_pretrained(folder)
    assert assert_same(folder).eos_ids == (0, 3, 5)


def test_end_tokens_where_there_are_no_generation_settings(folder):
    (folder / "generation_config.json").unlink()
    assert assert_same(folder).eos_ids == (0,)


def test_a_model_that_is_not_there_is_named():
    with pytest.raises(ModelError, match="could not load the model '/nowhere'"):
        load_vocabulary("/nowhere")
    with pytest.raises(ModelError, match=r"wanted a bundled model .*found 'bundled:gpt'"):
        folder_of("bundled:gpt")


def test_a_local_folder_is_named_in_full(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    assert folder_of("model") == str(folder) and folder_of("org/model") == "org/model"
