"""What a LiteRT file says of itself, as TensorFlow Lite's metadata schema has it.

The schema's description of input, output and labels lies in the file's buffer TFLITE_METADATA, the
labels themselves in a ZIP archive at the end of the file: phones' libraries for audio read both.

References
----------
TensorFlow Lite metadata, ``metadata_schema.fbs`` of tflite-support, version 1.5.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from faunashot.runtimes.litert_files import packed, unpacked

BUFFER, IDENTIFIER = "TFLITE_METADATA", b"M001"
LABELS = "labels.txt"
FACTS = "faunashot.json"
AXIS_LABELS = 2
"""Of the schema's kinds of files: names of the places of an axis."""
AUDIO = 4
"""Of the schema's kinds of content."""

Builder = Any


def described(
    model: bytes,
    *,
    name: str,
    description: str,
    version: str,
    licence: str,
    sample_rate: int,
    source: str,
    result: str,
    labels: Sequence[str],
    files: Mapping[str, str],
) -> bytes:
    """A model with its metadata.

    Parameters
    ----------
    model : bytes
        Of one input of samples and one output, a number a class.
    name, description, version, licence : str
    sample_rate : int
        Of the samples, in Hz.
    source, result : str
        Names of input and output.
    labels : sequence of str
        Of the classes.
    files : mapping of str to str
        Further texts by name, for the archive.
    """
    from ai_edge_litert import schema_py_generated as schema

    read = unpacked(model)
    buffer, entry = schema.BufferT(), schema.MetadataT()
    facts = [name, description, version, licence]
    buffer.data = np.frombuffer(_metadata(facts, sample_rate, [source, result]), np.uint8)
    entry.name, entry.buffer = BUFFER, len(read.buffers)
    read.buffers.append(buffer)
    read.metadata = [*(read.metadata or []), entry]
    read.description = f"{name}, written by faunashot"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as made:
        for file, text in {LABELS: "".join(f"{label}\n" for label in labels), **files}.items():
            made.writestr(zipfile.ZipInfo(file), text)
    return packed(read) + archive.getvalue()


def associated(file: bytes) -> dict[str, str]:
    """Texts in the archive at the end of a LiteRT file, by name; none of a file without one."""
    try:
        with zipfile.ZipFile(io.BytesIO(file)) as archive:
            return {name: archive.read(name).decode("utf-8") for name in archive.namelist()}
    except zipfile.BadZipFile:
        return {}


def _metadata(facts: Sequence[str], sample_rate: int, ends: Sequence[str]) -> bytes:
    """The schema's ModelMetadata; fields are numbered as they stand in it."""
    import flatbuffers

    make = flatbuffers.Builder(1024)
    name, description, version, licence = map(make.CreateString, facts)
    properties = _table(make, 2, {0: ("Uint32", sample_rate), 1: ("Uint32", 1)})
    content = _table(make, 3, {0: ("Uint8", AUDIO), 1: ("offset", properties)})
    file = _table(make, 5, {0: ("offset", make.CreateString(LABELS)), 2: ("Int8", AXIS_LABELS)})
    labelled = _vector(make, [file])
    waveform = _table(make, 7, {0: ("offset", make.CreateString(ends[0])), 3: ("offset", content)})
    given = {0: ("offset", make.CreateString(ends[1])), 6: ("offset", labelled)}
    scores = _table(make, 7, given)
    inputs, outputs = _vector(make, [waveform]), _vector(make, [scores])
    subgraph = _table(make, 8, {2: ("offset", inputs), 3: ("offset", outputs)})
    subgraphs = _vector(make, [subgraph])
    whole = {0: name, 1: description, 2: version, 3: subgraphs, 5: licence}
    make.Finish(_table(make, 8, {n: ("offset", at) for n, at in whole.items()}), IDENTIFIER)
    return bytes(make.Output())


def _table(make: Builder, fields: int, values: Mapping[int, tuple[str, int]]) -> int:
    make.StartObject(fields)
    for number, (kind, value) in values.items():
        if kind == "offset":
            make.PrependUOffsetTRelativeSlot(number, value, 0)
        else:
            getattr(make, f"Prepend{kind}Slot")(number, value, 0)
    return int(make.EndObject())


def _vector(make: Builder, offsets: Sequence[int]) -> int:
    make.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        make.PrependUOffsetTRelative(offset)
    return int(make.EndVector())
