"""An index of texts that finds each of them in another text in one pass, however many they are."""

import threading
from collections.abc import Iterable, Iterator

_PIECE = 512  # characters: a longer text is found piece by piece, so that no comparison is long


class SecretIndex:
    """Texts, each counted as often as it was added, and where they stand in another text.

    Threads may add, discard and search at the same time: a change is made under a lock, and a search, which takes
    none, only does what the interpreter does in one step. Texts shorter than `shortest` are left out. With `words`, one
    is only found where neither a letter nor a digit stands next to it.
    """

    def __init__(self, *, shortest: int, words: bool = False) -> None:
        self._shortest = shortest
        self._words = words
        self._lock = threading.RLock()  # a signal's handler may make a secret while this thread makes one
        self._starts: dict[str, dict[int, dict[str, int]]] = {}  # by beginning, then length: the pieces and their count

    def add(self, texts: Iterable[str]) -> None:
        """Have these found, until they are discarded as often as they were added."""
        with self._lock:
            for piece in self._pieces(texts):
                lengths = self._starts.setdefault(piece[: self._shortest], {})
                counts = lengths.setdefault(len(piece), {})
                counts[piece] = counts.get(piece, 0) + 1

    def discard(self, texts: Iterable[str]) -> None:
        """Take back one addition of each."""
        with self._lock:
            for piece in self._pieces(texts):
                beginning = piece[: self._shortest]
                lengths = self._starts[beginning]
                counts = lengths[len(piece)]
                counts[piece] -= 1
                if not counts[piece]:
                    del counts[piece]
                if not counts:
                    del lengths[len(piece)]
                if not lengths:
                    del self._starts[beginning]

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where the texts stand: beginning and end, by beginning; they may overlap."""
        starts, size = self._starts, self._shortest
        for begin in [at for at in range(len(text) - size + 1) if text[at : at + size] in starts]:
            lengths = starts.get(text[begin : begin + size], {})
            ends = (
                begin + length for length in list(lengths) if text[begin : begin + length] in lengths.get(length, ())
            )
            end = max((end for end in ends if not self._words or _apart(text, begin, end)), default=0)
            if end:
                yield begin, end

    def _pieces(self, texts: Iterable[str]) -> Iterator[str]:
        for text in texts:
            if len(text) >= self._shortest:
                # The last piece ends with the text, and overlaps the one before it.
                for begin in range(0, len(text), _PIECE):
                    start = max(0, min(begin, len(text) - _PIECE))
                    yield text[start : start + _PIECE]  # one slice: cutting off the beginning first copies the rest


def _apart(text: str, begin: int, end: int) -> bool:
    return not (text[begin - 1 : begin].isalnum() or text[end : end + 1].isalnum())
