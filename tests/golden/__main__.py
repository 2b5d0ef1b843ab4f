"""Write what this version writes: `python -m tests.golden`, once for each release, into a folder of its name.

Folders of older versions stay as they are: what lies in somebody's topics stays as it is, too.
"""

from __future__ import annotations

import json
from importlib.metadata import version

from tests.golden.values import FOLDER, READERS, told, written

made = FOLDER / version("postbacks")
made.mkdir(exist_ok=True)
for name, value in written().items():
    (made / name).write_bytes(value)
read = {name: told(READERS[name](value)) for name, value in written().items()}
(made / "read.json").write_text(json.dumps(read, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
print(made)
