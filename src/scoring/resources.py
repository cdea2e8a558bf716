"""Where the data files that the code reads are, in a checkout or in an installed wheel: contracts, reference tables."""

from __future__ import annotations

from pathlib import Path


def data_folder() -> Path:
    """The folder that holds ``contracts/`` and ``reference/``.

    In a checkout it is the project's ``data/``; a wheel carries a copy as ``scoring_data`` beside the package.

    Returns
    -------
    Path
        An existing folder.

    Raises
    ------
    FileNotFoundError
        Neither is there: the package was copied without its data files.

    Examples
    --------
    >>> (data_folder() / "contracts" / "accounts.toml").is_file()
    True
    """
    package = Path(__file__).resolve().parent
    candidates = (package.parents[1] / "data", package.parent / "scoring_data")
    for folder in candidates:
        if (folder / "contracts").is_dir():
            return folder
    looked = " and ".join(str(folder) for folder in candidates)
    raise FileNotFoundError(f"The table contracts are missing: looked in {looked}. Install the package from its wheel.")
