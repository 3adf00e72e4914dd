"""The configuration file: named, looked for, unreadable."""

import pytest

from rafsight.access import settings_file
from rafsight.access.settings_file import ConfigurationUnreadable, read_settings_file


def test_it_is_looked_for(tmp_path):
    assert read_settings_file(folder=tmp_path) is None
    (tmp_path / "rafsight.yml").write_bytes(b"b")
    assert read_settings_file(folder=tmp_path).name == "rafsight.yml"
    (tmp_path / "rafsight.yaml").write_bytes(b"a")
    assert read_settings_file(folder=tmp_path).content == b"a"
    assert read_settings_file(tmp_path / "rafsight.yml").content == b"b"


def test_it_cannot_be_read(tmp_path, monkeypatch):
    with pytest.raises(ConfigurationUnreadable, match="No such file"):
        read_settings_file(tmp_path / "missing.yaml")
    with pytest.raises(ConfigurationUnreadable, match="directory"):
        read_settings_file(tmp_path)
    monkeypatch.setattr(settings_file, "SIZE", 3)
    (tmp_path / "large").write_bytes(b"1234")
    with pytest.raises(ConfigurationUnreadable, match="large"):
        read_settings_file(tmp_path / "large")
