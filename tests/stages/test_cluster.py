"""Sampling and verifying on a cluster, without one: what a worker does with a batch, how many there are."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from acute import errors
from acute.config import load, parse
from acute.errors import OutsideError
from acute.run import Run
from acute.stages import cluster as driver
from acute.stages import run_until
from acute.stages.cluster import _everywhere, _fault, _refuse_other_rows, room_of
from acute.stages.cluster_workers import Samples, Verifies
from acute.stages.sampling import asked_of, longest_of
from acute.stages.verify import block_of, digest_of
from acute.table import table_bytes, table_of
from tests.tiny import write_run


def on_ray(**sections):
    data = {"model": {"name": "m"}, "prompts": {"source": "arithmetic"}, "sampling": {"backend": "ray"}}
    return parse({**data, **{name: {**data.get(name, {}), **more} for name, more in sections.items()}})


@pytest.mark.parametrize(
    ("sections", "cpus", "gpus", "batches", "room"),
    [
        ({}, 2, 0, 99, (2, 0, 2)),
        ({}, 2, 8, 99, (2, 0, 2)),  # transformers on processors leave GPUs alone
        ({}, 64, 0, 3, (3, 0, 3)),
        ({"ray": {"samplers": 1}}, 8, 0, 99, (1, 0, 8)),
        ({"model": {"device": "cuda"}}, 64, 4, 99, (4, 1, 64)),
        ({"ray": {"engine": "vllm"}}, 64, 8, 99, (8, 1, 64)),
        ({"ray": {"engine": "vllm"}, "vllm": {"tensor_parallel_size": 4}}, 64, 8, 99, (2, 4, 64)),
    ],
)
def test_how_many_actors(sections, cpus, gpus, batches, room):
    assert room_of(on_ray(**sections), cpus, gpus, batches) == room


@pytest.mark.parametrize(
    ("sections", "cpus", "gpus"),
    [({}, 0, 0), ({"ray": {"engine": "vllm"}}, 8, 0), ({"model": {"device": "cuda"}}, 8, 0)],
)
def test_a_cluster_without_room_is_refused(sections, cpus, gpus):
    with pytest.raises(OutsideError, match="wanted a cluster with a core and"):
        room_of(on_ray(**sections), cpus, gpus, 9)


def test_pools_of_both_kinds_fit_on_every_cluster_of_processors():
    from acute.stages.cluster import SAMPLER_CPUS, VERIFIER_CPUS

    for cpus in range(1, 200):
        room = room_of(on_ray(), cpus, 0, 10**6)
        assert room.samplers * SAMPLER_CPUS + room.verifiers * VERIFIER_CPUS <= cpus


@pytest.fixture(scope="module")
def local(tiny_model, tmp_path_factory):
    """A run sampled and verified here."""
    config = load(write_run(tmp_path_factory.mktemp("local"), tiny_model, n=16))
    run = Run.create(tmp_path_factory.mktemp("local") / "run", config)
    run_until(run, "verify")
    return run


def batch(run, start):
    """The row that a worker gets for the batch that begins at a prompt."""
    size = run.config.sampling.prompts_at_once
    names = asked_of(run.config, run.prompts()).names[start : start + size]
    return {"index": start, "prompts": table_bytes(run.prompts().slice(start, size)), "names": names}


def test_workers_make_the_rows_of_the_local_backend(local):
    config = local.config.model_dump_json()
    longest = longest_of(local.config, asked_of(local.config, local.prompts()))
    samples, verifies = Samples(config, longest), Verifies(config)
    for start in (8, 0):  # wherever, in whatever order
        drawn = samples(batch(local, start))
        checked = verifies(drawn)
        assert checked["fault"] == "" and checked["index"] == start
        assert checked["model"] == local.record["stages"]["rollout"]["model"]
        here = local.responses().slice(start * 16, 4 * 16)
        responses, verdicts = table_of(checked["responses"]), table_of(checked["verdicts"])
        assert responses.equals(here.select(responses.column_names))
        assert verdicts.replace_schema_metadata(None).equals(here.select(verdicts.column_names))
        assert checked["digest"] == digest_of(*block_of(local.prompts(), here, "exact"))


def test_what_a_worker_raises_travels_and_is_raised_again(local):
    config = local.config
    lost = config.model_copy(update={"model": config.model.model_copy(update={"name": "/nowhere"})})
    row = Verifies(config.model_dump_json())(Samples(lost.model_dump_json(), 9)(batch(local, 0)))
    assert row["responses"] == row["verdicts"] == b""
    error = _fault(row["fault"])
    assert type(error) is errors.ModelError and "could not load the model '/nowhere'" in str(error)
    unknown = config.model_copy(update={"verify": config.verify.model_copy(update={"kind": "no:where"})})
    drawn = Samples(config.model_dump_json(), 9)(batch(local, 0))
    error = _fault(Verifies(unknown.model_dump_json())(drawn)["fault"])
    assert isinstance(error, errors.AcuteError) and "no" in str(error)


def test_rows_that_were_not_asked_for_are_refused(local):
    names, rows = local.prompts()["prompt_id"].to_pylist(), local.responses()
    _refuse_other_rows(rows.slice(0, 64), names[:4], 16)
    for other in (rows.slice(0, 63), rows.slice(16, 64), rows.slice(0, 80)):
        with pytest.raises(OutsideError, match="wanted the 64 responses to 'p00'"):
            _refuse_other_rows(other, names[:4], 16)


class Lost(Exception):
    """What Ray raises once its cluster is gone."""


@pytest.fixture
def job(monkeypatch):
    """Rows that a job gives, and what it then raises, in place of a cluster."""
    ray = SimpleNamespace(
        cluster_resources=lambda: {"CPU": 2.0},
        exceptions=SimpleNamespace(RayError=Lost),
        data=SimpleNamespace(exceptions=SimpleNamespace(ExecutionTimeoutError=Lost)),
    )
    given = SimpleNamespace(rows=[], error=None)

    def iter_rows():
        yield from given.rows
        if given.error is not None:
            raise given.error

    monkeypatch.setattr(driver, "cluster", lambda _: nullcontext(ray))
    monkeypatch.setattr(driver, "_job", lambda *_: SimpleNamespace(iter_rows=iter_rows))
    return given


ITEMS = [{"index": 0}, {"index": 4}]


def row(index, **fields):
    plain = {"fault": "", "responses": b"", "verdicts": b"", "digest": "", "model": "m"}
    return {"index": index, **plain, **fields}


def test_a_batch_that_is_done_twice_counts_once(job):
    job.rows = [row(4), row(0), row(4)]
    assert [found["index"] for found in driver._results(on_ray(), ITEMS, 9)] == [4, 0]


@pytest.mark.parametrize(
    ("rows", "error", "raised", "message"),
    [
        ([row(4)], None, OutsideError, "left 1 batches undone: the same command goes on"),
        ([row(4)], Lost("no\nnode"), OutsideError, "gave up, 1 batches are left.*: no node"),
        ([row(4, fault="ModelError: NaN: at p7")], None, errors.ModelError, "^NaN: at p7$"),
    ],
)
def test_a_job_that_fails(job, rows, error, raised, message):
    job.rows, job.error = rows, error
    with pytest.raises(raised, match=message):
        list(driver._results(on_ray(), ITEMS, 9))


def test_nothing_left_to_do_starts_no_cluster(monkeypatch):
    monkeypatch.setattr(driver, "cluster", None)
    assert list(driver._results(on_ray(), [], 9)) == []


@pytest.fixture
def begun(local, tmp_path):
    """A run with its prompts, and what is asked of it."""
    run = Run.create(tmp_path / "run", local.config)
    run.write_prompts(local.prompts())
    return run, asked_of(run.config, run.prompts())


def done(local, start, model):
    rows = table_bytes(local.responses().slice(start * 16, 64))
    return row(start, responses=rows, verdicts=rows, digest="d", model=model)


QUIET = SimpleNamespace(advance=lambda _: None, tokens=lambda _: None)


def test_workers_with_other_weights_are_refused(local, job, begun):
    run, asked = begun
    job.rows = [done(local, 0, "one"), done(local, 4, "two"), done(local, 8, "two")]
    with pytest.raises(errors.DisagreementError, match="a worker holds other weights of"):
        driver.sample_on_cluster(run, asked, QUIET)
    assert run.parts("rollout").indices() == run.parts("verify").indices() == [0]
    job.rows = job.rows[1:]  # and so they are of another process, in another cluster
    with pytest.raises(errors.DisagreementError, match="a worker holds other weights of"):
        driver.sample_on_cluster(run, asked, QUIET)
    job.rows = [done(local, 4, "one"), done(local, 8, "one")]
    assert driver.sample_on_cluster(run, asked, QUIET) == {"model": "one"}
    assert run.parts("rollout").indices() == [0, 4, 8] and run.parts("verify").indices() == [0, 1, 2]


def test_a_damaged_part_is_sampled_again(local, job, begun, monkeypatch):
    run, asked = begun
    job.rows = [done(local, start, "one") for start in (0, 4, 8)]
    driver.sample_on_cluster(run, asked, QUIET)
    path = run.parts("rollout").path(4)
    path.write_bytes(path.read_bytes()[:-9])
    items = []
    monkeypatch.setattr(driver, "_results", lambda _, some, __: items.extend(some) or iter_of(job.rows[1:2]))
    driver.sample_on_cluster(run, asked, QUIET)
    assert [item["index"] for item in items] == [4] and run.parts("rollout").indices() == [0, 4, 8]


def iter_of(rows):
    yield from rows


def test_workers_are_told_whole_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m").mkdir()
    assert _everywhere(on_ray()).model.name == str(tmp_path / "m")
    assert _everywhere(on_ray(model={"name": "org/model"})).model.name == "org/model"
