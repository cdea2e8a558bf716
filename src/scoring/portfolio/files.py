"""The files a portfolio is delivered in: which ones count, how CSV is parsed, what one lacks, their fingerprint."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.csv as pa_csv

from scoring.errors import PortfolioError

SETTINGS_FILE: Final = "portfolio.toml"
"""Beside the tables: ``extract_on``, ``source``, ``currency``; each of them optional."""


def table_files(folder: Path) -> list[Path]:
    """The Parquet and CSV files of a folder in name order; refuses an empty folder and a table given twice.

    >>> table_files(Path(__file__).parent)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    scoring.errors.PortfolioError: ...portfolio holds no Parquet or CSV file, so no event tables can be read. ...
    """
    files = sorted(path for path in folder.iterdir() if path.suffix in {".parquet", ".csv"} and path.is_file())
    if not files:
        raise nothing_to_read(folder, "holds no Parquet or CSV file")
    twice = sorted({path.stem for path in files if sum(other.stem == path.stem for other in files) > 1})
    if twice:
        raise PortfolioError(
            f"Table {twice[0]} is there twice, as Parquet and as CSV, and nothing says which one counts. Remove one.",
            field=twice[0],
            got=[f"{twice[0]}.csv", f"{twice[0]}.parquet"],
            expected="one file per table",
        )
    return files


def read_settings(folder: Path) -> dict[str, Any]:
    """What ``portfolio.toml`` states (``extract_on``, ``source``, ``currency``); empty where there is none.

    >>> read_settings(Path(__file__).parent)
    {}
    """
    path = folder / SETTINGS_FILE
    if not path.is_file():
        return {}
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PortfolioError(f"{SETTINGS_FILE} is not valid TOML: {error}.", field=SETTINGS_FILE) from error
    known = {"extract_on": date, "source": str, "currency": str}
    for name, value in settings.items():
        if name not in known or type(value) is not known[name]:
            raise PortfolioError(
                f"{SETTINGS_FILE} has {name} = {str(value)[:40]!r}. Known: extract_on (a date as 2025-03-31, "
                f"unquoted), source (text), currency (ISO 4217 code).",
                field=name,
                got=str(value)[:40],
                expected=sorted(known),
            )
    return settings


def read_csv_as_text(path: Path) -> pa.Table:
    """A CSV file with every value as text and empty fields as null; types are judged later, value by value.

    Raises
    ------
    PortfolioError
        ``bad_portfolio``: empty, not UTF-8, a row with too few or too many fields, a column twice.

    Examples
    --------
    >>> from scoring.resources import data_folder
    >>> read_csv_as_text(data_folder() / "sample" / "consents.csv")["kind"].to_pylist()
    ['opt_out', 'opt_out', 'night_contact']
    """
    one_by_one = pa_csv.ReadOptions(use_threads=False)  # several threads cannot say which row is at fault
    try:
        with pa_csv.open_csv(path, read_options=one_by_one) as reader:
            names = reader.schema.names
        texts = pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
        )
        shape = pa_csv.ParseOptions(newlines_in_values=True)
        table = pa_csv.read_csv(path, read_options=one_by_one, convert_options=texts, parse_options=shape)
    except (pa.ArrowInvalid, OSError, UnicodeDecodeError) as error:
        raise unreadable(path, error) from error
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise PortfolioError(f"{path.name} has column {twice[0]!r} twice. Keep one.", field=twice[0], got=names)
    return table


def fingerprint_of(files: Sequence[Path]) -> str:
    """SHA-256 over names, sizes and bytes of files in name order, read in pieces.

    >>> fingerprint_of([])[:12]
    'e3b0c44298fc'
    """
    digest = hashlib.sha256()
    for path in sorted(files, key=lambda path: path.name):
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    return digest.hexdigest()


def nothing_to_read(folder: Path, what: str) -> PortfolioError:
    """The refusal for a place without event tables.

    >>> nothing_to_read(Path("extract"), "is not there").field
    'folder'
    """
    return PortfolioError(
        f"{folder} {what}, so no event tables can be read. Give a folder with accounts, payments and statements as "
        f"Parquet or CSV files, or a DuckDB file.",
        field="folder",
        got=str(folder),
    )


def unreadable(path: Path, error: Exception) -> PortfolioError:
    """The refusal for a broken file; only the kind of fault is told, for a parser may quote the row.

    >>> print(unreadable(Path("payments.csv"), ValueError("Row #3: Expected 5 columns, got 2: A1,Jane Roe")))
    payments.csv cannot be read (Row #3: Expected 5 columns,). Write it again, as complete Parquet or as \
comma-separated UTF-8 with one header line.
    """
    return PortfolioError(
        f"{path.name} cannot be read ({_fault(path, error)}). Write it again, as complete Parquet or as "
        f"comma-separated UTF-8 with one header line.",
        field=path.name,
        got=type(error).__name__,
    )


def _fault(path: Path, error: Exception) -> str:
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    return first.split(": [")[0].split(" got ")[0].replace(f"{path.parent}/", "")[:160]
