"""Conformance of advantage estimators: is yours unbiased for what it claims? Exactly, in milliseconds.

    from acute.testing import assert_unbiased_for

    def test_my_advantage():
        assert_unbiased_for(my_advantage, "pass@4", n=8)

The pytest plugin, loaded by installing acute, does the same from pytest's configuration: see
`acute.pytest_plugin`.
"""

from acute.testing.conformance import assert_unbiased_for

__all__ = ["assert_unbiased_for"]
