# Validates NDJSON on standard input against the schemas in a folder, and says for each line what is wrong with it.
#   validate.py FOLDER [closed]
# "closed": a property that no schema names is an error too. Subscribers must ignore such; rfmd must not write them.
import glob
import json
import os
import sys
import warnings

warnings.simplefilter("ignore", DeprecationWarning)  # RefResolver is the way that old and new jsonschema both have
import jsonschema


def close(schema):
    """Objects whose properties are all named take no others."""
    if isinstance(schema, list):
        for item in schema:
            close(item)
    elif isinstance(schema, dict):
        if "properties" in schema and "required" in schema:
            schema["additionalProperties"] = False
        for item in schema.values():
            close(item)


def name_of(event):
    if not isinstance(event, dict):
        return None
    if "truncated" in event:
        return "dead-letter-truncated.v1"
    kind = str(event.get("type"))
    if "urn:rfmd:schema:" + kind in schemas:
        return kind
    return "rfm.ladder.changed.v1" if kind.endswith(".changed.v1") else None


schemas = {}
for path in glob.glob(os.path.join(sys.argv[1], "*.json")):
    with open(path, encoding="utf-8") as file:
        schema = json.load(file)
    assert schema["$id"] == "urn:rfmd:schema:" + os.path.basename(path)[: -len(".json")], path
    jsonschema.Draft202012Validator.check_schema(schema)
    if sys.argv[2:] == ["closed"]:
        close(schema)
    schemas[schema["$id"]] = schema

for line in sys.stdin:
    event = json.loads(line)
    name = name_of(event)
    if name is None:
        print(json.dumps({"schema": "", "errors": ["no schema is for this"]}))
        continue
    schema = schemas["urn:rfmd:schema:" + name]
    resolver = jsonschema.RefResolver(schema["$id"], schema, store=schemas)
    validator = jsonschema.Draft202012Validator(schema, resolver=resolver)
    errors = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(event)]
    print(json.dumps({"schema": name, "errors": errors}))
