"""The response is the answer, character by character."""

import pytest

from acute.verify.exact import exact


@pytest.mark.parametrize("finish", ["eos", "stop", "length"])
def test_equal_is_right_however_it_ended(finish):
    assert exact(" 7", " 7", finish) == ("ok", 1.0, " 7", None)


@pytest.mark.parametrize("response", ["7", " 7 ", " 7.", "", " ７"])
def test_anything_else_is_wrong(response):
    assert exact(response, " 7", "eos") == ("ok", 0.0, response, None)
