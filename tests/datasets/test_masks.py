"""Masks of an .npz file and of a folder of photos."""

import numpy as np
import pytest
from PIL import Image

from saliency_bench.datasets import ImageFolder, Npz
from saliency_bench.protocols import Dataset, Rows
from saliency_bench.protocols.inputs import as_masks

X = np.random.default_rng(0).random((10, 4, 6, 3)).astype(np.float32)
MASKS = np.random.default_rng(1).random((10, 4, 6)) > 0.5


def npz(folder, **arrays):
    path = folder / "data.npz"
    np.savez(path, **arrays)
    return Npz(str(path))


# ---------------------------------------------------------------- arrays


@pytest.mark.parametrize(
    "given",
    [MASKS, MASKS.astype(np.uint8), 255 * MASKS.astype(np.int64), 1.0 * MASKS, MASKS.tolist()],
)
def test_bools_or_one_number_inside(given):
    found = as_masks(given, (10, 4, 6))
    assert found.dtype == bool
    np.testing.assert_array_equal(found, MASKS)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (MASKS[:9], r"got shape \(9, 4, 6\)"),
        (MASKS[:, :, :5], r"got shape \(10, 4, 5\)"),
        (MASKS[..., None], r"got shape \(10, 4, 6, 1\)"),
        (MASKS + 2 * MASKS[::-1], "got 0, 1, 2 and so on"),
        (X[..., 0], "and so on"),
        (np.where(MASKS, np.nan, 0), "nan"),
        ("masks", "got text"),
        ([[1], [2, 3]], "got arrays of several shapes"),
    ],
)
def test_other_counts_sizes_and_numbers_are_refused_in_one_line(given, said):
    rule = r"^masks must be \(10, 4, 6\), a mask per image: bools, or 0 and one other number; "
    with pytest.raises(ValueError, match=f"{rule}[^\n]*{said}[^\n]*$"):
        as_masks(given, (10, 4, 6))


@pytest.mark.parametrize("lazy", [False, True])
def test_the_first_images_keep_their_masks(lazy):
    labels = np.repeat([0, 1], 5)
    masks = Rows(MASKS, np.asarray) if lazy else MASKS
    first = Dataset("d", X, labels, masks=masks).first(4)
    np.testing.assert_array_equal(first.regions, MASKS[[0, 2, 5, 7]])
    assert Dataset("d", X, labels).first(4).regions is None


# ---------------------------------------------------------------- .npz


def test_a_file_without_masks_has_none(tmp_path):
    assert npz(tmp_path, x=X, y=np.arange(10)).load().masks is None


def test_masks_stay_with_their_images(tmp_path):
    source = npz(tmp_path, x=X, y=np.arange(10), masks=255 * MASKS.astype(np.uint8))
    np.testing.assert_array_equal(source.load(train=False).regions, MASKS)
    split = source.load()
    assert len(split.labels) == 2
    np.testing.assert_array_equal(split.regions, MASKS[split.labels])


def test_masks_may_come_without_labels(tmp_path):
    np.testing.assert_array_equal(npz(tmp_path, x=X, masks=MASKS).load().regions, MASKS)


def test_wrong_masks_of_a_file_are_refused_by_its_name(tmp_path):
    with pytest.raises(ValueError, match=r"masks in .*data\.npz must be \(10, 4, 6\)"):
        npz(tmp_path, x=X, masks=MASKS[:5]).load()
    with pytest.raises(ValueError, match=r"masks in .*data\.npz must be an array of numbers"):
        npz(tmp_path, x=X, masks=np.array([{}] * 10)).load()


# ---------------------------------------------------------------- folders


def paint(path, samples, **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(samples, np.uint8)).save(path, **how)


@pytest.fixture
def folders(tmp_path):
    """Photos of 8x12 pixels in two classes; the mask is what is bright."""
    rng = np.random.default_rng(5)
    for name in ("cat", "dog"):
        for number in range(2):
            photo = np.zeros((8, 12, 3))
            top, left = rng.integers(4), rng.integers(2, 6)
            photo[top : top + 4, left : left + 4] = 255
            paint(tmp_path / "photos" / name / f"{number}.png", photo)
            paint(tmp_path / "masks" / name / f"{number}.png", photo[..., 0] / 255)
    return tmp_path


def folder(root, size=(8, 12), **settings):
    return ImageFolder(str(root / "photos"), size=size, masks=str(root / "masks"), **settings)


def test_a_mask_lies_where_its_photo_says(folders):
    dataset = folder(folders).load()
    assert dataset.regions.dtype == bool
    np.testing.assert_array_equal(dataset.regions, np.asarray(dataset.pixels)[..., 0] == 1)
    assert dataset.regions.sum(axis=(1, 2)).tolist() == [16] * 4


@pytest.mark.parametrize("size", [(16, 16), (5, 5), (4, 12)])
def test_a_mask_is_cut_and_resized_as_its_photo(folders, size):
    dataset = folder(folders, size).load()
    np.testing.assert_array_equal(dataset.regions, np.asarray(dataset.pixels)[..., 0] > 0.5)


def test_masks_are_read_at_their_first_use_and_follow_a_limit(folders):
    dataset = folder(folders, limit=3).load().first(2)
    np.testing.assert_array_equal(dataset.regions, np.asarray(dataset.pixels)[..., 0] == 1)
    assert dataset.masks.shape == (2, 8, 12)


@pytest.mark.parametrize("colour", [[255, 0, 0], [0, 0, 7], [255, 255, 255]])
def test_a_mask_may_have_any_one_colour(folders, colour):
    before = folder(folders).load().regions
    for file in (folders / "masks").rglob("*.png"):
        inside = np.asarray(Image.open(file))[..., None] > 0
        paint(file, inside * np.array(colour))
    np.testing.assert_array_equal(folder(folders).load().regions, before)


def test_a_black_mask_is_empty_and_a_flat_folder_will_do(folders):
    paint(folders / "masks" / "cat" / "0.png", np.zeros((8, 12)))
    flat = ImageFolder(
        str(folders / "photos" / "cat"), size=(8, 12), masks=str(folders / "masks" / "cat")
    )
    assert flat.load().regions.any(axis=(1, 2)).tolist() == [False, True]


def test_a_mask_follows_a_photo_that_the_camera_turned(folders):
    """Number 6: the stored picture is to be turned clockwise. The mask is stored upright."""
    upright = np.zeros((8, 12), np.uint8)
    upright[1:5, 3:7] = 255
    exif = Image.Exif()
    exif[274] = 6
    photo = folders / "photos" / "cat" / "0.png"
    paint(photo, np.repeat(np.rot90(upright)[..., None], 3, axis=-1), exif=exif)
    paint(folders / "masks" / "cat" / "0.png", upright)
    dataset = folder(folders).load()
    np.testing.assert_array_equal(dataset.regions, np.asarray(dataset.pixels)[..., 0] == 1)


def refused(root, said, kind=ValueError):
    with pytest.raises(kind, match=f"^[^\n]*{said}[^\n]*$"):
        assert folder(root).load().regions is None


def test_a_photo_without_a_mask_is_refused_by_its_name(folders):
    (folders / "masks" / "dog" / "1.png").unlink()
    refused(folders, r"one \.png or \.tif or \.tiff file .* got none for .*dog/1\.png")
    paint(folders / "masks" / "dog" / "1.jpg", np.zeros((8, 12)))
    refused(folders, r"got none for .*dog/1\.png")


def test_two_masks_of_a_photo_are_refused(folders):
    paint(folders / "masks" / "dog" / "1.tif", np.zeros((8, 12)))
    refused(folders, r"got 1\.png, 1\.tif for .*dog/1\.png")


def test_a_mask_of_another_size_is_refused(folders):
    paint(folders / "masks" / "dog" / "0.png", np.zeros((12, 8)))
    refused(folders, r"dog/0\.png must be as large as its photo, \(8, 12\); got \(12, 8\)")


def test_a_mask_of_several_colours_is_refused(folders):
    paint(folders / "masks" / "dog" / "0.png", np.arange(96).reshape(8, 12))
    refused(folders, "black outside and one colour inside; got 95 colours beside black")


def test_a_mask_that_is_no_picture_is_refused(folders):
    (folders / "masks" / "dog" / "0.png").write_bytes(b"nothing")
    refused(folders, r"dog/0\.png must be a still and opaque")


def test_a_folder_of_masks_that_does_not_exist_is_refused(folders):
    (folders / "masks").rename(folders / "elsewhere")
    refused(folders, "no such folder: .*masks", FileNotFoundError)


def test_masks_are_part_of_the_fingerprint(folders):
    plain = ImageFolder(str(folders / "photos"), size=(8, 12)).fingerprint()
    before = folder(folders).fingerprint()
    paint(folders / "masks" / "cat" / "0.png", np.ones((8, 12)))
    assert len({plain, before, folder(folders).fingerprint()}) == 3
