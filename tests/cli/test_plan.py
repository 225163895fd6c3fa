"""`python -m dbsl_tf.plan` as a person runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from dbsl_tf.cluster.crowding import CROWDING_IS_KNOWN
from tests.support.commands import check_one_line_mistake

ROOT = Path(__file__).parents[2]
CONFIG = "configs/cifar100_compsac.yaml"
# They plan for more workers than this machine may have cores.
NOT_ABOUT_CROWDING = {**os.environ, CROWDING_IS_KNOWN: "1"}
HYBRID = "configs/cifar100_hybrid.yaml"


def _python(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=NOT_ABOUT_CROWDING,
        **options,
    )


def _plan(*arguments: str) -> subprocess.CompletedProcess[str]:
    return _python("-m", "dbsl_tf.plan", *arguments)


def test_json_is_one_object_with_the_published_plan() -> None:
    result = _plan("--config", CONFIG, "--json")
    assert (result.returncode, result.stderr) == (0, "")
    plan = json.loads(result.stdout)
    # Lu et al., COMPSAC 2022, Table 2.
    assert (plan["small_batch"], plan["small_samples"], plan["large_samples"]) == (
        205,
        12291,
        13125,
    )


def test_overrides_may_stand_before_and_after_options() -> None:
    result = _plan(
        "dual_batch.extra_time_ratio=1.1",
        "--config",
        CONFIG,
        "--json",
        "dual_batch.small_workers=1",
    )
    assert json.loads(result.stdout)["small_batch"] == 38


def test_train_samples_is_the_size_of_an_epoch() -> None:
    result = _plan("--config", CONFIG, "--json", "data.train_samples=4000")
    assert json.loads(result.stdout)["large_samples"] == 1050


def test_a_folder_of_images_is_planned_without_the_images() -> None:
    arguments = ["--config", CONFIG, "--json", "data.name=image_folder", "data.augment=[]"]
    result = _plan(*arguments, "data.train_samples=1281167")
    assert (result.returncode, result.stderr) == (0, "")
    plan = json.loads(result.stdout)
    assert 0 <= 1281167 - 3 * plan["small_samples"] - plan["large_samples"] < 4
    check_one_line_mistake(_plan(*arguments), "data.dir is missing")


def test_a_sweep_is_a_table_that_ends_with_advice() -> None:
    result = _plan("--config", CONFIG, "--sweep")
    assert (result.returncode, result.stderr) == (0, "")
    assert max(map(len, result.stdout.splitlines())) <= 100
    assert "205" in result.stdout
    assert "the largest k of the sweep" in " ".join(result.stdout.split())


def test_a_sweep_as_json_also_without_a_plan_of_its_own() -> None:
    sweep_ratios = ("--json", "--sweep-ratios", "1.05,1.4")
    values = json.loads(_plan("--config", CONFIG, *sweep_ratios).stdout)
    assert values["small_batch"] == 205
    assert [(cell["small_workers"], cell["extra_time_ratio"]) for cell in values["sweep"]] == [
        (n, k) for n in (1, 2, 3, 4) for k in (1.05, 1.4)
    ]
    result = _plan("--config", CONFIG, *sweep_ratios, "dual_batch.extra_time_ratio=9")
    unplanned = json.loads(result.stdout)
    assert "dual_batch.extra_time_ratio is 9" in unplanned["problem"]
    assert unplanned["sweep"] == values["sweep"]


def test_a_plot_of_the_sweep(tmp_path: Path) -> None:
    path = tmp_path / "sweep.png"
    assert _plan("--config", CONFIG, "--plot", str(path)).returncode == 0
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_time_for_the_whole_training_chooses_k() -> None:
    result = _plan("--config", CONFIG, "--within", "19m")
    assert (result.returncode, result.stderr) == (0, "")
    *_, said, keys = result.stdout.splitlines()
    text = " ".join(result.stdout.split())
    assert "Within 19m: k = 1.09 with 3 of 4 workers small" in text
    assert keys == "Keys to set: dual_batch.small_workers=3 dual_batch.extra_time_ratio=1.09"
    values = json.loads(_plan("--config", CONFIG, "--within", "1140", "--json").stdout)
    assert values["within"]["extra_time_ratio"] == values["extra_time_ratio"] == 1.09
    assert values["within"]["predicted_seconds"] == values["schedule_seconds"]["predicted"] <= 1140
    hybrid = _plan("--config", HYBRID, "--within", "15m")
    assert "Keys to set: dual_batch.small_workers=3 " in hybrid.stdout


def test_a_time_and_a_sweep_choose_the_small_workers_too() -> None:
    result = _plan("--config", CONFIG, "--within", "19m", "--sweep", "dual_batch.small_workers=0")
    assert (result.returncode, result.stderr) == (0, "")
    marked = [line for line in result.stdout.splitlines() if line.rstrip(" │").endswith("*")]
    assert len(marked) == 1 and "1.09" in marked[0]
    assert result.stdout.rstrip().endswith(
        "dual_batch.small_workers=3 dual_batch.extra_time_ratio=1.09"
    )
    values = json.loads(
        _plan("--config", CONFIG, "--within", "19m", "--json", "--sweep-ratios", "1.02").stdout
    )
    assert values["within"]["small_workers"] == 3
    ratios = {cell["extra_time_ratio"] for cell in values["sweep"] if cell["small_workers"] == 3}
    assert ratios == {1.02, 1.09}


def test_few_small_workers_are_advised_against() -> None:
    told = "Few small workers can do harm"
    assert told in _plan("--config", CONFIG, "dual_batch.small_workers=1").stdout
    assert told not in _plan("--config", CONFIG).stdout
    assert told in _plan("--config", HYBRID, "dual_batch.small_workers=1").stdout


@pytest.mark.parametrize("config", [CONFIG, HYBRID])
def test_merging_more_often_is_advised_until_it_is_done(config: str) -> None:
    text = " ".join(_plan("--config", config).stdout.split())
    advised = text.partition("with schedule.mini_epochs_per_epoch=")[2].split()[0]
    followed = _plan("--config", config, f"schedule.mini_epochs_per_epoch={advised}")
    assert "schedule.mini_epochs_per_epoch" not in followed.stdout


def test_json_has_the_schedule_also_without_the_hybrid() -> None:
    plain = json.loads(_plan("--config", CONFIG, "--json").stdout)
    keys = ("first_epoch", "last_epoch", "learning_rate", "resolution", "small_batch")
    assert [tuple(part[key] for key in keys) for part in plain["schedule"]] == [
        (1, 80, 0.1, 32, 205),
        (81, 120, 0.02, 32, 205),
        (121, 140, 0.004, 32, 205),
    ]
    hybrid = json.loads(_plan("--config", HYBRID, "--json").stdout)
    # arXiv 2509.26092, Table 6; the plan itself is that of the highest resolution.
    assert [part["small_batch"] for part in hybrid["schedule"]] == [294, 243] * 3
    assert hybrid["small_batch"] == 243
    assert hybrid["schedule_seconds"]["predicted"] == pytest.approx(
        sum(part["predicted_seconds"] for part in hybrid["schedule"])
    )


def test_the_hybrid_is_a_table_of_sub_stages() -> None:
    result = _plan("--config", HYBRID)
    assert (result.returncode, result.stderr) == (0, "")
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "…" not in result.stdout
    assert "large batches only, resolution 32 throughout" in result.stdout


def test_a_sweep_of_the_hybrid_is_about_its_highest_resolution() -> None:
    values = json.loads(_plan("--config", HYBRID, "--json", "--sweep-ratios", "1.05").stdout)
    # arXiv 2509.26092, Table 6, resolution 32.
    assert [cell["small_batch"] for cell in values["sweep"]] == [102, 185, 243, 286]


def test_a_piped_table_is_plain_and_narrow() -> None:
    result = _plan("--config", CONFIG)
    assert result.returncode == 0
    assert "\x1b" not in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 100
    assert "12,291" in result.stdout


def test_print_config_prints_what_loads_again(tmp_path: Path) -> None:
    first = _plan("--config", CONFIG, "--print-config", "run.seed=7")
    assert first.returncode == 0
    assert "  seed: 7\n" in first.stdout
    path = tmp_path / "resolved.yaml"
    path.write_text(first.stdout)
    assert _plan("--config", str(path), "--print-config").stdout == first.stdout


def test_help_lists_every_key_and_augmentation() -> None:
    from dbsl_tf.config import describe_augmentations, describe_keys

    result = _plan("--help")
    assert result.returncode == 0
    for description in (*describe_keys(), *describe_augmentations()):
        assert f"  {description.key}: " in result.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--config", CONFIG, "dual_batch.small_worker=1"], "dual_batch.small_workers?"),
        (["--config", CONFIG, "dual_batch.extra_time_ratio=9"], "use 1 to "),
        (["--config", "configs/none.yaml"], "configs/none.yaml: no such configuration file"),
        (["--config", CONFIG, "--sweep-ratios", "1,x"], "--sweep-ratios has 'x'"),
        (["--config", CONFIG, "--plot", "sweep.gif"], "--plot is sweep.gif"),
        (["--config", CONFIG, "--within", "soon"], "--within has 'soon'; give a time above 0"),
        (["--config", CONFIG, "--within", "5m"], "--within is 5m, but even with dual_batch.extra"),
        (["--config", CONFIG, "--within", "5m", "--sweep"], "--within is 5m, but even with"),
        (
            ["--config", CONFIG, "--within", "2h", "dual_batch.small_workers=0"],
            "dual_batch.small_workers is 0; set it, or add --sweep",
        ),
        (
            ["--config", CONFIG, "time_model.a=null", "time_model.b=null"],
            "python -m dbsl_tf.profile --config FILE --output profile.json",
        ),
        (
            ["--config", HYBRID, "progressive.a=null", "progressive.b=null"],
            "progressive.a and progressive.b are null",
        ),
        ([], "--config is missing"),
        (["--config"], "--config"),
        (["--config", CONFIG, "--quick"], "--quick"),
        (["--config", CONFIG, "--run.seed=1"], "without dashes"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(arguments: list[str], expected: str) -> None:
    check_one_line_mistake(_plan(*arguments), expected)


def test_tensorflow_is_not_imported() -> None:
    result = _python(
        "-c",
        "import sys, dbsl_tf.cli.plan, dbsl_tf.schedules\n"
        f"dbsl_tf.cli.plan.main(['--config', {CONFIG!r}])\n"
        "unwanted = {'tensorflow', 'keras', 'keras_core', 'matplotlib', 'scipy'}\n"
        "assert not unwanted & set(sys.modules)",
    )
    assert result.returncode == 0, result.stderr


def _run_main(body: str) -> subprocess.CompletedProcess[str]:
    return _python(
        "-c",
        "import os, signal, socket\nfrom dbsl_tf.cli.command_line import run\n"
        "from dbsl_tf.common.errors import UserError\n"
        f"def main(arguments):\n    {body}\nrun(main)",
    )


def test_the_status_of_main_is_that_of_the_process() -> None:
    assert _run_main("return 0").returncode == 0
    assert _run_main("return 3").returncode == 3


def test_a_user_error_is_always_one_line() -> None:
    result = _run_main(r"raise UserError('a\nb')")
    assert (result.returncode, result.stderr) == (2, "error: a b\n")


def test_an_interrupt_is_status_130() -> None:
    result = _run_main(f"os.kill(os.getpid(), {int(signal.SIGINT)})")
    assert result.returncode == 130
    assert "Traceback" not in result.stderr


def test_other_exceptions_keep_their_traceback() -> None:
    assert "ZeroDivisionError" in _run_main("1 / 0").stderr
    assert "BrokenPipeError" in _run_main("raise BrokenPipeError('a socket')").stderr


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["table", "json"])
def test_a_reader_that_leaves_is_no_error(options: Sequence[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        result = subprocess.run(
            [sys.executable, "-m", "dbsl_tf.plan", "--config", CONFIG, *options],
            cwd=ROOT,
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            env=NOT_ABOUT_CROWDING,
        )
    finally:
        os.close(writer)
    assert (result.returncode, result.stderr) == (141, "")
