"""The JSON that every command prints: its version, and the file that describes it."""

from pathlib import Path
from typing import Any

__all__ = ["SCHEMA", "SCHEMA_FILE", "Json"]

# The number changes when a key is renamed, removed or means something else; new keys don't change it.
SCHEMA = "cnngrad/1"
# An object of JSON, or what becomes one.
Json = dict[str, Any]
# The JSON Schema (draft 2020-12) of this version.
SCHEMA_FILE = Path(__file__).with_name("schema.json")
