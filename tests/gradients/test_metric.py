"""AdamW's metric against dense algebra, real optimiser states of every form, and a run scored in it."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from acute.config import load
from acute.errors import ConfigError, InputError
from acute.gradients.engines import Task, gradient_sum, shared
from acute.gradients.forward import Sampled
from acute.gradients.metric import adam_scale, digest_of, without_moments
from acute.gradients.parameters import selected
from acute.gradients.sketch import Sketch
from acute.models.load import load_policy
from acute.run import Run
from acute.stages import run_until
from tests.policies import policy, truly_float64
from tests.tiny import write_run

PROMPT, RESPONSES = (5, 9, 2, 7), [(3, 1), (3, 4), (8,)]


def batch_loss(model, seed):
    ids = torch.randint(0, 61, (2, 6), generator=torch.Generator().manual_seed(seed))
    return model(input_ids=ids, labels=ids).loss


def trained(model, groups, steps=5, **options):
    """An AdamW after some steps, and the change and gradient of its last one."""
    optimiser = torch.optim.AdamW(groups, lr=1e-3, betas=(0.0, 0.9), weight_decay=0.0, **options)
    for step in range(steps):
        before = {n: p.detach().clone() for n, p in model.named_parameters()}
        optimiser.zero_grad()
        batch_loss(model, step).backward()
        optimiser.step()
    change = {n: (p.detach() - before[n]) / -1e-3 for n, p in model.named_parameters()}
    return optimiser, change, {n: p.grad.clone() for n, p in model.named_parameters()}


def halves(model):
    """The two groups that transformers' Trainer makes: with and without weight decay."""
    from transformers import Trainer

    decayed = Trainer.get_decay_parameter_names(None, model)
    named = dict(model.named_parameters())
    return [
        {"params": [p for n, p in named.items() if n in decayed]},
        {"params": [p for n, p in named.items() if n not in decayed]},
    ]


FORMS = {
    "one group": lambda model: list(model.parameters()),
    "named": lambda model: list(model.named_parameters()),
    "trainer": halves,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("which", ["llama-tied", "qwen-tied-biases"])
def test_p_times_the_gradient_is_the_step_that_adamw_took(form, which, tmp_path):
    """Without momentum an AdamW step is exactly lr · P g, with the v̂ that its state then holds."""
    model, _ = policy(which, torch.float32)
    optimiser, change, gradient = trained(model, FORMS[form](model), eps=1e-6)
    torch.save(optimiser.state_dict(), tmp_path / "optimizer.pt")
    scale = adam_scale(str(tmp_path / "optimizer.pt"), model, dict(model.named_parameters()))
    for name, wanted in change.items():
        found = scale[name] ** 2 * gradient[name]
        torch.testing.assert_close(found, wanted, rtol=0.02, atol=5e-4)  # the change itself is rounded
    total = sum(float((scale[n] ** 2 * gradient[n] * change[n]).sum()) for n in change)
    assert total == pytest.approx(sum(float((c**2).sum()) for c in change.values()), rel=1e-4)


def test_states_by_name_of_fsdp_and_of_safetensors_say_the_same(tmp_path):
    model, _ = policy("llama-tied", torch.float32)
    named = dict(model.named_parameters())
    optimiser, _, _ = trained(model, list(model.parameters()))
    saved = optimiser.state_dict()
    torch.save(saved, tmp_path / "plain.pt")
    names = list(named)
    by_name = {
        "state": {names[i]: s for i, s in saved["state"].items()},
        "param_groups": [{**saved["param_groups"][0], "params": names}],
    }
    torch.save(by_name, tmp_path / "fsdp.pt")
    second = {names[i]: s["exp_avg_sq"] / (1 - 0.9**5) for i, s in saved["state"].items()}
    save_file(second, tmp_path / "v.safetensors", metadata={"eps": "1e-8"})
    plain, fsdp, named_file = (
        adam_scale(str(tmp_path / f), model, named) for f in ("plain.pt", "fsdp.pt", "v.safetensors")
    )
    for name in names:
        assert torch.equal(plain[name], fsdp[name])
        torch.testing.assert_close(plain[name], named_file[name], rtol=1e-6, atol=0)


def test_sketches_are_those_of_dense_gradients_times_the_root_of_p():
    """To 1e-6, in float64: engine and sketch with a scale against dense vectors multiplied one by one."""
    with truly_float64():
        model, which = policy("llama-tied")
        counts = np.array([[2.0, 0, 1], [0, 3, 1]])
        with selected(model, which) as parameters:
            rng = torch.Generator().manual_seed(3)
            root = {n: torch.rand(p.shape, generator=rng, dtype=p.dtype) + 0.1 for n, p in parameters.items()}
            fast = shared(
                model,
                parameters,
                Sketch(parameters.items(), 512, 0, root),
                Task(PROMPT, RESPONSES, counts),
                Sampled(),
            ).sketch_GD
            plain = Sketch(parameters.items(), 512, 0)
            dense = [gradient_sum(model, parameters, PROMPT, RESPONSES, row, Sampled()) for row in counts]
            scaled = [[g * root[n] for n, g in zip(parameters, row, strict=True)] for row in dense]
            slow = np.stack([plain.fold(row).numpy() for row in scaled])
    np.testing.assert_allclose(fast, slow, rtol=1e-6, atol=1e-6 * np.abs(slow).max())
    # and such products are the metric's: gᵀ P h
    product = sum(float((a * b).sum()) for a, b in zip(*scaled, strict=True))
    weighted = sum(float((root[n] ** 2 * a * b).sum()) for n, a, b in zip(parameters, *dense, strict=True))
    assert product == pytest.approx(weighted, rel=1e-12)
    assert fast[0] @ fast[1] == pytest.approx(
        weighted, abs=5 * 512**-0.5 * np.linalg.norm(fast, axis=1).prod()
    )


def test_numbers_without_a_second_moment_count_for_nothing(tmp_path):
    model, _ = policy("llama-tied", torch.float32)
    named = dict(model.named_parameters())
    second = {n: torch.ones_like(p) for n, p in named.items()}
    second["model.norm.weight"][:3] = 0
    save_file(second, tmp_path / "v.safetensors")
    scale = adam_scale(str(tmp_path / "v.safetensors"), model, named)
    assert scale["model.norm.weight"][:4].tolist() == pytest.approx([0, 0, 0, 1])
    assert without_moments(scale) == 3


# -- in a run folder --------------------------------------------------------------------------------


@pytest.fixture
def written(tiny_model, tmp_path):
    """A configuration in AdamW's metric and its state file."""
    model = load_policy(str(tiny_model)).model
    rng = torch.Generator().manual_seed(0)
    # over eight decades: a root too many or too few shows
    second = {n: 10 ** (-8 * torch.rand(p.shape, generator=rng)) for n, p in model.named_parameters()}
    save_file(second, tmp_path / "v.safetensors")
    config = write_run(tmp_path, tiny_model)
    text = config.read_text().replace("folds = 2", 'folds = 2\nmetric = "adam"\nadam_state = "v.safetensors"')
    config.write_text(text)
    return config


def test_a_run_is_scored_in_the_metric_and_says_with_which_state(written, tmp_path):
    run = Run.create(tmp_path / "out", load(written))
    run_until(run, "analyse")
    state = str(tmp_path / "v.safetensors")
    assert run.record["checks"]["adam_state_digest"] == digest_of(state)
    assert run.record["stages"]["score"]["numbers_without_second_moment"] == 0
    assert json.loads((run.path / "sketch.json").read_text())["metric"] == "adam"
    policy_ = load_policy(run.config.model.name)
    responses = [r for r in run.responses().to_pylist() if r["prompt_id"] == "p01"]
    row = run.prompts()["prompt_id"].to_pylist().index("p01")
    with selected(policy_.model, "all") as parameters:
        scale = adam_scale(state, policy_.model, parameters)
        sketch = Sketch(parameters.items(), 256, 0)
        some = [tuple(r["token_ids"]) for r in responses if r["fold"] == 1 and r["reward"] == 0]
        prompt = tuple(policy_.tokenizer(run.prompts()["prompt"][row].as_py()).input_ids)
        distinct = sorted(set(some))
        count = np.array([some.count(d) for d in distinct], float)
        dense = gradient_sum(policy_.model, parameters, prompt, distinct, count, Sampled())
        want = sketch.fold([g * scale[n] for n, g in zip(parameters, dense, strict=True)]).numpy()
    found = np.load(run.path / "sketch.npy")[row, 1, 0]
    np.testing.assert_allclose(found, want, atol=1e-4 * np.abs(want).max())


def test_dots_audit_the_metric(written, tmp_path):
    written.write_text(written.read_text().replace('engine = "sketch"', 'engine = "dots"'))
    run = Run.create(tmp_path / "out", load(written))
    run_until(run, "score")
    assert run.record["checks"]["dots"]["rms_error"] < 2 * run.record["checks"]["dots"]["expected"]


def test_an_edited_state_is_refused_and_another_one_scores_again(written, tmp_path):
    run = Run.create(tmp_path / "out", load(written))
    run_until(run, "score")
    first = np.load(run.path / "sketch.npy")
    (tmp_path / "w.safetensors").write_bytes((tmp_path / "v.safetensors").read_bytes())
    model = load_policy(run.config.model.name).model
    save_file({n: torch.ones_like(p) for n, p in model.named_parameters()}, tmp_path / "v.safetensors")
    with pytest.raises(InputError, match="has changed since"):
        run_until(Run.open(run.path), "analyse")
    written.write_text(written.read_text().replace("v.safetensors", "w.safetensors"))
    again = Run.create(run.path, load(written))
    assert not again.done("score")
    run_until(again, "score")
    np.testing.assert_array_equal(first, np.load(run.path / "sketch.npy"))


def test_prediction_in_the_metric_takes_a_learning_rate_and_no_length(written, tmp_path):
    from acute.stages.predict import predict

    run = Run.create(tmp_path / "out", load(written))
    run_until(run, "score")
    with pytest.raises(ConfigError, match="its learning rate"):
        predict(run, "pass@4", (1,), length=0.1)
    found = predict(run, "pass@4", (1,), eta=0.1)
    assert found["length"] is None and found["changes"][0]["first_order"] is not None


# -- what is wrong is said --------------------------------------------------------------------------


def test_metric_and_state_go_together(written):
    for old, new in (('\nmetric = "adam"', ""), ('\nadam_state = "v.safetensors"', "")):
        text = written.read_text()
        written.write_text(text.replace(old, new))
        with pytest.raises(ConfigError, match="go together"):
            load(written)
        written.write_text(text)


def broken(kind, model, folder):
    named = {n: torch.ones_like(p) for n, p in model.named_parameters()}
    path = str(folder / "state.safetensors")
    if kind == "missing":
        del named["model.norm.weight"]
    elif kind == "shape":
        named["model.norm.weight"] = torch.ones(3)
    elif kind == "negative":
        named["model.norm.weight"][0] = -1
    elif kind == "no file":
        return path
    elif kind == "text":
        (folder / "state.safetensors").write_text("hello")
        return path
    else:
        path = str(folder / "state.pt")
        states = {
            "other": {"a": 1},
            "no moments": {
                "state": {0: {}},
                "param_groups": [{"params": [0], "eps": 1e-8, "betas": (0, 0.9)}],
            },
            "fewer": {"state": {}, "param_groups": [{"params": [0, 1], "eps": 1e-8, "betas": (0, 0.9)}]},
            "three groups": {"state": {}, "param_groups": [{"params": [i]} for i in range(3)]},
            "odd groups": {"state": {}, "param_groups": [{"params": [0]}, {"params": [1]}]},
        }
        if kind == "two eps":
            groups = halves(model)
            groups[0]["eps"] = 1e-3
            torch.save(trained(model, groups)[0].state_dict(), path)
        else:
            torch.save(states[kind], path)
        return path
    save_file(named, path)
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "no second moments of 'model.norm.weight'"),
        ("shape", r"shape \(3,\), wanted \(16,\)"),
        ("negative", "not all finite and ≥ 0"),
        ("no file", "could not read"),
        ("text", "could not read"),
        ("other", "wanted the state_dict"),
        ("no moments", "cannot tell which of its 1"),
        ("fewer", "cannot tell which of its 2"),
        ("three groups", "cannot tell which of its 3"),
        ("odd groups", "cannot tell which of its 2"),
        ("two eps", "wanted one eps"),
    ],
)
def test_states_that_cannot_be_used(kind, message, tmp_path):
    model, _ = policy("llama-tied", torch.float32)
    with pytest.raises(InputError, match=message):
        adam_scale(broken(kind, model, tmp_path), model, dict(model.named_parameters()))


def test_a_state_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="could not read"):
        digest_of(str(tmp_path / "nowhere"))


def test_second_moments_of_a_run_are_those_of_its_per_prompt_gradients(tiny_model, tmp_path):
    """examples/second_moments.py against dense per-prompt gradients, for batches of one and of five."""
    from examples.second_moments import second_moments

    run = Run.create(tmp_path / "out", load(write_run(tmp_path, tiny_model, count=6)))
    run_until(run, "verify")
    policy_ = load_policy(run.config.model.name)
    prompts = {r["prompt_id"]: r["prompt"] for r in run.prompts().to_pylist()}
    dense = []
    with selected(policy_.model, "all") as parameters:
        for name, text in prompts.items():
            rows = [r for r in run.responses().to_pylist() if r["prompt_id"] == name]
            reward = np.array([r["reward"] for r in rows])
            advantage = reward - (reward.sum() - reward) / (len(rows) - 1)
            prompt = tuple(policy_.tokenizer(text).input_ids)
            each = [tuple(r["token_ids"]) for r in rows]
            distinct = sorted(set(each))
            weight = np.array(
                [sum(a for a, r in zip(advantage, each, strict=True) if r == d) for d in distinct]
            )
            found = gradient_sum(policy_.model, parameters, prompt, distinct, weight / len(rows), Sampled())
            pairs = zip(found, parameters.values(), strict=True)  # None: never or always right
            dense.append(torch.cat([(torch.zeros_like(p) if g is None else g).flatten() for g, p in pairs]))
        names = list(parameters)
    g = torch.stack(dense).double()
    between = (g.sum(0) ** 2 - (g**2).sum(0)) / (6 * 5)  # mean product of different prompts: ∇J² unbiased
    for batch in (1, 5):
        want = (g**2).mean(0) / batch + (1 - 1 / batch) * between.clamp(min=0)
        found = second_moments(run, "pass@1", batch)
        flat = torch.cat([found[n].flatten() for n in names]).double()
        torch.testing.assert_close(flat, want, rtol=1e-3, atol=1e-6 * float(want.max()))
