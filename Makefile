# Everything lives in .venv; the stamp files say which set of dependencies it holds.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt

.PHONY: demo test lint bench clean

demo: .venv/report
	$(BIN)/narrows demo

test: .venv/dev
	$(BIN)/python -m pytest

lint: .venv/dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

bench: .venv/report
	$(BIN)/python benchmarks/lessons.py

.venv/%: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(INSTALL) --editable '.[$*]'
	touch $@

clean:
	rm -rf .venv demo
