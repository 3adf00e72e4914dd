"""One small sample of each kind of package file, as its tool writes it: for parity with Syft and for tests of the whole.

`INSTALLED` is what lies in images; `DECLARED` are lock files and manifests that only ask for packages.
"""

GEMSPEC = b"""# -*- encoding: utf-8 -*-
# stub: rack 2.2.3 ruby lib

Gem::Specification.new do |s|
  s.name = "rack".freeze
  s.version = "2.2.3"

  s.required_rubygems_version = Gem::Requirement.new(">= 0".freeze) if s.respond_to? :required_rubygems_version=
  s.metadata = { "changelog_uri" => "https://x" } if s.respond_to? :metadata=
  s.authors = ["Leah Neukirchen".freeze]
  s.licenses = ["MIT".freeze]
  s.summary = "A modular Ruby webserver interface".freeze
  s.installed_by_version = "3.1.2" if s.respond_to? :installed_by_version
end
"""

NATIVE_GEMSPEC = b"""# -*- encoding: utf-8 -*-
# stub: nokogiri 1.15.4 x86_64-linux lib

Gem::Specification.new do |s|
  s.name = "nokogiri".freeze
  s.version = "1.15.4"
  s.platform = "x86_64-linux".freeze
  s.licenses = ["MIT".freeze, "Ruby".freeze]
end
"""

DEFAULT_GEMSPEC = b"""# -*- encoding: utf-8 -*-
# stub: json 2.6.3 ruby lib

Gem::Specification.new do |s|
  s.name = "json".freeze
  s.version = "2.6.3"
  s.licenses = ["Ruby".freeze]
end
"""

COMPOSER_INSTALLED = b"""{
    "packages": [
        {"name": "monolog/monolog", "version": "2.3.5", "version_normalized": "2.3.5.0", "license": ["MIT"],
         "require": {"php": ">=7.2"}, "type": "library"},
        {"name": "Symfony/Console", "version": "v5.4.1", "version_normalized": "5.4.1.0", "license": ["MIT"]}
    ],
    "dev": false,
    "dev-package-names": []
}
"""

PECL_REGISTRY = (
    b'a:3:{s:4:"name";s:9:"memcached";s:7:"channel";s:12:"pecl.php.net";s:7:"version";'
    b'a:2:{s:7:"release";s:5:"3.2.0";s:3:"api";s:5:"3.0.0";}}'
)
PEAR_REGISTRY = (
    b'a:3:{s:4:"name";s:12:"Archive_Tar2";s:7:"channel";s:12:"pear.php.net";s:7:"version";'
    b'a:2:{s:7:"release";s:6:"1.4.14";s:3:"api";s:5:"1.4.0";}}'
)

WORDPRESS_PLUGIN = b"""<?php
/**
 * @package Akismet
 */
/*
Plugin Name: Akismet Anti-spam: Spam Protection
Plugin URI: https://akismet.com/
Description: Used by millions.
Version: 5.3.1
Requires at least: 5.8
Author: Automattic
License: GPLv2 or later
Text Domain: akismet
*/
"""
WORDPRESS_SINGLE_PLUGIN = b"""<?php
/**
 * Plugin Name: Hello Dolly
 * Version: 1.7.2
 */
"""
WORDPRESS_THEME = b"""/*
Theme Name: Twenty Twenty-Four
Theme URI: https://wordpress.org/themes/twentytwentyfour/
Version: 1.1
License: GNU General Public License v2 or later
*/
"""
WORDPRESS_CORE = b"""<?php
/**
 * The WordPress version string.
 *
 * @global string $wp_version
 */
$wp_version = '6.5.2';
$wp_db_version = 57155;
"""

DEPS_JSON = b"""{
  "runtimeTarget": {"name": ".NETCoreApp,Version=v6.0", "signature": ""},
  "compilationOptions": {},
  "targets": {
    ".NETCoreApp,Version=v6.0": {
      "MyApp/1.0.0": {"dependencies": {"Newtonsoft.Json": "13.0.1"}, "runtime": {"MyApp.dll": {}}},
      "Newtonsoft.Json/13.0.1": {
        "runtime": {"lib/netstandard2.0/Newtonsoft.Json.dll": {"assemblyVersion": "13.0.0.0", "fileVersion": "13.0.1.25517"}}
      },
      "Serilog/2.10.0": {"runtime": {"lib/netstandard2.1/Serilog.dll": {}}},
      "Microsoft.NETCore.Targets/1.1.0": {}
    }
  },
  "libraries": {
    "MyApp/1.0.0": {"type": "project", "serviceable": false, "sha512": ""},
    "Newtonsoft.Json/13.0.1": {"type": "package", "serviceable": true, "sha512": "sha512-x", "path": "newtonsoft.json/13.0.1"},
    "Serilog/2.10.0": {"type": "package", "serviceable": true, "sha512": "sha512-x", "path": "serilog/2.10.0"},
    "Microsoft.NETCore.Targets/1.1.0": {"type": "package", "serviceable": true, "sha512": "sha512-x"}
  }
}
"""
FRAMEWORK_DEPS_JSON = b"""{
  "runtimeTarget": {"name": ".NETCoreApp,Version=v8.0/linux-x64", "signature": ""},
  "targets": {
    ".NETCoreApp,Version=v8.0": {},
    ".NETCoreApp,Version=v8.0/linux-x64": {
      "Microsoft.NETCore.App.Runtime.linux-x64/8.0.3": {"runtime": {"System.Runtime.dll": {}}, "native": {"libclrjit.so": {}}}
    }
  },
  "libraries": {
    "Microsoft.NETCore.App.Runtime.linux-x64/8.0.3": {"type": "package", "serviceable": true, "sha512": ""}
  }
}
"""

CONDA_META = b"""{
  "build": "py311h64a7726_0", "build_number": 0,
  "channel": "https://conda.anaconda.org/conda-forge/linux-64",
  "depends": ["libblas >=3.9.0,<4.0a0"], "files": ["lib/python3.11/site-packages/numpy/__init__.py"],
  "fn": "numpy-1.26.4-py311h64a7726_0.conda", "license": "BSD-3-Clause", "name": "numpy",
  "subdir": "linux-64", "version": "1.26.4"
}
"""

PACMAN_DESC = b"""%NAME%
openssl

%VERSION%
1:3.2.1-1

%BASE%
openssl

%DESC%
The Open Source toolkit for Secure Sockets Layer and Transport Layer Security

%ARCH%
x86_64

%LICENSE%
Apache

%PACKAGER%
Pierre Schmitz <pierre@archlinux.de>

%VALIDATION%
pgp

"""
PACMAN_FILES = b"""%FILES%
usr/
usr/lib/
usr/lib/libssl.so.3

"""
OPKG_STATUS = b"""Package: libopenssl3
Version: 3.0.13-1
Depends: libc
Status: install ok installed
Architecture: x86_64
Installed-Time: 1700000000

Package: busybox
Version: 1.36.1-1
Status: install user installed
Architecture: x86_64
Installed-Time: 1700000000
"""

R_DESCRIPTION = b"""Package: dplyr
Type: Package
Title: A Grammar of Data Manipulation
Version: 1.1.4
License: MIT + file LICENSE
Repository: CRAN
Packaged: 2023-11-16 21:48:56 UTC; hadleywickham
Built: R 4.3.1; x86_64-pc-linux-gnu; 2023-12-01 00:00:00 UTC; unix
"""
ROCKSPEC = b"""package = "luasocket"
version = "3.1.0-1"
source = {
  url = "git+https://github.com/lunarmodules/luasocket.git",
  tag = "v3.1.0"
}
description = {
  summary = "Network support for the Lua language",
  license = "MIT"
}
"""
OTP_APP = b"""%% This is an -*- erlang -*- file.
{application, ssl,
 [{description, "Erlang/OTP SSL application"},
  {vsn, "10.9.1"},
  {modules, [ssl, ssl_app]},
  {registered, [ssl_sup]},
  {applications, [crypto, public_key, kernel, stdlib]},
  {mod, {ssl_app, []}}]}.
"""
CONANINFO = b"""[settings]
    arch=x86_64
    build_type=Release

[requires]
    zlib/1.Y.Z

[options]
    shared=False

[full_settings]
    arch=x86_64

[full_requires]
    zlib/1.2.11:6af9cc7cb931c5ad942174fd7838eb655717c709
"""
BITNAMI_SPDX = b"""{
  "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": "SPDX document for redis",
  "documentNamespace": "https://x/redis", "creationInfo": {"created": "2024-01-01T00:00:00Z", "creators": ["Organization: VMware, Inc."]},
  "packages": [
    {"name": "redis", "SPDXID": "SPDXRef-redis", "versionInfo": "7.2.4-3", "downloadLocation": "NOASSERTION",
     "licenseDeclared": "BSD-3-Clause",
     "externalRefs": [{"referenceCategory": "SECURITY", "referenceType": "cpe23Type", "referenceLocator": "cpe:2.3:*:redis:redis:7.2.4:*:*:*:*:*:*:*"},
                      {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": "pkg:bitnami/redis@7.2.4-3?arch=amd64&distro=debian-12"}]}
  ],
  "relationships": []
}
"""
EMBEDDED_CYCLONEDX = b"""{
  "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
  "metadata": {"component": {"type": "application", "name": "demo", "version": "1"}},
  "components": [
    {"type": "library", "name": "lodash", "version": "4.17.20", "purl": "pkg:npm/lodash@4.17.20", "licenses": [{"license": {"id": "MIT"}}]},
    {"type": "library", "group": "org.apache", "name": "commons-text", "version": "1.9", "purl": "pkg:maven/org.apache/commons-text@1.9",
     "components": [{"type": "library", "name": "inner", "version": "2", "purl": "pkg:npm/%40a/inner@2"}]}
  ]
}
"""
PERL_META = b"""{"abstract": "HTTP client", "license": ["perl_5"], "name": "HTTP-Tiny", "version": "0.088"}"""
OPAM_FILE = b"""opam-version: "2.0"
name: "dune"
version: "3.14.0"
synopsis: "Fast, portable, and opinionated build system"
license: "MIT"
depends: ["ocaml" {>= "4.08"}]
"""

INSTALLED: dict[str, bytes] = {
    "usr/local/bundle/specifications/rack-2.2.3.gemspec": GEMSPEC,
    "usr/local/bundle/specifications/nokogiri-1.15.4-x86_64-linux.gemspec": NATIVE_GEMSPEC,
    "usr/local/lib/ruby/gems/3.2.0/specifications/default/json-2.6.3.gemspec": DEFAULT_GEMSPEC,
    "app/vendor/composer/installed.json": COMPOSER_INSTALLED,
    "usr/local/lib/php/.registry/.channel.pecl.php.net/memcached.reg": PECL_REGISTRY,
    "usr/share/php/.registry/archive_tar2.reg": PEAR_REGISTRY,
    "var/www/wp-content/plugins/akismet/akismet.php": WORDPRESS_PLUGIN,
    "var/www/wp-content/plugins/akismet/class.akismet.php": b"<?php\nclass Akismet {}\n",
    "var/www/wp-content/plugins/hello.php": WORDPRESS_SINGLE_PLUGIN,
    "var/www/wp-content/themes/twentytwentyfour/style.css": WORDPRESS_THEME,
    "var/www/wp-includes/version.php": WORDPRESS_CORE,
    "opt/app/MyApp.deps.json": DEPS_JSON,
    "usr/share/dotnet/shared/Microsoft.NETCore.App/8.0.3/Microsoft.NETCore.App.deps.json": FRAMEWORK_DEPS_JSON,
    "opt/conda/conda-meta/numpy-1.26.4-py311h64a7726_0.json": CONDA_META,
    "opt/conda/conda-meta/history": b"==> 2024 <==\n",
    "var/lib/pacman/local/openssl-1:3.2.1-1/desc": PACMAN_DESC,
    "var/lib/pacman/local/openssl-1:3.2.1-1/files": PACMAN_FILES,
    "usr/lib/opkg/status": OPKG_STATUS,
    "var/db/pkg/app-containers/skopeo-1.5.1-r1/CONTENTS": b"obj /usr/bin/skopeo 376c02bd3b22804df8fdfdc895e7dbfb 1649284374\n",
    "var/db/pkg/app-containers/skopeo-1.5.1-r1/LICENSE": b"Apache-2.0\n",
    "nix/store/q5dhwzcn82by5ndc7g0q83wsnn13qkqw-openssl-3.0.13-dev/lib/libssl.so": b"x",
    "nix/store/hbzgx2ks5svkcz6fzg4fnqbk3fgwpsqk-zlib-1.3.1/lib/libz.so": b"x",
    "usr/lib/R/library/dplyr/DESCRIPTION": R_DESCRIPTION,
    "usr/local/lib/luarocks/rocks-5.1/luasocket/3.1.0-1/luasocket-3.1.0-1.rockspec": ROCKSPEC,
    "usr/lib/erlang/lib/ssl-10.9.1/ebin/ssl.app": OTP_APP,
    "root/.conan/data/openssl/1.1.1w/_/_/package/4e1a1b/conaninfo.txt": CONANINFO,
    "opt/bitnami/redis/.spdx-redis.spdx": BITNAMI_SPDX,
    "app/bom.json": EMBEDDED_CYCLONEDX,
    "usr/local/lib/perl5/x86_64-linux/.meta/HTTP-Tiny-0.088/MYMETA.json": PERL_META,
    "root/.opam/default/.opam-switch/packages/dune.3.14.0/opam": OPAM_FILE,
    "app/node_modules/.pnpm/lodash@4.17.20/node_modules/lodash/package.json": b'{"name":"lodash","version":"4.17.20"}',
    "app/node_modules/.pnpm/@babel+core@7.0.0/node_modules/@babel/core/package.json": b'{"name":"@babel/core","version":"7.0.0"}',
    "app/node_modules/tool/node_modules/inner/package.json": b'{"name":"inner","version":"1.0.0"}',
}

PACKAGE_LOCK = b"""{
  "name": "demo", "version": "1.0.0", "lockfileVersion": 3, "requires": true,
  "packages": {
    "": {"name": "demo", "version": "1.0.0", "dependencies": {"lodash": "^4"}},
    "node_modules/lodash": {"version": "4.17.20", "resolved": "https://r/lodash.tgz", "integrity": "sha512-x"},
    "node_modules/@babel/core": {"version": "7.0.0", "dev": true},
    "node_modules/alias": {"name": "real-name", "version": "2.0.0"},
    "node_modules/ws": {"resolved": "packages/ws", "link": true},
    "packages/ws": {"name": "ws", "version": "9.9.9"},
    "node_modules/lodash/node_modules/inner": {"version": "1.2.3"}
  }
}
"""
PACKAGE_LOCK_1 = b"""{
  "name": "demo", "version": "1.0.0", "lockfileVersion": 1, "requires": true,
  "dependencies": {
    "lodash": {"version": "4.17.20", "resolved": "https://r", "requires": {"x": "1"},
      "dependencies": {"inner": {"version": "1.2.3"}}},
    "alias": {"version": "npm:real-name@2.0.0"},
    "own": {"version": "file:../own"}
  }
}
"""
YARN_1 = b"""# THIS IS AN AUTOGENERATED FILE. DO NOT EDIT THIS FILE DIRECTLY.
# yarn lockfile v1


"@babel/core@^7.0.0", "@babel/core@^7.1.0":
  version "7.1.2"
  resolved "https://registry.yarnpkg.com/@babel/core/-/core-7.1.2.tgz#x"
  integrity sha512-x
  dependencies:
    lodash "^4.17.10"

lodash@^4.17.10:
  version "4.17.20"
  resolved "https://registry.yarnpkg.com/lodash/-/lodash-4.17.20.tgz#x"
"""
YARN_BERRY = b"""# This file is generated by running "yarn install" inside your project.

__metadata:
  version: 6
  cacheKey: 8

"@babel/core@npm:^7.0.0":
  version: 7.1.2
  resolution: "@babel/core@npm:7.1.2"
  dependencies:
    lodash: ^4.17.10
  checksum: abc
  languageName: node
  linkType: hard

"demo@workspace:.":
  version: 0.0.0-use.local
  resolution: "demo@workspace:."
  languageName: unknown
  linkType: soft
"""
PNPM_5 = b"""lockfileVersion: 5.4
specifiers:
  lodash: ^4.17.20
dependencies:
  lodash: 4.17.20
packages:

  /@babel/core/7.1.2:
    resolution: {integrity: sha512-x}
    dev: false

  /lodash/4.17.20:
    resolution: {integrity: sha512-x}
    dev: false

  /styled/5.3.0_react@17.0.2:
    resolution: {integrity: sha512-x}
"""
PNPM_6 = b"""lockfileVersion: '6.0'
dependencies:
  lodash:
    specifier: ^4.17.20
    version: 4.17.20
packages:

  /@babel/core@7.1.2:
    resolution: {integrity: sha512-x}

  /lodash@4.17.20:
    resolution: {integrity: sha512-x}

  /styled@5.3.0(react@17.0.2):
    resolution: {integrity: sha512-x}
"""
PNPM_9 = b"""lockfileVersion: '9.0'
importers:
  .:
    dependencies:
      lodash:
        specifier: ^4.17.20
        version: 4.17.20
packages:

  '@babel/core@7.1.2':
    resolution: {integrity: sha512-x}

  lodash@4.17.20:
    resolution: {integrity: sha512-x}

snapshots:

  '@babel/core@7.1.2(react@1)': {}
"""
BUN_LOCK = b"""{
  "lockfileVersion": 1,
  "workspaces": {"": {"name": "demo", "dependencies": {"lodash": "^4",},},},
  // packages by path
  "packages": {
    "lodash": ["lodash@4.17.20", "", {}, "sha512-//x=="],
    "@babel/core": ["@babel/core@7.1.2", "", {"dependencies": {"lodash": "^4"}}, "sha512-x"],
    "ws": ["ws@workspace:packages/ws"],
  }
}
"""
DENO_LOCK = b"""{"version": "4", "specifiers": {"npm:chalk@5": "npm:chalk@5.3.0"},
 "npm": {"chalk@5.3.0": {"integrity": "sha512-x"}, "@a/b@1.0.0_peer@2.0.0": {"integrity": "sha512-x"}}}
"""
REQUIREMENTS = b"""# comment
Flask==0.12.2
requests[security] == 2.19.1 ; python_version > "3"  # why
urllib3>=1.24
Jinja2==2.10 \\
    --hash=sha256:0000
star==1.*
-r other.txt
certifi===2022.9.14
"""
PIPFILE_LOCK = b"""{"_meta": {"hash": {"sha256": "x"}, "pipfile-spec": 6},
 "default": {"flask": {"hashes": [], "version": "==0.12.2"}, "own": {"path": "."}},
 "develop": {"pytest": {"version": "==7.0.0"}}}
"""
POETRY_LOCK = b"""# This file is automatically @generated by Poetry
[[package]]
name = "flask"
version = "0.12.2"
description = "A framework"
optional = false
python-versions = "*"
files = [
    {file = "Flask-0.12.2.whl", hash = "sha256:x"},
]

[package.dependencies]
Jinja2 = ">=2.4"

[[package]]
name = "own"
version = "0.1.0"
[package.source]
type = "directory"
url = "own"

[metadata]
lock-version = "2.0"
"""
UV_LOCK = b"""version = 1
requires-python = ">=3.11"

[[package]]
name = "demo"
version = "0.1.0"
source = { virtual = "." }
dependencies = [{ name = "flask" }]

[[package]]
name = "flask"
version = "0.12.2"
source = { registry = "https://pypi.org/simple" }
"""
PDM_LOCK = b"""[metadata]
groups = ["default"]

[[package]]
name = "flask"
version = "0.12.2"
requires_python = ">=3.8"
"""
PYLOCK = b"""lock-version = "1.0"
[[packages]]
name = "flask"
version = "0.12.2"
[[packages]]
name = "own"
directory = { path = "." }
"""
CONDA_ENVIRONMENT = b"""name: demo
channels:
  - conda-forge
dependencies:
  - numpy=1.26.4=py311h64a7726_0
  - conda-forge::scipy=1.10
  - pandas>=2
  - pip:
      - flask==0.12.2
"""
CARGO_LOCK = b"""# This file is automatically @generated by Cargo.
version = 3

[[package]]
name = "demo"
version = "0.1.0"
dependencies = ["time"]

[[package]]
name = "time"
version = "0.1.44"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "x"
"""
GO_MOD = b"""module example.com/demo

go 1.21

require github.com/gin-gonic/gin v1.7.0

require (
	golang.org/x/text v0.3.7 // indirect
	example.com/old v1.0.0
	example.com/local v1.0.0
)

replace example.com/old v1.0.0 => example.com/new v1.1.0

replace example.com/local => ../local
"""
GEMFILE_LOCK = b"""GIT
  remote: https://github.com/x/y.git
  revision: abc
  specs:
    y (0.1.0)

PATH
  remote: .
  specs:
    demo (1.0.0)

GEM
  remote: https://rubygems.org/
  specs:
    nokogiri (1.15.4-x86_64-linux)
      racc (~> 1.4)
    rack (2.2.3)

PLATFORMS
  ruby

DEPENDENCIES
  rack

BUNDLED WITH
   2.3.7
"""
COMPOSER_LOCK = b"""{"packages": [{"name": "monolog/monolog", "version": "2.3.5", "license": ["MIT"]}],
 "packages-dev": [{"name": "phpunit/phpunit", "version": "9.5.0"}]}
"""
NUGET_LOCK = b"""{"version": 1, "dependencies": {"net6.0": {
  "Newtonsoft.Json": {"type": "Direct", "requested": "[13.0.1, )", "resolved": "13.0.1"},
  "Serilog": {"type": "Transitive", "resolved": "2.10.0"},
  "own": {"type": "Project"}}}}
"""
PACKAGES_CONFIG = b"""<?xml version="1.0" encoding="utf-8"?>
<packages>
  <package id="Newtonsoft.Json" version="12.0.1" targetFramework="net45" />
</packages>
"""
CSPROJ = b"""<Project Sdk="Microsoft.NET.Sdk">
  <ItemGroup>
    <PackageReference Include="Serilog" Version="2.10.0" />
    <PackageReference Include="Ranged"><Version>[1.0, 2.0)</Version></PackageReference>
  </ItemGroup>
</Project>
"""
PAKET_LOCK = b"""NUGET
  remote: https://www.nuget.org/api/v2
    FAKE (5.16)
      Other (>= 1.0)
GITHUB
  remote: x/y
    paket.fs (abc)
"""
GRADLE_LOCK = b"""# This is a Gradle generated file for dependency locking.
org.apache.commons:commons-text:1.9=compileClasspath,runtimeClasspath
empty=annotationProcessor
"""
GRADLE_CATALOGUE = b"""[versions]
text = "1.9"
[libraries]
commons-text = { module = "org.apache.commons:commons-text", version.ref = "text" }
plain = "a.b:c:1.0"
nowhere = { group = "d", name = "e" }
"""
POM = b"""<?xml version="1.0"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <groupId>com.example</groupId><artifactId>demo</artifactId><version>1.0</version>
  <properties><text.version>1.9</text.version></properties>
  <dependencies>
    <dependency><groupId>org.apache.commons</groupId><artifactId>commons-text</artifactId><version>${text.version}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-api</artifactId><version>1.7.30</version></dependency>
  </dependencies>
</project>
"""
PUBSPEC_LOCK = b"""packages:
  http:
    dependency: "direct main"
    description:
      name: http
      url: "https://pub.dartlang.org"
    source: hosted
    version: "0.13.3"
  flutter:
    dependency: "direct main"
    description: flutter
    source: sdk
    version: "0.0.0"
sdks:
  dart: ">=2.14.0 <3.0.0"
"""
MIX_LOCK = b"""%{
  "plug": {:hex, :plug, "1.11.0", "f17217525597628298998bc3baed9f8ea1fa3f1160aa9871aee6df47a6e4d38e", [:mix], [], "hexpm", "2d9c633f0499f9dc5c2fd069161af4e2e7756890b81adcbb2ceaa074e8308876"},
  "own": {:git, "https://github.com/x/own.git", "abc", []},
}
"""
REBAR_LOCK = b"""{"1.2.0",
[{<<"cowboy">>,{pkg,<<"cowboy">>,<<"2.8.0">>},0},
 {<<"own">>,{git,"https://github.com/x/own.git",{ref,"abc"}},0}]}.
[
{pkg_hash,[
 {<<"cowboy">>, <<"F3DC62E35797ECD9AC1B50DB74611193C29815401E53BAC9A5C0577BD7BC667D">>}]}
].
"""
SWIFT_2 = b"""{"pins": [
  {"identity": "alamofire", "kind": "remoteSourceControl", "location": "https://github.com/Alamofire/Alamofire.git",
   "state": {"revision": "abc", "version": "5.4.3"}}], "version": 2}
"""
SWIFT_1 = b"""{"object": {"pins": [{"package": "Alamofire", "repositoryURL": "https://github.com/Alamofire/Alamofire.git",
  "state": {"branch": null, "revision": "abc", "version": "5.4.3"}}]}, "version": 1}
"""
PODFILE_LOCK = b"""PODS:
  - Firebase/Core (8.1.0):
    - Firebase/CoreOnly
  - Firebase/CoreOnly (8.1.0)
  - Alamofire (5.4.3)

DEPENDENCIES:
  - Alamofire (~> 5)

SPEC CHECKSUMS:
  Alamofire: f3b09a368f1582ab751b3fff5460276e0d2cf5c9
  Firebase: 7e8fe528c161b9271d365217a74c16aaf834578e

COCOAPODS: 1.11.0
"""
CONAN_1 = b"""{"graph_lock": {"nodes": {
  "0": {"ref": null, "options": "", "requires": ["1"], "path": "../conanfile.py"},
  "1": {"ref": "zlib/1.2.11", "options": ""}, "2": {"ref": "boost/1.75.0@me/stable"}}, "revisions_enabled": false}, "version": "0.4"}
"""
CONAN_2 = b"""{"version": "0.5", "requires": ["zlib/1.2.13#97d5730b529b4224045fe7090592d4c1%1692672717.68", "spdlog/1.11.0"],
 "build_requires": ["cmake/3.26.0"], "python_requires": []}
"""
JULIA_MANIFEST = b"""julia_version = "1.9.0"
manifest_format = "2.0"

[[deps.Dates]]
deps = ["Printf"]
uuid = "ade2ca70-3891-5945-98fb-dc099432e06a"

[[deps.JSON]]
git-tree-sha1 = "x"
uuid = "682c06a0-de6a-54ab-a142-c8b1cf79cde6"
version = "0.21.4"
"""
RENV_LOCK = b"""{"R": {"Version": "4.3.1"}, "Packages": {"dplyr": {"Package": "dplyr", "Version": "1.1.4", "Source": "Repository"}}}"""
STACK_LOCK = b"""packages:
- completed:
    hackage: fuzzyset-0.2.4@sha256:f1b6de8bf33277bf6255207541d65028f1f1ea93af5541b654c86b5674995485,1618
    pantry-tree:
      size: 574
  original:
    hackage: fuzzyset-0.2.4@sha256:f1b6de8bf33277bf6255207541d65028f1f1ea93af5541b654c86b5674995485,1618
snapshots: []
"""
CABAL_FREEZE = b"""active-repositories: hackage.haskell.org:merge
constraints: any.Cabal ==3.2.1.0,
             any.Diff ==0.4.1,
             Diff +flag
"""

DECLARED: dict[str, bytes] = {
    "npm3/package-lock.json": PACKAGE_LOCK,
    "npm1/package-lock.json": PACKAGE_LOCK_1,
    "yarn1/yarn.lock": YARN_1,
    "berry/yarn.lock": YARN_BERRY,
    "pnpm5/pnpm-lock.yaml": PNPM_5,
    "pnpm6/pnpm-lock.yaml": PNPM_6,
    "pnpm9/pnpm-lock.yaml": PNPM_9,
    "bun/bun.lock": BUN_LOCK,
    "deno/deno.lock": DENO_LOCK,
    "pip/requirements.txt": REQUIREMENTS,
    "pipenv/Pipfile.lock": PIPFILE_LOCK,
    "poetry/poetry.lock": POETRY_LOCK,
    "uv/uv.lock": UV_LOCK,
    "pdm/pdm.lock": PDM_LOCK,
    "pylock/pylock.toml": PYLOCK,
    "conda/environment.yml": CONDA_ENVIRONMENT,
    "cargo/Cargo.lock": CARGO_LOCK,
    "go/go.mod": GO_MOD,
    "bundler/Gemfile.lock": GEMFILE_LOCK,
    "composer/composer.lock": COMPOSER_LOCK,
    "nuget/packages.lock.json": NUGET_LOCK,
    "nuget/packages.config": PACKAGES_CONFIG,
    "nuget/demo.csproj": CSPROJ,
    "nuget/paket.lock": PAKET_LOCK,
    "gradle/gradle.lockfile": GRADLE_LOCK,
    "gradle/libs.versions.toml": GRADLE_CATALOGUE,
    "maven/pom.xml": POM,
    "dart/pubspec.lock": PUBSPEC_LOCK,
    "elixir/mix.lock": MIX_LOCK,
    "erlang/rebar.lock": REBAR_LOCK,
    "swift2/Package.resolved": SWIFT_2,
    "swift1/Package.resolved": SWIFT_1,
    "pods/Podfile.lock": PODFILE_LOCK,
    "conan1/conan.lock": CONAN_1,
    "conan2/conan.lock": CONAN_2,
    "julia/Manifest.toml": JULIA_MANIFEST,
    "r/renv.lock": RENV_LOCK,
    "stack/stack.yaml.lock": STACK_LOCK,
    "cabal/cabal.project.freeze": CABAL_FREEZE,
    "ocaml/dune.opam": OPAM_FILE,
}
