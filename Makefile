# Each target makes what it needs. `make demo` and `make test` work on a fresh clone.
.PHONY: demo test check bench setup requirements clean

RUN = .venv/bin/python

demo: ## make an image of parts of this machine, scan, mend and scan it, from a registry on this machine
	@scripts/setup run
	@PYTHONPATH=src $(RUN) -m rafsight demo

test: ## run the tests; what this machine lacks is skipped with its reason
	@scripts/setup dev
	@scripts/system-parts
	@scripts/test

check: ## what a reviewer's machine checks before reading: format, lint, types, imports, spelling
	@scripts/setup dev
	@scripts/check

bench: ## seconds, requests and bytes, over a simulated slow link
	@scripts/setup dev
	@$(RUN) -m bench

setup: ## .venv with exactly the pinned requirements, and Debian packages where root on Debian
	@scripts/setup dev
	@scripts/system-parts

requirements: ## pin and hash again what pyproject.toml and requirements/dev.in ask for
	@scripts/setup dev
	@scripts/pin

clean:
	rm -rf .venv .cache dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage bench/out
