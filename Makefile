# `make` installs everything into .venv, at the versions that constraints.txt pins; `make help` lists the other targets.

PYTHON ?= python3
PYTHONS = $(if $(filter file,$(origin PYTHON)),$(PYTHON) python3.13 python3.12 python3.11,$(PYTHON))
TFA_VECTORS := build/tfa
NETWORKS ?= wdsr_tf/weights
JAX_TESTS ?=
# What `make test-jax` leaves out, because nothing in it depends on Keras's backend: tests/test_environments.py checks that
# it imports nothing of Keras. What isn't named here runs, so that no new test is missed.
NO_KERAS = tests/benchmarks/test_document.py tests/benchmarks/test_one_file.py tests/commands/test_output.py \
    tests/data/test_cache.py tests/data/test_div2k.py tests/data/test_jpeg.py tests/data/test_pairs.py \
    tests/data/test_patches.py tests/data/test_sources.py tests/demo tests/evaluation/test_datasets.py tests/images \
    tests/importers/formats/test_fuzz.py tests/release/test_leaks.py tests/release/test_reproduce.py tests/storage \
    tests/system
# What one process has compiled, the others needn't, nor the next run.
JAX_CACHE = JAX_COMPILATION_CACHE_DIR=$(CURDIR)/build/jax JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0
# Two processes, each of which takes whole files: what a file trains or converts for its tests is made once.
PYTEST = -m pytest -n 2 --dist loadfile

.PHONY: install help demo web web-serve test test-all test-cloud test-wheel test-jax test-ray test-tfa test-web docs lint clean

install: .venv/installed

help:
	@echo 'make            install everything into .venv'
	@echo 'make demo       upscale the images in demo/ into out/'
	@echo 'make test       run the tests in two processes (7 to 11 minutes on two cores)'
	@echo 'make test-all   run the slow tests as well, such as every network at every scale'
	@echo 'make test-cloud test object storage with an S3 server on loopback; a part of make test'
	@echo 'make test-wheel build the wheel, install it into an empty environment and upscale with it'
	@echo 'make test-jax   run the tests that need Keras with JAX, in an environment without TensorFlow; JAX_TESTS=... selects'
	@echo 'make test-ray   run the tests that need a local Ray cluster, in an environment with the light install'
	@echo 'make test-tfa   compare weight normalization with tensorflow-addons (needs Python 3.11)'
	@echo 'make web        build the browser page into web/dist (needs Node.js 20.19 or newer)'
	@echo 'make web-serve  build and serve the browser page; web/README.md describes deployment'
	@echo 'make test-web   test the browser page in Chromium (Debian: apt install chromium; or CHROMIUM=/path/to/it), Firefox, and WebKit'
	@echo 'make docs       build the documentation into build/docs; a broken link is an error'
	@echo 'make lint       check style and formatting'
	@echo 'make clean      remove build outputs and caches; .venv*, out/ and output/ are kept'

# $(call make_venv,FOLDER,LOWEST,HIGHEST): makes FOLDER with the first of PYTHONS that is 3.LOWEST to 3.HIGHEST.
define make_venv
@test -x $(1)/bin/python || { \
    for python in $(PYTHONS) none; do \
        $$python -c 'import sys, ensurepip; sys.exit(not (3, $(2)) <= sys.version_info[:2] <= (3, $(3)))' \
            2>/dev/null && break; \
    done; \
    test $$python != none || { \
        echo 'None of $(PYTHONS) is Python 3.$(2) to 3.$(3) with the venv module (Debian and Ubuntu: python3-venv).' \
            'Pass one: make PYTHON=/path/to/python'; \
        exit 1; }; \
    echo "Creating $(1) with $$($$python --version)"; \
    $$python -m venv $(1); }
endef

.venv/installed: constraints.txt pyproject.toml setup.py
	$(call make_venv,.venv,11,13)
	.venv/bin/python -m pip install --quiet -c constraints.txt -e '.[all,dev,docs]'
	@touch $@

.venv-jax/installed: constraints.txt pyproject.toml setup.py
	$(call make_venv,.venv-jax,11,13)
	.venv-jax/bin/python -m pip install --quiet -c constraints.txt -e '.[jax]' pytest pytest-xdist
	@touch $@

.venv-ray/installed: constraints.txt pyproject.toml setup.py
	$(call make_venv,.venv-ray,11,13)
	.venv-ray/bin/python -m pip install --quiet -c constraints.txt -e '.[ray]' pytest
	@touch $@

.venv-tfa/installed: constraints-tfa.txt
	$(call make_venv,.venv-tfa,11,11)
	.venv-tfa/bin/python -m pip install --quiet -r constraints-tfa.txt
	@touch $@

demo: .venv/installed
	.venv/bin/python demo.py -i demo -o out --overwrite

test: .venv/installed
	.venv/bin/python $(PYTEST)

test-all: .venv/installed
	.venv/bin/python $(PYTEST) -m 'slow or not slow'

test-cloud: .venv/installed
	.venv/bin/python -c 'import flask, flask_cors, moto, s3fs'
	.venv/bin/python -m pytest -m 'slow or not slow' tests/storage tests/commands/test_remote.py

test-wheel: .venv/installed
	.venv/bin/python -m pytest -m 'slow or not slow' tests/test_wheel.py

test-jax: .venv-jax/installed
	@! .venv-jax/bin/python -c 'import tensorflow' 2>/dev/null || { echo '.venv-jax has TensorFlow: remove it'; exit 1; }
	KERAS_BACKEND=jax JAX_DISABLE_MOST_OPTIMIZATIONS=1 $(JAX_CACHE) .venv-jax/bin/python $(PYTEST) $(or $(JAX_TESTS),$(NO_KERAS:%=--ignore=%))

test-ray: .venv-ray/installed
	.venv-ray/bin/python -m pytest -q -rs -m 'slow or not slow' tests/distributed/test_ray.py

test-tfa: .venv/installed .venv-tfa/installed
	.venv-tfa/bin/python -W ignore tests/models/tfa_oracle.py $(TFA_VECTORS)
	WDSR_TF_TFA=$(TFA_VECTORS) .venv/bin/python -m pytest -rs tests/models/test_tfa.py

web/node_modules/installed: web/package.json
	cd web && npm install
	@touch $@

web: .venv/installed web/node_modules/installed
	.venv/bin/python web/networks.py $(NETWORKS) web/public/networks
	.venv/bin/python web/notices.py web/notices
	cd web && npm run build

web-serve: web
	cd web && npm run serve

test-web: web
	cd web && npm test

docs: .venv/installed
	.venv/bin/python -m mkdocs build --quiet --strict --site-dir build/docs

lint: .venv/installed
	.venv/bin/python -m ruff check .
	.venv/bin/python -m ruff format --check .

clean:
	rm -rf build web/dist web/notices web/public/networks .pytest_cache .ruff_cache *.egg-info
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +
