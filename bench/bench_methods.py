"""What other ways to the responses' gradients cost beside plain forward + backward, and how wrong they are.

    pip install --no-deps --target /tmp/peer opacus==1.6.0 traker==0.3.2 opt_einsum bergson==2.5.1 \
        simple-parsing docstring-parser ml-dtypes petname jaxtyping
    PYTHONPATH=/tmp/peer python bench/bench_methods.py [ROUNDS]        (one thread: OMP_NUM_THREADS=1)

Random Llamas of 5.2 million parameters (4.2 with tied embeddings), float32: 8 different responses of 64
tokens behind one prompt of 64, as 8 rows of 128. Each method gives the inner products of the responses'
gradients; the error is ‖found - true‖ / ‖true‖ (Frobenius), where one backward a response is true. TRAK and
Bergson project, so their error is that of a projection of the size they got; Bergson's also leaves out what
lies outside the linear layers under the model's base. A peer that fails leaves a row that says why; of one
that is not installed the row of an earlier run is kept, and marked.
"""

import copy
import sys
import warnings

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from acute.config import ModelConfig
from acute.gradients.engines import Passes, Task, shared
from acute.gradients.parameters import selected
from acute.gradients.sketch import Sketch
from acute.stages.policy import policy_of
from bench_score import SAMPLED, plain, task
from ratios import earlier, interleaved, kept, ratios, record

VOCABULARY, PLAIN = 4096, "plain forward + backward"
RAISED = (ImportError, RuntimeError, ValueError, TypeError, AttributeError, KeyError, AssertionError)
TRAK_SIZE, BERGSON_SIDE, SKETCH_SIZE = 16, 16, 65536


def llama(width, tied, layers=4):
    """A Llama of random weights."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=width,
        intermediate_size=width * 8 // 3,
        num_hidden_layers=layers,
        num_attention_heads=width // 32,
        num_key_value_heads=width // 32,
        tie_word_embeddings=tied,
    )
    return LlamaForCausalLM(config).eval()


def drawn(prompt, response, n, seed=0, vocabulary=VOCABULARY):
    """A prompt and n responses of random tokens, all different, half of them rewarded."""
    rng = np.random.default_rng(seed)
    ask, *rows = (tuple(rng.integers(10, vocabulary, size).tolist()) for size in (prompt, *[response] * n))
    return ask, rows, [0.0, 0.0, 1.0, 1.0] * (n // 4)  # by twos: folds take turns


def logprobs(call, ids, prompt):
    """ln π of each row's response, shape (rows,); logits on response tokens alone."""
    logits = call(input_ids=ids, use_cache=False, logits_to_keep=ids.shape[1] - prompt + 1).logits[:, :-1]
    return logits.log_softmax(-1).gather(2, ids[:, prompt:, None])[..., 0].sum(1)


def products(gradients):
    """Inner products of rows given block by block, each (rows, …)."""
    return sum(flat @ flat.T for flat in (block.flatten(1) for block in gradients)).detach().double()


def one_backward_each(model, ids, prompt):
    parameters = list(model.parameters())

    def run():
        each = [torch.autograd.grad(logprobs(model, row[None], prompt).sum(), parameters) for row in ids]
        return products([torch.stack(rows) for rows in zip(*each, strict=True)])

    return run


def per_example(model, ids, prompt):
    """torch.func: vmap of grad; returns the gradients by name, each (rows, …)."""
    parameters = {name: p.detach() for name, p in model.named_parameters()}

    def of_one(parameters, row):
        def call(**inputs):
            return torch.func.functional_call(model, parameters, (), inputs, tie_weights=True)

        return logprobs(call, row[None], prompt).sum()

    return torch.func.vmap(torch.func.grad(of_one), (None, 0))(parameters, ids)


def by_vmap(model, ids, prompt):
    return lambda: products(per_example(model, ids, prompt).values())


def by_torchjd(model, ids, prompt):
    from torchjd.autogram import Engine

    engine = Engine(model, batch_dim=0)
    return lambda: engine.compute_gramian(logprobs(model, ids, prompt)).double()


def by_opacus(model, ids, prompt):
    from opacus import GradSampleModule

    wrapped = GradSampleModule(
        model.train(), batch_first=True, loss_reduction="sum"
    )  # evaluating, it is idle

    def run():
        logprobs(wrapped, ids, prompt).sum().backward()
        found = products([p.grad_sample for p in wrapped.parameters()])
        wrapped.zero_grad()
        for parameter in wrapped.parameters():
            parameter.grad_sample = None
        return found

    return run


def by_trak(model, ids, prompt):
    from trak.projectors import BasicProjector, ProjectionType

    size = sum(p.numel() for p in model.parameters())
    projector = BasicProjector(size, TRAK_SIZE, 0, ProjectionType.rademacher, torch.device("cpu"))

    def run():
        projector.generate_sketch_matrix(projector.generator_states[0])
        rows = torch.cat([g.flatten(1) for g in per_example(model, ids, prompt).values()], 1)
        return products([projector.project(rows, 0)]) / TRAK_SIZE

    return run


def by_bergson(model, ids, prompt):
    from bergson.collector.gradient_collectors import TraceCollector
    from bergson.gradients import GradientProcessor

    def run():
        processor = GradientProcessor(projection_dim=BERGSON_SIDE)
        collector = TraceCollector(
            model=model.base_model, processor=processor, device="cpu", dtype=torch.float32
        )
        with collector:
            logprobs(model, ids, prompt).sum().backward()
        model.zero_grad()
        return products([torch.cat(rows) for rows in collector.mod_grads.values()])

    return run


def by_sketch(model, prompt, rows):
    """The engine of the score stage, a sketch for each response."""
    parameters = dict(model.named_parameters())
    sketch = Sketch(parameters.items(), SKETCH_SIZE, 0)
    each = Task(prompt, rows, np.eye(len(rows)))
    return lambda: products(
        [torch.from_numpy(shared(model, parameters, sketch, each, SAMPLED, Passes()).sketch_GD)]
    )


def by_groups(model, work):
    """The same engine as the stage uses it: a sketch for each fold and outcome of each prompt."""
    parameters = dict(model.named_parameters())
    sketch = Sketch(parameters.items(), SKETCH_SIZE, 0)

    def run():
        for prompt, rows, rewards in work:
            shared(model, parameters, sketch, task(prompt, rows, rewards), SAMPLED, Passes())

    return run


PEERS = {
    "one backward a response": one_backward_each,
    "torch.func: vmap(grad)": by_vmap,
    "torchjd: autogram": by_torchjd,
    "Opacus: GradSampleModule": by_opacus,
    f"TRAK: BasicProjector, {TRAK_SIZE} numbers, matrix made anew": by_trak,
    f"Bergson: collector, {BERGSON_SIDE}² numbers a layer": by_bergson,
}


def methods(model, work, rounds, without=()):
    """Ratio to the plain pass, and error, of each method; why, of those that do not work."""
    prompt, rows, _ = work
    ids = torch.tensor([prompt + row for row in rows])
    contenders, grams, failed = {PLAIN: lambda: plain(model, [work])}, {}, {}
    ways = {name: lambda way=way: way(copy.deepcopy(model), ids, len(prompt)) for name, way in PEERS.items()}
    ways["acute: sketch of each response"] = lambda: by_sketch(model, prompt, rows)
    for name, way in ways.items():
        if name in without:
            failed[name] = {"failed": without[name]}
            continue
        try:
            run = way()
            grams[name] = run()
        except RAISED as error:  # that a peer fails is a finding
            why = f"{type(error).__name__}: {str(error).splitlines()[0][:90]}"
            failed[name] = {"failed": why, "installed": not isinstance(error, ImportError)}
            print(f"{name}: {why}")
        else:
            contenders[name] = run
    contenders["acute: sketch of each fold and outcome"] = by_groups(model, [work])
    for run in (contenders[PLAIN], contenders["acute: sketch of each fold and outcome"]):
        run()  # the others have run once
    found = {name: r._asdict() for name, r in ratios(interleaved(contenders, rounds, False), PLAIN).items()}
    true = grams["one backward a response"]
    for name, gram in grams.items():
        found[name]["error"] = float((gram - true).norm() / true.norm())
    found.update(failed)
    del found[PLAIN]
    return found


def curve(cases, rounds):
    """The sketch against the plain pass, case by case: (model, work) by name."""
    found = {}
    for name, (model, work) in cases.items():
        times = interleaved(
            {PLAIN: lambda m=model, w=work: plain(m, w), "sketch": by_groups(model, work)}, rounds
        )
        found[name] = ratios(times, PLAIN)["sketch"]._asdict()
    return found


def cases(small):
    """One thing varied at a time; all responses differ, so nothing is merged and only prompts are shared."""
    for tokens in (8, 32, 128):
        yield f"{tokens} tokens a response", (small, [drawn(64, tokens, 8)])
    for n in (8, 32, 128):
        yield f"{n} responses a prompt", (small, [drawn(64, 8, n)])
    for prompts in (1, 4, 16):
        yield f"prompts: {prompts}", (small, [drawn(64, 8, 8, seed) for seed in range(prompts)])
    for width in (64, 128, 256):
        model = llama(width, tied=False)
        millions = sum(p.numel() for p in model.parameters()) / 1e6
        yield f"{millions:.1f} million parameters", (model, [drawn(64, 32, 8)])


def smollm2(rounds):
    """SmolLM2-135M, tied: 4 rows of 32 tokens, half of them the prompt's."""
    model = policy_of(ModelConfig(name="bundled:smollm2", device="cpu")).model
    trak = next(name for name in PEERS if name.startswith("TRAK"))
    without = {trak: "not tried: its matrix alone is 8 GiB here"}
    with selected(model, "all"):
        return methods(model, drawn(16, 16, 4, vocabulary=40000), rounds, without)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    warnings.filterwarnings("ignore", module="opacus")
    work = drawn(64, 64, 8)
    rows = {
        "untied": methods(llama(256, tied=False), work, rounds),
        "tied": methods(llama(256, tied=True), work, rounds),
        "cost": curve(dict(cases(llama(128, tied=False))), rounds),
        "SmolLM2": smollm2(min(rounds, 3)),
    }
    before, versions = earlier("methods")
    rows = {part: kept(found, before.get(part, {}), versions, PEERS) for part, found in rows.items()}
    for part, found in rows.items():
        for name, row in found.items():
            print(part, name, {key: row[key] for key in ("median", "error", "failed") if key in row})
    record("methods", rows)


if __name__ == "__main__":
    main()
