"""The values of the setting GRIDPRESS_DIT_FP8."""

from typing import Literal

Fp8 = Literal["auto", "off", "tiers", "all"]
"""The setting GRIDPRESS_DIT_FP8. Earlier releases had 1 and 0, which mean `all` and `off`."""

_OLD_VALUES = {
    **dict.fromkeys(("1", "true", "yes", "on", "t", "y"), "all"),
    **dict.fromkeys(("0", "false", "no", "off", "f", "n"), "off"),
}


def fp8_setting(value: object) -> object:
    """Returns the value of the setting, in which the words of earlier releases are replaced."""
    return _OLD_VALUES.get(str(value).strip().lower(), value)
