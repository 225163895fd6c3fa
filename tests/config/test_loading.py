"""Configurations that load, and the line a person gets for each that does not."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbsl_tf.common.errors import UserError
from dbsl_tf.config import AugmentStep, Config, describe_keys, load_config
from dbsl_tf.data.configured import epoch_samples

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
SHORT = """\
data: {name: digits}
model: {name: resnet8}
time_model: {a: 1e-3, b: 0.01}
schedule: {epochs: 12}
"""


@pytest.fixture
def short(tmp_path: Path) -> Path:
    return _write(tmp_path, SHORT)


def _write(folder: Path, text: str, name: str = "run.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def _refusal(path: Path, *overrides: str) -> str:
    with pytest.raises(UserError) as caught:
        load_config(path, overrides)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


def test_a_short_file_is_completed_with_defaults(short: Path) -> None:
    config = load_config(short)
    assert config.data.name == "digits"
    assert config.data.augment == ()
    assert config.time_model.a == 0.001
    assert config.merge.rule == "average"
    assert config.optimizer.base_batch is None
    assert epoch_samples(config.data) == 1437


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("average", "average"),
        ("interpolate", "interpolate"),
        ("journal", "average"),
        ("compsac", "interpolate"),
    ],
)
def test_merge_rules_by_name_and_by_the_name_of_their_paper(
    short: Path, name: str, rule: str
) -> None:
    for key in ("merge.rule", "dual_batch.merge"):
        assert load_config(short, [f"{key}={name}"]).merge.rule == rule
        section, option = key.split(".")
        in_file = _write(short.parent, SHORT + f"{section}: {{{option}: {name}}}\n", "named.yaml")
        assert load_config(in_file).merge.rule == rule
        for override in ("merge.rule=delta", "dual_batch.merge=delta"):
            assert load_config(in_file, [override]).merge.rule == "delta"


def test_a_merge_rule_that_does_not_exist(short: Path) -> None:
    message = _refusal(short, "dual_batch.merge=paper")
    assert "merge.rule is 'paper'; give one of average, interpolate, delta" in message


def test_a_merge_rule_under_its_older_key_and_the_present_one(short: Path) -> None:
    older = SHORT + "dual_batch: {merge: journal}\n"
    same = _write(short.parent, older + "merge: {rule: average}\n")
    assert load_config(same).merge.rule == "average"
    file = _write(short.parent, older + "merge: {rule: delta}\n")
    assert _refusal(file) == (
        f"{file}: merge.rule is 'delta' and dual_batch.merge, its older name, 'journal'; leave out "
        "dual_batch.merge"
    )


def test_a_merge_rule_fits_the_synchronization(short: Path) -> None:
    for rule, mode, accepted in (
        ("delta", "asp", True),
        ("delta", "bsp", True),
        ("interpolate", "bsp", True),
        ("delayed_nesterov", "ssp", True),
        ("delayed_nesterov", "bsp", False),
        ("nesterov", "bsp", True),
        ("nesterov", "asp", False),
        ("slowmo", "bsp", True),
        ("slowmo", "ssp", False),
    ):
        overrides = [f"merge.rule={rule}", f"sync.mode={mode}"]
        if accepted:
            assert load_config(short, overrides).merge.rule == rule
        else:
            assert _refusal(short, *overrides).startswith(f"override: merge.rule is '{rule}'; it ")
    message = _refusal(short, "merge.rule=delayed_nesterov", "sync.mode=ssp", "sync.staleness=0")
    assert message.endswith("do not wait for one another: give nesterov, or sync.mode=asp")
    message = _refusal(short, "merge.rule=slowmo")
    assert message.endswith("all workers at once: give delayed_nesterov, or sync.mode=bsp")


def test_what_a_merge_rule_has_no_use_for(short: Path) -> None:
    message = _refusal(short, "merge.learning_rate=0.5")
    assert "merge.learning_rate is 0.5; leave it out, as it is for delta, delayed" in message
    message = _refusal(short, "merge.rule=delta", "merge.momentum=0.5")
    assert "merge.momentum is 0.5; leave it out, as it is for delayed_nesterov" in message


def test_a_folder_of_images_needs_no_images_to_be_configured(short: Path) -> None:
    config = load_config(short, ["data.name=image_folder", "data.train_samples=1281167"])
    assert epoch_samples(config.data) == 1281167
    assert (config.data.resolution, config.stem) == (224, "imagenet")
    smaller = load_config(short, ["data.name=image_folder", "data.image_size=160"])
    assert smaller.data.resolution == 160
    with pytest.raises(UserError, match="data.dir is missing.*data.train_samples is enough"):
        _ = epoch_samples(smaller.data)


def test_resolution_and_stem_follow_the_data_set_unless_told(short: Path) -> None:
    config = load_config(short)
    assert (config.data.resolution, config.stem) == (32, "cifar")
    config = load_config(short, ["data.image_size=24", "model.stem=imagenet"])
    assert (config.data.resolution, config.stem) == (24, "imagenet")


def test_more_held_out_than_there_are(short: Path) -> None:
    assert epoch_samples(load_config(short, ["data.validation_samples=37"]).data) == 1400
    message = _refusal(short, "data.validation_samples=1437")
    assert "data.validation_samples is 1437; give 0 to 1436, as digits has 1437" in message
    message = _refusal(short, "data.validation_samples=437", "data.train_samples=1001")
    assert "data.train_samples is 1001; give null or 1 to 1000, as digits" in message
    assert "data.validation_samples is -1" in _refusal(short, "data.validation_samples=-1")


def test_precision_and_xla(short: Path) -> None:
    config = load_config(short)
    assert (config.compute.precision, config.compute.xla) == ("float32", False)
    config = load_config(short, ["compute.precision=mixed_float16", "compute.xla=true"])
    assert (config.compute.precision, config.compute.xla) == ("mixed_float16", True)
    message = _refusal(short, "compute.precision=half")
    assert "one of auto, float32, mixed_bfloat16, mixed_float16" in message
    too_small = ["model.stem=imagenet", "data.image_size=24", "compute.precision=mixed_bfloat16"]
    assert "data.image_size is 24; give at least 32" in _refusal(short, *too_small)
    assert load_config(short, too_small[:2]).data.resolution == 24
    rising = ["progressive.mode=single", "schedule.epochs=3", "schedule.milestones=[]"]
    allowed = load_config(short, [*too_small, *rising, "progressive.resolutions=[64, 128]"])
    assert allowed.data.resolution == 24
    refused = _refusal(short, *too_small, *rising, "progressive.resolutions=[16, 64]")
    assert "progressive.resolutions is 16; give at least 32" in refused


def test_overrides_are_yaml_and_the_last_one_wins(short: Path) -> None:
    config = load_config(
        short,
        [
            "optimizer.base_lr=1e-3",
            "schedule.milestones=[3, 4.5]",
            "optimizer.nesterov=true",
            "cluster.workers=3",
            "cluster.workers=4",
            "data.train_samples=100",
            "data.dir=~/images=1",
        ],
    )
    assert config.optimizer.base_lr == 0.001
    assert config.schedule.milestones == (3.0, 4.5)
    assert config.optimizer.nesterov is True
    assert config.cluster.workers == 4
    assert epoch_samples(config.data) == 100
    assert config.data.dir == Path("~/images=1").expanduser()


def test_an_integer_is_a_number(short: Path) -> None:
    value = load_config(short, ["optimizer.base_lr=1"]).optimizer.base_lr
    assert value == 1.0
    assert isinstance(value, float)


def test_an_override_completes_a_section_the_file_leaves_out(tmp_path: Path) -> None:
    path = _write(tmp_path, SHORT.replace("schedule: {epochs: 12}", "schedule:"))
    assert load_config(path, ["schedule.epochs=2"]).schedule.epochs == 2


def test_a_time_model_is_given_measured_or_absent(short: Path) -> None:
    assert load_config(short, ["time_model.overhead=0.5"]).time_model.overhead == 0.5
    absent = ["time_model.a=null", "time_model.b=null"]
    assert load_config(short, absent).time_model.profile is None
    measured = load_config(short, [*absent, "time_model.profile=~/p.json"])
    assert measured.time_model.profile == Path("~/p.json").expanduser()
    message = _refusal(short, *absent, "time_model.overhead=0.5")
    assert "time_model.overhead is 0.5; it requires time_model.a" in message


@pytest.mark.parametrize(
    ("text", "size"),
    [("8000000000", 8 * 10**9), ("8GB", 8 * 10**9), ("1.5 gib", 3 * 2**29), ("512MiB", 2**29)],
)
def test_memory_is_given_in_bytes_or_with_a_unit(short: Path, text: str, size: int) -> None:
    config = load_config(short, [f"profile.memory_budget={text}"])
    assert config.profile.memory_budget == size


def test_a_configuration_cannot_be_changed(short: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_config(short).data.name = "cifar10"


def test_augmentations_get_their_defaults(short: Path) -> None:
    config = load_config(short, ["data.augment=[random_crop, {cut_mix: {alpha: 1}}, mix_up]"])
    assert config.data.augment == (
        AugmentStep("random_crop", {"padding": 4}),
        AugmentStep("cut_mix", {"alpha": 1.0}),
        AugmentStep("mix_up", {"alpha": 0.2}),
    )


def test_the_fixed_keys_exist() -> None:
    names = """
        data.name data.dir data.train_samples data.augment model.name cluster.workers
        cluster.parameter_servers dual_batch.small_workers dual_batch.large_batch
        dual_batch.extra_time_ratio dual_batch.rounding dual_batch.update_factor merge.rule
        time_model.a time_model.b time_model.overhead time_model.profile dual_batch.replan
        profile.max_batch profile.memory_budget profile.seconds optimizer.base_lr
        optimizer.base_batch optimizer.lr_scaling optimizer.momentum optimizer.weight_decay
        optimizer.nesterov schedule.epochs
        schedule.milestones schedule.gamma schedule.warmup_epochs run.dir run.seed
    """
    assert set(names.split()) <= {description.key for description in describe_keys()}


@pytest.mark.parametrize(
    ("override", "key", "remedy"),
    [
        ("cluster.workers=yes", "cluster.workers is 'yes'", "whole number from 1 to 100000"),
        ("cluster.workers=true", "cluster.workers is true", "whole number"),
        ("cluster.workers=2.0", "cluster.workers is 2.0", "whole number"),
        ("x" * 5000 + "=1", f"override: {'x' * 60}… is not a key", "the sections are"),
        ("cluster.workers=1000000000", "cluster.workers is 1000000000", "from 1 to 100000"),
        ("cluster.workers=0", "cluster.workers is 0", "from 1 to 100000"),
        ("optimizer.base_lr=fast", "optimizer.base_lr is 'fast'", "a number above 0"),
        ("optimizer.base_lr=true", "optimizer.base_lr is true", "a number above 0"),
        ("optimizer.base_lr=-0.1", "optimizer.base_lr is -0.1", "a number above 0"),
        ("optimizer.base_lr=.nan", "optimizer.base_lr is nan", "a number above 0"),
        ("optimizer.nesterov=yes", "optimizer.nesterov is 'yes'", "true or false"),
        ("model.dropout=1", "model.dropout is 1", "from 0 to below 1"),
        ("model.name=resnet19", "model.name is 'resnet19'", "resnet8, resnet20"),
        ("dual_batch.extra_time_ratio=0.9", "extra_time_ratio is 0.9", "from 1 to 1000000"),
        ("dual_batch.small_workers=3", "small_workers is 3", "0 to 2 (cluster.workers)"),
        ("data.train_samples=1438", "train_samples is 1438", "1 to 1437"),
        ("data.train_samples=0", "train_samples is 0", "from 1 to 10000000000, or null"),
        ('data.dir="a\\0b"', "data.dir is 'a\\x00b'", "without NUL"),
        (
            "schedule.milestones=[3, 2]",
            "schedule.milestones is [3, 2]",
            "larger than the one before",
        ),
        (
            "schedule.milestones=[2, 2]",
            "schedule.milestones is [2, 2]",
            "larger than the one before",
        ),
        ("schedule.milestones=[0]", "schedule.milestones is [0]", "above 0"),
        (
            f"schedule.milestones={[*range(1, 400)]}",
            "schedule.gamma is 0.1",
            "give one that is closer to 1, or fewer than 399 schedule.milestones",
        ),
        ("schedule.milestones=[a]", "schedule.milestones[0] is 'a'", "a list of at most"),
        ("schedule.milestones=3", "schedule.milestones is 3", "a list of at most"),
        (
            "data.augment=random_flip",
            "data.augment is 'random_flip'",
            "a list of random_resized_crop",
        ),
        ("data.augment=[flip_it]", "data.augment[0] is 'flip_it'", "rand_augment, mix_up"),
        (
            "data.augment=[random_flip, random_resized_crop]",
            "data.augment is",
            "random_resized_crop determines the size of the images: put it first",
        ),
        (
            "data.augment=[{random_resized_crop: {area: [0.5, 1.5]}}]",
            "data.augment[0].random_resized_crop.area is [0.5, 1.5]",
            "give two numbers from 0.001 to 1, the larger last",
        ),
        (
            "data.augment=[{random_resized_crop: {ratio: [2, 1]}}]",
            "random_resized_crop.ratio is [2, 1]",
            "give two numbers from 0.001 to 1000, the larger last",
        ),
        ("data.image_size=4", "data.image_size is 4", "from 8 to 2048"),
        ("data.test_crop=0", "data.test_crop is 0", "a number from 0.1 to 1, or null"),
        ("data.test_crop=0.9", "data.test_crop is 0.9", "images of digits are tested whole"),
        ("data.augment=[random_flp]", "[0] is 'random_flp'", "did you mean random_flip?"),
        ("data.augment=[{random_crop: 3}]", "{'random_crop': 3}", "known: padding"),
        (
            "data.augment=[{random_crop: {paddin: 3}}]",
            "data.augment[0].random_crop.paddin",
            "did you mean padding?",
        ),
        (
            "data.augment=[random_flip, {mix_up: {alpha: 0}}]",
            "data.augment[1].mix_up.alpha is 0",
            "a number from 0.001 to 1000",
        ),
        ("optimizer.base_ler=1", "optimizer.base_ler is not a key", "optimizer.base_lr?"),
        ("optimzer.momentum=1", "optimzer.momentum is not a key", "optimizer.momentum?"),
        ("small_workers=1", "small_workers is not a key", "dual_batch.small_workers?"),
        ("dual_batch.zzz=1", "dual_batch.zzz is not a key", "replan"),
        ("zzz=1", "zzz is not a key", "the sections are data"),
        ("epochs=1", "epochs is not a key", "did you mean schedule.epochs or simulate.epochs?"),
        ("network.name=x", "network.name is not a key", "; the sections are data"),
        ("cluster.name=x", "cluster.name is not a key", "; cluster has workers"),
        ("modle.name=x", "modle.name is not a key", "did you mean model.name?"),
        ("train.batch_sizes=1", "train.batch_sizes is not a key", "; the sections are data"),
        ("model.workers=1", "model.workers is not a key", "did you mean cluster.workers?"),
        ("data=digits", "data is a section", "data.name"),
        ("data.name", "'data.name' has no '='", "section.key=value"),
        ("cluster.workers=[1", "cluster.workers", "YAML"),
        ("time_model.b=null", "time_model.b is null", "give it (seconds per batch)"),
        ("time_model.a=0", "time_model.a is 0", "a number from 1e-12 to 1000000, or null"),
        ("time_model.overhead=-1", "time_model.overhead is -1", "from 0 to 1000000"),
        ("time_model.profile=p.json", "time_model.profile is 'p.json'", "time_model.a=null"),
        ("profile.memory_budget=0", "profile.memory_budget is 0", "8GB or 8GiB"),
        ("profile.memory_budget=0.5", "profile.memory_budget is 0.5", "8GB or 8GiB"),
        ("profile.memory_budget=8XB", "profile.memory_budget is '8XB'", "8GB or 8GiB"),
        ("profile.memory_budget='1,5GB'", "profile.memory_budget is '1,5GB'", "8GB or 8GiB"),
        ("profile.memory_budget=8GB or so", "profile.memory_budget is '8GB or", "8GB or 8GiB"),
        ("profile.memory_budget=-8GB", "profile.memory_budget is '-8GB'", "8GB or 8GiB"),
        ("profile.memory_budget=true", "profile.memory_budget is true", "8GB or 8GiB"),
        ("profile.max_batch=1", "profile.max_batch is 1", "from 2 to 1000000, or null"),
        ("profile.seconds=0", "profile.seconds is 0", "above 0"),
    ],
)
def test_an_override_that_is_refused(short: Path, override: str, key: str, remedy: str) -> None:
    message = _refusal(short, override)
    assert message.startswith("override: ")
    assert key in message
    assert remedy in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "data.name is missing"),
        ("digits", "contains 'digits' instead of sections"),
        ("- data", "instead of sections"),
        ("data: digits", "data is 'digits', but it is a section"),
        (
            "data:\n  name: digits\n  name: cifar10\n",
            'line 3: not usable as YAML: found duplicate key "name"',
        ),
        ("data:\n\tname: digits\n", "line 2: not usable as YAML"),
        ("data: {name: digits}\nmodel: [\n", "not usable as YAML"),
        ("data: !!python/object:os.system {}\n", "line 1: not usable as YAML"),
        (SHORT.replace("name: digits", "nmae: digits"), "data.nmae is not a key; did you mean"),
        (SHORT + "optimiser: {momentum: 0}\n", "optimiser is not a key; did you mean optimizer?"),
        (SHORT + "epochs: 3\n", "epochs is not a key; did you mean schedule.epochs"),
        (
            SHORT.replace("a: 1e-3, ", ""),
            "time_model.a is null; give it (seconds per sample), since time_model.b is given",
        ),
    ],
)
def test_a_file_that_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    path = _write(tmp_path, text)
    message = _refusal(path)
    assert message.startswith(f"{path}: ")
    assert expected in message


def test_the_number_of_further_problems_is_told(short: Path) -> None:
    assert "more problem" not in _refusal(short, "model.dropout=2")
    assert _refusal(short, "model.dropout=2", "run.seed=x").endswith("(and 1 more problem)")
    assert _refusal(short, "model.dropout=2", "run.seed=x", "cluster.workers=0").endswith(
        "(and 2 more problems)"
    )


def test_a_mistake_in_the_file_is_put_down_to_the_file(tmp_path: Path) -> None:
    path = _write(tmp_path, SHORT + "dual_batch: {small_workers: 3}\n")
    assert _refusal(path, "run.seed=1").startswith(f"{path}: dual_batch.small_workers is 3")
    assert _refusal(path, "cluster.workers=1").startswith("override: dual_batch.small_workers is 3")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    _write(tmp_path, SHORT, "quickstart.yaml")
    assert f"did you mean {tmp_path / 'quickstart.yaml'}?" in _refusal(tmp_path / "quikstart.yaml")
    assert "is a folder" in _refusal(tmp_path)
    assert "no such configuration file" in _refusal(tmp_path / "none" / "run.yaml")
    (tmp_path / "picture.yaml").write_bytes(b"\xff\xd8\xff\xe0")
    assert "not UTF-8" in _refusal(tmp_path / "picture.yaml")
    assert "cannot be read" in _refusal(tmp_path / "quickstart.yaml" / "x")


class TestNames:
    """What comes with the package is found by its name."""

    @pytest.fixture(autouse=True)
    def _elsewhere(self, tmp_path: Path, monkeypatch) -> None:
        self.folder = tmp_path
        monkeypatch.chdir(tmp_path)

    def test_a_name_that_is_no_file_here_is_that_of_the_package(self) -> None:
        assert load_config("quickstart.yaml") == load_config(CONFIGS / "quickstart.yaml")

    def test_a_file_here_comes_first(self) -> None:
        _write(self.folder, SHORT + "run: {seed: 77}\n", "quickstart.yaml")
        assert load_config("quickstart.yaml").run.seed == 77

    def test_a_path_is_never_that_of_the_package(self) -> None:
        for path in ("./none/quickstart.yaml", self.folder / "quickstart.yaml"):
            refusal = _refusal(Path(path))
            assert "no such configuration file; did you mean quickstart.yaml, which" in refusal

    def test_an_unknown_name_is_told_with_those_there_are(self) -> None:
        refusal = _refusal(Path("quikstart.yaml"))
        assert "did you mean quickstart.yaml? " in refusal
        for path in CONFIGS.glob("*.yaml"):
            assert path.name in refusal
        _write(self.folder, SHORT, "zzz.yaml")
        assert "; . has zzz.yaml; dbsl_tf has cifar100_compsac.yaml, " in _refusal(Path("x"))


def _numbers(low: float, high: float, exclude_min: bool = False) -> st.SearchStrategy[float]:
    return st.floats(low, high, exclude_min=exclude_min, exclude_max=True)


_paths = st.none() | st.text(min_size=1, max_size=12).filter(lambda text: "\0" not in text)
_steps = st.one_of(
    st.sampled_from(["random_flip", "rand_augment"]),
    st.builds(lambda n: {"random_crop": {"padding": n}}, st.integers(1, 32)),
    st.builds(lambda x: {"mix_up": {"alpha": x}}, _numbers(0.001, 1000)),
)
_configurations = st.fixed_dictionaries(
    {
        "data": st.fixed_dictionaries(
            {
                "name": st.sampled_from(["digits", "cifar10"]),
                "dir": _paths,
                "train_samples": st.none() | st.integers(1, 1437),
                "augment": st.lists(_steps, max_size=3),
            }
        ),
        "model": st.fixed_dictionaries({"name": st.just("resnet8"), "dropout": _numbers(0, 1)}),
        "cluster": st.fixed_dictionaries({"workers": st.integers(1, 10**5)}),
        "time_model": st.fixed_dictionaries(
            {
                "a": _numbers(1e-12, 1e6),
                "b": _numbers(1e-12, 1e-11),
            }
        ),
        "optimizer": st.fixed_dictionaries({"nesterov": st.booleans()}),
        "schedule": st.fixed_dictionaries(
            {
                "epochs": st.integers(1, 10**6),
                "milestones": st.sets(_numbers(0, 1e9, exclude_min=True), max_size=4).map(sorted),
            }
        ),
        "profile": st.fixed_dictionaries(
            {"memory_budget": st.none() | st.integers(1, 2**60) | st.just("8GiB")}
        ),
        "run": st.fixed_dictionaries({"dir": _paths, "seed": st.integers(0, 2**31 - 1)}),
    }
)


@settings(max_examples=40)
@given(_configurations)
def test_a_resolved_configuration_reads_back_equal(values: dict) -> None:
    config = Config.model_validate(values)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "config.yaml")
        Path(path).write_text(config.to_yaml(), encoding="utf-8")
        assert load_config(path) == config


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_the_configurations_of_the_project_load(path: Path) -> None:
    assert f"--config configs/{path.name}" in path.read_text(encoding="utf-8")
    load_config(path)


def test_it_depends_on_no_other_part() -> None:
    program = (
        "import sys, dbsl_tf.config\n"
        "modules = [name.split('.') for name in sys.modules]\n"
        "print(sorted({name[1] for name in modules if name[0] == 'dbsl_tf' and name[1:]}))\n"
        "print('tensorflow' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (result.stdout, result.stderr) == ("['common', 'config']\nFalse\n", "")


def test_evaluated_weights(short: Path) -> None:
    assert load_config(short).evaluation.average == "none"
    overrides = ["evaluation.average=ema", "evaluation.average_epochs=0.5"]
    assert load_config(short, overrides).evaluation.average_epochs == 0.5
    message = _refusal(short, "evaluation.average_epochs=3")
    assert "evaluation.average_epochs is 3" in message
    assert "give 2, since evaluation.average is none, or set evaluation.average to ema" in message
    assert "one of none, ema, last" in _refusal(short, "evaluation.average=swa")
    assert "evaluation.average_epochs is 0" in _refusal(
        short, "evaluation.average=last", "evaluation.average_epochs=0"
    )
    assert "batch_norm_batches is -1" in _refusal(short, "evaluation.batch_norm_batches=-1")
