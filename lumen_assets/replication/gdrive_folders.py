"""Folders by path, in a place where names are not unique.

Two machines that make the same folder at once make two. So a path stands for every folder that it leads to: what is
written goes to the oldest, what is read is looked for in all of them, and nothing is lost whoever was first.
"""

from __future__ import annotations

from lumen_assets.replication.gdrive_api import DriveApi, DriveFile

Path = tuple[str, ...]


class Folders:
    """The ids of folders, each path asked for once.

    Args:
        api: where they are.
    """

    def __init__(self, api: DriveApi) -> None:
        self._api = api
        self._known: dict[Path, list[str]] = {}

    def find(self, path: Path) -> list[str]:
        """Every folder that ``path`` leads to, the oldest first; none if there is none yet."""
        if not path:
            return [self._api.root]
        if path not in self._known:
            found = self._named(path)
            if not found:
                return []
            self._known[path] = found
        return self._known[path]

    def make(self, path: Path) -> str:
        """The folder to write to, made if it is not there."""
        if found := self.find(path):
            return found[0]
        made = self._api.create_folder(self.make(path[:-1]), path[-1])
        self._known[path] = self._named(path) or [made]
        return self._known[path][0]

    def forget(self) -> None:
        """Ask again: somebody moved or removed one."""
        self._known.clear()

    def _named(self, path: Path) -> list[str]:
        found: dict[str, DriveFile] = {}
        for parent in self.find(path[:-1]):
            found |= {folder.id: folder for folder in self._api.folders_named(parent, path[-1])}
        return [folder.id for folder in sorted(found.values(), key=lambda folder: folder.age)]
