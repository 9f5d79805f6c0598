"""The schema of all JSON that cnngrad prints, read and checked once."""

import json
from functools import cache

import jsonschema

from cnngrad.schema import SCHEMA_FILE


@cache
def validator():
    schema = json.loads(SCHEMA_FILE.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def validate(found):
    validator().validate(found)
