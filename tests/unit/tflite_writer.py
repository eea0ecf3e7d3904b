"""A small writer of TensorFlow Lite models: tables of its schema by their numbers, built by FlatBuffers' library."""

import flatbuffers
import numpy as np

TYPES = {"float32": 0, "float16": 1, "int32": 2, "uint8": 3, "int64": 4, "int16": 7, "int8": 9, "int4": 17}


Numbers = dict[int, tuple[str, int]]


def table(builder: flatbuffers.Builder, offsets: dict[int, int], numbers: Numbers | None = None) -> int:
    """A table with offsets to others and with numbers, each by its field."""
    numbers = numbers or {}
    builder.StartObject(max([*offsets, *numbers], default=0) + 1)
    for field, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(field, offset, 0)
    for field, (kind, number) in numbers.items():
        getattr(builder, f"Prepend{kind}Slot")(field, number, 0)
    return builder.EndObject()


def tables(builder: flatbuffers.Builder, offsets: list[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


Axis = int | tuple[np.ndarray, np.ndarray]
"""A dense axis' length, or a compressed one's segments and indices."""


def sparsity(builder: flatbuffers.Builder, order: list[int], blocks: list[int], axes: list[Axis]) -> int:
    of_axes = []
    for axis in axes:
        if isinstance(axis, int):
            of_axes.append(table(builder, {}, {1: ("Int32", axis)}))
            continue
        lists = [table(builder, {0: builder.CreateNumpyVector(numbers)}) for numbers in axis]
        kinds = [{"int32": 1, "uint16": 2, "uint8": 3}[numbers.dtype.name] for numbers in axis]
        types = {2: ("Uint8", kinds[0]), 4: ("Uint8", kinds[1])}
        of_axes.append(table(builder, {3: lists[0], 5: lists[1]}, {0: ("Int8", 1), **types}))
    offsets = {0: builder.CreateNumpyVector(np.int32(order)), 2: tables(builder, of_axes)}
    if blocks:
        offsets[1] = builder.CreateNumpyVector(np.int32(blocks))
    return table(builder, offsets)


def tflite_of(tensors: dict[str, tuple[np.ndarray, str, dict]]) -> bytes:
    """A model of constant tensors: by name the array, its type, and `scale`, `zero`, `axis`, `shape` or `sparse`."""
    builder = flatbuffers.Builder(1024)
    buffers, found = [table(builder, {})], []
    for number, (name, (values, kind, how)) in enumerate(tensors.items(), start=1):
        data = builder.CreateNumpyVector(np.frombuffer(values.tobytes(), np.uint8))
        buffers.append(table(builder, {0: data}))
        offsets = {
            0: builder.CreateNumpyVector(np.int32(how.get("shape", values.shape))),
            3: builder.CreateString(name),
        }
        if "scale" in how:
            quantisation = {2: builder.CreateNumpyVector(np.float32(how["scale"]))}
            if "zero" in how:
                quantisation[3] = builder.CreateNumpyVector(np.int64(how["zero"]))
            offsets[4] = table(builder, quantisation, {6: ("Int32", how.get("axis", 0))})
        if "sparse" in how:
            offsets[6] = sparsity(builder, **how["sparse"])
        numbers = {1: ("Int8", TYPES[kind]), 2: ("Uint32", how.get("buffer", number))}
        found.append(table(builder, offsets, numbers))
    graph = table(builder, {0: tables(builder, found)})
    model = table(builder, {2: tables(builder, [graph]), 4: tables(builder, buffers)}, {0: ("Uint32", 3)})
    builder.Finish(model, b"TFL3")
    return bytes(builder.Output())
