"""Reading tables: every dialect gives the same numbers, and what cannot be read is refused with its place."""

import csv
import io

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from mixgrad._errors import DataError
from mixgrad.cli.columns import as_option, split_names
from mixgrad.cli.dialect import detect_dialect, kind_of
from mixgrad.cli.table import open_sheet, read_table

# Files take their time on a busy machine.
EXAMPLES = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
FINITE = st.floats(allow_nan=False, allow_infinity=False)
SHORT = st.decimals(-999, 999, places=2).map(float)
# Names that could not be taken for numbers or missing cells, with all that needs quoting.
NAMES = (
    st.text(st.sampled_from('abcxyzÄ ;,|."_$0123'), min_size=1, max_size=8)
    .map(str.strip)
    .filter(lambda name: name and kind_of(name) == "text" and kind_of(name, ",") == "text")
)


@st.composite
def tables(draw):
    width = draw(st.integers(1, 5))
    rows = draw(st.lists(st.lists(SHORT | FINITE, min_size=width, max_size=width), min_size=1, max_size=12))
    names = draw(st.none() | st.lists(NAMES, min_size=width, max_size=width, unique=True))
    # Without quotes, a header `a,b` over single numbers is a broken table of two columns.
    assume(names is None or width > 1 or "," not in names[0])
    return names, rows


def write_table(names, rows, delimiter, decimal=".", newline="\n", quoting=csv.QUOTE_MINIMAL, pad=""):
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator=newline, quoting=quoting)
    if names is not None:
        writer.writerow(names)
    writer.writerows([[pad + repr(value).replace(".", decimal) for value in row] for row in rows])
    return stream.getvalue()


@EXAMPLES
@given(
    table=tables(),
    delimiter=st.sampled_from([",", ";", "\t", "|", " "]),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    comma=st.booleans(),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
)
def test_reads_back_what_was_written_in_any_dialect(tmp_path_factory, table, delimiter, newline, quoting, comma, mark):
    names, rows = table
    decimal = "," if comma and delimiter == ";" and len(rows[0]) > 1 else "."
    path = tmp_path_factory.mktemp("tables") / "table.csv"
    path.write_bytes(mark + write_table(names, rows, delimiter, decimal, newline, quoting).encode("utf-8"))
    result = read_table(str(path))
    assert result.has_header == (names is not None)
    if names is not None:
        assert result.names == tuple(names)
    np.testing.assert_array_equal(result.data, np.array(rows))


@EXAMPLES
@given(table=tables())
def test_blanks_around_cells_and_empty_lines_do_not_matter(tmp_path_factory, table):
    names, rows = table
    path = tmp_path_factory.mktemp("tables") / "table.csv"
    text = write_table(names, rows, ",", pad="  ").replace("\n", "\n\n")
    path.write_text("\n" + text + "\n", encoding="utf-8")
    np.testing.assert_array_equal(read_table(str(path)).data, np.array(rows))


@EXAMPLES
@given(names=st.lists(NAMES, min_size=1, max_size=4))
def test_names_in_a_message_can_be_pasted_into_an_option(names):
    import shlex

    assume(not any('"' in name for name in names))
    (argument,) = shlex.split(as_option(names))
    assert split_names(argument) == names


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a,b\n1,2\n", ","),
        ("a;b\n1,5;2,5\n3,0;4,0\n", ";"),
        ("sepal length\tsepal width\n5.1\t3.5\n", "\t"),
        ("name,x\nold faithful,3.6\nnew faithful,1.8\n", ","),
        ("Smith, John|1.5|2\nDoe, Jane|2.5|3\n", "|"),
        ("  1.0   2.0\n 10.0\t20.0\n", " "),
        ('"Doe, Jane" 1 2\n"Roe, Jo" 3 4\n', " "),
        ("1, 2, 3\n4, 5, 6\n", ","),
        ("2020-01-01 10:00;1.5\n2020-01-01 11:00;2.5\n", ";"),
        ("a,b,c\n1,,2\n,,3\n", ","),
    ],
)
def test_the_delimiter_is_the_one_that_makes_a_table_of_numbers(text, delimiter):
    assert detect_dialect(text, "table").delimiter == delimiter


@pytest.mark.parametrize(
    ("text", "has_header"),
    [
        ("a,b\n1,2\n", True),
        ("1,2\n3,4\n", False),
        (",a\n1,2\n", True),  # R and pandas leave the name of row numbers empty
        ("5.1,setosa\n4.9,setosa\n", False),
        ("length,species\n4.9,setosa\n", True),
        ("na,k,ca\n1,2,3\n", True),
        ("NA,2\n1,3\n", False),
        ("x\n1\n", True),
    ],
)
def test_header_or_none(text, has_header):
    assert detect_dialect(text, "table").has_header == has_header


def test_a_first_row_that_may_be_either_is_not_guessed(table_file):
    path = table_file("1.0,2.x\n3,4\n5,6\n")
    with pytest.raises(DataError, match=r"both a number \('1.0'\) and text over numbers \('2.x'\); say --header"):
        read_table(str(path))
    np.testing.assert_array_equal(read_table(str(path), header=True).data, [[3, 4], [5, 6]])
    with pytest.raises(DataError, match=r"column 2 holds '2.x', which is not a number in line 1"):
        read_table(str(path), header=False)


def test_agrees_with_pandas_on_a_large_table(tmp_path):
    import pandas

    rng = np.random.default_rng(20240601)
    frame = pandas.DataFrame(rng.normal(size=(20000, 3)), columns=["a", "b c", "d_e"])
    frame["text"] = "none, but text"
    frame.to_csv(tmp_path / "large.csv", index=False)
    seen = []
    result = read_table(str(tmp_path / "large.csv"), exclude=["text"], observe=seen.append)
    np.testing.assert_array_equal(result.data, frame.drop(columns="text").to_numpy())
    assert result.names == ("a", "b c", "d_e")
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_columns_by_name_and_number(table_file):
    path = str(table_file("a,b,2,d\n1,2,3,4\n5,6,7,8\n"))
    assert read_table(path, ["d", "a"], header=True).data.tolist() == [[4, 1], [8, 5]]
    assert read_table(path, ["4", "1"], header=True).names == ("d", "a")
    assert read_table(path, ["2"], header=True).names == ("2",), "a name goes before a number"
    assert read_table(path, exclude=["a", "4"], header=True).names == ("b", "2")


def test_columns_without_header_by_number(table_file):
    path = str(table_file("1 2 3\n4 5 6\n"))
    result = read_table(path, ["3", "1"])
    assert result.data.tolist() == [[3, 1], [6, 4]]
    assert result.names == ("column 3", "column 1")
    with pytest.raises(DataError, match="no column 'a'; the table has no header, so choose by number"):
        read_table(path, ["a"])


def test_a_text_column_matters_only_if_chosen(table_file):
    path = str(table_file("x,name,y\n1,one,2\n3,two,4\n"))
    assert read_table(path, ["x", "y"]).data.tolist() == [[1, 2], [3, 4]]
    with pytest.raises(DataError, match=r"column 'name' \(2\) is not numeric: line 2 holds 'one'; leave it out with "):
        read_table(path)


def test_all_text_columns_are_named_at_once(table_file):
    path = table_file('x,"a,b",c d\n1,u,v\n2,w,x\n')
    with pytest.raises(DataError, match="columns 'a,b' \\(2\\), 'c d' \\(3\\) are not numeric"):
        read_table(str(path))
    with pytest.raises(DataError, match="""--exclude '"a,b",c d'"""):
        read_table(str(path))


@pytest.mark.parametrize("missing", ["", "NA", "NaN", "n/a", "null", "?", "#N/A"])
def test_missing_cells_are_refused_with_line_and_column(table_file, missing):
    with pytest.raises(DataError, match=r"column 'b' \(2\) holds a missing value \(.*\) in line 4;"):
        read_table(str(table_file(f"a,b\n1,2\n\n3,{missing}\n5,6\n")))


@pytest.mark.parametrize("cell", ["inf", "-Infinity", "1e999"])
def test_infinite_cells_are_refused(table_file, cell):
    with pytest.raises(DataError, match=f"column 'a' .* holds '{cell}', which is not a finite number in line 3"):
        read_table(str(table_file(f"a,b\n1,2\n{cell},3\n4,5\n")))


@pytest.mark.parametrize("cell", ["1.2.3", "1_000", "0x10", "1e", "--1", "1 2", "twelve", "1.5a"])
def test_malformed_numbers_are_refused(table_file, cell):
    with pytest.raises(DataError, match=f"column 'b' .* holds '{cell}', which is not a number in line 3"):
        read_table(str(table_file(f"a,b\n1,2\n3,{cell}\n4,5\n6,7\n8,9\n")))


def test_a_bad_cell_far_down_is_found(table_file):
    lines = ["a,b", *["1,2"] * 20000, "3,x", "4,5"]
    with pytest.raises(DataError, match="in line 20002"):
        read_table(str(table_file("\n".join(lines))))


def test_points_beside_decimal_commas_are_not_guessed(table_file):
    path = str(table_file("a;b\n1,5;2\n1.234;3\n4,5;6\n"))
    with pytest.raises(DataError, match=r"'1.234', which is not a number in line 3"):
        read_table(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\n \n", "the file is empty"),
        (b"\xef\xbb\xbf", "the file is empty"),
        (b"a,b\n", "has a header but no rows"),
        (b"a,b\n1,2\n3,4,5\n", "line 3 has 3 cells, but the header has 2"),
        (b"1,2\n3\n5,6\n", "line 2 has 1 cell, but the first row has 2"),
        (b'"a" "b"\n"1" 1 2\n"2" 3 4\n', r"row names\? in R"),
        (b"a,b\n1,2\n3,\xe9\n", r"line 3 is not UTF-8 text \(byte 0xe9\)"),
        ("a,b\n1,2\n".encode("utf-16"), "text in UTF-16"),
        (b"PK\x03\x04rest", "a spreadsheet or a zip archive"),
        (b"\x1f\x8brest", "a gzip archive"),
        (b'a,b\n"1,2\n3,4\n', "a quotation mark that opens a cell is never closed"),
        (b'a,b\n"1"x,2\n', "line 2 is not well-formed"),
        (b"a,b,a\n1,2,3\n", "columns 1 and 3 are both named 'a'"),
        (b'"",a\n1,2\n', r"column 1 has no name in the header \(row numbers\?\)"),
    ],
)
def test_refuses_broken_files(table_file, content, message):
    with pytest.raises(DataError, match=message):
        read_table(str(table_file(content)))


@pytest.mark.parametrize(
    ("columns", "exclude", "message"),
    [
        (["eruption"], None, "no column 'eruption'; did you mean 'eruptions'"),
        (None, ["Waiting"], "no column 'Waiting'; did you mean 'waiting'"),
        (["zzz"], None, "no column 'zzz'; there are 'eruptions', 'waiting'"),
        (["3"], None, "there is no column 3; the table has 2"),
        (["0"], None, "there is no column 0"),
        (["1", "eruptions"], None, r"column 'eruptions' \(1\) is chosen twice"),
        (None, ["1", "2"], "no column is left"),
    ],
)
def test_refuses_wrong_columns(columns, exclude, message):
    with pytest.raises(DataError, match=message):
        read_table("faithful", columns, exclude)


def test_a_name_of_two_columns_does_not_choose(table_file):
    path = str(table_file("a,b,a\n1,2,3\n"))
    with pytest.raises(DataError, match="columns 1 and 3 are both named 'a'; choose by number"):
        read_table(path, ["a"])
    assert read_table(path, ["b", "3"]).data.tolist() == [[2, 3]]


@pytest.mark.parametrize("option", ["", "a,,b", ","])
def test_refuses_empty_names_in_options(option):
    with pytest.raises(DataError, match="expected names or numbers of columns"):
        split_names(option)


def test_refuses_what_is_no_file(tmp_path):
    with pytest.raises(DataError, match="there is no such file"):
        open_sheet(str(tmp_path / "nothing.csv"))
    with pytest.raises(DataError, match="this is a directory"):
        open_sheet(str(tmp_path))
    with pytest.raises(DataError, match="no such file; did you mean 'faithful'"):
        open_sheet("faithfull")
    with pytest.raises(DataError, match="cannot be read"):
        open_sheet("null\0character")


def test_the_data_set_reads_as_it_loads():
    from mixgrad.datasets import load_faithful

    result, faithful = read_table("faithful"), load_faithful()
    np.testing.assert_array_equal(result.data, faithful.data)
    assert result.names == faithful.feature_names


@EXAMPLES
@given(
    content=st.binary(max_size=60)
    | st.text(st.sampled_from('01.,;\t| \n\r"-eNAnai_é#'), max_size=60).map(lambda text: text.encode("utf-8"))
)
def test_any_file_is_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("tables") / "table.csv"
    path.write_bytes(content)
    try:
        result = read_table(str(path))
    except DataError:
        return
    assert np.isfinite(result.data).all()
    assert result.data.shape == (len(result.data), len(result.names))
