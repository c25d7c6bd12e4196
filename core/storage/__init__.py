"""Postgres: batched writes, disk spool, migrations, queries."""

from core.storage.settings_store import Change, SettingsStore
from core.storage.unified_data_storage import UnifiedDataStorage

__all__ = ["Change", "SettingsStore", "UnifiedDataStorage"]
