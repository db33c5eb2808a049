"""The command line of the benchmarks, and their JSON files."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from measuring import Machine
from narrows.artifacts import atomic


class Parser(argparse.ArgumentParser):
    """A parser of --json, of --only where there are parts, of --quick where asked, and of all that is added."""

    def __init__(self, description: str, parts: Sequence[str] = (), quick: bool = True) -> None:
        super().__init__(description=description)
        self.parts = parts
        if parts:
            self.add_argument("--only", metavar="PARTS", default=",".join(parts), help=f"some of {','.join(parts)}")
        if quick:
            self.add_argument(
                "--quick", action="store_true", help="check the script on few items; the figures mean nothing"
            )
        self.add_argument("--json", metavar="FILE", type=Path, help="write the figures to a file as well")

    def add_folders(self) -> None:
        """Options for the folders of models and of pictures."""
        for name, words in (
            ("--models", "keep models there, and take those that are there"),
            ("--output", "draw pictures and plots there, as PNG"),
        ):
            self.add_argument(name, metavar="FOLDER", type=Path, help=words)

    def parse(self) -> argparse.Namespace:
        """What was given; the program ends where it cannot be."""
        given = self.parse_args()
        if self.parts:
            given.only = given.only.split(",")
            for part in given.only:
                if part not in self.parts:
                    self.error(f"--only {part}: expected some of {','.join(self.parts)}")
        if given.json and not given.json.parent.is_dir():
            self.error(f"--json {given.json}: there is no folder {given.json.parent}")
        for folder in filter(None, (getattr(given, name, None) for name in ("models", "output"))):
            folder.mkdir(parents=True, exist_ok=True)
        return given


def announce(machine: Machine, quick: bool) -> None:
    print(machine, flush=True)
    if quick:
        print("A quick run on few items, which only checks the script: its figures mean nothing.", file=sys.stderr)


def write_figures(file: Path | None, machine: Machine, figures: dict[str, Any]) -> None:
    """Figures and where they were measured as JSON, where a file was asked for."""
    if file:
        with atomic.replacing(file) as temporary:
            temporary.write_text(json.dumps({"machine": asdict(machine), **figures}, indent=2) + "\n")
