"""Build fairseq's wheel, with those of its extensions that translation uses.

    python scripts/build_fairseq.py SDIST OUT_DIR

The others need PyTorch's headers, whose compilation takes ten times as long: they are for
non-autoregressive models, mixtures of experts and simultaneous alignment.
"""

from __future__ import annotations

import os
import runpy
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import setuptools

NEEDED = {
    "fairseq.libbleu",
    "fairseq.data.data_utils_fast",
    "fairseq.data.token_block_utils_fast",
}


def main() -> None:
    """Run fairseq's own setup.py on the unpacked sources.

    Raises:
        SystemExit: if an extension is missing, or the compiler fails.
    """
    sdist, out_dir = (Path(word).resolve() for word in sys.argv[1:])
    original_setup = setuptools.setup

    def setup(**keywords: Any) -> Any:
        extensions = [part for part in keywords["ext_modules"] if part.name in NEEDED]
        if len(extensions) != len(NEEDED):
            sys.exit(f"error: {sdist.name} must have {sorted(NEEDED)}, but lacks some of them.")
        return original_setup(**{**keywords, "ext_modules": extensions})

    setuptools.setup = setup
    with tempfile.TemporaryDirectory() as directory:
        shutil.unpack_archive(sdist, directory)
        os.chdir(next(Path(directory).iterdir()))
        sys.argv = ["setup.py", "--quiet", "bdist_wheel", "--dist-dir", str(out_dir)]
        runpy.run_path("setup.py", run_name="__main__")
        os.chdir(out_dir)  # so that the directory can be removed


if __name__ == "__main__":
    main()
