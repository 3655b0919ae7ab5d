"""`wdsr-tf upscale` where one side is a URL: sources are staged on the local disk, and results are published."""

import contextlib
import dataclasses
import math
from pathlib import Path, PurePosixPath

from wdsr_tf.commands import settings, videos
from wdsr_tf.commands.output import complain, complain_of, say
from wdsr_tf.errors import InputError, sentence
from wdsr_tf.system.terminal import one_line
from wdsr_tf.system.url import is_remote

BAR = "{percentage:3.0f}% |{bar}| {n:.1f}/{total:.0f} files, {remaining} left"


def before(upscale_local):
    """Returns the `run` of a command that leaves to `upscale_local` what has no URL on either side."""

    def run(flags, words):
        listed = flags["list"].value
        if is_remote(flags.outdir) or (not listed and is_remote(flags.indir)):
            return upscale(flags, read(flags) if listed else None)
        return upscale_local(flags, words)

    return run


def read(flags):
    """Returns (paths and URLs, failures) of --list."""
    from wdsr_tf.inference.listing import read_list

    if flags.is_typed("indir"):
        raise InputError("-i and --list exclude each other; pass one of them.")
    return read_list(flags["list"].value)


def upscale(flags, listed=None):
    """Upscales what -i names, or what is `listed`, as `read` returns it; returns the exit code."""
    from wdsr_tf.storage.account import LocalAccount, StoreAccount
    from wdsr_tf.storage.staging import labels, stage
    from wdsr_tf.storage.store import Store

    if "/" in flags.suffix or "\\" in flags.suffix:
        raise InputError(f"--suffix is a part of a file's name, such as -x2; it is {flags.suffix!r}.")
    if is_remote(flags.outdir) and flags.resume:
        raise InputError("--resume keeps unfinished videos beside the results, which needs a local folder (-o).")
    if flags.ray:
        raise InputError("--ray upscales local files. For URLs, run an array of jobs with --shard.")
    with stage() as folder:
        found = _shared(_found(flags, listed), flags.shard)
        outdir, file = _place(flags, found)
        if is_remote(outdir):
            store = Store(outdir)
            account, beginning = StoreAccount(store, folder), store.label("")
        else:
            account, beginning = LocalAccount(Path(outdir)), f"{outdir}/"
        with account:
            run = Run(flags, found, account, folder, file, labels(folder, found.root, beginning))
            try:
                return run.explain() if flags.dry_run else run.upscale()
            except (InputError, OSError) as error:
                if not is_fatal(error):
                    raise
                run.report()
                said = run.shown(sentence(error)).rstrip(".")
                raise InputError(f"{said}. Stopped; once that's mended, the same command goes on.") from error


def is_fatal(error):
    """Whether what follows would fail as well: a full disk, or a store that can't be reached or written."""
    from wdsr_tf.files import is_disk_full

    return is_disk_full(error) or getattr(error, "is_fatal", False)


def _found(flags, listed):
    from wdsr_tf.storage import searching

    max_bytes = round(flags.max_download * 2**30)
    if listed is not None:
        return searching.of_list(*listed, max_bytes)
    if is_remote(flags.indir):
        return searching.of_url(flags.indir, flags.outdir, max_bytes, say)
    return searching.of_path(Path(flags.indir), say)


def _shared(found, shard):
    """What is found, without other shards' sources; those whose results may collide belong to one shard."""
    from wdsr_tf.distributed.shards import Shard
    from wdsr_tf.storage.sources import closed_groups

    shard = Shard.parse(shard)
    groups = [group for group in closed_groups(found.sources) if shard.has(PurePosixPath(group[0].name))]
    failures = [failure for failure in found.failures if shard.has(PurePosixPath(str(failure[0])))]
    return dataclasses.replace(found, sources=[source for group in groups for source in group], failures=failures)


def _place(flags, found):
    """(output folder, name of the only result or None): -o may name a file for one source."""
    from wdsr_tf import images, video
    from wdsr_tf.inference.folder import suffix_of
    from wdsr_tf.system.url import split_name

    form, place = suffix_of(flags.format), flags.outdir
    suffix = Path(place).suffix.lower()
    is_name = suffix in images.SUFFIXES or suffix in video.SUFFIXES
    if not found.is_single or not is_name or place.endswith("/") or (not is_remote(place) and Path(place).is_dir()):
        if not is_remote(place) and Path(place).is_file():
            raise InputError(f"The output folder {place} is a file; name a folder (-o).")
        return place, None
    if form and form != suffix:
        raise InputError(f"--format {flags.format} doesn't fit the name {place}. Leave it out: the name is enough.")
    return split_name(place) if is_remote(place) else (str(Path(place).parent), Path(place).name)


@dataclasses.dataclass(frozen=True)
class Making:
    """How images are made, as `folder.make` wants to know it."""

    upscaler: object
    journal: object  # an account
    overwrite: bool
    check: bool


class Run:
    """One run of the command.

    Args:
        flags: of the command.
        found: what to upscale, as `storage.searching` found it.
        account: of the output folder.
        folder: for staged files.
        file: name of the only result, or None.
        shown: function of a text that turns paths of staged files into what the user knows.
    """

    def __init__(self, flags, found, account, folder, file, shown):
        from wdsr_tf.inference.folder import suffix_of
        from wdsr_tf.inference.pipeline import OrderedLines
        from wdsr_tf.inference.upscaler import Upscaler
        from wdsr_tf.storage.setup import Setup

        self.flags, self.found, self.account, self.folder, self.file = flags, found, account, folder, file
        self.shown = lambda text: one_line(shown(text))
        self.lines = OrderedLines(lambda line: say(self.shown(line)))
        self.upscaler = Upscaler(**settings.of_upscaler(flags), log=self.lines)
        self.how = Making(self.upscaler, account, flags.overwrite, flags.check)
        self.suffix, self.video = suffix_of(flags.format), videos.options_of(flags)
        naming = {"format": self.suffix, "ending": flags.suffix, "file": file, "container": flags.container}
        self.setup = Setup(self.upscaler, naming, self.video)
        self.failures, self.faults, self.swept = list(found.failures), [], set()
        self.labels = {source.label for source in found.sources}
        self.done = self.written = self.outdated = 0
        self.ended = lambda source: None

    def upscale(self):
        from tqdm import tqdm

        from wdsr_tf.commands.upscale import Progress
        from wdsr_tf.inference.budget import room
        from wdsr_tf.inference.journal import PASSED
        from wdsr_tf.inference.pipeline import in_order
        from wdsr_tf.system import memory

        sources = self.found.sources
        numbers, made = {source: number for number, source in enumerate(sources)}, []
        with tqdm(total=len(sources), bar_format=BAR) as bar, contextlib.closing(self._pairs()) as pairs:
            progress = Progress(bar, [1] * len(sources))
            self.ended = lambda source: progress.show(numbers[source], 1)

            def tasks():
                for number, (group, source, path, target, is_video) in enumerate(pairs):
                    made.append((source, target))
                    group.join()
                    yield self._task(number, group, source, path, target, is_video, numbers[source], progress)

            limit = room(memory.free(), self.flags.memory)
            with contextlib.closing(in_order(tasks(), self.flags.jobs, limit, self.lines.next, is_fatal)) as outcomes:
                for number, outcome in enumerate(outcomes):
                    source, target = made[number]
                    if isinstance(outcome, Exception) and is_fatal(outcome):
                        raise outcome
                    if isinstance(outcome, Exception):
                        self.failures.append((source.label, outcome))
                    else:
                        self.written += 1
                        if outcome.check not in ("", PASSED):
                            self.faults.append((target, outcome.check))
                    self.ended(source)
        return self.report()

    def explain(self):
        """Says what would be done; returns the exit code."""
        from wdsr_tf.commands import dry_run
        from wdsr_tf.video.upscale import plan

        code = 0

        def pictures():
            nonlocal code
            with contextlib.closing(self._pairs()) as pairs:
                for _, source, path, target, is_video in pairs:
                    if not is_video:
                        yield path, target
                        continue
                    try:
                        said = videos.described(plan(self.upscaler, path, target, self.video))
                        say(f"{self.shown(path)} -> {self.shown(target)}: {said}")
                    except (InputError, OSError) as error:
                        complain_of("Would fail", source.label, self._told(error))
                        code = 1

        explained = dry_run.explain(self.upscaler, pictures(), self.flags.self_ensemble, self.shown)
        return max(code, explained, self.report())

    def report(self):
        """Says what was done and what failed; returns the exit code."""
        if self.done:
            say(f"{self.done} of {len(self.found.sources)} are done already; --overwrite upscales them again.")
        if self.outdated:
            say(f"{self.outdated} were upscaled again: the image, model, engine or an option changed.")
        if not self.flags.dry_run and (self.written or self.failures):
            say(f"Wrote {self.written} of {self.written + len(self.failures)} files to {self.flags.outdir}.")
        for target, fault in self.faults:
            complain(f"Check: {self.shown(target)} {self.shown(fault)}. The file was kept.")
        for label, error in self.failures:
            complain_of("Failed", label, self._told(error))
        return 1 if self.failures or self.faults else 0

    def _told(self, error):
        """An error in terms of what the user knows, with its cause."""
        told = InputError(self.shown(sentence(error)))
        told.__cause__ = error
        return told

    def _pairs(self):
        """Yields (group, source, its staged file, target, whether it's a video) of what is to be made, in order."""
        from wdsr_tf.storage.sources import closed_groups
        from wdsr_tf.storage.staging import staged

        groups = closed_groups(self.found.sources)
        with contextlib.closing(staged(groups, self.folder, self._done, self._is_media)) as prepared:
            for group in prepared:
                with group.used():
                    self.done += len(group.done)
                    for source, error in group.failures:
                        self.failures.append((source.label, error))
                    wanted = []
                    for source, target, is_video in [] if group.done else self._planned(group):
                        try:
                            if self._is_wanted(group, source, target, is_video):
                                wanted.append((group, source, group.paths[source], target, is_video))
                        except InputError as error:
                            self.failures.append((source.label, error))
                    for source in {*group.sources} - {each[1] for each in wanted}:
                        self.ended(source)
                    yield from wanted

    def _is_media(self, source):
        """Whether to fetch it; called in several threads."""
        from wdsr_tf.storage.staging import media
        from wdsr_tf.video import SUFFIXES, pyav

        if not self.found.is_searched:
            return True
        wanted, other = media(source)
        if other:
            self.lines(f"Skipped: {source.label}: {other} files aren't supported.")
        if wanted and Path(source.name).suffix.lower() in SUFFIXES and not pyav.is_installed():
            self.lines(f"Skipped: {source.label}: {pyav.missing()}")
            return False
        return wanted

    def _done(self, group):
        """The records of the group's results, if all are up to date; called in several threads."""
        from wdsr_tf.inference.journal import PASSED

        if self.flags.overwrite:
            return []
        found = []
        for source in group.sources:
            records = self.account.current(
                source.name, group.tags[source], lambda facts: self.setup.of(facts, group.names)
            )
            if not records or (self.flags.check and records[-1].check != PASSED):
                return []
            found.append(records[-1])
        return found

    def _planned(self, group):
        """Pairs of sources and targets, and which are videos."""
        from wdsr_tf import images, video
        from wdsr_tf.inference.folder import plan
        from wdsr_tf.video import pyav

        outdir, sources = self.account.outdir(group.folder), {path: source for source, path in group.paths.items()}
        films = [path for path in sources if video.is_video(path)]
        pictures = [path for path in sources if path not in films]
        if self.found.is_searched:  # by its name it might have been one
            pictures = [path for path in pictures if images.kind(path) or path.suffix.lower() in images.SUFFIXES]
        if films:
            pyav.require()
        if self.file:
            return [(sources[path], outdir / self.file, path in films) for path in films + pictures]
        pairs = []
        for suffix, some in videos.by_suffix(self.flags.container, films).items():
            pairs += plan(some, group.indir, outdir, self.upscaler.result_size, suffix, (), self.flags.suffix)
        pairs += plan(pictures, group.indir, outdir, self.upscaler.result_size, self.suffix, (), self.flags.suffix)
        return [(sources[path], target, path in films) for path, target in sorted(pairs)]

    def _is_wanted(self, group, source, target, is_video):
        """Whether to make that result now; says why not, and prepares its record."""
        from wdsr_tf.files import sweep
        from wdsr_tf.inference import folder
        from wdsr_tf.inference.journal import PASSED, State
        from wdsr_tf.video import record

        path, account = group.paths[source], self.account
        place = self.shown(target)
        if place in self.labels:
            raise InputError(f"{place} is one of the images, which are never replaced. Name another folder (-o).")
        if target.parent not in self.swept and not self.flags.dry_run:
            self.swept.add(target.parent)
            sweep(target.parent)
        facts = self.setup.facts(path, is_video)
        account.note(source.name, source_tag=group.tags[source], facts=facts, setup=self.setup.of(facts, group.names))
        if self.flags.overwrite:
            return True
        cause = None
        with contextlib.suppress(InputError, OSError):  # reported when it's made
            how = (self.upscaler, path, target, self.video) if is_video else (self.upscaler, path)
            cause = (record if is_video else folder).cause_of(*how)
        state = account.state(target, cause)
        if state is State.FOREIGN:
            say(f"Kept {place}, which isn't a result of this command, or was changed. --overwrite replaces it.")
        if state is State.CURRENT and not self.flags.dry_run:
            self.done += 1
            found = account.find(target)
            if self.flags.check and not is_video and found.check != PASSED:
                account.bring(target)
                found = folder.check_again(account, path, target, self.upscaler.max_pixels)
                self.faults += [(target, found.check)] if found.check != PASSED else []
            elif group.tags[source]:
                account.add(found)  # with the version of today
        self.outdated += state is State.OUTDATED
        return state in (State.ABSENT, State.OUTDATED)

    def _task(self, number, group, source, path, target, is_video, place, progress):
        from wdsr_tf.inference.folder import Watch, cause_of, make
        from wdsr_tf.inference.forecast import footprint
        from wdsr_tf.inference.journal import Record
        from wdsr_tf.inference.pipeline import Task
        from wdsr_tf.video import record

        def work(turn):
            def show(done, total=1):
                turn.check()
                progress.show(place, min(done / max(total, 1), 1))

            with contextlib.ExitStack() as stack:
                stack.callback(group.leave)
                stack.enter_context(self.lines.of(number))
                if is_video:
                    made = record.upscale_one(
                        self.upscaler,
                        self.account,
                        path,
                        target,
                        source.name,
                        self.video,
                        overwrite=self.flags.overwrite,
                        resume=self.flags.resume,
                        progress=show,
                        log=self.lines,
                    )
                else:
                    about = Record(self.account.name(target), "", source.name, *cause_of(self.upscaler, path))
                    made = make(about, path, target, self.how, Watch(show))
                self.account.publish(target)
                return made

        if is_video:
            return Task(work, network=math.inf)  # alone
        needs = None
        with contextlib.suppress(Exception), self.lines.of(number):  # reported when it's made
            needs = footprint(self.upscaler, path)
        return Task(work, needs.network, needs.held) if needs else Task(work)
