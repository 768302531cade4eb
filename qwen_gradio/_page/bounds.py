"""The values that a component of a page accepts. Nothing here does I/O.

An app rejects choices that it does not offer and, since Gradio 5.39, numbers out of bounds.
Bounds that make no sense, such as a minimum above the maximum, count as absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

NUMBERS = ("slider", "number")
CHOICES = ("dropdown", "radio", "checkboxgroup")
MAX_SHOWN = 10
"""Choices that an error lists."""
MAX_NUMBER = 2.0**1023


@dataclass(frozen=True)
class Bounds:
    """What a component accepts.

    :ivar step: the distance between the numbers that a user can choose.
    :ivar choices: the names that are shown and the values that they stand for; () is anything.
    :ivar takes_several: whether a value is a list of choices.
    """

    is_number: bool = False
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    choices: tuple[tuple[str, Any], ...] = ()
    takes_several: bool = False

    def check(self, value: Any) -> Any:
        """Return a user's value as a page sends it: a choice may be its name, a number text.

        :raises ValueError: if the component does not accept it; says what it accepts.
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
        number = _number(value)
        if number is None or number != self._limit(number):
            raise ValueError(str(self))
        return number

    def clamp(self, value: Any) -> Any:
        """Return the nearest value that the component accepts.

        :raises ValueError: if no choice is like it; says which there are.
        """
        number = _number(value)
        if number is None or isinstance(value, str):
            return self.check(value)
        if self.choices:
            numbers = [choice for _, choice in self.choices if _number(choice) is not None]
            nearest = min(numbers, key=lambda choice: abs(number - float(choice)), default=value)
            return self.check(nearest)
        limited = self._limit(number)
        return self._limit(self._to_step(limited)) if limited == number else limited

    def _choose(self, given: Any) -> Any:
        number = _number(given)
        same = [value for _, value in self.choices if type(value) is type(given) and value == given]
        named = [value for name, value in self.choices if name == given]
        equal = [v for _, v in self.choices if number is not None and _number(v) == number]
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
        """Return the nearest number that is a multiple of the step away from the minimum."""
        if not self.step or self.minimum is None:
            return number
        # As decimals, so that 0.1 + 6 * 0.1 is 0.7.
        start, step = Decimal(str(self.minimum)), Decimal(str(self.step))
        nearest = start + round((Decimal(str(number)) - start) / step) * step
        if nearest == Decimal(str(number)):
            return number
        is_whole = isinstance(self.minimum, int) and isinstance(self.step, int)
        return int(nearest) if is_whole else float(nearest)

    def __str__(self) -> str:
        """What is accepted, to show to a user."""
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
    """Return what a component of this kind accepts, from its properties in `/config`."""
    if kind in NUMBERS:
        minimum, maximum, step = (
            _bound(props.get(name)) for name in ("minimum", "maximum", "step")
        )
        if minimum is not None and maximum is not None and minimum > maximum:
            minimum = maximum = None
        return Bounds(True, minimum, maximum, step if step and step > 0 else None)
    if kind in CHOICES and not props.get("allow_custom_value"):
        listed = props.get("choices")
        choices = tuple(map(_choice, listed if isinstance(listed, list) else ()))
        is_multiple = kind == "checkboxgroup" or bool(props.get("multiselect"))
        return Bounds(choices=choices, takes_several=is_multiple and bool(choices))
    return Bounds()


def _choice(given: Any) -> tuple[str, Any]:
    if isinstance(given, list) and len(given) == 2:
        return str(given[0]), given[1]
    return str(given), given


def _bound(given: Any) -> float | None:
    return None if isinstance(given, str) else _number(given)


def _number(given: Any) -> float | None:
    """Return a finite number that was given as such or as text; None for anything else."""
    if isinstance(given, str):
        try:
            given = int(given) if given.strip().isdecimal() else float(given)
        except ValueError:
            return None
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        return None
    return given if abs(given) < MAX_NUMBER else None  # which nan is not, either
