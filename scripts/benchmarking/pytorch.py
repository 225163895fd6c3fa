"""Peer: a training loop of PyTorch, one process for each worker, no cluster.

    python -m scripts.benchmarking.pytorch --config FILE [--form eager|compiled] [--mini-epochs N]

As in the ceiling, each process continues from its own weights; nothing is sent or merged.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from dbsl_tf.common.cores import available_cores
from dbsl_tf.data.configured import epoch_samples, prepare_data
from scripts.benchmarking.processes import print_result, run_workers, wait_for_others
from scripts.benchmarking.workload import Workload, parse_workload, peer_parser

if TYPE_CHECKING:
    from torch import Tensor, nn, optim

MODULE = "scripts.benchmarking.pytorch"
FORMS = ("eager", "compiled")
# Makes the C library keep freed memory: otherwise it returns large tensors to the system in every
# step and gets new pages for the next, which takes a tenth of the time of a small network.
MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**40)}


def main(arguments: list[str]) -> None:
    parser = peer_parser(__doc__.splitlines()[0])
    parser.add_argument("--form", choices=FORMS, default="eager", help="default eager")
    parser.add_argument("--worker", type=int, help="run as this worker")
    options, workload = parse_workload(parser, arguments)
    if options.worker is not None:
        print(json.dumps(train(workload, options.worker, options.form)))
        return
    results = run_workers(MODULE, arguments, len(workload.workers), **MEMORY)
    records = [record for result in results for record in result["mini_epochs"]]
    print_result(records, min(r["started"] for r in records), results[0]["model_bytes"])


def train(workload: Workload, worker: int, form: str) -> dict:
    """Trains the mini-epochs of one worker."""
    import torch

    from scripts.benchmarking.pytorch_images import Images
    from scripts.benchmarking.pytorch_network import network

    torch.set_num_threads(len(available_cores()))
    torch.set_flush_denormal(True)
    config, plan = workload.config, workload.workers[worker]
    torch.manual_seed(config.run.seed)
    data = prepare_data(config.data)
    model = network(config.model.name, data.spec.classes, config.model.dropout, config.stem)
    model.to(memory_format=torch.channels_last)
    step = training_step(workload, model, form)

    sizes = [plan.batch] * (plan.samples // plan.batch)
    sizes += [plan.samples % plan.batch] * (plan.samples % plan.batch > 0)
    images = Images(data, epoch_samples(config.data), config.data.augment)
    for images_of_size, labels in images.batches(sorted(set(sizes)), worker):
        step(images_of_size, labels)
        if len(labels) == max(sizes):
            break
    batches = images.batches(sizes, worker)
    wait_for_others()
    records = []
    for _ in range(workload.mini_epochs):
        records.append({"worker": worker, "started": time.time(), "samples": plan.samples})
        loss, hits = torch.zeros(()), torch.zeros((), dtype=torch.int64)
        for _ in sizes:
            batch_loss, batch_hits = step(*next(batches))
            loss += batch_loss
            hits += batch_hits
        if not math.isfinite(loss):
            sys.exit("error: the training diverged")
    tensors = [t for t in model.state_dict().values() if t.is_floating_point()]
    return {"mini_epochs": records, "model_bytes": sum(t.nbytes for t in tensors)}


def training_step(
    workload: Workload, model: nn.Module, form: str
) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Returns a function of images and labels that trains one step.

    It returns the sum of the losses and the number of correct answers.
    """
    import torch
    from torch.nn import functional

    half = workload.config.precision != "float32"
    optimizer = sgd(workload, model)

    def loss_of(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            logits = model(images)
        loss = functional.cross_entropy(logits.float(), labels)
        return loss, (logits.argmax(1) == labels).sum()

    if form == "compiled":
        loss_of = torch.compile(loss_of, dynamic=False)

    def step(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        loss, hits = loss_of(images, labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.detach() * len(labels), hits

    return step


def sgd(workload: Workload, model: nn.Module) -> optim.SGD:
    """Returns the optimiser of the configuration.

    Raises:
        SystemExit: PyTorch's SGD lacks a setting of the configuration.
    """
    from torch import optim

    section, precision = workload.config.optimizer, workload.config.precision
    if section.decay_mode != "l2" or precision == "mixed_float16":
        sys.exit(
            "error: the peer pytorch supports neither optimizer.decay_mode decoupled nor "
            "compute.precision mixed_float16; choose other --peers"
        )
    decayed: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for parameter in model.parameters():
        kernel = parameter.ndim > 1
        (decayed if kernel or section.decay_normalization else others).append(parameter)
    return optim.SGD(
        [{"params": decayed, "weight_decay": section.weight_decay}, {"params": others}],
        lr=section.base_lr,
        momentum=section.momentum,
        nesterov=section.nesterov,
        fused=True,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
