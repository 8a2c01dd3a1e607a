import pytest

from server.upstream.addresses import Address


@pytest.mark.parametrize(
    ("source", "url", "dynamic"),
    [
        ("http://host:8000", "http://host:8000", False),
        ("http://host:8000/", "http://host:8000", False),
        ("http://host:8000/v1", "http://host:8000", False),
        ("http://host:8000/v1/", "http://host:8000", False),
        ("https://host/base/v1", "https://host/base", False),
        ("http://[::1]:8000", "http://[::1]:8000", False),
        ("dns+http://name:8000/v1", "http://name:8000", True),
    ],
)
def test_a_source_is_a_base_url(source: str, url: str, dynamic: bool):
    address = Address.parse(source)
    assert (str(address), address.dynamic) == (url, dynamic)


@pytest.mark.parametrize("source", ["", "host:8000", "ftp://host", "http://", "dns+https://name", "http://host:port"])
def test_anything_else_is_an_error_that_names_it(source: str):
    with pytest.raises(ValueError, match=r"is no|only http") as caught:
        Address.parse(source)
    assert repr(source) in str(caught.value)


@pytest.mark.parametrize(("host", "url"), [("10.0.0.7", "http://10.0.0.7:8000"), ("fd00::7", "http://[fd00::7]:8000")])
def test_a_name_has_a_base_url_at_each_of_its_addresses(host: str, url: str):
    assert Address.parse("dns+http://name:8000").at(host) == url
