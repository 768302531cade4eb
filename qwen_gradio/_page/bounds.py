"""The values that a component accepts. Nothing here does I/O.

An app rejects unknown choices and, since Gradio 5.39, numbers out of bounds. Contradictory bounds,
such as a minimum above the maximum, are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

NUMBERS = ("slider", "number")
CHOICES = ("dropdown", "radio", "checkboxgroup")
MAX_SHOWN = 10
"""Maximum choices to list in an error."""
MAX_NUMBER = 2.0**1023


@dataclass(frozen=True)
class Bounds:
    """The values that a component accepts.

    :ivar step: the distance between two numbers that a user can choose.
    :ivar choices: pairs of a displayed name and a value; () accepts anything.
    :ivar takes_several: whether a value is a list of choices.
    """

    is_number: bool = False
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    choices: tuple[tuple[str, Any], ...] = ()
    takes_several: bool = False

    def check(self, value: Any) -> Any:
        """Convert a user's value to the page's: choices may be names, and numbers may be text.

        :raises ValueError: if the component does not accept it. The message says what it accepts.
        """
        if value is None:  # nothing is chosen
            return None
        if self.takes_several and isinstance(value, list):
            return [self._choose(choice) for choice in value]
        if self.choices:
            chosen = self._choose(value)
            return [chosen] if self.takes_several else chosen
        if not self.is_number:
            return value
        number = _to_number(value)
        if number is None or number != self._limit(number):
            raise ValueError(str(self))
        return number

    def clamp(self, value: Any) -> Any:
        """Return the nearest accepted value.

        :raises ValueError: if no choice is close. The message lists the choices.
        """
        number = _to_number(value)
        if number is None or isinstance(value, str):
            return self.check(value)
        if self.choices:
            numbers = [choice for _, choice in self.choices if _to_number(choice) is not None]
            nearest = min(numbers, key=lambda choice: abs(number - float(choice)), default=value)
            return self.check(nearest)
        limited = self._limit(number)
        return self._limit(self._to_step(limited)) if limited == number else limited

    def _choose(self, given: Any) -> Any:
        number = _to_number(given)
        same = [value for _, value in self.choices if type(value) is type(given) and value == given]
        named = [value for name, value in self.choices if name == given]
        equal = [v for _, v in self.choices if number is not None and _to_number(v) == number]
        if not (found := [*same, *named, *equal]):
            raise ValueError(str(self))
        return found[0]

    def _limit(self, number: float) -> float:
        if self.minimum is not None and number < self.minimum:
            return self.minimum
        if self.maximum is not None and number > self.maximum:
            return self.maximum
        return number

    def _to_step(self, number: float) -> float:
        """Return the nearest number that is a whole number of steps above the minimum."""
        if not self.step or self.minimum is None:
            return number
        # With decimals, 0.1 + 6 * 0.1 is 0.7.
        start, step = Decimal(str(self.minimum)), Decimal(str(self.step))
        nearest = start + round((Decimal(str(number)) - start) / step) * step
        if nearest == Decimal(str(number)):
            return number
        is_whole = isinstance(self.minimum, int) and isinstance(self.step, int)
        return int(nearest) if is_whole else float(nearest)

    def __str__(self) -> str:
        """Return what is accepted, for a user to read."""
        if self.choices:
            shown = [
                f"{value!r:.100}" if name == str(value) else f"{name!r:.100} ({value!r:.100})"
                for name, value in self.choices[:MAX_SHOWN]
            ]
            more = len(self.choices) - len(shown)
            return f"one of {', '.join(shown)}" + (f" and {more:,} more" if more else "")
        match self.minimum, self.maximum:
            case None, None:
                return "a number" if self.is_number else "anything"
            case minimum, None:
                return f"a number of {minimum} or more"
            case None, maximum:
                return f"a number up to {maximum}"
            case minimum, maximum:
                return f"a number from {minimum} to {maximum}"


def read_bounds(kind: str, props: Mapping[str, Any]) -> Bounds:
    """Read the bounds of a component from its type and its properties in `/config`."""
    if kind in NUMBERS:
        minimum, maximum, step = (
            _to_bound(props.get(name)) for name in ("minimum", "maximum", "step")
        )
        if minimum is not None and maximum is not None and minimum > maximum:
            minimum = maximum = None
        return Bounds(True, minimum, maximum, step if step and step > 0 else None)
    if kind in CHOICES and not props.get("allow_custom_value"):
        listed = props.get("choices")
        choices = tuple(map(_to_choice, listed if isinstance(listed, list) else ()))
        is_multiple = kind == "checkboxgroup" or bool(props.get("multiselect"))
        return Bounds(choices=choices, takes_several=is_multiple and bool(choices))
    return Bounds()


def _to_choice(given: Any) -> tuple[str, Any]:
    if isinstance(given, list) and len(given) == 2:
        return str(given[0]), given[1]
    return str(given), given


def _to_bound(given: Any) -> float | None:
    return None if isinstance(given, str) else _to_number(given)


def _to_number(given: Any) -> float | None:
    """Return a finite number, also from text; None for anything else."""
    if isinstance(given, str):
        try:
            given = int(given) if given.strip().isdecimal() else float(given)
        except ValueError:
            return None
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        return None
    return given if abs(given) < MAX_NUMBER else None  # also rejects NaN
