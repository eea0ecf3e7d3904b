"""Makes train.parquet and test.parquet here, from the original idx files of Fashion-MNIST.

Run by hand: `python resources/fashion-mnist/make.py FOLDER`, where FOLDER holds the four idx .gz files.
"""

import gzip
import io
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

CLASS_NAMES = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
]
SPLITS = {"train": ("train", 600), "test": ("t10k", 100)}  # split: (prefix of the idx files, images a class)
SEED = 0
HUGGINGFACE = {
    "info": {
        "features": {
            "image": {"_type": "Image"},
            "label": {"names": CLASS_NAMES, "_type": "ClassLabel"},
        }
    }
}


def read_idx(path: Path) -> np.ndarray:
    """The uint8 array in a gzipped idx file: bytes 0, 0, 8, rank, then the sizes as big-endian int32."""
    content = gzip.decompress(path.read_bytes())
    rank = content[3]
    shape = np.frombuffer(content, dtype=">i4", count=rank, offset=4)
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * rank).reshape(shape)


def choose(labels: np.ndarray, per_class: int) -> np.ndarray:
    """Indices of `per_class` images of every class, in an order shuffled with the fixed seed."""
    shuffled = np.random.default_rng(SEED).permutation(len(labels))
    kept = [shuffled[labels[shuffled] == label][:per_class] for label in range(len(CLASS_NAMES))]
    return shuffled[np.isin(shuffled, np.concatenate(kept))]


def png(pixels: np.ndarray) -> bytes:
    """One image [28, 28] as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def table_of(pixels: np.ndarray, labels: np.ndarray, chosen: np.ndarray, split: str) -> pa.Table:
    """The chosen images in the layout of Hugging Face; `image.path` keeps the index in the original file."""
    images = [{"bytes": png(pixels[index]), "path": f"{split}/{index:05d}.png"} for index in chosen]
    schema = pa.schema(
        [("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])), ("label", pa.int64())],
        metadata={"class_names": json.dumps(CLASS_NAMES), "huggingface": json.dumps(HUGGINGFACE)},
    )
    return pa.table({"image": images, "label": labels[chosen].astype(np.int64)}, schema=schema)


def main() -> None:
    """Writes both splits beside this script."""
    if len(sys.argv) != 2:
        sys.exit("usage: python resources/fashion-mnist/make.py FOLDER (which holds the four idx .gz files)")
    source = Path(sys.argv[1])
    for split, (prefix, per_class) in SPLITS.items():
        pixels = read_idx(source / f"{prefix}-images-idx3-ubyte.gz")
        labels = read_idx(source / f"{prefix}-labels-idx1-ubyte.gz")
        table = table_of(pixels, labels, choose(labels, per_class), split)
        pq.write_table(
            table, Path(__file__).parent / f"{split}.parquet", compression="zstd", row_group_size=1000
        )


if __name__ == "__main__":
    main()
