"""All extractors, in the order in which their results are shown where nothing else decides.

Adding an analyzer: its module, its test, and a line here (docs/how-to-add-an-analyzer.md).
"""

from typing import Final

from rafsight.analysis.binary.elf import ELF
from rafsight.analysis.binary.known import KNOWN
from rafsight.analysis.extractor import Extractor
from rafsight.analysis.lang.conan import CONAN
from rafsight.analysis.lang.conda import CONDA
from rafsight.analysis.lang.dotnet import DOTNET
from rafsight.analysis.lang.erlang import ERLANG
from rafsight.analysis.lang.haskell import HASKELL
from rafsight.analysis.lang.java import JAVA
from rafsight.analysis.lang.java_runtime import JAVA_RUNTIME
from rafsight.analysis.lang.julia import JULIA
from rafsight.analysis.lang.lua import LUA
from rafsight.analysis.lang.node import NODE
from rafsight.analysis.lang.opam import OPAM
from rafsight.analysis.lang.perl import PERL
from rafsight.analysis.lang.php import PHP
from rafsight.analysis.lang.php_registry import PHP_REGISTRY
from rafsight.analysis.lang.python import PYTHON
from rafsight.analysis.lang.python_egg import PYTHON_EGG
from rafsight.analysis.lang.r import R
from rafsight.analysis.lang.ruby import RUBY
from rafsight.analysis.lang.wordpress import WORDPRESS
from rafsight.analysis.lang.wordpress_plugin import WORDPRESS_PLUGIN
from rafsight.analysis.lang.wordpress_plugin_files import WORDPRESS_PLUGIN_FILES
from rafsight.analysis.lang.wordpress_theme import WORDPRESS_THEME
from rafsight.analysis.lang.yarn_cache import YARN_CACHE
from rafsight.analysis.locks.bun_lock import BUN_LOCK
from rafsight.analysis.locks.cabal_freeze import CABAL_FREEZE
from rafsight.analysis.locks.cargo_lock import CARGO_LOCK
from rafsight.analysis.locks.composer_lock import COMPOSER_LOCK
from rafsight.analysis.locks.conan_lock import CONAN_LOCK
from rafsight.analysis.locks.conda_environment import CONDA_ENVIRONMENT
from rafsight.analysis.locks.deno_lock import DENO_LOCK
from rafsight.analysis.locks.gemfile_lock import GEMFILE_LOCK
from rafsight.analysis.locks.go_mod import GO_MOD
from rafsight.analysis.locks.gradle_lock import GRADLE_LOCK
from rafsight.analysis.locks.julia_manifest import JULIA_MANIFEST
from rafsight.analysis.locks.maven_pom import MAVEN_POM
from rafsight.analysis.locks.mix_lock import MIX_LOCK
from rafsight.analysis.locks.npm_lock import NPM_LOCK
from rafsight.analysis.locks.nuget_assets import NUGET_ASSETS
from rafsight.analysis.locks.nuget_lock import NUGET_LOCK
from rafsight.analysis.locks.nuget_projects import NUGET_PROJECTS
from rafsight.analysis.locks.opam_file import OPAM_FILE
from rafsight.analysis.locks.paket_lock import PAKET_LOCK
from rafsight.analysis.locks.pipfile_lock import PIPFILE_LOCK
from rafsight.analysis.locks.pnpm_lock import PNPM_LOCK
from rafsight.analysis.locks.podfile_lock import PODFILE_LOCK
from rafsight.analysis.locks.pubspec_lock import PUBSPEC_LOCK
from rafsight.analysis.locks.python_locks import PYTHON_LOCKS
from rafsight.analysis.locks.renv_lock import RENV_LOCK
from rafsight.analysis.locks.requirements import REQUIREMENTS
from rafsight.analysis.locks.stack_lock import STACK_LOCK
from rafsight.analysis.locks.swift_lock import SWIFT_LOCK
from rafsight.analysis.locks.yarn_lock import YARN_LOCK
from rafsight.analysis.os.apk import APK
from rafsight.analysis.os.chisel import CHISEL
from rafsight.analysis.os.dpkg import DPKG
from rafsight.analysis.os.dpkg_licences import DPKG_LICENCES
from rafsight.analysis.os.dpkg_ownership import DPKG_OWNERSHIP
from rafsight.analysis.os.nix import NIX
from rafsight.analysis.os.opkg import OPKG
from rafsight.analysis.os.pacman import PACMAN
from rafsight.analysis.os.portage import PORTAGE
from rafsight.analysis.os.release import RELEASE
from rafsight.analysis.os.rpm import RPM
from rafsight.analysis.os.rpm_manifest import RPM_MANIFEST
from rafsight.analysis.sbom.embedded import EMBEDDED

CATALOGUE: Final[tuple[Extractor, ...]] = (
    RELEASE,
    DPKG,
    APK,
    RPM,
    RPM_MANIFEST,
    CHISEL,
    DPKG_OWNERSHIP,
    DPKG_LICENCES,
    PYTHON,
    PYTHON_EGG,
    NODE,
    YARN_CACHE,
    JAVA,
    JAVA_RUNTIME,
    ELF,
    KNOWN,
    OPKG,
    PACMAN,
    PORTAGE,
    NIX,
    RUBY,
    PHP,
    PHP_REGISTRY,
    WORDPRESS,
    WORDPRESS_THEME,
    WORDPRESS_PLUGIN,
    WORDPRESS_PLUGIN_FILES,
    DOTNET,
    CONDA,
    JULIA,
    R,
    ERLANG,
    LUA,
    PERL,
    HASKELL,
    OPAM,
    CONAN,
    EMBEDDED,
    NPM_LOCK,
    YARN_LOCK,
    PNPM_LOCK,
    BUN_LOCK,
    DENO_LOCK,
    REQUIREMENTS,
    PIPFILE_LOCK,
    PYTHON_LOCKS,
    CONDA_ENVIRONMENT,
    CARGO_LOCK,
    GO_MOD,
    GEMFILE_LOCK,
    COMPOSER_LOCK,
    NUGET_LOCK,
    NUGET_ASSETS,
    NUGET_PROJECTS,
    PAKET_LOCK,
    GRADLE_LOCK,
    MAVEN_POM,
    PUBSPEC_LOCK,
    MIX_LOCK,
    SWIFT_LOCK,
    PODFILE_LOCK,
    CONAN_LOCK,
    JULIA_MANIFEST,
    RENV_LOCK,
    STACK_LOCK,
    CABAL_FREEZE,
    OPAM_FILE,
)
