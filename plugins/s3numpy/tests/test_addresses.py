"""Which object a URL names: that one, or an error; never another one."""

import pytest

import activecore as ac
from activecore_s3numpy import Address


@pytest.mark.parametrize(
    ("url", "bucket", "key"),
    [
        ("s3://data/a b/ü.nc", "data", "a b/ü.nc"),
        ("s3://data/100%25+?#.nc", "data", "100%25+?#.nc"),
        ("s3://data/store.zarr/", "data", "store.zarr"),
        ("S3A://data/x", "data", "x"),
        ("s3://tenant:data/x", "tenant:data", "x"),
        ("s3://data/me@here.nc", "data", "me@here.nc"),
        ("s3://data", "data", ""),
        ("x/y.nc", "configured", "x/y.nc"),
    ],
)
def test_a_url_names_a_bucket_and_a_key_as_it_is(url, bucket, key):
    address = Address.parse(url, bucket="configured")
    assert (address.place.name, address.key) == (bucket, key)


@pytest.mark.parametrize("key", ["/x.nc", "a//x.nc", "./x.nc", "a/../x.nc", "a/./x.nc"])
def test_a_key_that_obstore_would_ask_for_by_another_name_is_refused(key):
    with pytest.raises(ac.ConfigError, match="cannot be asked for"):
        Address.parse(f"s3://data/{key}")


@pytest.mark.parametrize("name", ["No Such", "a?b", "ü", "a%20b", "x" * 256])
def test_what_is_no_bucket_is_refused_before_anything_is_sent(name):
    with pytest.raises(ac.ConfigError, match="is no name of a bucket"):
        Address.parse(f"s3://{name}/x.nc")


@pytest.mark.parametrize("who", ["AKID:hidden", "AKID:hidden/77e1", "hidden"])
def test_a_secret_in_a_url_is_not_sent_and_not_shown(who):
    with pytest.raises(ac.ConfigError, match="before '@'") as caught:
        ac.open(f"s3://{who}@data/x.nc")
    assert "hidden" not in str(caught.value)
