"""A small writer of OpenVINO's intermediate representation."""

from pathlib import Path

import numpy as np


class Graph:
    """A graph, whose constants go into the file of numbers one after the other."""

    def __init__(self, path: Path):
        self.path, self.layers, self.edges, self.numbers = path, [], [], b""

    def constant(self, name: str, kind: str, values: np.ndarray, **said: object) -> int:
        data = np.ascontiguousarray(values).tobytes()
        if kind in ("u4", "i4"):
            halves = (values.reshape(-1, 2) & 15).astype(np.uint8)
            data = (halves[:, 0] | halves[:, 1] << 4).tobytes()
        said = {
            "element_type": kind,
            "shape": ", ".join(map(str, values.shape)),
            "offset": len(self.numbers),
            "size": len(data),
        } | said
        self.numbers += data
        text = " ".join(f'{key}="{value}"' for key, value in said.items())
        return self._layer(name, "Const", f"<data {text} />")

    def operator(self, kind: str, *sources: int) -> int:
        id = self._layer(f"{kind}_{len(self.layers)}", kind, '<data destination_type="f32" />')
        self.edges += [
            f'<edge from-layer="{source}" from-port="0" to-layer="{id}" to-port="{port}" />'
            for port, source in enumerate(sources)
        ]
        return id

    def _layer(self, name: str, kind: str, data: str) -> int:
        id = len(self.layers)
        ports = '<output><port id="0" /></output>'
        self.layers.append(
            f'<layer id="{id}" name="{name}" type="{kind}" version="opset1">{data}{ports}</layer>'
        )
        return id

    def saved(self, prolog: str = '<?xml version="1.0"?>') -> Path:
        body = f"<layers>{''.join(self.layers)}</layers><edges>{''.join(self.edges)}</edges>"
        self.path.write_text(f'{prolog}\n<net name="Model0" version="11">{body}</net>')
        self.path.with_suffix(".bin").write_bytes(self.numbers)
        return self.path
