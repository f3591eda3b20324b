"""lebm molecules evaluate: a list worked by hand, every kind of file, every mistake."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rdkit import Chem
from typer.testing import CliRunner

from lebm_core.errors import UsageError
from lebm_core.run.cli import main
from lebm_molecules.chemistry.distances import (
    cosine,
    internal_diversity,
    nearest_similarity,
    unpack,
)
from lebm_molecules.chemistry.rdkit import canonical
from lebm_molecules.cli import app
from lebm_molecules.data.files import read_smiles
from lebm_molecules.metrics.quality_scores import Invalid, evaluate, summary

# Fourteen lines by hand: twelve are not blank and no header, eight are molecules.
HAND = [
    "smiles",  # a header
    "CCO",
    "OCC",  # ethanol again
    "",
    "C(C)O",  # and again
    "c1ccccc1",
    "hello",  # nonsense
    "CN(C)(C)(C)C",  # a nitrogen of five bonds
    "CC(C)(C)(C)C",  # a carbon of five
    "[Na+].[Cl-]",  # a salt
    "C[C@H](N)C(=O)O",
    "C[C@@H](N)C(=O)O",  # its mirror image
    "[NH4+]",  # charged
    "C" * 100_000,
]
TRAIN = ["C1=CC=CC=C1", "OCC", "CC(N)C(O)=O"]  # benzene and ethanol, and alanine of no hand


def lines(smiles: list[str]) -> list[tuple[int, str]]:
    return [(n, s) for n, s in enumerate(smiles, 1) if s and s != "smiles"]


@pytest.mark.parametrize("processes", [1, 2])
def test_the_list_worked_by_hand(processes: int) -> None:
    bad: list[Invalid] = []
    found = evaluate(lines(HAND), lines(TRAIN), processes=processes, invalid=bad.append)
    counts = {name: value.extra for name, value in found.items()}
    assert counts["validity"] == {"valid": 8, "lines": 12}
    assert counts["uniqueness"] == {"distinct": 6, "valid": 8}
    assert counts["novelty"] == {"new": 4, "distinct": 6, "train": 3}  # not ethanol, not benzene
    assert counts["uniqueness_as_published"] == {"distinct strings": 12, "lines": 12}
    assert found["novelty"].value == 4 / 6
    neither = [name for name, value in found.items() if not value.better]
    assert neither == ["uniqueness_as_published"]
    lower = {name for name, value in found.items() if value.better == "lower"} - {"fcd"}
    assert lower == {f"wasserstein_{key}" for key in ("QED", "logP", "SA", "weight")}
    assert [(each.line, each.reason.split()[0]) for each in bad] == [
        (7, "syntax"), (8, "Explicit"), (9, "Explicit"), (14, "100,000"),
    ]  # fmt: skip


def test_a_summary_stands_for_the_file_it_is_of() -> None:
    kept = summary(lines(TRAIN))
    assert evaluate(lines(HAND), kept, kept) == evaluate(lines(HAND), lines(TRAIN), lines(TRAIN))


def test_without_stereochemistry_the_mirror_images_are_one() -> None:
    found = evaluate(lines(HAND), lines(TRAIN), stereo=False, processes=1)
    assert found["uniqueness"].extra == {"distinct": 5, "valid": 8}
    assert found["novelty"].extra["new"] == 2  # the salt and ammonium
    assert "dropped" in found["novelty"].definition


def test_the_published_ratios_forgive_what_the_corrected_ones_do_not() -> None:
    made = lines(["CCO", "OCC", "nonsense", "CCN"])
    found = evaluate(made, lines(["OCC"]), lines(["CCC", "CCN"]), processes=1)
    assert found["uniqueness"].value == 2 / 3 and found["uniqueness_as_published"].value == 1
    assert found["novelty"].value == 1 / 2 and found["novelty_as_published"].value == 3 / 4


def test_uniqueness_of_the_first_thousand() -> None:
    amines = [f"{'C' * a}N{'C' * b}" for b in range(1, 33) for a in range(1, b + 1)][:500]
    found = evaluate(lines(amines + amines + ["O"] * 100), processes=1)
    assert found["uniqueness_1k"].value == 0.5
    assert "uniqueness_10k" not in found and "novelty" not in found
    assert found["uniqueness"].value == 501 / 1_100


def test_where_nothing_is_valid_the_ratios_are_refused() -> None:
    found = evaluate(lines(["nonsense"]), lines(["CC"]), processes=1)
    assert found["validity"].value == 0
    assert found["uniqueness"].value is None
    assert "No line is a molecule" in (found["uniqueness"].refused or "")


def test_the_sample_that_is_compared_is_of_the_size_asked_and_from_everywhere() -> None:
    chains = ["C" * n for n in range(1, 81)]
    found = evaluate(lines(chains), lines(chains), compared=40, processes=1)
    assert found["nearest_similarity"].extra == {"samples": 40, "train": 40}
    weight = found["wasserstein_weight"]
    assert weight.value == 0  # the same seed takes the same rows of the same list
    mean = 14.027 * 40.5 + 2.016  # of C_n H_2n+2, n from 1 to 80
    spread = 14.027 * 80 / 12**0.5 / 40**0.5
    assert abs(float(weight.definition.rsplit(" ", 1)[1].rstrip(".")) - mean) < 4.5 * spread


def test_distances_of_fingerprints_worked_by_hand() -> None:
    a = unpack([b"\xc0", b"\x80", b"\x00"])  # bits {0, 1}, {0}, {}
    b = unpack([b"\x80", b"\x30"])  # {0}, {2, 3}
    np.testing.assert_allclose(nearest_similarity(a, b), [0.5, 1.0, 0.0])
    assert internal_diversity(a) == pytest.approx((1 - 0.5 / 3, 1 - (3 + 2 * 0.5) / 9))
    assert cosine(["x", "x", "y"], ["x", "z"]) == pytest.approx(2 / (5 * 2) ** 0.5)
    assert cosine([], ["x"]) == 0


@pytest.mark.parametrize("name", ["m.smi", "m.txt", "m.smi.gz", "m.csv", "m.csv.gz", "bare.csv"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_kind_of_file_gives_the_same_lines(tmp_path: Path, name: str, end: str) -> None:
    body = ["CCO first", "", "c1ccccc1 second", "  CC  "]
    if name.startswith("m.csv"):
        body = ["id,SMILES,note", '1,CCO,"a, b"', ",,", "2,c1ccccc1,", "3, CC ,x"]
    elif name == "bare.csv":
        body = ["CCO", "", "c1ccccc1", "CC"]
    text = (end.join(body) + end).encode()
    path = tmp_path / name
    path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    first = 2 if name.startswith("m.csv") else 1
    expected = [(first, "CCO"), (first + 2, "c1ccccc1"), (first + 3, "CC")]
    assert list(read_smiles(path)) == expected


def test_a_header_and_a_byte_order_mark_are_no_molecules(tmp_path: Path) -> None:
    path = tmp_path / "m.smi"
    path.write_bytes("\ufeffSMILES name\nCC x\n".encode())
    assert list(read_smiles(path)) == [(2, "CC")]


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("id,mol\n1,CC\n", "", 'line 1: there is no column "smiles" among id, mol'),
        ("id,smiles\n1,CC\n", "smies", 'Did you mean "smiles"?'),
        ("id,smiles\n1,CC\n2\n", "", "line 3, has 1 of 2 columns"),
        ("name,smiles\na, b,CC\n", "", "line 2, has 3 of 2 columns"),
        ('smiles,name\nCC,"a\nxx,b\nyy,c\n', "", "line 2: unexpected end of data; is a quote"),
        ("smiles,a\rCC,1\r", "", "lines end in carriage returns alone"),
        ("", "", "the file is empty"),
        ("# by a model\n\n", "", "the file is empty but for comments"),
        ("id,mol\n1,CC\n2,CCO\n", "", "Molecules are in --column mol (in a recipe data.column)"),
        ("CCO,1\nCCN,0\n", "", "Molecules are in --column 1 (in a recipe data.column)"),
        (",0\n0,CCO\n1,CCC\n", "", "Molecules are in --column 0 (in a recipe data.column)"),
        ("id,smiles,text\n1,x,CC\n2,y,CO\n", "", 'in column smiles (line 2 has "x", line 3'),
        ("id,smiles,text\n1,x,CC\n2,y,CO\n", "", "there are some in --column text"),
        ("id,smiles\n1,CC\n", "3", 'no column "3" among id, smiles'),
        (
            "one\ntwo\nthree\n",
            "",
            'the first lines is a molecule (line 2 has "two", line 3',
        ),
    ],
)
def test_a_bad_table_is_one_sentence(tmp_path: Path, text: str, column: str, said: str) -> None:
    path = tmp_path / "m.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match="m.csv") as caught:
        list(read_smiles(path, column))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.csv", "id;Smiles\n1;CCO\n2;CC\n"),
        ("m.csv", '"ID";"Name";"Smiles"\n1;"a; b";"CCO"\n2;x;CC\n'),
        ("m.csv", '"mol"\n"CCO"\n"CC"\n'),
        ("M.CSV", "smiles,id\nCCO,1\nCC,2\n"),
        ("m.tsv", "id\tsmiles\n1\tCCO\n2\tCC\n"),
        ("m.txt", "smiles,id\nCCO,1\nCC,2\n"),
        ("m.smi", "#SMILES\tname\nCCO\ta\nCC\n"),
        ("m.smi", "\nsmiles\nCCO\nCC\n"),
        ("m.txt", "id\tcanonical_smiles\n1\tCCO\n2\tCC\n"),
        ("m.txt", "id  Smiles\n1  CCO\n2  CC\n"),
        ("m.smi", "generated\nCCO\nCC\n"),
        ("m.csv", "0\nCCO\nCC\n"),
        ("m.csv", "# by a model\n#version 2\nid,smiles\n1,CCO\n2,CC\n"),
        ("m.smi", "# by a model\nCCO\n#\n# more\nCC\n"),
        ("m.smi", "# SMILES\nCCO\nCC\n"),
    ],
)
def test_tables_of_every_kind(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert [smiles for _, smiles in read_smiles(tmp_path / name)] == ["CCO", "CC"]


@pytest.mark.parametrize(
    ("name", "text", "column"),
    [
        ("m.txt", "C0\tCCO\nC1\tCC\n", "2"),
        ("m.txt", "C0 CCO\nC1 CC\n", "2"),
        ("m.csv", "1,CCO\n2,CC\n", "2"),
        ("m.csv", "id,text\n1,CCO\n2,CC\n", "2"),
        ("m.csv", "id,text\n1,CCO\n2,CC\n", "TEXT"),
        ("m.csv", ",0\n0,CCO\n1,CC\n", "0"),
    ],
)
def test_a_column_is_named_by_its_name_or_number(
    tmp_path: Path, name: str, text: str, column: str
) -> None:
    (tmp_path / name).write_text(text)
    assert [smiles for _, smiles in read_smiles(tmp_path / name, column)] == ["CCO", "CC"]


@pytest.mark.parametrize(
    ("name", "valid"),
    [("onecol_generated.csv", 5), ("pandas_series.csv", 5), ("cid_tab.txt", 5), ("hash.smi", 2)],
)
def test_headers_ids_and_comments_are_no_samples(cases: Path, name: str, valid: int) -> None:
    found = evaluate(read_smiles(cases / name))
    assert found["validity"].extra == {"valid": valid, "lines": valid}


BAD = [
    ("empty.smi", b"", "empty.smi: the file is empty."),
    ("blank.smi", b"\n \n", "blank.smi: the file is empty."),
    ("nul.smi", b"CC\0O\n", "nul.smi, line 1, holds a NUL byte: a plain UTF-8 file is needed."),
    ("png.smi", b"\x89PNG\r\n", "png.smi, line 1: byte 0x89 is not valid UTF-8."),
    ("bad.smi.gz", b"\x1f\x8bgarbage", "bad.smi.gz: the gzip file is damaged (Compressed file "
     "ended before the end-of-stream marker was reached)."),
    ("headless.csv", b"CCO,1.2\nCCC,1.3\nCCN,1.4\n", 'headless.csv, line 1: there is no column '
     '"smiles" among CCO, 1.2. Molecules are in --column 1 (in a recipe data.column).'),
    ("page.smi", b"<html>404</html>\n", "page.smi: none of the first lines is a molecule (line 1 "
     'has "<html>404</html>"); the file needs a SMILES a line, or is a table whose column is '
     '"smiles" or named by --column (in a recipe data.column).'),
    ("missing.smi", None, 'There is no file "missing.smi".'),
    ("folder.smi", "folder", 'The file "folder.smi" cannot be read: it is a folder.'),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "sentence"), BAD)
def test_a_file_of_another_kind_is_one_sentence(
    name: str, content: Any, sentence: str, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    if content == "folder":
        Path(name).mkdir()
    elif content is not None:
        Path(name).write_bytes(content)
    assert main(["molecules", "evaluate", name, "--workers", "1"]) == 2
    assert capsys.readouterr().err == f"lebm: {sentence}\n"


def test_ids_before_smiles_are_refused_and_a_bad_models_samples_are_not(tmp_path: Path) -> None:
    path = tmp_path / "m.txt"
    path.write_text("C0\tCCO\nC1\tCC\n")
    with pytest.raises(UsageError, match=r"column 1 \(line 1 has \"C0\".*some in --column 2"):
        list(read_smiles(path))
    path.write_text("CC(\n#CC\nc1cc\n")
    found = evaluate(read_smiles(path))
    assert found["validity"].extra == {"valid": 0, "lines": 3}
    why = 'No line is a molecule: line 1 is "CC(", line 2 is "#CC", line 3 is "c1cc".'
    assert found["uniqueness"].refused == why


def test_a_cell_of_any_length_is_one_molecule_that_is_too_long(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text(f"smiles,id\n{'C' * 300_000},1\nCC,2\n")
    assert evaluate(read_smiles(path))["validity"].extra == {"valid": 1, "lines": 2}


def test_a_row_without_its_smiles_counts_and_a_broken_cell_joins_nothing(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text('id,smiles\n1,\n2,"C\nC"\n,\n3,CC\n')
    assert list(read_smiles(path)) == [(2, ""), (3, "C\nC"), (6, "CC")]
    assert evaluate(read_smiles(path))["validity"].extra == {"valid": 1, "lines": 3}


@pytest.mark.parametrize(
    "smiles", ["C\u00e9", "\u00e9C", "\u0421C", "CC\u200b", "C\x00", "CC (((", "C\nC", ""]
)
def test_what_rdkit_would_skip_makes_it_no_molecule(smiles: str) -> None:
    form, reason = canonical(smiles)
    assert form is None and reason


def test_without_stereochemistry_isotopes_of_hydrogen_are_gone_too() -> None:
    same = [("[2H]O[2H]", "O"), ("[2H]C", "C"), ("[13CH4]", "C"), ("[H]/N=C/C", "CC=N")]
    for one, other in same:
        assert canonical(one, stereo=False) == canonical(other, stereo=False)


# Two writings of each molecule whose canonical SMILES of RDKit 2026.3 alternate.
CAGES = [
    (
        "[C@H]12[C@H]3[C@H]([C@H]4[C@H]5[C@H]1N45)N23",
        "[C@H]12[C@H]3[C@H]4[C@@H]5[C@@H]([C@H]1N23)N54",
    ),
    ("C12[C@H]3P4P3[P@@]1[P@@]24", "C12[C@H]3P4P3[P@]1[P@]24"),
]


@pytest.mark.parametrize(("one", "other"), CAGES)
def test_two_writings_of_a_cage_are_one_molecule(one: str, other: str) -> None:
    assert Chem.CanonSmiles(one) == other  # as RDKit has it, and so is the way back
    form, _ = canonical(one)
    assert form == canonical(other)[0] and form == min(one, other)
    found = evaluate(lines([one, other]), lines([other]), processes=1)
    assert found["uniqueness"].value == 0.5 and found["novelty"].value == 0


def test_the_figures_of_moses_are_given_as_published() -> None:
    bicycles, benzene = ["c1ccc2ccccc2c1", "C1CC1C1CC1"], "c1ccccc1"
    made, real = [*bicycles, "Cc1ccccc1", "Cc1ccccc1"], [bicycles[0], benzene, "CC"]
    found = evaluate(lines(made), lines(real), processes=1)
    # naphthalene, bicyclopropyl, 2 x benzene; of two rings the first two
    assert found["scaffold_similarity"].value == pytest.approx(3 / (6 * 2) ** 0.5)
    assert found["scaffold_similarity_as_published"].value == pytest.approx(1 / 2**0.5)
    n, own = len(made), found["internal_diversity"].value
    published = found["internal_diversity_as_published"].value
    assert published == pytest.approx((own or 0) * (n - 1) / n)
    alone = evaluate(lines([benzene, "CC"]), lines(real), processes=1)
    assert alone["scaffold_similarity_as_published"].refused == (
        "One side has no molecule with two rings."
    )


def test_figures_that_cannot_be_are_refused() -> None:
    found = evaluate(lines(["CCO"]), lines(TRAIN))
    assert found["distributions"].refused == "There are 1 valid samples."
    found = evaluate(lines(["CCO", "CCN"]), lines(["CCO", "CCN"]))
    assert found["scaffold_similarity"].refused == "One side has no molecule with a ring."
    with pytest.raises(UsageError, match="The training set holds no molecule: line 1 is"):
        evaluate(lines(["CCO"]), lines(["id;smiles"]))


def run(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["evaluate", *map(str, arguments)])
    if isinstance(done.exception, UsageError):
        return done.exception.exit_code, done.stdout, str(done.exception)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def test_the_command_prints_figures_counts_and_definitions(tmp_path: Path) -> None:
    samples, train = tmp_path / "made.smi", tmp_path / "train.smi"
    samples.write_text("\n".join(HAND))
    train.write_text("\n".join(TRAIN))
    bad = tmp_path / "bad.csv"
    code, out, err = run(samples, "--train", train, "--invalid", bad, "--workers", 1)
    assert code == 0 and err == ""  # RDKit's own complaints reach nobody
    assert "validity" in out and "8 valid, 12 lines" in out and "nothing is corrected" in out
    rows = list(csv.reader(bad.open()))
    assert rows[0] == ["line", "smiles", "reason"]
    assert [row[0] for row in rows[1:]] == ["7", "8", "9", "14"]
    code, out, _ = run(samples, "--json", "--workers", 1)
    assert json.loads(out)["validity"]["value"] == 8 / 12


def test_mistakes_of_the_command_are_one_sentence_and_write_nothing(tmp_path: Path) -> None:
    samples, bad = tmp_path / "made.smi", tmp_path / "bad.csv"
    samples.write_text("CC\n\xff\n", encoding="latin-1")
    code, _, said = run(samples, "--invalid", bad, "--workers", 1)
    assert code == 2 and "made.smi, line 2: byte 0xff" in said
    assert [p.name for p in tmp_path.iterdir()] == ["made.smi"]
    code, _, said = run(tmp_path / "mode.smi")
    assert code == 2 and 'Did you mean "made.smi"?' in said
    samples.write_text("CC\n")
    for options, word in ((("--workers", -1), "-1"), (("--compare", -5), "-5"),
                          (("--invalid", samples), "to be read"),
                          (("--invalid", tmp_path), "a folder"),
                          (("--column", "smi"), "for a table"),
                          (("--invalid", tmp_path / "no" / "x.csv"), "no folder")):  # fmt: skip
        code, _, said = run(samples, *options)
        assert code == 2 and word in said
    assert samples.read_text() == "CC\n"
    samples.write_text("smiles\n\n")
    code, _, said = run(samples, "--workers", 1)
    assert code == 2 and "nothing to evaluate" in said
