"""An index of texts that finds all of them in another text in one pass, however many there are.

The texts are grouped by their first characters and by their length. A search looks up the characters at each position
of the text, and compares only where these begin an indexed text.
"""

import threading
from collections.abc import Iterable, Iterator

_PIECE = 512  # characters; a longer text is indexed in pieces, so that no comparison is long


class SecretIndex:
    """Indexed texts, each with the number of times that it was added.

    Texts shorter than `shortest` are left out. With `words`, a text is found only where no letter or digit is next to
    it. Threads may add, discard and search at the same time: changes are made under a lock; a search takes none, as it
    only does what the interpreter does atomically.
    """

    def __init__(self, *, shortest: int, words: bool = False) -> None:
        self._shortest = shortest
        self._words = words
        self._lock = threading.RLock()  # a signal handler may make a secret while this thread adds one
        # By first characters, then length: the pieces and their counts.
        self._starts: dict[str, dict[int, dict[str, int]]] = {}

    def add(self, texts: Iterable[str]) -> None:
        """Add one count of each text; it is found until it was discarded as often as it was added."""
        with self._lock:
            for piece in self._pieces(texts):
                lengths = self._starts.setdefault(piece[: self._shortest], {})
                counts = lengths.setdefault(len(piece), {})
                counts[piece] = counts.get(piece, 0) + 1

    def discard(self, texts: Iterable[str]) -> None:
        """Remove one count of each text."""
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
        """Yield the begin and end of each indexed text in `text`, in order of begin; they may overlap."""
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
        """Split texts into pieces of 512 characters; those shorter than `shortest` are left out."""
        for text in texts:
            if len(text) >= self._shortest:
                # The last piece ends with the text, and overlaps the one before it.
                for begin in range(0, len(text), _PIECE):
                    start = max(0, min(begin, len(text) - _PIECE))
                    yield text[start : start + _PIECE]  # one slice: cutting off the beginning first copies the rest


def _apart(text: str, begin: int, end: int) -> bool:
    return not (text[begin - 1 : begin].isalnum() or text[end : end + 1].isalnum())
