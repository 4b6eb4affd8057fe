"""What an embedded collection says of itself, in ``collection.json`` beside the engine's files."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from schemas.errors import StoreDamaged
from schemas.spaces import Space
from schemas.storage import StorageSettings
from stores.base import PayloadIndexType
from stores.files import replace_text

FILE = "collection.json"


@dataclass(slots=True)
class Description:
    """A collection's spaces, the indexes of its payload, and how it is stored."""

    spaces: dict[str, Space]
    storage: StorageSettings
    indexes: dict[str, PayloadIndexType] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Description:
        """What ``write`` wrote; raises ``StoreDamaged`` where it is gone or makes no sense."""
        try:
            described = json.loads((folder / FILE).read_text(encoding="utf-8"))
            return cls(
                {space["name"]: Space.model_validate(space) for space in described["spaces"]},
                StorageSettings.model_validate(described.get("storage", {})),
                {str(name): kind for name, kind in described["indexes"].items()},
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreDamaged(
                f"{folder} does not say what it holds: its {FILE} is gone or damaged; write it anew with: "
                f"xunyi doctor --repair --store {folder.parent.parent}"
            ) from error

    def write(self, folder: Path) -> None:
        """Replace the file in one step."""
        described = {
            "spaces": [space.model_dump(mode="json") for space in self.spaces.values()],
            "indexes": dict(self.indexes),
            "storage": self.storage.model_dump(mode="json", exclude_defaults=True),
        }
        replace_text(folder / FILE, json.dumps(described, ensure_ascii=False))
