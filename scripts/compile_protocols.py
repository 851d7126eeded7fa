"""Write what is made of the protocol files and their models, after a change to either.

    python scripts/compile_protocols.py

``protocol.schema.json`` is the published JSON Schema; ``library/compiled.json`` holds the shipped
protocols in a form that is read at once. Tests fail while one of them is out of date.
"""

import json
from pathlib import Path

from planeval.protocol import library
from planeval.protocol.schema import json_schema

PROTOCOL = Path(__file__).resolve().parents[1] / "src" / "planeval" / "protocol"


def main() -> None:
    schema = json.dumps(json_schema(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    (PROTOCOL / "protocol.schema.json").write_text(schema, encoding="utf-8", newline="\n")
    (PROTOCOL / "library" / "compiled.json").write_text(
        library.compiled_library(), encoding="utf-8", newline="\n"
    )


if __name__ == "__main__":
    main()
