"""A folder of images, a folder a class, against torchvision's reader of such folders."""

from pathlib import Path

import numpy as np
from labelled_pictures import LABELS, PICTURES, complaint, encoded, load
from PIL import Image


def folder(path: Path) -> Path:
    for index, (picture, label) in enumerate(zip(PICTURES, LABELS, strict=True)):
        file = path / "cba"[label] / "deeper" / f"{index}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(file)
    (path / "a" / "notes.txt").write_text("not an image")
    return path


def test_a_folder_is_read_as_the_image_folder_of_torchvision_reads_it(tmp_path):
    from torchvision.datasets import ImageFolder

    images, expected = load(f"folder:{folder(tmp_path / 'set')}", channels=3), ImageFolder(tmp_path / "set")
    assert images.class_names == expected.classes
    assert images.labels.tolist() == expected.targets
    assert all(
        np.array_equal(pixels, picture) for pixels, (picture, _) in zip(images.pixels, expected, strict=True)
    )
    assert images.ids[0] == "a/deeper/2.png"


def test_the_split_is_put_into_the_folder(tmp_path):
    folder(tmp_path / "train")
    assert len(load(f"folder:{tmp_path}/{{split}}")) == 6
    assert complaint(f"folder:{tmp_path}/{{split}}", split="test").startswith(
        f"{tmp_path}/test: expected a folder"
    )


def test_a_tiff_a_jpeg_and_a_palette_image_are_read(tmp_path):
    (tmp_path / "a").mkdir()
    grey = Image.fromarray(np.full((8, 8), 100, dtype=np.uint8))
    grey.save(tmp_path / "a" / "1.tif")
    grey.save(tmp_path / "a" / "2.jpg", quality=95)
    grey.convert("P").save(tmp_path / "a" / "3.PNG")
    assert abs(load(f"folder:{tmp_path}").pixels.astype(int) - 100).max() <= 1


def test_a_folder_without_classes_a_class_without_images_and_a_broken_file_are_named(tmp_path):
    (tmp_path / "set").mkdir()
    assert "expected one folder a class" in complaint(f"folder:{tmp_path}/set")
    (tmp_path / "set" / "cats").mkdir()
    assert complaint(f"folder:{tmp_path}/set").startswith(f"{tmp_path}/set/cats: expected image files")
    (tmp_path / "set" / "cats" / "1.png").write_text("no image")
    (tmp_path / "set" / "cats" / "2.png").write_bytes(encoded(PICTURES[0])[:30])
    Image.fromarray(PICTURES[0]).save(tmp_path / "set" / "cats" / "3.png")
    said = complaint(f"folder:{tmp_path}/set")
    assert said.startswith(f"{tmp_path}/set: expected images (PNG, JPEG), but 2 files are none")
    assert "cats/1.png" in said
    assert "cats/2.png" in said


def test_what_systems_and_notebooks_leave_in_a_folder_is_passed_over(tmp_path):
    expected = load(f"folder:{folder(tmp_path / 'set')}").ids
    for name in ("a/.ipynb_checkpoints/2-checkpoint.png", "__MACOSX/a/._2.png", "a/._2.png", "b/__MACOSX/x.png",
                 ".cache/x.png", "c/.hidden/y.jpg", "Thumbs.db", "a/Thumbs.db"):  # fmt: skip
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_bytes(b"\0\5\x16\7")
    images = load(f"folder:{tmp_path}/set")
    assert images.ids == expected
    assert images.class_names == ["a", "b", "c"]


def test_files_that_end_in_their_middle_and_32_bits_a_pixel_are_all_named_at_once(tmp_path):
    (tmp_path / "a").mkdir()
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    for number, (ending, mode) in enumerate(
        [("jpg", "RGB"), ("jpg", "CMYK"), ("png", "P"), ("bmp", "RGB"), ("webp", "RGB")]
    ):
        file = tmp_path / "a" / f"{number}.{ending}"
        noise.convert(mode).save(file)
        (tmp_path / "a" / f"whole{number}.{ending}").write_bytes(file.read_bytes())
        file.write_bytes(file.read_bytes()[: file.stat().st_size * 2 // 3])
    Image.fromarray(np.ones((8, 8), np.float32)).save(tmp_path / "a" / "x.tif")
    said = complaint(f"folder:{tmp_path}")
    assert "but 6 files are none" in said
    assert [f"a/{name}" in said for name in ("0.jpg", "1.jpg", "2.png", "3.bmp", "4.webp", "x.tif")] == [
        True
    ] * 6
    assert "whole" not in said
    assert "\n" not in said
