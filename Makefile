# Everything lives in .venv; a stamp file in it says which extras it holds.
# Debian's Python makes no virtual environment with pip in it by itself, so the pip outside fills it.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo lessons test lint bench bench-codec bench-restore bench-features bench-tables clean

demo: .venv/report
	$(BIN)/narrows demo

test: .venv/dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile

lessons: .venv/lessons
	$(BIN)/jupytext --to ipynb --execute lessons/*.py

lint: .venv/dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

bench: .venv/report
	$(BIN)/python benchmarks/lessons.py

bench-codec: .venv/bench
	$(BIN)/python benchmarks/codec.py

bench-restore: .venv/bench
	$(BIN)/python benchmarks/restore.py $(if $(PHOTOS),--photos $(PHOTOS))

bench-features: .venv/report
	$(BIN)/python benchmarks/features.py

bench-tables: .venv/bench
	$(BIN)/python benchmarks/tables.py
	$(BIN)/python benchmarks/large_tables.py

.venv/%: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv --without-pip .venv
	$(PYTHON) -m pip --python $(BIN)/python install --quiet --constraint constraints.txt pip --editable '.[$*]'
	touch $@

clean:
	rm -rf .venv demo
