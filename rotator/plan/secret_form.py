"""The form of a Secret: what its settings, or its preset, say that it has beside its name."""

import dataclasses
import hashlib
import json

from rotator.plan import presets, secret_template
from rotator.plan.frozen_mapping import FrozenMapping
from rotator.plan.presets import Preset
from rotator.plan.secret_template import Placeholder, Template


@dataclasses.dataclass(frozen=True)
class SecretForm:
    """What a Secret has. Without `templates` it has the SAS alone, under the target's one data key.

    `type` is None where the settings want none: then the Secret keeps a type that somebody else gave it, and is
    Opaque otherwise.
    """

    templates: FrozenMapping[Template]
    type: str | None
    labels: FrozenMapping[str]
    annotations: FrozenMapping[str]

    @property
    def placeholders(self) -> frozenset[Placeholder]:
        """The placeholders of all its templates."""
        return frozenset().union(*(each.placeholders for each in self.templates.values()))

    @property
    def has_account_key(self) -> bool:
        """Whether the Secret has an account key itself."""
        return Placeholder.ACCOUNT_KEY in self.placeholders

    @property
    def content_hash(self) -> str | None:
        """A hash that changes whenever the form does; None for a Secret that has the SAS and nothing else.

        Templates are in it, and neither times nor what becomes of placeholders.
        """
        if not (self.templates or self.type or self.labels or self.annotations):
            return None
        templates = {name: each.text for name, each in self.templates.items()}
        whole = [templates, self.type, dict(self.labels), dict(self.annotations)]
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:12]


def of(
    data: FrozenMapping[Template] | None,
    preset: Preset | None,
    secret_type: str | None,
    labels: FrozenMapping[str],
    annotations: FrozenMapping[str],
) -> SecretForm:
    """The form by these settings. What is set beside a preset is added to the preset's own, or takes its place."""
    if preset is None:
        return SecretForm(data or FrozenMapping(), secret_type, labels, annotations)
    ready = presets.of(preset)
    return SecretForm(
        templates=FrozenMapping({name: secret_template.parse(text) for name, text in ready.data.items()}),
        type=secret_type or ready.type,
        labels=FrozenMapping({**ready.labels, **labels}),
        annotations=FrozenMapping({**ready.annotations, **annotations}),
    )
