"""Convert snapshots of a reply to fragments, which are only ever appended. No I/O here.

A snapshot repeats the reply so far. Most apps only add text; then a fragment is the added text. But
pages also take back text that they have shown: a cursor, a spinner, a counter, a placeholder
("Thinking..."), a code fence that is closed until more code arrives, or the margin of a list, which
Gradio removes (`inspect.cleandoc`) until a line without a margin arrives. For such an app, only the
text that two snapshots share is emitted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

CURSORS = frozenset("\ufffd⏳⌛⬤⚫⚪") | frozenset(
    map(chr, (*range(0x2580, 0x2600), *range(0x2800, 0x2900)))
)
"""Cursors at the end of a snapshot: blocks, circles and Braille spinners, and the replacement
character for one whose bytes have not all arrived."""
PLACEHOLDER = re.compile(
    r"""\W*(?:
        (?:thinking|loading|generating|searching|processing|working|waiting|typing|analyzing
          |please\ wait|one\ moment|思考中|正在思考|加载中|请稍候|请稍等|生成中)[\W\d]*s?\W*
        | [^\n]*(?:\.\.\.|…)[^\w\n]*
    )""",
    re.IGNORECASE | re.VERBOSE,
)
"""Text shown before a reply: words such as "Thinking", or a line that ends in dots."""
MAX_PLACEHOLDER = 100
"""Maximum characters of a placeholder."""
PROVISIONAL_END = re.compile(r"(?:\n[ \t]*(?:`{3,}|~{3,})|</\w+>)[\s</\w>]*\Z")
"""The end of a code block or an element. An app may add it to display an incomplete snapshot."""
WORDLESS_END = re.compile(r"\n[ \t]*\n\W*\Z")
"""A last paragraph without words. It may be the start of a footer."""
FOOTER = re.compile(r"\n[ \t]*\n(?:-{3,}|\*{3,}|[*_(\[<][^\n]*)(?:\n[^\n]{0,100})?\Z")
"""A last paragraph about the reply, such as its speed."""
MIN_TAIL = 12
"""Minimum bytes of a tail that identifies a position in a text."""
MAX_SKIPPED = 100
"""Maximum characters to skip before such a position, such as a changed header."""
MAX_WORD = 100
"""Maximum characters of a word."""


@dataclass
class Habit:
    """Whether an app's snapshots only add text; None until that is known."""

    only_grows: bool | None = None


@dataclass
class Habits:
    """The habits of an app, learned from its replies and shared by them.

    :ivar omits_first_tag: whether reasoning ends with a tag, but begins without one.
    :ivar answers_in_parts: whether the chatbot's answers are lists of parts; None until known.
    """

    text: Habit = field(default_factory=Habit)
    reasoning: Habit = field(default_factory=Habit)
    omits_first_tag: bool = False
    answers_in_parts: bool | None = None


class Appender:
    """Turns the snapshots of one reply into fragments.

    The first reply from an app may begin one snapshot later: two are needed to learn its habit. If
    the app begins anew, a blank line and the new text follow. Joined, the fragments are the last
    snapshot, except for whitespace that has changed and words that were taken back.
    """

    def __init__(self, habit: Habit) -> None:
        self._habit = habit
        self._last = ""  # the last snapshot, without a cursor
        self._emitted = ""  # the emitted part of a snapshot
        self._has_grown = self._is_confirmed = False
        self._placeholder = ""

    def feed(self, snapshot: str) -> tuple[str, str]:
        """Take a snapshot; return a fragment, and a placeholder to report. Both may be ""."""
        text, last = _strip_cursor(snapshot), self._last
        if text == last:
            if self._habit.only_grows is None and last:
                self._is_confirmed = True
                return self._advance(_strip_provisional_end(text, text), text), ""
            return "", ""
        continues = last != "" and text.startswith(last)
        if not continues and self._is_placeholder(text):
            before, self._placeholder = self._placeholder, text
            return "", "" if text == before else text
        self._last = text
        if continues:
            self._has_grown = True
        elif last and self._habit.only_grows is not False:
            old, new = _squeeze(last), _squeeze(text)
            if not new.startswith(old) or PROVISIONAL_END.search(last, _last_word(last)):
                self._habit.only_grows = False
            elif new != old:
                self._has_grown = True
        placeholder = ""
        if self._is_trusted:
            settled = text
        else:
            settled = last if continues else _common_words(last, text)
            if not (continues or self._emitted or re.search(r"\w", settled)):
                # Nothing was emitted, and the snapshots share no word.
                settled = ""
                placeholder = last if len(last) <= MAX_PLACEHOLDER and "\n" not in last else ""
        if not last and (footer := FOOTER.search(settled)):
            settled = settled[: footer.start()]  # it may change with the next snapshot
        if not self._habit.only_grows:
            settled = _strip_provisional_end(settled, text)
        begun = last if continues else None
        return self._advance(settled, text, begun), placeholder.strip()

    def end(self, snapshot: str) -> str:
        """Take the complete reply, and return the last fragment."""
        if self._habit.only_grows is None and self._has_grown:
            self._habit.only_grows = True
        return self._advance(snapshot, snapshot)

    def release(self) -> str:
        """Return the text held back when a reply fails, without a placeholder."""
        return self._advance(self._last, self._last)

    def _is_placeholder(self, text: str) -> bool:
        if len(text) > MAX_PLACEHOLDER or PLACEHOLDER.fullmatch(text) is None:
            return False
        words, before = text.rstrip(" .…"), self._placeholder.rstrip(" .…")
        return not before or words == before or not words.startswith(before)  # else it grows

    @property
    def _is_trusted(self) -> bool:
        """Whether the app is assumed to keep the text of this snapshot."""
        grows = self._habit.only_grows
        return self._has_grown or self._is_confirmed if grows is None else grows

    def _advance(self, settled: str, text: str, begun: str | None = None) -> str:
        """Return the fragment up to the end of `settled`, which is the beginning of `text`.

        :param begun: a known prefix of `settled`.
        """
        emitted = self._emitted
        is_begun = emitted is begun and len(settled) >= len(emitted)
        if is_begun or settled.startswith(emitted):
            self._emitted = settled
            return settled[len(emitted) :]
        if emitted.startswith(settled):  # text was taken back, or is coming again
            return ""
        start = _common_length(emitted, settled)
        old, new = _squeeze(emitted[start:]), _squeeze(settled[start:])
        if old.startswith(new):
            return ""
        same = _common_length(old, new)
        if re.search(r"\w", old[same:]) is None:  # no word has changed
            return self._go_on(settled, _skip(settled, start, same))
        at = _find_tail(old, _squeeze(text[start:]), same)
        if at is None:
            return self._begin_anew(
                settled, _skip(emitted, start, same), _skip(settled, start, same)
            )
        return self._go_on(settled, _skip(settled, start, at)) if at <= len(new) else ""

    def _go_on(self, settled: str, at: int) -> str:
        """Return the text after `at`, without whitespace that was already emitted."""
        emitted, self._emitted = self._emitted, settled
        rest = settled[at:]
        before = emitted[len(emitted.rstrip()) :]
        space = rest[: len(rest) - len(rest.lstrip())]
        return rest[_common_length(before, space) :]

    def _begin_anew(self, settled: str, old_at: int, new_at: int) -> str:
        """Return a blank line and the new text, from the first line that differs.

        :param old_at, new_at: where the emitted text and `settled` differ.
        """
        emitted, self._emitted = self._emitted, settled
        line_ended = emitted[:old_at].endswith("\n") or re.match(r"[ \t]*\n", emitted[old_at:])
        start = new_at if line_ended else settled.rfind("\n", 0, new_at) + 1
        newlines = len(emitted) - len(emitted.rstrip("\n"))
        rest = settled[start:].lstrip(None if line_ended else "\n")
        return "\n\n"[newlines:] + rest


def _strip_cursor(snapshot: str) -> str:
    """Return text without a cursor at its end, and without the space before that."""
    end = len(snapshot)
    while end and snapshot[end - 1] in CURSORS:
        end -= 1
    return snapshot[:end].rstrip() if end < len(snapshot) else snapshot


def _strip_provisional_end(settled: str, text: str) -> str:
    """Return text without an end that the next snapshot may lack."""
    end = PROVISIONAL_END if len(settled) == len(text) else WORDLESS_END
    if found := end.search(settled, _last_word(settled)):
        settled = settled[: found.start()]
    start = settled.rfind("<details")
    # Its summary may still change: "Thinking" becomes "Thought for 3 seconds".
    if start >= 0 and not settled[start:].partition("</details>")[2].strip():
        settled = settled[:start]
    return settled


def _last_word(text: str) -> int:
    """Return a position that is not after the start of the last word."""
    return max(0, len(text) - MAX_WORD)


def _common_length(one: str, other: str) -> int:
    """Return the length of the common prefix of two texts."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _common_words(last: str, text: str) -> str:
    """Return the common prefix of two texts, up to the end of a word."""
    end = _common_length(last, text)
    if end == len(text) or text[end].isspace():
        return text[:end]
    for at in range(end, max(0, end - MAX_WORD), -1):
        before = text[at - 1]
        if before.isspace() or before > "\u2e7f":  # Chinese and Japanese have no spaces
            return text[:at]
    return "" if end <= MAX_WORD else text[:end]


def _squeeze(text: str) -> str:
    """Remove all whitespace."""
    return "".join(text.split())


def _skip(text: str, start: int, count: int) -> int:
    """Return the position after `count` characters from `start`, not counting whitespace."""
    for word in re.compile(r"\S+").finditer(text, start):
        if count <= word.end() - word.start():
            return word.start() + count if count else start
        count -= word.end() - word.start()
    return len(text)


def _find_tail(old: str, new: str, same: int) -> int | None:
    """Find the longest tail of `old` in `new`, soon after `same`; return the position after it."""
    low, high = 0, len(old)
    while low < high:  # the longest tail of `old` that is in `new`
        middle = (low + high + 1) // 2
        if old[-middle:] in new:
            low = middle
        else:
            high = middle - 1
    tail = old[len(old) - low :]
    at = new.find(tail)
    if len(tail.encode("utf-8", "surrogatepass")) < MIN_TAIL or at > same + MAX_SKIPPED:
        return None
    return at + len(tail)
