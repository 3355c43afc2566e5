# make demo        the main job on the simulated hypervisor     make demo-xen   the same on real Xen, under emulation
# make test        every test, real Xen included                make check      style, types, layers, generated code, C
# make help        the rest

PYTHON  := .venv/bin/python
STAMPS  := build/stamps
BED     := PYTHONPATH=tests/dom0 $(PYTHON) -m bed
DEBS    := $(shell sed 's/\#.*//' packaging/build-packages.txt)
NATIVE  := $(shell find native -name '*.[ch]' -o -name '*.cdef' -o -name hatch_build.py)

.PHONY: help setup native gen deb demo demo-xen test test-quick test-xen test-bare xen-shell check bench clean clean-bed

help:
	@echo 'make demo        set up, then run the main job on the simulated hypervisor (ARGS=--agent: without a pool master)'
	@echo 'make demo-xen    the same job on real Xen in an emulated machine, with the console of the guest'
	@echo 'make test        set up, then run every test, those on real Xen included'
	@echo 'make test-quick  only the tests that need no emulated machine   (ARGS="-k word" for pytest)'
	@echo 'make test-xen    only the tests on real Xen                     (ARGS="-k word" for pytest)'
	@echo 'make test-bare   only the tests on a machine like a dom0, without Xen: storage, networks (ARGS="--long": all)'
	@echo 'make xen-shell   a shell in a dom0 with the project installed'
	@echo 'make check       style, types, layers, generated code, C warnings and sanitizers'
	@echo 'make bench       measure against xl, libvirt, xenstore-ls, libxenstore and pyxs, on real Xen'
	@echo 'make setup       only the set-up: Debian packages, .venv, the C parts (make native: those alone)'
	@echo 'make deb         the Debian package (installs what building it takes)'
	@echo 'make gen         regenerate the committed protobuf code'
	@echo 'make clean       remove what was built; `make clean-bed` also the cached images of the test bed'

# --- set-up: each step runs again only when what it depends on has changed

setup: $(STAMPS)/debs $(STAMPS)/venv native $(STAMPS)/clients

$(STAMPS)/debs: packaging/build-packages.txt
	@mkdir -p $(STAMPS)
	@there=$$(dpkg-query -W -f '$${db:Status-Abbrev} $${Package}, $${Provides}\n' | sed -n 's/([^)]*)//g; s/^ii *//p' | tr -d ' ' | tr , '\n'); \
	missing=$$(for deb in $(DEBS); do echo "$$there" | grep -qxF $$deb || echo $$deb; done); \
	if [ -n "$$missing" ]; then \
	    echo "installing Debian packages:" $$missing; \
	    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$missing; } \
	        > build/apt.log 2>&1 || { tail -20 build/apt.log; echo 'apt-get failed (are you root?); see build/apt.log'; exit 1; }; fi
	@touch $@

$(STAMPS)/venv: pyproject.toml packaging/constraints.txt | $(STAMPS)/debs
	@echo 'preparing .venv'
	@[ -x $(PYTHON) ] || /usr/bin/python3 -m venv .venv
	@$(PYTHON) -m pip install -q --disable-pip-version-check 'pip>=25.1' 2>&1 | grep -v WARNING: || true
	@$(PYTHON) -m pip install -q -c packaging/constraints.txt --group dev hatchling cffi > build/pip.log 2>&1 \
	    && $(PYTHON) -m pip install -q -c packaging/constraints.txt --no-build-isolation -e . >> build/pip.log 2>&1 \
	    || { tail -20 build/pip.log; echo 'pip failed; see build/pip.log'; exit 1; }
	@touch $@

native: $(STAMPS)/native
$(STAMPS)/native: $(NATIVE) $(STAMPS)/venv
	@$(PYTHON) native/hatch_build.py
	@touch $@

$(STAMPS)/clients: packaging/ci/clients.py tests/component/pool/clients/package-lock.json | $(STAMPS)/venv
	@echo 'installing clients for the tests'
	@$(PYTHON) packaging/ci/clients.py > build/clients.log 2>&1 || { tail -20 build/clients.log; echo 'see build/clients.log'; exit 1; }
	@touch $@

gen: setup
	$(PYTHON) proto/generate.py

# --- running it

demo: setup
	@$(PYTHON) -m xenhost.agent.demo --hypervisor sim $(ARGS)

demo-xen: setup
	@$(BED) demo $(ARGS)

xen-shell: setup
	@$(BED) shell $(ARGS)

# --- the Debian package, with what Debian does not have: pure Python, at the versions that are tested
WHEELS  := $(shell sed -n 's/ *\# PyPI$$//p' packaging/constraints.txt)
TREE    := build/deb/xenhost

deb: $(STAMPS)/venv
	@rm -rf build/deb && mkdir -p $(TREE)
	@git ls-files -z --cached --others --exclude-standard | tar -c --null -T - | tar -x -C $(TREE)
	@cp -r packaging/debian $(TREE)/debian
	@$(PYTHON) -m pip download -q --no-deps -d $(TREE)/debian/wheels $(WHEELS)
	@( apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get build-dep -y -q ./$(TREE) && cd $(TREE) && PATH=/usr/sbin:/usr/bin:/sbin:/bin dpkg-buildpackage -b -us -uc ) \
	    > build/deb.log 2>&1 || { tail -20 build/deb.log; echo 'the package was not built; see build/deb.log'; exit 1; }
	@ls build/deb/*.deb

# --- tests

test-quick: setup
	@$(PYTHON) -m pytest -q -m 'not xen and not xen_pvh and not xen_hvm' $(ARGS)

test-xen: setup
	@$(BED) test $(ARGS)

test-bare: setup
	@$(BED) test --bare $(ARGS)

test: setup
	@$(PYTHON) packaging/ci/run_all.py

check: setup
	@$(PYTHON) packaging/ci/check.py

bench: setup
	@$(BED) bench $(ARGS)

clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis native/xenhost/native/*.so native/xenhost/native/bin
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

clean-bed:
	$(BED) clean
