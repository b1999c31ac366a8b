# make demo | make test | make check: each makes the environment first, once.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# The tests of a file share what is slow to make.
PYTEST := -m pytest -n auto --maxprocesses 4 --dist loadfile

.PHONY: page install demo test test-all check format types clean test-lowest

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[demo,web,dev]'
	touch $@

install: $(VENV)/.installed

demo: install
	$(BIN)/pymafx-live --source demo --save out/demo.mp4 --stats out/demo-stats.json --overwrite
	@echo "The overlay video is out/demo.mp4"
	@echo "To look at the people in a browser: $(BIN)/pymafx-live --source demo --realtime --loop --web"

test: install
	$(BIN)/python $(PYTEST)

# With what is slow; with the extras that are installed in $(VENV). `.ci/run` installs them.
test-all: install
	$(BIN)/python $(PYTEST) -m '' -rs --durations=15

check: install types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache --no-logo

# mypy finds sub-packages by their folders' names, so it is shown the package as it is installed.
types: install
	mkdir -p .types/pymafx_live
	for d in bench configs core engines export pipeline trackers; do ln -sfn ../../$$d .types/pymafx_live/$$d; done
	MYPYPATH=.types $(BIN)/mypy -p pymafx_live

format: install
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

# The suite on the lowest versions that pyproject.toml admits.
test-lowest:
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --upgrade pip
	sed -n 's/^    "\([a-z-]*\)>=\(.*\)",$$/\1==\2/p' pyproject.toml > .venv-lowest/lowest.txt
	.venv-lowest/bin/python -m pip install --quiet --editable '.[demo,test]' --constraint .venv-lowest/lowest.txt
	.venv-lowest/bin/python $(PYTEST)

clean:
	rm -rf build .types .mypy_cache .ruff_cache .pytest_cache out .venv-lowest

# The script of the page (docs/web.md), for who changed its sources; needs node and npm.
page:
	cd pipeline/page && npm install --no-audit --no-fund --no-save --no-package-lock && npm run build
