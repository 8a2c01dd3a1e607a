import pytest

from router.policy.names import STRATEGIES
from router.ports import GeneratorError
from router.testing import FakeGenerator
from server.gateway import prove

from .serving import client, deps, error_of, script


async def test_the_model_is_listed_and_found() -> None:
    async with client() as http:
        models = (await http.get("/v1/models")).json()
        model = (await http.get("/v1/models/cogitate-embedded")).json()
    assert models == {"object": "list", "data": [model]}
    assert model["id"] == "cogitate-embedded"
    assert model["object"] == "model"
    assert isinstance(model["created"], int)


async def test_another_model_is_not_found() -> None:
    async with client() as http:
        response = await http.get("/v1/models/meta/llama")
    assert response.status_code == 404
    assert error_of(response)["code"] == "model_not_found"


async def test_an_unknown_route_is_not_found_in_openais_shape() -> None:
    async with client() as http:
        for path in ("/nothing", "/v1/completions", "/v1/models/", "/docs"):
            response = await http.get(path)
            assert response.status_code == 404
            assert error_of(response)["type"] == "invalid_request_error"


async def test_a_wrong_method_is_refused_with_the_right_one() -> None:
    async with client() as http:
        response = await http.get("/v1/chat/completions")
        other = await http.post("/v1/models")
    assert response.status_code == other.status_code == 405
    assert response.headers["allow"] == "POST"
    assert error_of(response)["code"] == "method_not_allowed"


async def test_a_server_lives_before_it_is_ready_and_drains_before_it_dies() -> None:
    dependencies = deps(ready=False)
    readiness = dependencies.readiness
    seen: list[tuple[int, int, str]] = []
    async with client(dependencies) as http:
        for step in (lambda: None, readiness.open, readiness.drain, readiness.open):
            step()
            health, ready = await http.get("/health"), await http.get("/ready")
            seen.append((health.status_code, ready.status_code, ready.json()["status"]))
        assert (await http.head("/ready")).status_code == 503
    assert seen == [(200, 503, "starting"), (200, 200, "ready"), (200, 503, "draining"), (200, 503, "draining")]


async def test_metrics_are_what_the_observer_exposes() -> None:
    async with client() as http:
        response = await http.get("/metrics")
    assert response.text == "metric 1\n"
    assert response.headers["content-type"] == "text/plain; version=0.0.4"


async def test_a_model_that_answers_is_proved_and_one_that_fails_is_not() -> None:
    await prove(FakeGenerator(script))
    with pytest.raises(GeneratorError):
        await prove(FakeGenerator(script, fail=True))


async def test_the_page_offers_every_strategy_and_loads_nothing_from_elsewhere() -> None:
    async with client() as http:
        response = await http.get("/")
    assert response.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert all(f"<option>{name}</option>" in response.text for name in STRATEGIES)
    assert "http" not in response.text.replace("http-equiv", "")
