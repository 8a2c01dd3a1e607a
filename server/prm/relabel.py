"""Make a checkpoint with a value head one that vLLM serves: python -m server.prm.relabel SOURCE TARGET.

vLLM knows no value heads (Skywork-o1-Open-PRM: `v_head.summary`), but it serves any decoder as a classifier whose head
is called `score`. The two are the same layer, so that a name is all that has to change.
"""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import orjson

_OLD, _NEW = "v_head.summary.", "score."
_LONGEST_HEADER = 100_000_000  # bytes, as the format's own reader has it
_INDEX = "model.safetensors.index.json"


def relabel(source: Path, target: Path) -> None:
    """Write into the new folder `target` what `source` has, its value head renamed; other files become links.

    Only the file with the head is written anew. Raises ValueError for a checkpoint without such a head in safetensors,
    OSError where a file cannot be read or written.
    """
    config = _classifier(orjson.loads((source / "config.json").read_bytes()))
    shards = {path.name: _header(path) for path in source.glob("*.safetensors")}
    if not any(_headed(header) for header in shards.values()):
        raise ValueError(f"{source} has no {_OLD}weight in safetensors")
    target.mkdir(parents=True)
    (target / "config.json").write_bytes(orjson.dumps(config, option=orjson.OPT_INDENT_2))
    for path in source.iterdir():
        if path.name == _INDEX:
            index = orjson.loads(path.read_bytes())
            index["weight_map"] = _renamed(index["weight_map"])
            (target / _INDEX).write_bytes(orjson.dumps(index))
        elif _headed(shards.get(path.name, {})):
            _rewrite(path, target / path.name, _renamed(shards[path.name]))
        elif path.is_file() and path.name != "config.json":
            (target / path.name).symlink_to(path.resolve())


def _classifier(config: dict[str, Any]) -> dict[str, Any]:
    architectures = config.get("architectures")
    if not architectures:
        raise ValueError("the checkpoint's config.json names no architecture")
    decoder = str(architectures[0]).partition("For")[0]
    config.pop("auto_map", None)  # it points to code for the old head
    labels = {"num_labels": 1, "id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}
    return {**config, "architectures": [f"{decoder}ForSequenceClassification"], **labels}


def _headed(names: Mapping[str, Any]) -> bool:
    return any(name.startswith(_OLD) for name in names)


def _renamed(names: Mapping[str, Any]) -> dict[str, Any]:
    return {_NEW + name.removeprefix(_OLD) if name.startswith(_OLD) else name: value for name, value in names.items()}


def _header(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return _read_header(file)


def _read_header(file: BinaryIO) -> dict[str, Any]:
    """Read the names of the tensors and leave the file where their data begin.

    The format: eight bytes with the length of what follows, little-endian; JSON, padded with blanks; the data.
    """
    length = int.from_bytes(file.read(8), "little")
    if length > _LONGEST_HEADER:
        raise ValueError(f"{file.name} is no file of safetensors")
    return orjson.loads(file.read(length))


def _rewrite(source: Path, target: Path, header: Mapping[str, Any]) -> None:
    """Copy a file of tensors under new names. Their places are counted from the end of the header and stay."""
    names = orjson.dumps(header)
    names += b" " * (-len(names) % 8)
    with source.open("rb") as old, target.open("wb") as new:
        _read_header(old)
        new.write(len(names).to_bytes(8, "little") + names)
        shutil.copyfileobj(old, new, 1 << 24)


def _main(arguments: list[str]) -> str | None:
    if len(arguments) != 2:
        return "usage: python -m server.prm.relabel SOURCE TARGET"
    try:
        relabel(Path(arguments[0]), Path(arguments[1]))
    except (OSError, ValueError) as error:
        return str(error)
    return None


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
