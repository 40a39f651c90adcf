"""Texts tokenised again: the end token that a text does not show, and what is said of the rest."""

from collections import Counter
from types import SimpleNamespace

from acute.stages.retokenise import notes, tokens_again, with_end

END = 9


class Letters:
    """A tokenizer of single digits; 7 comes back as something else."""

    eos_token_id = END

    def __call__(self, text, add_special_tokens):
        assert not add_special_tokens
        return SimpleNamespace(input_ids=[int(c) for c in text])

    def decode(self, ids, clean_up_tokenization_spaces):
        assert not clean_up_tokenization_spaces
        return "".join("x" if i == 7 else str(i) for i in ids)


POLICY = SimpleNamespace(tokenizer=Letters(), eos_ids=(8, END))


def test_a_finished_response_ends_with_the_end_token_once():
    assert with_end([1, 2], "eos", POLICY) == [1, 2, END]
    assert with_end([1, 2], "length", POLICY) == with_end([1, 2], "stop", POLICY) == [1, 2]
    assert with_end([1, 8], "eos", POLICY) == [1, 8]  # another of the model's end tokens
    assert with_end([], "length", POLICY) == [END]  # a response has a token at least
    assert with_end([1], "eos", SimpleNamespace(tokenizer=Letters(), eos_ids=())) == [1]
    bare = SimpleNamespace(tokenizer=SimpleNamespace(eos_token_id=None), eos_ids=(8,))
    assert with_end([1], "eos", bare) == [1, 8]


def test_an_end_that_is_not_known_is_guessed_and_counted():
    said = Counter()
    assert tokens_again("12", None, POLICY, 3, said) == ([1, 2, END], "eos")
    assert tokens_again("123", None, POLICY, 3, said) == ([1, 2, 3], "length")
    assert tokens_again("17", "stop", POLICY, 3, said) == ([1, 7], "stop")
    assert said == {"again": 3, "end": 2, "other text": 1}
    told = notes(said, 4)
    assert "3 of 4 responses" in told["tokens"] and "1 responses do not come back" in told["texts"]
    assert "2 responses do not say how they ended" in told["ends"]
    assert notes(Counter(), 4) == {}
