# Everything is installed into .venv; a stamp file in it says which extra or dependency group it holds.
# Debian's Python cannot put pip into a new virtual environment, so the pip outside installs a current one.
PYTHON ?= python3
BIN := .venv/bin
EXTRAS := report view lessons tables audio onnx
INSTALL = $(BIN)/python -m pip install --quiet --constraint constraints.txt

.PHONY: demo lessons test lint docs dist bench bench-codec bench-restore bench-features bench-tables clean

demo: .venv/report
	$(BIN)/narrows demo --force

test: .venv/dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile

lint: .venv/dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/zizmor --offline --quiet .github

docs: .venv/docs
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet docs docs/_build/html

dist: .venv/dev
	rm -rf dist
	$(BIN)/python -m build

lessons: .venv/lessons
	$(BIN)/jupytext --to ipynb --execute lessons/*.py

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

.venv/bin/pip:
	$(PYTHON) -m venv --without-pip .venv
	$(PYTHON) -m pip --python $(BIN)/python install --quiet 'pip>=25.1'

$(EXTRAS:%=.venv/%): .venv/%: pyproject.toml constraints.txt | .venv/bin/pip
	$(INSTALL) --editable '.[$*]'
	touch $@

.venv/dev .venv/docs .venv/bench: .venv/%: pyproject.toml constraints.txt | .venv/bin/pip
	$(INSTALL) --group $* --editable .
	touch $@

clean:
	rm -rf .venv demo dist docs/_build
