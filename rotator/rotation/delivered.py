"""Which targets were given a SAS before, as a tag on the SAS definition: so a Secret that was deleted is told as such.

Without it a Secret that somebody deleted would look like one that there never was.
"""

import hashlib
import re
from collections.abc import Mapping

from rotator.plan.plan import Target

TAG = "rotator-delivered"
_LONGEST = 256  # of a tag's value in Key Vault
_MARK = re.compile(r"[0-9a-f]{8}")


def before(tags: Mapping[str, str], target: Target) -> bool:
    """Whether this target had a SAS of this definition."""
    return _mark(target) in _marks(tags)


def noted(tags: Mapping[str, str], target: Target) -> dict[str, str]:
    """The tags with this target noted; as they are where there is no room for another one."""
    text = " ".join([*_marks(tags), _mark(target)])
    if before(tags, target) or len(text) > _LONGEST:
        return dict(tags)
    return {**tags, TAG: text}


def readable(tags: Mapping[str, str]) -> bool:
    """Whether the tag holds marks alone; what else is in it counts for nothing."""
    return len(_marks(tags)) == len(tags.get(TAG, "").split())


def _marks(tags: Mapping[str, str]) -> list[str]:
    return [word for word in tags.get(TAG, "").split() if _MARK.fullmatch(word)]


def _mark(target: Target) -> str:
    return hashlib.sha256(f"{target}:{target.cluster.port}".encode()).hexdigest()[:8]
