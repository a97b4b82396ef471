from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pytest

from autotransfer.data.listing import Listing
from autotransfer.data.manifest import read_manifest
from autotransfer.data.storage import open_place
from autotransfer.data.target import open_images, open_target, open_usable
from autotransfer.errors import InvalidOptionError, InvalidTargetError


@pytest.fixture
def write(grow: Callable[..., Path]) -> Callable[..., Path]:
    """Write a table beside the pictures pictures/000.png to pictures/003.png."""
    folder = grow({"pictures": 4}, "data")

    def text(content: str, name: str = "list.csv") -> Path:
        (folder / name).write_bytes(content.encode())
        return folder / name

    return text


def read(path: Path | str) -> Listing:
    return read_manifest(open_place(str(path)))


def test_a_table_gives_labels_splits_and_groups(write: Callable[..., Path]) -> None:
    path = write(
        "image,label,split,group\n"
        "pictures/002.png,NA,Test,p2\npictures/000.png,7,train,p1\npictures/001.png,7,VAL,p1\n"
    )
    listing = read(path)
    assert listing.reader.names == ("pictures/000.png", "pictures/001.png", "pictures/002.png")
    assert listing.classes == ("7", "7", "NA")
    assert listing.class_names == ("7", "NA")
    assert listing.splits == ("train", "validation", "test")
    assert listing.groups == ("p1", "p1", "p2")
    assert listing.name == "list"
    assert listing.reader.read(2).size == (16, 12)


def test_paths_may_lead_up_from_the_manifest(grow: Callable[..., Path]) -> None:
    folder = grow({"data/pictures": 1, "lists/a.csv": b"image\n../data/pictures/000.png\n"})
    listing = read(folder / "lists" / "a.csv")
    assert listing.classes is None
    assert listing.splits == ("train",)
    assert listing.reader.read(0).size == (16, 12)


def test_absolute_paths_are_taken_as_they_are(grow: Callable[..., Path], tmp_path: Path) -> None:
    folder = grow({"a": 1})
    (tmp_path / "m.csv").write_text(f"image,label\n{folder}/a/000.png,x\n")
    assert read(tmp_path / "m.csv").reader.read(0).size == (16, 12)


def test_parquet_says_the_same_as_csv(write: Callable[..., Path]) -> None:
    path = write("image,label,group\npictures/000.png,1,a\npictures/001.png,2,b\n")
    table = pd.DataFrame(
        {"image": ["pictures/000.png", "pictures/001.png"], "label": [1, 2], "group": ["a", "b"]}
    )
    table.to_parquet(path.with_suffix(".parquet"))
    from_csv, from_parquet = read(path), read(path.with_suffix(".parquet"))
    assert from_csv.classes == from_parquet.classes == ("1", "2")
    assert from_csv.groups == from_parquet.groups
    assert [*from_csv.reader.digests] == [*from_parquet.reader.digests]


def test_a_manifest_in_an_archive_names_its_members(grow: Callable[..., Path]) -> None:
    path = grow({"data/a": 1, "data/m.csv": b"image,label\na/000.png,x\n"}, "p.zip")
    assert read(f"zip://data/m.csv::{path}").reader.read(0).size == (16, 12)


def test_a_byte_order_mark_is_no_part_of_the_first_name(write: Callable[..., Path]) -> None:
    assert read(write("\ufeffimage,label\npictures/000.png,x\n")).classes == ("x",)


def test_rows_that_repeat_another_count_once(write: Callable[..., Path]) -> None:
    listing = read(write("image,label,place\n" + "pictures/000.png,x,here\n" * 3))
    assert listing.reader.names == ("pictures/000.png",)
    assert listing.notes == (
        "the column 'place' was ignored",
        "2 row(s) that repeat another were left out",
    )


def test_predictions_have_an_image_for_every_row_in_the_order_of_the_rows(
    write: Callable[..., Path],
) -> None:
    rows = ["pictures/002.png,x", "pictures/000.png,", "pictures/002.png,y", "pictures/001.png,x"]
    path = write("\n".join(["image,label", *rows]))
    names = tuple(row.partition(",")[0] for row in rows)  # labels, empty or torn, are not read
    images = open_images(path)
    assert images.names == names
    assert images.digests[0] == images.digests[2] != images.digests[1]
    assert open_images([str(path.parent / name) for name in names]).digests == images.digests
    assert open_usable(write("image\n" + "\n".join(names)), None, every_row=False)[0].names == (
        "pictures/000.png",
        "pictures/001.png",
        "pictures/002.png",
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", r"cannot be read as a table \(it is empty\)"),
        ("image,label\n", "no rows"),
        ("a.png,x\nb.png,y\n", "no column 'image'; it has 'a.png', 'x'"),
        ("path,filename\na,b\n", "'path', 'filename' could each be the column 'image'"),
        ("image,Label,labels ,LABEL\na,b,c,d\n", "'Label', 'LABEL' could each be"),
        ("image,label,label\na,b,c\n", "more than one column is called 'label'"),
        ("image,label\na.png,\n", r"column 'label' is empty for a\.png"),
        ("image,label\n,x\n", "column 'image' is empty for row 1"),
        ("image,label,split\na.png,x,mine\n", "unknown split 'mine'; allowed: train, training"),
        ("image,label\na.png,x\nb.png,x\n./a.png,y\n", r"a\.png' is listed more than once"),
        ("image,label\na,b\n\na,b,c,d\n", r"line 4 has 4 field\(s\), the first line 2"),
        ("image,label\na,b,\n", r"line 2 has 3 field\(s\), the first line 2"),
        ("image,label\na\n", r"line 2 has 1 field\(s\), the first line 2"),
        ('image,label\na,"b\n', "line 2: unexpected end of data; is a quote missing"),
        ("image,label\na\0,b\n", "it has NUL characters"),
        ("image,label\nhttp://x/a.png,b\n", "'http://x/a.png' is a URL; download"),
        ("image,label\nfile:///a.png,b\n", "is a URL"),
        ("image,label\nC:\\a.png,b\n", "a path of a Windows drive"),
        ("image,label\n\\\\server\\a.png,b\n", "a path of a Windows drive"),
        ("image,label\n" + "x" * 9000 + ",b\n", "has 9,000 characters and is no path"),
        ('{"image": "a.png"}\n', "it is JSON; save the table as CSV"),
        ("<html>", "it is HTML"),
        ("PAR1", "it is a Parquet file"),
        ("PK\3\4", "it is an Excel file"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_the_reason(
    write: Callable[..., Path], content: str, reason: str
) -> None:
    with pytest.raises(InvalidTargetError, match=reason):
        read(write(content))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("image,label\n\u00e9.png,x\n".encode("latin-1"), "line 2 is no UTF-8; save"),
        ("image,label\na.png,x\n".encode("utf-16-le"), "it has NUL characters"),
        (b"\xff\xfei\0m", r"'image'|no UTF-16"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "it is an Excel file"),
        (b"\x1f\x8b\x08", "it is a compressed file"),
    ],
)
def test_bytes_that_are_no_table_are_refused_with_the_reason(
    grow: Callable[..., Path], content: bytes, reason: str
) -> None:
    folder = grow({"list.csv": content})
    with pytest.raises(InvalidTargetError, match=reason):
        read(folder / "list.csv")


@pytest.mark.parametrize("form", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_csv_is_read_as_spreadsheets_of_all_countries_write_it(
    grow: Callable[..., Path], form: str, separator: str, newline: str
) -> None:
    rows = ["image, Label", "a/000.png,caf\u00e9", "", ",", 'a/001.png,"x, y; z"']
    text = newline.join(row if "z" in row else row.replace(",", separator) for row in rows)
    text = text.replace('png,"', f'png{separator}"')
    folder = grow({"a": 2, "list.csv": text.encode(form)})
    listing = read(folder / "list.csv")
    assert listing.classes == ("caf\u00e9", "x, y; z")
    assert [listing.reader.read(i).size for i in range(2)] == [(16, 12)] * 2


def test_the_hint_for_excel_names_the_separator(write: Callable[..., Path]) -> None:
    assert read(write("sep=;\r\nimage;label\r\npictures/000.png;x\r\n")).classes == ("x",)


@pytest.mark.parametrize(
    ("header", "notes"),
    [
        ("Image,Label,Split,Group", ()),
        (" image ,LABEL, split,group ", ()),
        (
            "file_name,class,Splits,groups",
            (
                "the column 'file_name' is used as 'image'",
                "the column 'class' is used as 'label'",
                "the column 'Splits' is used as 'split'",
                "the column 'groups' is used as 'group'",
            ),
        ),
        (
            "Path,labels,split,group",
            (
                "the column 'Path' is used as 'image'",
                "the column 'labels' is used as 'label'",
            ),
        ),
    ],
)
def test_columns_are_known_without_case_and_spaces_and_by_their_usual_names(
    write: Callable[..., Path], header: str, notes: tuple[str, ...]
) -> None:
    listing = read(write(f"{header}\npictures/000.png,x,Testing,p\n"))
    assert (listing.classes, listing.splits, listing.groups) == (("x",), ("test",), ("p",))
    assert listing.notes == notes


def test_the_exact_name_wins_over_others_that_could_be_meant(write: Callable[..., Path]) -> None:
    listing = read(write("image,path,class,label\npictures/000.png,no,no,x\n"))
    assert listing.classes == ("x",)
    assert listing.notes == ("the columns 'path', 'class' were ignored",)


def test_a_file_is_found_under_a_name_that_another_system_writes_in_its_way(
    grow: Callable[..., Path], encode: Callable[..., bytes], picture: Callable[..., object]
) -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    tree = {f"a/{decomposed}/1.png": encode(picture(1)), f"a/{composed}.png": encode(picture(2))}
    rows = f"image,label\na\\{composed}\\1.png,{composed}\na/{decomposed}.png,{decomposed}\n"
    for where in ("data", "data.zip"):
        path = grow({**tree, "m.csv": rows.encode()}, where)
        place = f"zip://m.csv::{path}" if where.endswith("zip") else path / "m.csv"
        listing = read(place)
        assert listing.classes == (composed, composed)
        assert len(set(listing.reader.digests)) == 2
        assert listing.notes[0].startswith("2 file(s) were found under a name")
    twice = f"image,label\na/{composed}.png,x\na/{decomposed}.png,y\n"
    with pytest.raises(InvalidTargetError, match="listed more than once"):
        read(grow({**tree, "m.csv": twice.encode()}, "twice") / "m.csv")


def _files(encode: Callable[..., bytes], picture: Callable[..., object]) -> list[bytes]:
    return [encode(picture(i)) for i in range(4)]


@pytest.mark.parametrize("where", ["t.parquet", "a frame"])
@pytest.mark.parametrize("form", ["bytes", "struct", "struct without paths", "paths in structs"])
def test_images_in_the_cells_of_a_table_are_read_in_the_order_of_its_rows(
    grow: Callable[..., Path],
    encode: Callable[..., bytes],
    picture: Callable[..., object],
    where: str,
    form: str,
) -> None:
    files = _files(encode, picture)
    folder = grow({f"{name}.png": file for name, file in zip("dcba", files, strict=True)})
    paths = [str(folder / f"{name}.png") for name in "dcba"]
    cells: dict[str, list[object]] = {
        "bytes": [*files],
        "struct": [{"bytes": f, "path": p} for f, p in zip(files, paths, strict=True)],
        "struct without paths": [{"bytes": f, "path": None} for f in files],
        "paths in structs": [{"bytes": None, "path": p} for p in paths],
    }
    table = pd.DataFrame({"image": cells[form], "label": [2, 2, 1, 1], "group": list("wxyz")})
    if where.endswith("parquet"):
        table.to_parquet(folder / where)
    target = open_target(folder / where if where.endswith("parquet") else table)
    by_path = form == "paths in structs"
    order = [3, 2, 1, 0] if by_path else [0, 1, 2, 3]
    assert target.train.digests == tuple(hashlib.sha256(files[i]).hexdigest() for i in order)
    assert target.train.labels.tolist() == ([0, 0, 1, 1] if by_path else [1, 1, 0, 0])
    assert target.groups == tuple("zyxw" if by_path else "wxyz")
    named = {"struct": tuple(paths), "paths in structs": tuple(sorted(paths))}
    assert target.train.names == named.get(form, ("row 1", "row 2", "row 3", "row 4"))
    assert target.train[0].size == (16, 12)


def test_numbers_have_the_class_names_that_hugging_face_writes_beside_them(
    tmp_path: Path, encode: Callable[..., bytes], picture: Callable[..., object]
) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["bee", "ant"])}
    )
    images = [{"bytes": file, "path": None} for file in _files(encode, picture)]
    rows = {"image": images, "label": [0, 0, 1, 1]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(str(tmp_path / "t.parquet"))
    assert read(tmp_path / "t.parquet").classes == ("bee", "bee", "ant", "ant")


@pytest.mark.parametrize(
    ("column", "cell", "reason"),
    [
        ("label", ["x"], "the column 'label' has a value of type (ndarray|list) for a.png"),
        ("label", {"x": 1}, "the column 'label' has a value of type dict for a.png"),
        ("label", b"x", "the column 'label' has a value of type bytes for a.png"),
        ("label", None, "the column 'label' is empty for a.png"),
        ("label", float("nan"), "the column 'label' is empty for a.png"),
        ("group", [1, 2], "the column 'group' has a value of "),
        ("split", ["train"], "the column 'split' has a value of "),
        ("image", ["a.png"], "the column 'image' has a value of type .* for row 1"),
        ("image", {"url": "a"}, "the column 'image' has a value of type dict for row 1"),
        ("image", None, "the column 'image' is empty for row 1"),
        ("image", {"bytes": None, "path": None}, "the column 'image' is empty for row 1"),
        (
            "image",
            {"bytes": None, "path": ["a"]},
            "the column 'image' has a value of type .* for row 1",
        ),
    ],
)
@pytest.mark.parametrize("where", ["t.parquet", "a frame"])
def test_cells_of_another_kind_are_refused_in_one_line(
    tmp_path: Path, where: str, column: str, cell: object, reason: str
) -> None:
    row: dict[str, object] = {"image": "a.png", "label": "x", "group": "g", "split": "train"}
    table = pd.DataFrame([{**row, column: cell}])
    target: object = table
    if where.endswith("parquet"):
        target = tmp_path / where
        table.to_parquet(tmp_path / where)
    with pytest.raises(InvalidTargetError, match=reason) as refused:
        open_target(target)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 500


def test_a_row_without_its_image_is_named_where_others_have_theirs(
    encode: Callable[..., bytes], picture: Callable[..., object]
) -> None:
    table = pd.DataFrame({"image": [encode(picture()), None], "label": ["x", "y"]})
    with pytest.raises(InvalidTargetError, match="has no file for row 2"):
        open_target(table)


def test_a_table_of_pandas_is_a_manifest_below_the_working_folder(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("image,label\n")
    monkeypatch.chdir(path.parent)
    images = [f"pictures/{i:03d}.png" for i in range(4)]
    table = pd.DataFrame({"image": [Path(image) for image in images], "patient": [1, 1, 2, 2]})
    for given in (table.assign(label=list("xxyy")), (table, list("xxyy"))):
        target = open_target(given, group_column="patient")
        assert target.class_names == ("x", "y")
        assert target.groups == ("1", "1", "2", "2")
    indexed = table.assign(label=list("xxyy")).set_index("image")
    assert open_target(indexed).train.names == tuple(images)
    arrow = pyarrow.table({"image": images, "label": list("xxyy")})
    assert open_target(arrow).class_names == ("x", "y")
    column = pd.DataFrame({"label": list("xxyy")})
    for labels in (column, column["label"], arrow["label"], arrow["label"].chunk(0)):
        for items in (table, arrow.select(["image"]), images, [(i, "no label") for i in images]):
            assert open_target((items, labels)).class_names == ("x", "y")
    with pytest.raises(InvalidTargetError, match=r"labels of the shape \(2,\) for 4 item"):
        open_target((table, ["x", "y"]))


def test_text_that_is_no_parquet_is_refused(write: Callable[..., Path]) -> None:
    with pytest.raises(InvalidTargetError, match="cannot be read as a table"):
        read(write("image,label\n", "list.parquet"))


def test_any_column_can_name_the_groups(write: Callable[..., Path]) -> None:
    rows = [f"pictures/{i:03d}.png,{'ab'[i // 2]},{i % 2}" for i in range(4)]
    path = write("\n".join(["image,label,patient", *rows]))
    assert open_target(path, group_column="patient").groups == ("0", "1", "0", "1")
    assert open_target(path).groups is None
    assert not any("patient" in note for note in open_target(path, group_column="patient").notes)
    for missing in ("camera", "group"):
        with pytest.raises(InvalidTargetError, match=f"no column '{missing}' to group by"):
            open_target(path, group_column=missing)


def test_a_group_column_needs_a_manifest() -> None:
    pixels = np.zeros((4, 8, 8, 3), dtype=np.uint8)
    with pytest.raises(InvalidOptionError, match="is for a manifest"):
        open_target((pixels, [0, 0, 1, 1]), group_column="patient")
