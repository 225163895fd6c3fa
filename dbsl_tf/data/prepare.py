"""Prepares a data set on disk: finds, checks, converts, downloads or makes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from dbsl_tf.common.atomic_folder import make_folder
from dbsl_tf.common.errors import UserError
from dbsl_tf.common.printing import tell
from dbsl_tf.common.user_cache import user_cache_folder
from dbsl_tf.config.catalogue import DATASETS, RecordDataset, dataset_spec
from dbsl_tf.data.archive import extract_members
from dbsl_tf.data.digits import write_digits
from dbsl_tf.data.download import DownloadError, download_archive
from dbsl_tf.data.image_folder import ImageData
from dbsl_tf.data.python_layout import convert_python_layout, largest_pickle
from dbsl_tf.data.record_files import RecordData, checked_data, has_record_files

PreparedData = RecordData | ImageData


def prepare(name: str, directory: Path | None = None) -> RecordData:
    """Returns the checked record files of the data set `name`, made first when necessary.

    `directory` is searched, in this order, for the record files (in their official folder, or in
    `directory` itself), the official pickled layout, and an official archive. The latter two are
    converted to the record layout once. If nothing is found, the official archive is downloaded.
    The digits are made from scikit-learn's copy. Files are checked on every call.

    Args:
        name: a key of `dbsl_tf.config.catalogue.DATASETS`.
        directory: `data.dir`; None: `dbsl_tf.common.user_cache.user_cache_folder()`.

    Raises:
        UserError: the name is unknown, a file is truncated, foreign or corrupt, a folder cannot be
            written, or the data neither exists nor can be downloaded.
    """
    return prepare_dataset(dataset_spec(name), directory)


def is_prepared(name: str, directory: Path | None = None) -> bool:
    """Returns whether there are record files, without checking them or importing much."""
    spec = dataset_spec(name)
    folder = user_cache_folder() if directory is None else Path(directory).expanduser()
    try:
        return any(has_record_files(spec, place) for place in _record_folders(spec, folder))
    except OSError:
        return False  # `prepare` reports what is wrong.


def prepare_dataset(spec: RecordDataset, directory: Path | None = None) -> RecordData:
    """Does the work of `prepare` for a data set description."""
    given = directory is not None
    directory = user_cache_folder() if directory is None else Path(directory).expanduser()
    try:
        if given and not directory.exists():
            tell(f"data.dir is {directory}, which does not exist; making it")
        if directory.exists() and not directory.is_dir():
            raise UserError(
                f"data.dir is {directory}, which is not a folder; give the path of a folder."
            )
        for folder in _record_folders(spec, directory):
            if has_record_files(spec, folder):
                return checked_data(spec, folder)
        make_folder(directory / spec.folder, _source(spec, directory))
    except OSError as error:
        fault = ": ".join(str(part) for part in (error.strerror, error.filename) if part)
        raise UserError(
            f"data.dir is {directory}: {spec.name} cannot be prepared there ({fault or error}); "
            "free some space, correct the permissions, or set data.dir to another folder."
        ) from error
    return checked_data(spec, directory / spec.folder)


def _record_folders(spec: RecordDataset, directory: Path) -> tuple[Path, ...]:
    """Returns the folders that may hold the record files of `spec`, in search order."""
    foreign = {other.folder for other in DATASETS.values()} - {spec.folder}
    if directory.name == spec.folder or (spec.archive and directory.name not in foreign):
        return directory / spec.folder, directory
    return (directory / spec.folder,)


def _source(spec: RecordDataset, directory: Path) -> Callable[[Path], None]:
    """Returns the function that writes the record files, depending on what `directory` holds."""
    if spec.archive is None:
        return lambda target: write_digits(spec, target)
    if (layout := spec.python_layout) is not None:
        for folder in (directory / layout.folder, directory):
            if all((folder / name).is_file() for name in layout.train_files + layout.test_files):
                return lambda target: _convert(spec, folder, target)
    if (archive := directory / spec.archive.file_name).is_file():
        return lambda target: _extract(spec, archive, target)
    if layout and (pickles := directory / layout.archive.file_name).is_file():
        return lambda target: _extract_and_convert(spec, pickles, target)
    return lambda target: _download(spec, directory, target)


def _convert(spec: RecordDataset, source: Path, target: Path) -> None:
    tell(f"Converting {source} to record files, once")
    convert_python_layout(spec, source, target)


def _extract(spec: RecordDataset, archive: Path, target: Path) -> None:
    tell(f"Extracting {archive}, once")
    train_bytes = spec.train_records_per_file * spec.record_bytes
    test_bytes = spec.test_records_per_file * spec.record_bytes
    assert spec.archive is not None
    members = {f"{spec.archive.folder}/{name}": train_bytes for name in spec.train_files}
    members |= {f"{spec.archive.folder}/{name}": test_bytes for name in spec.test_files}
    extract_members(archive, members, target)


def _extract_and_convert(spec: RecordDataset, archive: Path, target: Path) -> None:
    tell(f"Extracting and converting {archive}, once")
    layout = spec.python_layout
    assert layout is not None
    train_bytes = largest_pickle(spec.train_records_per_file)
    test_bytes = largest_pickle(spec.test_records_per_file)
    members = {f"{layout.archive.folder}/{name}": train_bytes for name in layout.train_files}
    members |= {f"{layout.archive.folder}/{name}": test_bytes for name in layout.test_files}
    with TemporaryDirectory(dir=target) as pickles:
        extract_members(archive, members, Path(pickles))
        convert_python_layout(spec, Path(pickles), target)


def _download(spec: RecordDataset, directory: Path, target: Path) -> None:
    assert spec.archive is not None
    try:
        archive = download_archive(spec.archive, target)
    except DownloadError as error:
        raise UserError(
            f"data.dir is {directory}: no {spec.name} there, and the download failed ({error}); "
            f"put {spec.archive.file_name} from {spec.archive.url} in {directory}."
        ) from error
    _extract(spec, archive, target)
    archive.unlink()
