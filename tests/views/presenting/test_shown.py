"""What was shown is remembered, and forgotten if it is damaged."""

from concurrent.futures import ThreadPoolExecutor

from rafsight.views.presenting.shown import Shown, ShownImages, ShownLayer

LAYERS = tuple(ShownLayer(digest="sha256:" + character * 64, size=3) for character in "ab")


def shown(origin="0", manifest=b"{}"):
    return Shown(
        origin="sha256:" + origin * 64, media_type="m", manifest=manifest, config=b"c\xff", layers=LAYERS, fetched=7
    )


def test_it_is_found_again(tmp_path):
    ShownImages(tmp_path, "one").keep(shown())
    images = ShownImages(tmp_path, "one")
    assert images.find("sha256:" + "0" * 64) == shown()
    for digest in shown().objects:
        assert images.origins(digest) == ("sha256:" + "0" * 64,)
    assert ShownImages(tmp_path, "other").find("sha256:" + "0" * 64) is None
    assert ShownImages(tmp_path, "other").origins(LAYERS[0].digest) == ()


def test_an_object_of_several_images(tmp_path):
    images = ShownImages(tmp_path, "one")
    for origin in "0120":
        images.keep(shown(origin))
    assert images.origins(LAYERS[0].digest) == tuple("sha256:" + origin * 64 for origin in "210")


def test_many_at_once(tmp_path):
    origins = [f"{number:064x}" for number in range(100)]

    def keep(origin):
        images = ShownImages(tmp_path, "one")
        images.keep(Shown(origin=f"sha256:{origin}", media_type="m", manifest=origin.encode(), config=b"c"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(keep, origins))
    images = ShownImages(tmp_path, "one")
    assert all(images.find(f"sha256:{origin}").manifest == origin.encode() for origin in origins)
    config = images.find(f"sha256:{origins[0]}").config_digest
    found = images.origins(config)
    assert len(found) == 32  # nobody asks a registry a hundred times
    assert set(found) <= {f"sha256:{origin}" for origin in origins}


def test_a_record_that_is_damaged_is_forgotten(tmp_path):
    images = ShownImages(tmp_path, "one")
    images.keep(shown())
    (path,) = (tmp_path / "one/images").iterdir()
    content = path.read_bytes()
    for damaged in (content[:-1], content.replace(b"fetched", b"fetchED"), b"", b"\xff" * 100):
        path.write_bytes(damaged)
        assert images.find(shown().origin) is None
        assert not path.exists()


def test_layers_so_far(tmp_path):
    images = ShownImages(tmp_path, "one")
    assert images.begun(shown().origin) == ()
    images.keep_begun(shown().origin, LAYERS[:1])
    assert images.begun(shown().origin) == LAYERS[:1]
    images.keep(shown())
    assert images.begun(shown().origin) == ()


def test_names_that_are_no_digests_lead_nowhere(tmp_path):
    images = ShownImages(tmp_path, "one")
    (tmp_path / "secret").write_text("x")
    assert images.find("../../secret") is None
    assert images.origins("../../secret") == ()
