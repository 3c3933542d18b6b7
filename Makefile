# Two commands for a newcomer: `make demo` and `make test`. PYTHON chooses the interpreter: make test PYTHON=python3.13
# Without it, what $(VENV) has is kept; with it, a $(VENV) of another interpreter is set up anew.
PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python
STAMP := $(VENV)/.set-up
# The interpreter behind a virtual environment's own.
WHICH := -c 'import sys; print(sys._base_executable, *sys.version_info)'
ifneq ($(origin PYTHON),file)
OTHER := $(shell [ "$$($(PYTHON) $(WHICH) 2>&1)" = "$$($(RUN) $(WHICH) 2>&1)" ] || echo another-interpreter)
endif
# One file for every supported Python, hashed, as Azure's remote build installs it.
LOCK := $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url

.PHONY: demo test test-real setup sandbox lint mutations snapshots bench sbom audit lock clean another-interpreter

demo: setup  ## run the main job on the embedded sandbox
	$(RUN) -m demo

test: setup  ## run the tests that need no real part beside kubectl
	$(RUN) -m pytest -m "not real" $(ARGS)

test-real: setup  ## run those with the real sshd, kube-apiserver, Azurite, Chromium and other SSH servers
	$(RUN) -m pytest -m real $(ARGS)

setup: $(STAMP)

$(STAMP): requirements.txt requirements-dev.txt $(OTHER)
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "Python 3.11, 3.12 or 3.13 is needed, and $(PYTHON) is not: make $(MAKECMDGOALS) PYTHON=python3.13"; exit 1; }
	@command -v kubectl >/dev/null || \
		{ echo "kubectl is needed: https://kubernetes.io/docs/tasks/tools/ says how to install it"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "Python's venv module is needed: on Debian and Ubuntu, apt install python3-venv"; exit 1; }
	"$$($(PYTHON) -c 'import sys; print(sys._base_executable)')" -m venv --clear $(VENV)  # it may be in there itself
	$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt -r requirements-dev.txt
	@touch $(STAMP)

another-interpreter:

sandbox: setup  ## start the sandbox and leave it running: make sandbox ARGS=--sshd
	$(RUN) -m sandbox $(ARGS)

lint: setup  ## style, types, import contracts, and whether the lock files are current
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	bin=$$(cd $(VENV)/bin && pwd) && cd examples/viewer && "$$bin/python" -m mypy --strict -p viewer
	$(VENV)/bin/lint-imports
	@mkdir -p build && cp requirements.txt requirements-dev.txt build/ && cp .ci/requirements.txt build/requirements-audit.txt
	$(LOCK) pyproject.toml -o build/requirements.txt && cmp build/requirements.txt requirements.txt
	$(LOCK) --group dev -c requirements.txt -o build/requirements-dev.txt && \
		cmp build/requirements-dev.txt requirements-dev.txt
	$(LOCK) --group audit -o build/requirements-audit.txt && cmp build/requirements-audit.txt .ci/requirements.txt

mutations: setup  ## change lines of the product one by one, and see each noticed by a test
	$(RUN) -m tests.mutations $(ARGS)

snapshots: setup  ## evaluate infra/ anew for each set of parameters in tests/infra/parameters, for review
	$(RUN) -m tests.infra.compiler

# The parts that do not compare with Ansible. Where only these are asked for, it is not installed.
WITHOUT_ANSIBLE := rotation issuers gap key-rotation operate redaction imports package
ANSIBLE := build/ansible/bin/ansible-playbook

bench: setup $(if $(filter delivery,$(ARGS)),$(ANSIBLE),$(if $(filter $(WITHOUT_ANSIBLE),$(ARGS)),,$(ANSIBLE)))
bench:  ## measure all, or one part: make bench ARGS=delivery; with the real sshd and API server where they are
	$(RUN) -m bench --ansible $(ANSIBLE) $(ARGS)

# Measured against only, so it stays out of the product's and the tests' environment.
$(ANSIBLE):
	$(PYTHON) -m venv build/ansible
	build/ansible/bin/python -m pip install --quiet --disable-pip-version-check 'ansible-core>=2.18,<2.20'

sbom: build/audit/.set-up  ## list what the product consists of, in build/sbom.json
	build/audit/bin/cyclonedx-py requirements requirements.txt --pyproject pyproject.toml --output-file build/sbom.json
	build/audit/bin/cyclonedx-py requirements examples/viewer/requirements.txt --output-file build/sbom-viewer.json

audit: build/audit/.set-up  ## look the pinned packages up among known vulnerabilities; asks a service on the internet
	for file in requirements.txt requirements-dev.txt examples/viewer/requirements.txt; do \
		build/audit/bin/pip-audit --disable-pip --require-hashes --requirement "$$file" || exit 1; \
	done

# Apart, so that the tools' dependencies are not among the product's.
build/audit/.set-up: .ci/requirements.txt
	$(PYTHON) -m venv --clear build/audit
	build/audit/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .ci/requirements.txt
	@touch $@

lock: setup  ## compile requirements*.txt anew from pyproject.toml's ranges
	$(LOCK) --upgrade pyproject.toml -o requirements.txt
	$(LOCK) --upgrade --group dev -c requirements.txt -o requirements-dev.txt
	$(LOCK) --upgrade --group audit -o .ci/requirements.txt

clean:
	rm -rf $(VENV) build .sandbox .mypy_cache .ruff_cache .pytest_cache
